//! The project: models and jobs of the house, overridden and extended by the user's own.
//!
//! `sql/` and the default jobs are in the binary. A file of the user's project folder with the same
//! stem takes the place of an embedded one; any other stem adds to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use arrow::datatypes::SchemaRef;
use chrono_tz::Tz;
use connectors::registry;
use include_dir::{Dir, include_dir};
use warehouse::{Finding, ModelSource, Project};

use crate::{
    excerpt::{self, Place},
    failure::{Failure, Kind},
    spec::{self, Job},
};

static MODELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/sql");
/// The default jobs: name and text.
const JOBS: [(&str, &str); 1] = [("nightly", include_str!("../nightly.toml"))];

/// The models' files: embedded ones, and the user's in `<folder>/sql`.
///
/// # Errors
/// When a file of the user cannot be read.
pub fn model_files(folder: &Path) -> Result<Vec<ModelSource>, Failure> {
    let own = folder.join("sql");
    let mut files = Vec::new();
    for path in files_below(&own, "sql")? {
        let bytes = fs_err::read(&path).map_err(|error| Failure::config(error.to_string()))?;
        let shown = Path::new("sql").join(path.strip_prefix(&own).unwrap_or(&path));
        let shown = shown.to_string_lossy().replace('\\', "/");
        files.push(ModelSource::new(shown, &bytes));
    }
    Ok(with_embedded(files))
}

/// The embedded models' files, and the given ones, which take the place of those of their stem.
pub fn with_embedded(own: Vec<ModelSource>) -> Vec<ModelSource> {
    let mut files = BTreeMap::new();
    embedded(&MODELS, &mut files);
    files.extend(own.into_iter().map(|file| (stem(Path::new(&file.path)), file)));
    files.into_values().collect()
}

fn embedded(folder: &Dir<'_>, files: &mut BTreeMap<String, ModelSource>) {
    for file in folder.files() {
        if let Some(text) = file.contents_utf8()
            && file.path().extension().is_some_and(|kind| kind == "sql")
        {
            let path = format!("sql/{}", file.path().display()).replace('\\', "/");
            files.insert(stem(file.path()), ModelSource { path, text: text.to_owned() });
        }
    }
    folder.dirs().for_each(|below| embedded(below, files));
}

/// The models, loaded.
///
/// # Errors
/// A config failure with every file that is no model.
pub fn models(folder: &Path) -> Result<Project, Failure> {
    models_of(model_files(folder)?)
}

/// The models of these files, loaded.
///
/// # Errors
/// A config failure with every file that is no model.
pub fn models_of(files: Vec<ModelSource>) -> Result<Project, Failure> {
    let texts = files.clone();
    match Project::load(files) {
        Ok(project) => Ok(project.with_raw_schemas(&raw_schemas())),
        Err(warehouse::Error::Findings(found)) => Err(findings(&found, &texts)),
        Err(error) => Err(Failure::from(error)),
    }
}

/// The names of the models in `<folder>/sql`.
///
/// # Errors
/// When the folder cannot be read.
pub fn own_models(folder: &Path) -> Result<BTreeSet<String>, Failure> {
    Ok(files_below(&folder.join("sql"), "sql")?.iter().map(|path| stem(path)).collect())
}

/// The Markdown files in a folder, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn markdown(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    files_below(folder, "md")
}

/// The models of the files that are models, and what is wrong with the others.
///
/// # Errors
/// When a file of the user cannot be read.
pub fn load_partly(folder: &Path) -> Result<(Project, Vec<Finding>), Failure> {
    let (project, found) = Project::load_partly(model_files(folder)?);
    Ok((project.with_raw_schemas(&raw_schemas()), found))
}

/// Plans every model without data: what is wrong with them, in their order.
///
/// # Errors
/// When the engine cannot be set up.
pub fn check_models(project: &Project) -> Result<Vec<Finding>, Failure> {
    Ok(project.check(&raw_schemas())?)
}

/// Refuses models that do not hold together.
///
/// # Errors
/// A config failure with every finding, each with its line and a caret.
pub fn require_sound(folder: &Path, project: &Project) -> Result<(), Failure> {
    let found = check_models(project)?;
    if found.is_empty() { Ok(()) } else { Err(refusal(folder, &found)?) }
}

/// A config failure with every finding, each with its line and a caret.
///
/// # Errors
/// When a file of the user cannot be read any more.
pub fn refusal(folder: &Path, found: &[Finding]) -> Result<Failure, Failure> {
    Ok(findings(found, &model_files(folder)?))
}

fn findings(found: &[Finding], files: &[ModelSource]) -> Failure {
    let files: BTreeMap<&str, &ModelSource> =
        files.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut failures = found.iter().map(|finding| {
        let message = finding.to_string();
        let mut failure = Failure::config(message);
        if let Some(file) = files.get(finding.path.as_str()) {
            let width = width(finding, &file.text);
            let place = Place { line: finding.line, column: finding.column, width };
            failure = failure.with_excerpt(excerpt::sql_caret(&file.text, place));
        }
        match &finding.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure.with_hint(format!("`inkhouse explain {}` says more", finding.code)),
        }
    });
    match failures.next() {
        Some(first) => first.with_more(failures),
        None => Failure::new(Kind::Bug, "the models do not load, and nobody says why"),
    }
}

/// How many characters of its line a finding is about: the word, or the name of a table in parts.
pub fn width(finding: &Finding, text: &str) -> usize {
    let line = text.lines().nth(finding.line.saturating_sub(1)).unwrap_or("");
    let rest = line.chars().skip(finding.column.saturating_sub(1));
    let word = rest.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
    let word: String = word.collect();
    // `raw.shopify.orders`, but not the alias in front of a column, nor the end of a sentence.
    let is_table = word.starts_with("raw.") || word.starts_with("ops.");
    let word =
        if is_table { word.trim_end_matches('.') } else { word.split('.').next().unwrap_or("") };
    word.chars().count().max(1)
}

/// The declared columns of every raw table; landing adds its own to them.
pub fn raw_schemas() -> BTreeMap<String, SchemaRef> {
    let mut schemas = BTreeMap::new();
    for source in registry::source_names() {
        for stream in registry::streams_of(source).unwrap_or_default() {
            let name = format!("raw.{source}.{}", stream.name);
            schemas.insert(name, connectors::stream_schema(stream));
        }
    }
    schemas
}

/// Every job by name, embedded and the user's own in `<folder>/jobs`.
///
/// # Errors
/// A config failure at the first job that is wrong.
pub fn jobs(folder: &Path, zone: Tz) -> Result<BTreeMap<String, Job>, Failure> {
    let mut jobs = BTreeMap::new();
    for (name, text) in JOBS {
        jobs.insert(name.to_owned(), (format!("jobs/{name}.toml"), text.to_owned()));
    }
    for path in files_below(&folder.join("jobs"), "toml")? {
        let name = stem(&path);
        jobs.insert(name.clone(), (format!("jobs/{name}.toml"), read(&path)?));
    }
    jobs.into_iter()
        .map(|(name, (path, text))| Ok((name.clone(), spec::parse(&name, &path, &text, zone)?)))
        .collect()
}

/// One job.
///
/// # Errors
/// A config failure when there is none of that name, or it is wrong.
pub fn job(folder: &Path, zone: Tz, name: &str) -> Result<Job, Failure> {
    let mut jobs = jobs(folder, zone)?;
    jobs.remove(name).ok_or_else(|| {
        let known: Vec<&str> = jobs.keys().map(String::as_str).collect();
        Failure::config(format!("there is no job `{name}`"))
            .with_hint(excerpt::known_hint(name, &known))
    })
}

fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs_err::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Failure::config(error.to_string())),
        };
        for entry in entries {
            let path = entry.map_err(|error| Failure::config(error.to_string()))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs_err::read_to_string(path).map_err(|error| Failure::config(error.to_string()))
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_file_takes_the_place_of_an_embedded_one() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("sql/mine");
        fs_err::create_dir_all(&own).unwrap();
        fs_err::write(own.join("dim_designs.sql"), "-- Mine.").unwrap();
        fs_err::write(own.join("agg_mine.sql"), "-- New.").unwrap();
        let embedded = model_files(Path::new("nowhere")).unwrap();
        let files = model_files(folder.path()).unwrap();
        assert_eq!(files.len(), embedded.len() + 1);
        let designs: Vec<_> =
            files.iter().filter(|f| f.path.ends_with("dim_designs.sql")).collect();
        assert_eq!(designs.len(), 1);
        assert_eq!(
            (designs[0].path.as_str(), designs[0].text.as_str()),
            ("sql/mine/dim_designs.sql", "-- Mine.")
        );
    }

    #[test]
    fn the_houses_own_models_have_no_findings() {
        let project = models(Path::new("nowhere")).unwrap();
        let found = check_models(&project).unwrap();
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    /// The shop's time zone is in every date: when it changes, all dates change.
    const DIMENSION: &str = "raw.shopify.shop";

    #[test]
    fn every_merge_of_the_house_follows_what_grows_with_the_orders() {
        let project = models(Path::new("nowhere")).unwrap();
        let raw = raw_schemas();
        let mut whole = Vec::new();
        for model in project.models().filter(|model| model.header.kind == warehouse::Kind::Merge) {
            for (input, role) in project.roles(&raw, &model.name).unwrap() {
                if role == warehouse::Role::Dimension && input != DIMENSION {
                    whole.push(format!("{} {input}", model.name));
                }
            }
        }
        assert!(whole.is_empty(), "{}", whole.join("\n"));
    }

    #[test]
    fn an_unknown_job_is_answered_with_the_nearest() {
        let folder = tempfile::tempdir().unwrap();
        let failure = job(folder.path(), Tz::UTC, "nightli").unwrap_err();
        assert_eq!(failure.hint(), Some("did you mean `nightly`?"));
    }
}

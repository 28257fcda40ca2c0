//! Which models are meant: names, patterns, tags, folders, what changed, and who reads whom.
//!
//! ```text
//! fct_orders        one model             +fct_orders    and all that it reads
//! stg_shopify__*    a pattern             fct_orders+    and all that read it
//! tag:finance       a word of the header  path:sql/marts below a folder, or a pattern over files
//! changed+          what the caller says changed, and all that read it
//! ```
//!
//! Several words are a union; `tag:finance,path:sql/marts` (without a space) is an intersection.

use std::collections::BTreeSet;

use super::definition::Model;
use super::finding::{did_you_mean, nearest};
use super::project::Project;
use crate::{Error, Result};

impl Project {
    /// The models meant by `select`, in order. Nothing selected is everything.
    ///
    /// Fails with [`Error::UnknownModel`] or [`Error::NothingSelected`], also for `changed` unless
    /// the project knows what changed (`Warehouse::with_changed`).
    pub fn select(&self, select: &[String]) -> Result<Vec<&Model>> {
        self.selected(select, self.changed())
    }

    /// The models meant by `select` where `changed` are those that changed. It is no error when
    /// none did.
    ///
    /// Fails with [`Error::UnknownModel`] or [`Error::NothingSelected`].
    pub fn select_changed(
        &self,
        select: &[String],
        changed: &BTreeSet<String>,
    ) -> Result<Vec<&Model>> {
        self.selected(select, Some(changed))
    }

    /// The names meant by `select`; those of files that are no models are among them.
    ///
    /// Fails as [`Project::select`] does.
    pub fn names(&self, select: &[String]) -> Result<BTreeSet<&str>> {
        if select.is_empty() {
            let models = self.models().map(|model| model.name.as_str());
            return Ok(models.chain(self.broken().map(|(name, _)| name)).collect());
        }
        self.wanted(select, self.changed())
    }

    fn selected(
        &self,
        select: &[String],
        changed: Option<&BTreeSet<String>>,
    ) -> Result<Vec<&Model>> {
        if select.is_empty() {
            return Ok(self.models().collect());
        }
        let wanted = self.wanted(select, changed)?;
        Ok(self.models().filter(|model| wanted.contains(model.name.as_str())).collect())
    }

    fn wanted(
        &self,
        select: &[String],
        changed: Option<&BTreeSet<String>>,
    ) -> Result<BTreeSet<&str>> {
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        for word in select {
            let mut all: Option<BTreeSet<&str>> = None;
            for term in word.split(',') {
                let found = self.term(term.trim(), changed)?;
                all = Some(match all {
                    Some(before) => before.intersection(&found).copied().collect(),
                    None => found,
                });
            }
            let all = all.unwrap_or_default();
            if all.is_empty() && word.contains(',') && !asks_for_changed(std::slice::from_ref(word))
            {
                let hint = Some("each part fits some model, but none fits all of them".to_owned());
                return Err(Error::NothingSelected { pattern: word.clone(), hint });
            }
            wanted.extend(all);
        }
        Ok(wanted)
    }

    fn term<'a>(
        &'a self,
        term: &str,
        changed: Option<&BTreeSet<String>>,
    ) -> Result<BTreeSet<&'a str>> {
        let (up, rest) = term.strip_prefix('+').map_or((false, term), |rest| (true, rest));
        let (down, atom) = rest.strip_suffix('+').map_or((false, rest), |rest| (true, rest));
        let start = self.atom(atom, changed)?;
        let mut wanted = start.clone();
        if up {
            spread(&start, &mut wanted, |name| {
                let reads = self.model(name).into_iter().flat_map(Model::depends_on);
                reads.filter_map(|read| self.own_name(read)).collect()
            });
        }
        if down {
            spread(&start, &mut wanted, |name| {
                self.readers(name).iter().map(String::as_str).collect()
            });
        }
        Ok(wanted)
    }

    /// One name, pattern, tag, path, or what changed.
    fn atom<'a>(
        &'a self,
        atom: &str,
        changed: Option<&BTreeSet<String>>,
    ) -> Result<BTreeSet<&'a str>> {
        let that = |fits: &dyn Fn(&Model) -> bool| -> BTreeSet<&'a str> {
            let models = self.by_name().values().filter(|model| fits(model));
            models.map(|model| model.name.as_str()).collect()
        };
        let broken = |fits: &dyn Fn(&str, &str) -> bool| -> Vec<&'a str> {
            self.broken().filter(|(name, path)| fits(name, path)).map(|(name, _)| name).collect()
        };
        let nothing = |hint| Err(Error::NothingSelected { pattern: atom.to_owned(), hint });
        if atom == CHANGED {
            return match changed {
                Some(changed) => Ok(that(&|model| changed.contains(&model.name))),
                None => nothing(Some("nobody here knows which models changed".to_owned())),
            };
        }
        if let Some(tag) = atom.strip_prefix("tag:") {
            let found = that(&|model| model.header.tags.iter().any(|known| fits(tag, known)));
            if found.is_empty() {
                let models = self.by_name().values();
                let known: BTreeSet<&str> =
                    models.flat_map(|model| &model.header.tags).map(String::as_str).collect();
                let near = nearest(tag, known);
                return nothing(near.map(|near| format!("did you mean `tag:{near}`?")));
            }
            return Ok(found);
        }
        if let Some(path) = atom.strip_prefix("path:") {
            let path = path.trim_start_matches("./").trim_end_matches('/');
            let below = |file: &str| {
                let rest = file.strip_prefix(path);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    || (path.contains(['*', '?']) && fits(path, file))
            };
            let mut found = that(&|model| below(&model.path));
            found.extend(broken(&|_, path| below(path)));
            if found.is_empty() {
                let folders: BTreeSet<&str> = self
                    .by_name()
                    .values()
                    .filter_map(|model| model.path.rsplit_once('/'))
                    .map(|(folder, _)| folder)
                    .collect();
                return nothing(did_you_mean(path, folders));
            }
            return Ok(found);
        }
        if atom.contains(['*', '?']) {
            let mut found = that(&|model| fits(atom, &model.name));
            found.extend(broken(&|name, _| fits(atom, name)));
            return if found.is_empty() {
                let stem = atom.split(['*', '?']).next().unwrap_or(atom);
                let hint = (stem.len() > 2).then(|| did_you_mean(stem, self.prefixes())).flatten();
                nothing(hint)
            } else {
                Ok(found)
            };
        }
        match self.own_name(atom) {
            Some(name) => Ok(BTreeSet::from([name])),
            None => Err(Error::UnknownModel {
                name: atom.to_owned(),
                hint: did_you_mean(atom, self.by_name().keys().map(String::as_str)),
            }),
        }
    }

    /// The name as the project has it, of a model or of a file that is none.
    fn own_name(&self, name: &str) -> Option<&str> {
        let model = self.model(name).map(|model| model.name.as_str());
        model.or_else(|| self.broken().map(|(broken, _)| broken).find(|broken| *broken == name))
    }

    /// What names begin with: `stg_shopify__`, `fct_`.
    fn prefixes(&self) -> BTreeSet<&str> {
        let prefix = |name: &'_ String| match name.find("__") {
            Some(at) => at + 2,
            None => name.find('_').map_or(name.len(), |at| at + 1),
        };
        let names = self.by_name().keys();
        names.filter_map(|name| name.get(..prefix(name))).collect()
    }
}

const CHANGED: &str = "changed";

/// Whether a selection asks for what changed.
pub fn asks_for_changed(select: &[String]) -> bool {
    let terms = select.iter().flat_map(|word| word.split(','));
    terms.map(|term| term.trim().trim_matches('+')).any(|atom| atom == CHANGED)
}

/// Adds everything that `next` leads to.
fn spread<'a>(
    start: &BTreeSet<&'a str>,
    wanted: &mut BTreeSet<&'a str>,
    next: impl Fn(&str) -> Vec<&'a str>,
) {
    let mut seen: BTreeSet<&str> = start.clone();
    let mut open: Vec<&str> = start.iter().copied().collect();
    while let Some(name) = open.pop() {
        for other in next(name) {
            if seen.insert(other) {
                wanted.insert(other);
                open.push(other);
            }
        }
    }
}

/// Whether a text fits a pattern in which `*` is any text and `?` any one character.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Where the last star stood, and how much of the text it covers.
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(c) if *c == '?' || text.get(of) == Some(c) => {
                at += 1;
                of += 1;
            }
            _ => match star {
                Some((back, covered)) => {
                    star = Some((back, covered + 1));
                    at = back + 1;
                    of = covered + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSource;

    fn source(path: &str, header: &str, sql: &str) -> ModelSource {
        let text = format!("-- One row per thing.\n--! kind = 'full'\n{header}{sql}\n");
        ModelSource { path: path.to_owned(), text }
    }

    fn project() -> Project {
        Project::load(vec![
            source("sql/staging/shop/stg_shop__orders.sql", "", "select id from raw.x.y"),
            source("sql/staging/shop/stg_shop__lines.sql", "", "select id from raw.x.y"),
            source(
                "sql/intermediate/int_joined.sql",
                "",
                "select * from stg_shop__orders, stg_shop__lines",
            ),
            source(
                "sql/marts/margin/fct_margin.sql",
                "--! tags = ['finance']\n",
                "select * from int_joined",
            ),
            source(
                "sql/marts/taste/dim_taste.sql",
                "--! tags = ['finance', 'taste']\n",
                "select * from stg_shop__lines",
            ),
        ])
        .unwrap()
    }

    fn names(select: &[&str]) -> Vec<String> {
        let select: Vec<String> = select.iter().map(|word| (*word).to_owned()).collect();
        let changed = BTreeSet::from(["stg_shop__orders".to_owned()]);
        let project = project();
        let found = project.select_changed(&select, &changed).unwrap();
        found.iter().map(|model| model.name.clone()).collect()
    }

    fn refusal(select: &str) -> (String, Option<String>) {
        let error = project().select(&[select.to_owned()]).unwrap_err();
        (error.to_string(), error.hint())
    }

    #[test]
    fn patterns_tags_paths_and_what_changed_are_selected() {
        assert_eq!(names(&["stg_shop__*"]), ["stg_shop__lines", "stg_shop__orders"]);
        assert_eq!(names(&["tag:finance"]), ["dim_taste", "fct_margin"]);
        assert_eq!(names(&["path:sql/marts/margin"]), ["fct_margin"]);
        assert_eq!(names(&["path:sql/marts/"]), ["dim_taste", "fct_margin"]);
        assert_eq!(names(&["path:sql/*/shop/*orders.sql"]), ["stg_shop__orders"]);
        assert_eq!(names(&["changed"]), ["stg_shop__orders"]);
        assert_eq!(names(&["changed+"]), ["stg_shop__orders", "int_joined", "fct_margin"]);
    }

    #[test]
    fn a_plus_goes_up_and_down_from_all_that_a_pattern_fits() {
        assert_eq!(
            names(&["+fct_*"]),
            ["stg_shop__lines", "stg_shop__orders", "int_joined", "fct_margin"]
        );
        assert_eq!(
            names(&["stg_*lines+"]),
            ["stg_shop__lines", "dim_taste", "int_joined", "fct_margin"]
        );
        assert_eq!(names(&["+int_joined+"]).len(), 4);
    }

    #[test]
    fn several_words_are_a_union_and_commas_an_intersection() {
        assert_eq!(names(&["dim_taste", "stg_shop__orders"]), ["stg_shop__orders", "dim_taste"]);
        assert_eq!(names(&["tag:finance,path:sql/marts/taste"]), ["dim_taste"]);
        assert_eq!(names(&["stg_shop__lines+,fct_*"]), ["fct_margin"]);
        assert_eq!(names(&["changed,dim_*"]), Vec::<String>::new());
        let asks = |word: &str| asks_for_changed(&[word.to_owned()]);
        assert!(asks("changed") && asks("+changed+") && asks("tag:finance,changed+"));
        assert!(!asks("changed_orders") && !asks("path:sql/changed"));
    }

    #[test]
    fn what_fits_nothing_is_an_error_that_offers_the_near() {
        let hint = |text: &str| Some(format!("did you mean `{text}`?"));
        let unknown = ("no model is called `dim_tase`".to_owned(), hint("dim_taste"));
        assert_eq!(refusal("dim_tase+"), unknown);
        assert_eq!(refusal("stg_shoop__*").1, hint("stg_shop__"));
        assert_eq!(
            refusal("tag:finanse"),
            ("no model fits `tag:finanse`".to_owned(), hint("tag:finance"))
        );
        assert_eq!(refusal("path:sql/mart/margin").1, hint("sql/marts/margin"));
        assert_eq!(refusal("tag:finance,stg_*").0, "no model fits `tag:finance,stg_*`");
        assert!(refusal("changed").1.unwrap().contains("nobody"));
    }

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text) in [("*", ""), ("a*b*c", "aXbYbc"), ("a?c", "abc"), ("*_x", "a_x_x")] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a*", "ba"), ("a?", "a"), ("*b", "bc"), ("", "a")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}

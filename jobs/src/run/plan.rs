//! What a job means: its streams, models and exports, found before anything runs.
//!
//! Every mistake of a config, a job or a model ends here, when nothing was touched yet.

use std::collections::BTreeSet;

use connectors::registry;

use super::House;
use crate::{
    config::Config,
    excerpt,
    export::Export,
    extract::Request,
    failure::Failure,
    project,
    spec::{self, Job},
};

/// The steps with everything they need, made before anything runs.
pub(super) struct Prepared {
    pub(super) extracts: Vec<Vec<Request>>,
    pub(super) builds: Vec<spec::Build>,
    pub(super) exports: Vec<Vec<Export>>,
    pub(super) unconfigured: Vec<String>,
}

pub(super) fn prepare(house: &House, job: &Job) -> Result<Prepared, Failure> {
    let extracts: Result<Vec<_>, Failure> =
        job.extracts.iter().map(|step| requests(&house.config, step)).collect();
    let extracts = extracts?;
    if !job.builds.is_empty() {
        project::require_sound(house.config.folder(), &house.project)?;
    }
    for step in &job.builds {
        // What changed is seen when the step begins; here only the words count.
        house.project.select_changed(&step.models, &BTreeSet::new())?;
    }
    let mut unconfigured = Vec::new();
    let exports: Result<Vec<_>, Failure> =
        job.exports.iter().map(|step| destinations(house, step, &mut unconfigured)).collect();
    Ok(Prepared { extracts, builds: job.builds.clone(), exports: exports?, unconfigured })
}

/// The streams that an extract step means.
///
/// # Errors
/// A config failure for a source or a stream that is not there.
fn requests(config: &Config, step: &spec::Extract) -> Result<Vec<Request>, Failure> {
    let names: Vec<&str> = match &step.source {
        Some(name) => vec![name],
        None => config.source_names(),
    };
    if names.is_empty() {
        return Err(Failure::config("`inkhouse.toml` configures no source").with_hint(
            "add a section such as `[sources.shopify]`; `inkhouse init` shows them all",
        ));
    }
    let mut requests = Vec::new();
    for name in names {
        let source = config.source(name)?;
        requests.extend(Request::all(&source, &step.streams)?);
    }
    Ok(requests)
}

fn destinations(
    house: &House,
    step: &spec::Export,
    unconfigured: &mut Vec<String>,
) -> Result<Vec<Export>, Failure> {
    let known: Vec<(&str, &str)> = house.project.exports().collect();
    if let Some(wanted) = &step.name
        && !known.iter().any(|(name, _)| name == wanted)
    {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        return Err(Failure::config(format!("there is no export `{wanted}`"))
            .with_hint(excerpt::known_hint(wanted, &names)));
    }
    let configured = house.config.destination_names();
    let mut exports = Vec::new();
    for (name, destination) in known {
        if step.name.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        if !registry::destination_names().contains(&destination) {
            return Err(Failure::config(format!(
                "export `{name}` goes to `{destination}`, which Inkhouse does not know"
            ))
            .with_hint(excerpt::known_hint(destination, &registry::destination_names())));
        }
        // Named, it must be there; else a house without e-mail tool has nothing to deliver.
        if step.name.is_none() && !configured.contains(&destination) {
            unconfigured.push(name.to_owned());
            continue;
        }
        let destination = house.config.destination(destination)?;
        exports.push(Export { name: name.to_owned(), destination });
    }
    Ok(exports)
}

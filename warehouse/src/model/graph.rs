//! Who reads whom: models put in order, held to the layers.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::Model;
use super::finding::{Finding, Place, code};
use super::references::Target;
use crate::table::Layer;

/// Models that read each other, and what is said of them (E006).
#[derive(Debug)]
pub(crate) struct Circle {
    pub(crate) models: BTreeSet<String>,
    pub(crate) finding: Finding,
}

/// The models so that each comes after all that it reads or is checked against; among equals by
/// name.
///
/// Fails for models that read each other in a circle.
pub(crate) fn order(models: &BTreeMap<String, Model>) -> Result<Vec<String>, Box<Circle>> {
    let mut open: BTreeMap<&str, BTreeSet<&str>> = models
        .iter()
        .map(|(name, model)| {
            let reads = model.depends_on().filter(|read| models.contains_key(*read));
            (name.as_str(), reads.collect())
        })
        .collect();
    let mut readers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reads) in &open {
        for read in reads {
            readers.entry(read).or_default().push(name);
        }
    }
    let mut order = Vec::with_capacity(models.len());
    let free = open.iter().filter(|(_, reads)| reads.is_empty());
    let mut ready: Vec<&str> = free.map(|(name, _)| *name).collect();
    while !ready.is_empty() {
        let mut freed = Vec::new();
        for name in &ready {
            open.remove(name);
            for reader in readers.get(name).into_iter().flatten() {
                if let Some(reads) = open.get_mut(reader) {
                    reads.remove(name);
                    if reads.is_empty() {
                        freed.push(*reader);
                    }
                }
            }
        }
        order.extend(ready.into_iter().map(str::to_owned));
        freed.sort_unstable();
        ready = freed;
    }
    if open.is_empty() { Ok(order) } else { Err(Box::new(circle(models, &open))) }
}

/// Who reads each model, or is checked against it; also of names whose files do not load.
pub(crate) fn readers(models: &BTreeMap<String, Model>) -> BTreeMap<String, Vec<String>> {
    let mut readers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for model in models.values() {
        for read in model.depends_on() {
            readers.entry(read.to_owned()).or_default().push(model.name.clone());
        }
    }
    readers
}

/// Walks from one to the next until a name comes again.
fn circle(models: &BTreeMap<String, Model>, open: &BTreeMap<&str, BTreeSet<&str>>) -> Circle {
    let mut walked: Vec<&str> = Vec::new();
    let mut at = open.keys().next().copied().unwrap_or_default();
    while !walked.contains(&at) {
        walked.push(at);
        at = open.get(at).and_then(|reads| reads.first()).copied().unwrap_or_default();
    }
    let ring: Vec<&str> = walked.into_iter().skip_while(|name| *name != at).collect();
    let first = ring.iter().min().copied().unwrap_or(at);
    let turn = ring.iter().position(|name| *name == first).unwrap_or(0);
    let ring: Vec<&str> = ring.iter().cycle().skip(turn).take(ring.len() + 1).copied().collect();
    let next = ring.get(1).copied().unwrap_or(first);
    let (path, place) = models.get(first).map_or(("", Place::START), |model| {
        (model.path.as_str(), model.place_of(&Target::Model(next.to_owned())))
    });
    let chain = ring.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" -> ");
    let message = format!("models read each other in a circle: {chain}");
    let hint = Some("move what they share into a model of its own".to_owned());
    let finding = place.finding(code::CYCLE, path, message, hint);
    Circle { models: ring.into_iter().map(str::to_owned).collect(), finding }
}

/// Which layers a model may read, in words; `None` when `read` is allowed.
pub(crate) fn forbidden(reader: Layer, read: &Target, read_layer: Layer) -> Option<&'static str> {
    let dimension = read.name().starts_with("dim_");
    let allowed = match reader {
        Layer::Staging => read_layer == Layer::Raw,
        Layer::Intermediate => {
            matches!(read_layer, Layer::Staging | Layer::Intermediate)
                || (read_layer == Layer::Marts && dimension)
        }
        Layer::Marts => {
            matches!(read_layer, Layer::Staging | Layer::Intermediate | Layer::Marts)
        }
        Layer::Exports => read_layer == Layer::Marts,
        Layer::Raw | Layer::Ops => true,
    };
    (!allowed).then_some(match reader {
        Layer::Staging => "a staging model reads raw tables only",
        Layer::Intermediate => {
            "an intermediate model reads staging and intermediate models, and dimensions"
        }
        Layer::Marts => "a mart reads staging and intermediate models, and marts",
        _ => "an export reads marts only",
    })
}

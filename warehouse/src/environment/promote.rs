//! Promoting: what was built in an environment becomes `prod`'s.
//!
//! Files are copied inside the storage, each table gets one commit, and at the end one conditional
//! put makes all of it visible. Whatever ends it before that leaves `prod`'s release as it was;
//! to promote again does only what is left to do.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};

use super::Environment;
use crate::release::{Basis, Release, TableAt};
use crate::table::Snapshot;
use crate::{Error, Kind, Project, Result, Warehouse};

/// Tables copied at a time.
const PARALLEL: usize = 8;

/// What a promotion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// The environment's release that was promoted.
    pub from: u64,
    /// The new release of `prod`; `None` when it has all of it already.
    pub release: Option<u64>,
    /// The models that `prod` took over.
    pub promoted: Vec<String>,
    /// Models of `prod` that read one of them and were not built in the environment: stale until
    /// the next build.
    pub stale: Vec<String>,
}

/// A table on its way.
struct Move<'a> {
    name: &'a str,
    basis: &'a Basis,
    source: Snapshot,
}

impl Warehouse {
    /// Makes the tables that were built in `environment` those of `prod`, as one release.
    ///
    /// Refused with [`Error::Outdated`] when a table was computed from something that `prod` has a
    /// newer or another version of, or that is no longer what the environment holds; when `prod`
    /// got other SQL of the same model since the environment was built; and when it would replace a table that holds its own past (`append`, `scd2`). Fails with
    /// [`Error::IsProd`], [`Error::NoRelease`], [`Error::Race`] and [`Error::ReleaseRace`].
    pub async fn promote(
        &self,
        project: &Project,
        environment: &Environment,
        run_id: &str,
        now: DateTime<Utc>,
    ) -> Result<Promotion> {
        if environment.is_prod() {
            return Err(Error::IsProd("promoted"));
        }
        let Some(trial) = self.current_release(environment).await? else {
            return Err(Error::NoRelease { environment: environment.to_string() });
        };
        let prod = Environment::default();
        let standing = self.current_release(&prod).await?;
        let empty = BTreeMap::new();
        let before = standing.as_ref().map_or(&empty, |release| &release.tables);
        let moving = own(&trial, environment, before);
        if moving.is_empty() {
            let (promoted, stale) = (Vec::new(), Vec::new());
            return Ok(Promotion { from: trial.number, release: None, promoted, stale });
        }
        let mut reasons = conflicts(&trial, environment, before, &moving);
        reasons.extend(histories(project, before, &moving));
        reasons.extend(self.rewritten(&trial, standing.as_ref(), &moving).await?);
        if !reasons.is_empty() {
            let environment = environment.to_string();
            return Err(Error::Outdated { environment, reasons });
        }
        let copies: Vec<BoxFuture<'_, Result<Move<'_>>>> = moving
            .into_iter()
            .map(|(name, at, basis)| self.copied(project, name, at, basis).boxed())
            .collect();
        let moves: Vec<Move<'_>> =
            futures::stream::iter(copies).buffered(PARALLEL).try_collect().await?;
        // All files are there before the first table moves on.
        let mut moved: BTreeMap<String, TableAt> = BTreeMap::new();
        for Move { name, source, .. } in &moves {
            let target = self.table(&source.name().clone().built_in(&prod));
            let version = target.commit_files_of(source).await?;
            moved.insert((*name).to_owned(), target.snapshot_at(version).await?.at());
        }
        let release = assemble(standing.as_ref(), &trial, &moves, &moved, environment);
        let release = Release { created_at: now, run_id: run_id.to_owned(), ..release };
        self.publish(&prod, &release).await?;
        let promoted: Vec<String> = moved.into_keys().collect();
        let stale = stale(&release, &promoted);
        Ok(Promotion { from: trial.number, release: Some(release.number), promoted, stale })
    }
}

impl Warehouse {
    /// Which models got other SQL or another header in `prod` while the environment was not looking:
    /// to promote would undo that.
    async fn rewritten(
        &self,
        trial: &Release,
        standing: Option<&Release>,
        moving: &[(&str, &TableAt, &Basis)],
    ) -> Result<Vec<String>> {
        let Some(standing) = standing else { return Ok(Vec::new()) };
        let seen = match trial.beside {
            Some(number) if number == standing.number => return Ok(Vec::new()),
            Some(number) => Some(self.release(&Environment::default(), number).await?),
            None => None,
        };
        let code = |release: Option<&Release>, name: &str| {
            let basis = release.and_then(|release| release.models.get(name));
            basis.map(|basis| (basis.plan.clone(), basis.header.clone()))
        };
        let names = moving.iter().map(|(name, ..)| *name);
        let changed = names.filter(|name| {
            let now = code(Some(standing), name);
            now != code(seen.as_ref(), name) && now != code(Some(trial), name)
        });
        Ok(changed.map(|name| format!("`{name}` of `prod` was changed since")).collect())
    }

    /// Copies the files of a table into the folder of `prod`'s.
    async fn copied<'a>(
        &self,
        project: &Project,
        name: &'a str,
        at: &TableAt,
        basis: &'a Basis,
    ) -> Result<Move<'a>> {
        let source = self.stands_at(project, name, at).await?;
        let target = self.table(&source.name().clone().built_in(&Environment::default()));
        target.copy_files(&source).await?;
        Ok(Move { name, basis, source })
    }
}

/// The models that were built in the environment and that `prod` does not have yet.
fn own<'a>(
    trial: &'a Release,
    environment: &Environment,
    before: &BTreeMap<String, TableAt>,
) -> Vec<(&'a str, &'a TableAt, &'a Basis)> {
    let tables = trial.tables.iter().filter(|(name, at)| {
        at.environment == *environment
            && before.get(*name).is_none_or(|old| old.contents != at.contents)
    });
    tables.filter_map(|(name, at)| Some((name.as_str(), at, trial.models.get(name)?))).collect()
}

/// Why the tables that move do not fit what `prod` has now.
fn conflicts(
    trial: &Release,
    environment: &Environment,
    before: &BTreeMap<String, TableAt>,
    moving: &[(&str, &TableAt, &Basis)],
) -> Vec<String> {
    let mut reasons = BTreeSet::new();
    for (model, _, basis) in moving {
        for (input, read) in &basis.inputs {
            let own = trial.tables.get(input).filter(|at| at.environment == *environment);
            let there = own.or_else(|| before.get(input));
            let same = match (read, there) {
                (Some(read), Some(there)) => read.contents == there.contents,
                (None, None) => true,
                _ => false,
            };
            if same {
                continue;
            }
            let is_raw = input.contains('.');
            match (read, there) {
                // Raw tables only grow: the environment has read more of it than `prod` has.
                (Some(_), None) if is_raw => {}
                (Some(read), Some(there)) if is_raw && read.version > there.version => {}
                _ if own.is_some() => {
                    reasons.insert(format!("`{model}` was built from an older `{input}` there"));
                }
                (_, Some(_)) if is_raw => {
                    reasons.insert(format!("`prod` has newer data of `{input}`"));
                }
                (_, Some(_)) => {
                    reasons.insert(format!(
                        "`{model}` was built from a `{input}` that `prod` has replaced"
                    ));
                }
                (_, None) => {
                    reasons.insert(format!("`{model}` reads `{input}`, which `prod` lost"));
                }
            }
        }
    }
    reasons.into_iter().collect()
}

/// Why tables that hold their own past must not be replaced by ones that began in the environment.
fn histories(
    project: &Project,
    before: &BTreeMap<String, TableAt>,
    moving: &[(&str, &TableAt, &Basis)],
) -> Vec<String> {
    let keeps = |name: &str| {
        let kind = project.model(name).map(|model| model.header.kind);
        matches!(kind, Some(Kind::Append | Kind::Scd2)) && before.contains_key(name)
    };
    let names = moving.iter().map(|(name, ..)| *name).filter(|name| keeps(name));
    names.map(|name| format!("`{name}` of `prod` holds a past that would be lost")).collect()
}

/// The release of `prod` with the moved tables in it.
fn assemble(
    standing: Option<&Release>,
    trial: &Release,
    moves: &[Move<'_>],
    moved: &BTreeMap<String, TableAt>,
    environment: &Environment,
) -> Release {
    let mut tables = standing.map(|release| release.tables.clone()).unwrap_or_default();
    let mut models = standing.map(|release| release.models.clone()).unwrap_or_default();
    // Of a raw table the later version: what moves was computed from it.
    for (name, at) in trial.tables.iter().filter(|(name, _)| name.contains('.')) {
        let later = tables.get(name).is_none_or(|old| old.version < at.version);
        if later {
            tables.insert(name.clone(), at.clone());
        }
    }
    tables.extend(moved.iter().map(|(name, at)| (name.clone(), at.clone())));
    let here = |basis: &Basis| {
        let mut basis = basis.clone();
        for (input, at) in &mut basis.inputs {
            // The same content, where `prod` has it.
            if let Some(here) = tables.get(input)
                && at.as_ref().is_some_and(|at| at.contents == here.contents)
            {
                *at = Some(here.clone());
            }
        }
        basis
    };
    models.extend(moves.iter().map(|Move { name, basis, .. }| ((*name).to_owned(), here(basis))));
    // Other SQL may have come to the same rows in the environment: then it is known of these too.
    for (name, basis) in trial.models.iter().filter(|(name, _)| !moved.contains_key(*name)) {
        let same = |at: &TableAt| tables.get(name).is_some_and(|here| here.contents == at.contents);
        let basis = here(basis);
        let stands = |(input, at): (&String, &Option<TableAt>)| at.as_ref() == tables.get(input);
        if trial.tables.get(name).is_some_and(same) && basis.inputs.iter().all(stands) {
            models.insert(name.clone(), basis);
        }
    }
    let mut shapes = standing.map(|release| release.shapes.clone()).unwrap_or_default();
    // Views of the environment are those that its models were built with.
    let theirs = trial
        .shapes
        .iter()
        .filter(|(name, _)| moved.contains_key(*name) || !trial.tables.contains_key(*name));
    shapes.extend(theirs.map(|(name, shape)| (name.clone(), shape.clone())));
    Release {
        number: standing.map_or(0, |release| release.number).saturating_add(1),
        created_at: trial.created_at,
        run_id: trial.run_id.clone(),
        beside: None,
        note: Some(format!("promoted from {environment} {}", trial.number)),
        tables,
        models,
        shapes,
        steps: BTreeMap::new(),
    }
}

/// The models that read one of `promoted` and were computed from what it was before.
fn stale(release: &Release, promoted: &[String]) -> Vec<String> {
    let old = |(input, read): (&String, &Option<TableAt>)| {
        let there = release.tables.get(input);
        promoted.contains(input)
            && read.as_ref().map(|at| &at.contents) != there.map(|at| &at.contents)
    };
    let models = release.models.iter().filter(|(_, basis)| basis.inputs.iter().any(old));
    models.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests;

//! How a model is built: whole, or for the keys alone that changed, and why.
//!
//! The decision is made from the release that stands, the plan, and what the inputs' versions
//! differ in; it reads rows of changed files only, and only the columns that count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, TableScan};
use datafusion::prelude::SessionContext;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::compute::Task;
use crate::model::incremental::changes::{Changed, Moved, over};
use crate::model::incremental::keys::KeySet;
use crate::model::incremental::reach::{Reach, Reached, reach};
use crate::model::project::Project;
use crate::release::{Basis, TableAt};
use crate::table::Snapshot;
use crate::{Error, Result, Warehouse};

/// How the rows of a model came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// All of them were computed.
    Full(Why),
    /// Those of the keys that changed.
    Keys {
        /// How many keys.
        keys: u64,
        /// The inputs that changed.
        inputs: Vec<String>,
    },
    /// The keys of some months, one month after the other.
    Months {
        /// How many months.
        months: u64,
        /// Rows outside of them may be out of date, so the next build computes all.
        is_outdated: bool,
    },
    /// The same rows stand in `prod` already, from the same inputs.
    Shared,
}

/// Why a model is computed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It has no table yet.
    First,
    /// It has none of its own in this environment.
    FirstHere,
    /// It was asked for.
    Asked,
    /// What it computes changed.
    Plan,
    /// What its header says about rows, checks or layout changed.
    Header,
    /// Another version of Inkhouse or of the engine built it.
    Engine,
    /// Its kind is always computed whole; these inputs changed.
    Inputs(Vec<String>),
    /// This input changed, and rows with one key are computed from more of it than that key's.
    Dimension(String),
    /// The version of this input that was used last cannot be read any more.
    Gone(String),
    /// A column of this input that is used changed its type.
    Retyped(String),
    /// Comparing the versions of this input takes more memory than there is.
    TooMuch(String),
    /// More than a third of the rows belong to keys that changed.
    TooMany {
        /// Rows that would be replaced.
        rows: u64,
        /// Rows there are.
        of: u64,
    },
}

impl Way {
    /// `full`, `incremental` or `shared`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Full(_) => "full",
            Self::Keys { .. } => "incremental",
            Self::Months { .. } => "backfill",
            Self::Shared => "shared",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(why) => write!(f, "full: {why}"),
            Self::Keys { keys, inputs } => {
                write!(f, "incremental: {keys} keys changed in {}", ticked(inputs))
            }
            Self::Months { months, is_outdated } => {
                write!(f, "backfill: {months} months")?;
                if *is_outdated {
                    f.write_str("; the next build computes it whole")?;
                }
                Ok(())
            }
            Self::Shared => f.write_str("shared with prod"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First => f.write_str("it has no table yet"),
            Self::FirstHere => f.write_str("it has no table of its own in this environment yet"),
            Self::Asked => f.write_str("it was asked for"),
            Self::Plan => f.write_str("what it computes changed"),
            Self::Header => f.write_str("its header changed"),
            Self::Engine => f.write_str("another version of Inkhouse built it"),
            Self::Inputs(names) => write!(f, "{} changed", ticked(names)),
            Self::Dimension(name) => {
                write!(f, "`{name}` changed, which any of its rows may be computed from")
            }
            Self::Gone(name) => write!(f, "the version of `{name}` used last is gone"),
            Self::Retyped(name) => write!(f, "a column of `{name}` changed its type"),
            Self::TooMuch(name) => {
                write!(f, "comparing the versions of `{name}` takes more memory than there is")
            }
            Self::TooMany { rows, of } => {
                write!(f, "{rows} of its {of} rows belong to keys that changed, more than a third")
            }
        }
    }
}

fn ticked(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What differs between what a table was computed from and what it would be computed from now;
/// `None` when nothing does, so that the same rows would come out.
pub(crate) fn stale(standing: &Basis, now: &Basis) -> Option<Why> {
    if standing.plan != now.plan {
        return Some(Why::Plan);
    }
    if standing.header != now.header {
        return Some(Why::Header);
    }
    if standing.engine != now.engine {
        return Some(Why::Engine);
    }
    let moved = moved_inputs(standing, now);
    (!moved.is_empty()).then_some(Why::Inputs(moved))
}

fn moved_inputs(standing: &Basis, now: &Basis) -> Vec<String> {
    let contents = |at: Option<&Option<TableAt>>| at.cloned().flatten().map(|at| at.contents);
    let names: BTreeSet<&String> = standing.inputs.keys().chain(now.inputs.keys()).collect();
    names
        .into_iter()
        .filter(|name| contents(standing.inputs.get(*name)) != contents(now.inputs.get(*name)))
        .cloned()
        .collect()
}

/// What to compute.
pub(super) enum Choice {
    Full(Why),
    Keys { keys: KeySet, inputs: Vec<String>, rows_read: u64 },
}

/// Chooses, for a model with `changed_by`.
pub(super) async fn choose(
    task: &Task<'_>,
    session: &SessionContext,
    plan: &LogicalPlan,
) -> Result<Choice> {
    let Some((at, basis)) = &task.standing else { return Ok(Choice::Full(Why::First)) };
    if task.whole {
        return Ok(Choice::Full(Why::Asked));
    }
    if at.environment != *task.environment {
        return Ok(Choice::Full(Why::FirstHere));
    }
    let moved = match stale(basis, &task.basis) {
        Some(Why::Inputs(moved)) => moved,
        Some(why) => return Ok(Choice::Full(why)),
        None => Vec::new(),
    };
    let header = &task.model.header;
    let failed = || Error::engine(format!("reading the plan of `{}`", task.model.name));
    let reach = reach(plan, &header.changed_by).map_err(failed())?;
    let scans = scans(session, plan).map_err(failed())?;
    let search = Search { task, session, basis, moved: &moved, scans: &scans };
    Ok(match search.keys(&reach).await? {
        Ok(changed) => {
            let rows_read = changed.rows_read;
            Choice::Keys { keys: changed.into_set(), inputs: moved, rows_read }
        }
        Err(why) => Choice::Full(why),
    })
}

/// Looks for the keys that changed.
struct Search<'a> {
    task: &'a Task<'a>,
    session: &'a SessionContext,
    basis: &'a Basis,
    /// The inputs that changed.
    moved: &'a [String],
    scans: &'a BTreeMap<String, Scan>,
}

impl Search<'_> {
    /// The keys that changed, or why that cannot be said.
    fn keys<'b>(&'b self, reach: &'b Reach) -> BoxFuture<'b, Result<Result<Changed, Why>>> {
        async move {
            let mut changed = Changed::default();
            for name in self.moved {
                let (Some(reached), Some(scan)) = (reach.tables.get(name), self.scans.get(name))
                else {
                    continue;
                };
                let read = Read { name, reached, scan };
                match input(self.task, self.session, self.basis, &read).await? {
                    Ok(keys) => changed.add(keys),
                    Err(why) => return Ok(Err(why)),
                }
            }
            for hop in &reach.hops {
                let far = match self.keys(&hop.far).await? {
                    Ok(far) => far,
                    Err(why) => return Ok(Err(why)),
                };
                if far.hashes.is_empty() {
                    changed.rows_read += far.rows_read;
                    continue;
                }
                let read = far.rows_read;
                let failed = Error::engine(format!("following keys of `{}`", self.task.model.name));
                let near = over(self.session, hop, far).await.map_err(failed);
                let Some(mut near) = starved(near)? else {
                    return Ok(Err(Why::TooMuch(self.moved.join("`, `"))));
                };
                near.rows_read += read;
                changed.add(near);
            }
            Ok(Ok(changed))
        }
        .boxed()
    }
}

/// An input as the plan reads it.
struct Read<'a> {
    name: &'a str,
    reached: &'a Reached,
    scan: &'a Scan,
}

/// The keys that changed in one input, or why that cannot be said.
async fn input(
    task: &Task<'_>,
    session: &SessionContext,
    basis: &Basis,
    read: &Read<'_>,
) -> Result<Result<Changed, Why>> {
    let name = read.name.to_owned();
    let Read { reached, scan, .. } = read;
    let was = basis.inputs.get(read.name).cloned().flatten();
    let Some(Some(is)) = task.basis.inputs.get(read.name) else {
        return Ok(Err(Why::Gone(name)));
    };
    let project = task.inputs.project;
    let warehouse = task.inputs.warehouse;
    let from = match &was {
        Some(was) => match version(warehouse, project, read.name, was).await {
            Ok(snapshot) => Some(snapshot),
            Err(Error::Missing { .. }) => return Ok(Err(Why::Gone(name))),
            Err(error) => return Err(error),
        },
        None => None,
    };
    let to = version(warehouse, project, read.name, is).await?;
    if from.as_ref().is_some_and(|from| retyped(from, &to, &scan.used)) {
        return Ok(Err(Why::Retyped(name)));
    }
    let written = task.inputs.steps.get(read.name);
    let mut step = was.as_ref().and_then(|was| written.filter(|step| step.leads(was, is)));
    if let Some(known) = step
        && !to.knows(known).await?
    {
        step = None;
    }
    let moved = Moved {
        name: scan.name.clone(),
        from: from.as_ref(),
        to: &to,
        schema: Arc::clone(&scan.schema),
        used: scan.used.iter().cloned().collect(),
        step,
    };
    let mut changed = Changed::default();
    if reached.is_dimension {
        return Ok(match starved(moved.any(session).await)? {
            None => Err(Why::TooMuch(name)),
            Some((true, _)) => Err(Why::Dimension(name)),
            Some((false, rows)) => {
                changed.rows_read = rows;
                Ok(changed)
            }
        });
    }
    for keys in &reached.keys {
        match starved(moved.keys(session, keys).await)? {
            Some(keys) => changed.add(keys),
            None => return Ok(Err(Why::TooMuch(name))),
        }
    }
    Ok(Ok(changed))
}

/// `None` when it ran out of memory.
fn starved<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Engine { source, .. })
            if matches!(source.find_root(), DataFusionError::ResourcesExhausted(_)) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A table at one version, by the name that a basis knows it by.
pub(crate) async fn version(
    warehouse: &Warehouse,
    project: &Project,
    name: &str,
    at: &TableAt,
) -> Result<Snapshot> {
    let layer = project.model(name).map(|model| model.layer);
    warehouse.table(&at.table_name(name, layer)?).snapshot_at(at.version).await
}

fn retyped(from: &Snapshot, to: &Snapshot, used: &BTreeSet<String>) -> bool {
    let (from, to) = (from.schema(), to.schema());
    used.iter().any(|name| match (from.field_with_name(name), to.field_with_name(name)) {
        (Ok(was), Ok(is)) => was.data_type() != is.data_type(),
        (Err(_), _) => false, // it reads as null there
        (Ok(_), Err(_)) => true,
    })
}

/// A table of a plan.
struct Scan {
    name: TableReference,
    schema: SchemaRef,
    /// Columns that count, after what the optimiser leaves out.
    used: BTreeSet<String>,
}

fn scans(
    session: &SessionContext,
    plan: &LogicalPlan,
) -> Result<BTreeMap<String, Scan>, DataFusionError> {
    let mut scans: BTreeMap<String, Scan> = BTreeMap::new();
    let mut add = |scan: &TableScan, counts: bool| -> Result<(), DataFusionError> {
        let schema = source_as_provider(&scan.source)?.schema();
        let known = scans.entry(scan.table_name.to_string()).or_insert_with(|| Scan {
            name: scan.table_name.clone(),
            schema: Arc::clone(&schema),
            used: BTreeSet::new(),
        });
        if counts {
            let all = 0..schema.fields().len();
            let used = scan.projection.clone().unwrap_or_else(|| all.collect());
            known
                .used
                .extend(used.iter().filter_map(|n| Some(schema.fields().get(*n)?.name().clone())));
        }
        Ok(())
    };
    let mut walk = |plan: &LogicalPlan, counts: bool| {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                add(scan, counts)?;
            }
            Ok(TreeNodeRecursion::Continue)
        })
        .map(drop)
    };
    // Every table that is named, also one that the optimiser finds to be of no use.
    walk(plan, false)?;
    walk(&session.state().optimize(plan)?, true)?;
    Ok(scans)
}

//! Building: the warehouse does it; here it is shown, and its failures get words.
//!
//! A build that is stopped or fails publishes nothing: readers keep the release before.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use warehouse::{
    Backfill, BuildEvent, BuildOptions, BuildReport, CheckStatus, Environment, ModelReport,
    ModelStatus, Outcome, Project, ReadAt, Verified, Warehouse, Way,
};

use crate::{
    clock::Clock,
    failure::{Failure, Kind},
    history::{Status, Step},
    project,
    quantity::{counted, shown},
    report::Printer,
    stop::Stop,
};

/// What a build step works with.
#[derive(Debug, Clone)]
pub struct Building<'a> {
    /// Where the tables are.
    pub warehouse: &'a Warehouse,
    /// The models.
    pub project: &'a Project,
    /// Where; `prod` is what everybody reads.
    pub environment: &'a Environment,
    /// The run.
    pub run_id: &'a str,
    /// Compute the models whole, whatever changed.
    pub whole: bool,
    /// Compute what hangs together with orders month by month.
    pub backfill: Option<&'a Backfill>,
    /// The run's clock.
    pub clock: Clock,
    /// Asks to stop.
    pub stop: &'a Stop,
    /// Tells people.
    pub printer: &'a Printer,
}

/// What a build step did.
#[derive(Debug, Clone)]
pub struct Built {
    /// The warehouse's report; `None` when it was stopped before its end.
    pub report: Option<BuildReport>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Built {
    /// Models that hold other rows now.
    pub fn rebuilt(&self) -> u64 {
        let models = self.report.iter().flat_map(|report| &report.models);
        let new = models.filter(|model| model.status == ModelStatus::Built && !model.is_same);
        u64::try_from(new.count()).unwrap_or(u64::MAX)
    }

    /// Checks that were made, and how many of them only warned.
    pub fn checks(&self) -> (u64, u64) {
        let checks = self.report.iter().flat_map(|r| &r.models).flat_map(|model| &model.checks);
        checks.fold((0, 0), |(all, warned), check| {
            (all + 1, warned + u64::from(check.status == CheckStatus::Warned))
        })
    }
}

/// Builds the selected models, all of them without a selection.
///
/// # Errors
/// When the warehouse itself fails; a model that fails is in the report, see [`failure`].
pub async fn run(building: &Building<'_>, select: &[String]) -> Result<Built, Failure> {
    let began = Instant::now();
    let started_at = building.clock.now();
    let raw_schemas = project::raw_schemas();
    let Building { warehouse, environment, .. } = building;
    let project =
        warehouse.with_changed(building.project, &raw_schemas, environment, select).await?;
    let selected = project.select(select)?.len();
    let progress = Mutex::new(Some(building.printer.progress("build")));
    let ended = Mutex::new(0_usize);
    let printer = building.printer.clone();
    let options = BuildOptions {
        environment: building.environment.clone(),
        whole: building.whole,
        backfill: building.backfill.cloned(),
        select: select.to_vec(),
        run_id: building.run_id.to_owned(),
        now: started_at,
        parallel: std::thread::available_parallelism().map_or(2, usize::from),
        on_event: Arc::new(move |event| match event {
            BuildEvent::Started { model } => {
                let ended = *ended.lock().unwrap_or_else(PoisonError::into_inner);
                let progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(progress) = progress.as_ref() {
                    progress.update(format_args!("{ended} of {selected}: {model}"));
                }
            }
            BuildEvent::Finished(model) => {
                *ended.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                tell(&printer, &model);
            }
            BuildEvent::Released { number } => {
                printer.event("release", serde_json::json!({ "number": number }));
                drop(progress.lock().unwrap_or_else(PoisonError::into_inner).take());
            }
        }),
    };
    let build = warehouse.build(&project, &raw_schemas, &options);
    // Dropping a build is safe: what it wrote is no table before its commit, and no release.
    let report = tokio::select! {
        report = Box::pin(build) => Some(report?),
        () = building.stop.requested() => None,
    };
    Ok(Built { report, started_at, elapsed: began.elapsed() })
}

fn tell(printer: &Printer, model: &ModelReport) {
    let warned: Vec<&str> = model
        .checks
        .iter()
        .filter(|check| check.status == CheckStatus::Warned)
        .map(|check| check.name.as_str())
        .collect();
    printer.event(
        "model",
        serde_json::json!({
            "name": model.name,
            "status": model.status.as_str(),
            "way": model.way.as_ref().map_or("unchanged", Way::as_str),
            "why": model.way.as_ref().map(ToString::to_string),
            "same": model.is_same,
            "rows": model.rows,
            "rows_read": model.rows_read,
            "checks": model.checks.len(),
            "warnings": warned,
            "milliseconds": u64::try_from(duration(model).as_millis()).unwrap_or(u64::MAX),
        }),
    );
    for name in warned {
        printer.warning(format_args!("model `{}`: check `{name}` does not hold", model.name));
    }
    if model.status == ModelStatus::Built {
        let way = match &model.way {
            Some(Way::Keys { keys: 0, .. }) => ", as no key changed".to_owned(),
            Some(Way::Keys { keys, .. }) => format!(" of {}", counted(*keys, "changed key")),
            Some(Way::Months { months, is_outdated: false }) => {
                format!(" in {}", counted(*months, "month"))
            }
            Some(Way::Months { months, is_outdated: true }) => {
                format!(" in {}; the next build computes it whole", counted(*months, "month"))
            }
            _ => String::new(),
        };
        let rows =
            if model.is_same { "no row changed".to_owned() } else { counted(model.rows, "row") };
        printer.note(format_args!(
            "  {}: {rows}{way}, {}, {}",
            model.name,
            counted(u64::try_from(model.checks.len()).unwrap_or(u64::MAX), "check"),
            shown(duration(model)),
        ));
    }
}

fn duration(model: &ModelReport) -> Duration {
    Duration::try_from_secs_f64(model.seconds).unwrap_or_default()
}

/// What failed, if anything did: models' own failures, not what was skipped for them.
pub fn failure(report: &BuildReport) -> Option<Failure> {
    let kind_of =
        |model: &ModelReport| model.error.as_ref().map_or(Kind::Bug, |error| kind_of(error.kind));
    let failed = report.models.iter().filter(|model| model.status == ModelStatus::Failed);
    let mut failed: Vec<&ModelReport> = failed.collect();
    // What will fail again comes first: to run it once more helps only when nothing else is wrong.
    failed.sort_by_key(|model| kind_of(model) == Kind::Busy);
    let mut failed = failed.into_iter();
    let first = failed.next()?;
    let kind = kind_of(first);
    let mut failure = told(first);
    // Wrong rows are a failure of each model; a disk that is full is one of all of them.
    let (apart, alike): (Vec<_>, Vec<_>) = failed.partition(|model| kind_of(model) == Kind::Data);
    for model in alike {
        let why = model.error.as_ref().map_or("it failed too", |error| &error.message);
        failure = failure.with_cause(format!("model `{}`: {why}", model.name));
    }
    failure = failure.with_more(apart.into_iter().map(told));
    let skipped = report.count(ModelStatus::Skipped);
    let kept = match skipped {
        0 => "its table is unchanged and nothing was published".to_owned(),
        _ => format!(
            "its table and those of {} that read it are unchanged, and nothing was published",
            counted(u64::try_from(skipped).unwrap_or(u64::MAX), "model")
        ),
    };
    failure = failure.with_kept(kept);
    Some(match kind {
        Kind::Busy => failure.with_hint("nothing is lost: run it again"),
        _ => failure,
    })
}

/// How one model failed.
fn told(model: &ModelReport) -> Failure {
    let kind = model.error.as_ref().map_or(Kind::Bug, |error| kind_of(error.kind));
    let mut failure = Failure::new(kind, format!("model `{}` failed", model.name));
    if let Some(error) = &model.error {
        failure = failure.with_cause(error.message.clone());
        if let Some(hint) = &error.hint {
            failure = failure.with_hint(hint);
        }
    }
    failure
}

fn kind_of(kind: warehouse::ErrorKind) -> Kind {
    match kind {
        warehouse::ErrorKind::Config => Kind::Config,
        warehouse::ErrorKind::Access => Kind::Access,
        warehouse::ErrorKind::Data => Kind::Data,
        warehouse::ErrorKind::Busy => Kind::Busy,
        warehouse::ErrorKind::Bug => Kind::Bug,
    }
}

/// Computes the selected models anew and compares every row with what stands.
///
/// # Errors
/// A data failure that names every model whose table differs.
pub async fn verify(building: &Building<'_>, select: &[String]) -> Result<(), Failure> {
    let raw_schemas = project::raw_schemas();
    let at = ReadAt { environment: building.environment.clone(), ..ReadAt::default() };
    let verify = building.warehouse.verify(building.project, &raw_schemas, &at, select);
    let verified = tokio::select! {
        verified = Box::pin(verify) => verified?,
        () = building.stop.requested() => {
            return Err(Failure::new(Kind::Interrupted, "stopped while verifying")
                .with_kept("nothing is written by it"));
        }
    };
    let mut different = Vec::new();
    let mut equal = (0_u64, 0_u64);
    for Verified { model, outcome } in &verified {
        building.printer.event(
            "verified",
            serde_json::json!({ "model": model, "outcome": format!("{outcome:?}") }),
        );
        match outcome {
            Outcome::Equal { rows } => equal = (equal.0 + 1, equal.1 + rows),
            Outcome::Differs { missing, surplus } => different.push(format!(
                "model `{model}`: {} of a full build missing, {} too many",
                counted(*missing, "row"),
                counted(*surplus, "row")
            )),
            Outcome::Edited => building.printer.warning(format_args!(
                "model `{model}` was edited since its table was built; build it first"
            )),
            Outcome::NotBuilt => {
                building.printer.warning(format_args!("model `{model}` is not built yet"));
            }
            Outcome::Remembers => building
                .printer
                .note(format_args!("  {model}: remembers what no input says any more; left out")),
        }
    }
    if different.is_empty() {
        building.printer.result(format_args!(
            "verified: {} as a full build computes them, {}",
            counted(equal.0, "table"),
            counted(equal.1, "row")
        ));
        return Ok(());
    }
    let failure = Failure::new(Kind::Data, "tables differ from what a full build computes");
    Err(different
        .into_iter()
        .fold(failure, Failure::with_cause)
        .with_kept("nothing was written")
        .with_hint(
            "`inkhouse build --full` computes them whole; please report this with the model",
        ))
}

/// For `ops.steps`: the build, and every model that was not just left as it was.
pub fn steps(built: &Built, finished_at: DateTime<Utc>, attempt: u32) -> Vec<Step> {
    let step = |kind, name: &str, status, rows, message| Step {
        kind,
        name: name.to_owned(),
        started_at: built.started_at,
        finished_at,
        status,
        attempt,
        rows,
        bytes: 0,
        pages: 0,
        message,
    };
    let Some(report) = &built.report else {
        return vec![step("build", "models", Status::Stopped, 0, None)];
    };
    let status = if report.is_ok() { Status::Succeeded } else { Status::Failed };
    let message = report.release.map(|number| format!("release {number}"));
    let mut steps = vec![step("build", "models", status, 0, message)];
    for model in report.models.iter().filter(|model| model.status != ModelStatus::Unchanged) {
        let status = match model.status {
            ModelStatus::Failed => Status::Failed,
            ModelStatus::Skipped => Status::Skipped,
            ModelStatus::Built | ModelStatus::Unchanged => Status::Succeeded,
        };
        let message = model.error.as_ref().map(|error| error.message.clone());
        steps.push(step("model", &model.name, status, model.rows, message));
    }
    steps
}

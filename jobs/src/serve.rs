//! The daemon: runs jobs at their times, one at a time, until it is told to stop.
//!
//! A job whose time comes while another runs waits for its turn, once, however often its time came.
//! Times that passed while nothing served are made up for as the job's `missed` says; what ran last
//! is read from `ops.runs`, so the machine may vanish and another may serve. A job that fails is
//! reported and tried again at its next time: the daemon goes on.

use std::collections::BTreeMap;

use arrow::{
    array::{Array as _, AsArray as _},
    datatypes::TimestampMicrosecondType,
};
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use warehouse::ReadAt;

use crate::{
    failure::Failure,
    project,
    run::{self, House},
    spec::{Job, Missed},
    stop::Stop,
};

/// The longest sleep, so that a clock that was set is noticed.
const NAP: std::time::Duration = std::time::Duration::from_mins(1);

/// Serves until `stop` is asked; a run under way stops after its page.
///
/// # Errors
/// A config failure when a job is wrong or none has a schedule.
pub async fn run(house: &House, stop: &Stop) -> Result<(), Failure> {
    if house.clock.is_frozen() {
        return Err(Failure::config("`serve` waits for real time; `--now` makes no sense with it"));
    }
    let jobs = project::jobs(house.config.folder(), house.config.time_zone)?;
    let jobs: Vec<Job> = jobs.into_values().filter(|job| job.schedule.is_some()).collect();
    if jobs.is_empty() {
        return Err(Failure::config("no job has a schedule")
            .with_hint("add `schedule = \"17 3 * * *\"` to a job in `jobs/`"));
    }
    let started = house.clock.now();
    let last = last_runs(house).await?;
    let mut due: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    for job in &jobs {
        if let Some(at) = first_time(job, last.get(&job.name).copied(), started) {
            announce(house, job, at, started);
            due.insert(job.name.clone(), at);
        }
    }
    while !stop.is_requested() {
        let Some((name, at)) =
            due.iter().min_by_key(|(_, at)| **at).map(|(n, at)| (n.clone(), *at))
        else {
            return Err(Failure::config("no job will ever run again; look at the schedules"));
        };
        let now = house.clock.now();
        if at > now {
            let wait = (at - now).to_std().unwrap_or_default().min(NAP);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.requested() => {}
            }
            continue;
        }
        let Some(job) = jobs.iter().find(|job| job.name == name) else { break };
        house.printer.note(format_args!("{}: `{name}` begins", stamp(now)));
        let began = std::time::Instant::now();
        let (report, ended) = run::locked(house, job, stop).await;
        match ended {
            Ok(()) => house.printer.result(report.summary(job, began.elapsed())),
            Err(failure) => house.printer.failure(&failure),
        }
        if stop.is_requested() {
            break; // to name a next time would promise it
        }
        let after = house.clock.now();
        due.remove(&name);
        if let Some(next) = job.schedule.as_ref().and_then(|schedule| schedule.next_after(after)) {
            announce(house, job, next, after);
            due.insert(name, next);
        }
    }
    house.printer.note("stopped; nothing is lost, the next start goes on from here");
    Ok(())
}

/// When a job runs first: now if a time of it passed unserved and it makes up for that.
fn first_time(
    job: &Job,
    last: Option<DateTime<Utc>>,
    started: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let schedule = job.schedule.as_ref()?;
    let missed = last
        .filter(|_| job.missed == Missed::Once)
        .and_then(|last| schedule.next_after(last))
        .filter(|missed| *missed <= started);
    match missed {
        Some(_) => Some(started),
        None => schedule.next_after(started),
    }
}

fn announce(house: &House, job: &Job, at: DateTime<Utc>, now: DateTime<Utc>) {
    let when = match &job.schedule {
        Some(schedule) if at > now => {
            format!("{}", at.with_timezone(&schedule.zone()).format("%Y-%m-%d %H:%M %Z"))
        }
        _ => "at once, as a time of it was missed".to_owned(),
    };
    house.printer.note(format_args!("job `{}` runs next {when}", job.name));
    house.printer.event("scheduled", serde_json::json!({ "job": job.name, "at": at.to_rfc3339() }));
}

fn stamp(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// When each job began last.
async fn last_runs(house: &House) -> Result<BTreeMap<String, DateTime<Utc>>, Failure> {
    let sql = "select job, max(started_at) as started_at from ops.runs group by job";
    let rows = house.warehouse.query(&house.project, sql, &ReadAt::default()).await?;
    let batches: Vec<_> = rows.try_collect().await.map_err(|error| {
        Failure::new(crate::failure::Kind::Data, "`ops.runs` cannot be read")
            .with_cause(error.to_string())
    })?;
    let mut last = BTreeMap::new();
    for batch in &batches {
        let (Some(jobs), Some(times)) =
            (batch.column_by_name("job"), batch.column_by_name("started_at"))
        else {
            continue;
        };
        let (Some(jobs), Some(times)) =
            (jobs.as_string_opt::<i32>(), times.as_primitive_opt::<TimestampMicrosecondType>())
        else {
            continue;
        };
        for row in 0..batch.num_rows() {
            if jobs.is_valid(row)
                && times.is_valid(row)
                && let Some(at) = DateTime::from_timestamp_micros(times.value(row))
            {
                last.insert(jobs.value(row).to_owned(), at);
            }
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;
    use crate::spec;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_missed_time_is_made_up_for_once_or_left() {
        let text = "owner = \"a\"\nschedule = \"0 3 * * *\"\n[[build]]\n";
        let once = spec::parse("a", "jobs/a.toml", text, Tz::UTC).unwrap();
        let text = text.replace("[[build]]", "missed = \"skip\"\n[[build]]");
        let skip = spec::parse("a", "jobs/a.toml", &text, Tz::UTC).unwrap();
        let started = at("2026-11-05T12:00:00Z");
        let tomorrow = Some(at("2026-11-06T03:00:00Z"));
        let days_ago = Some(at("2026-11-02T03:00:00Z"));
        let today = Some(at("2026-11-05T03:00:10Z"));
        assert_eq!(first_time(&once, days_ago, started), Some(started));
        assert_eq!(first_time(&skip, days_ago, started), tomorrow);
        assert_eq!(first_time(&once, today, started), tomorrow);
        assert_eq!(first_time(&once, None, started), tomorrow);
    }
}

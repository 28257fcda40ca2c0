//! A job: one TOML file, whose stem is the job's name.
//!
//! No variables, includes or conditions: what is written is what runs. Steps run in a fixed order
//! whatever theirs in the file (extracts, builds, exports), since a build of what was not read yet
//! is never meant.

use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;

use crate::{config, excerpt, failure::Failure, quantity::Span, schedule::Schedule};

const DEFAULT_TIMEOUT: Duration = Duration::from_hours(12);

/// A job as its file says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    owner: String,
    schedule: Option<toml::Spanned<String>>,
    time_zone: Option<toml::Spanned<String>>,
    timeout: Option<Span>,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    missed: Missed,
    #[serde(default)]
    extract: Vec<Extract>,
    #[serde(default)]
    build: Vec<Build>,
    #[serde(default)]
    export: Vec<Export>,
}

/// A job, checked.
#[derive(Debug, Clone)]
pub struct Job {
    /// The file's stem.
    pub name: String,
    /// Who is asked when it fails.
    pub owner: String,
    /// When `inkhouse serve` runs it; never by itself without.
    pub schedule: Option<Schedule>,
    /// How long a run may take before it is stopped after its current page.
    pub timeout: Duration,
    /// What happens when a vendor is busy.
    pub retry: Retry,
    /// What happens at the start of `serve` when a time passed while nothing served.
    pub missed: Missed,
    /// What is read.
    pub extracts: Vec<Extract>,
    /// What is built.
    pub builds: Vec<Build>,
    /// What is delivered.
    pub exports: Vec<Export>,
}

/// How often a step that failed because somebody was busy is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Tries after the first one.
    pub times: u32,
    /// Wait before the first of them; each later wait is twice as long.
    pub first_wait: Span,
}

impl Default for Retry {
    fn default() -> Self {
        Self { times: 0, first_wait: Span(Duration::from_secs(30)) }
    }
}

impl Retry {
    /// The wait after attempt `attempt` (from 1), or `None` when it was the last.
    pub fn wait_after(&self, attempt: u32) -> Option<Duration> {
        (attempt <= self.times)
            .then(|| self.first_wait.0.saturating_mul(1 << (attempt - 1).min(10)))
    }
}

/// What to do about a time that passed while nothing served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// Run once, however many times passed.
    #[default]
    Once,
    /// Wait for the next time.
    Skip,
}

/// A step that reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    /// The source; every configured one without.
    pub source: Option<String>,
    /// Its streams; all of them without.
    #[serde(default)]
    pub streams: Vec<String>,
}

/// A step that builds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Models, as `inkhouse build` takes them; all of them without.
    #[serde(default)]
    pub models: Vec<String>,
    /// Compute them whole, whatever changed.
    #[serde(default)]
    pub full: bool,
    /// Compute what hangs together with orders month by month; never in a job file.
    #[serde(skip)]
    pub backfill: Option<warehouse::Backfill>,
    /// Where; jobs always build `prod`.
    #[serde(skip)]
    pub environment: warehouse::Environment,
}

/// A step that delivers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// The export model; without, every one whose destination is configured.
    pub name: Option<String>,
}

/// Reads a job file. `path` is how messages name it; `zone` is the shop's, for a job that names none.
///
/// # Errors
/// A config failure with file, line, column and caret.
pub fn parse(name: &str, path: &str, text: &str, zone: Tz) -> Result<Job, Failure> {
    let file: File =
        toml::from_str(text).map_err(|error| excerpt::toml_failure(path, text, &error))?;
    let zone = match &file.time_zone {
        Some(written) => written.get_ref().parse().map_err(|_| {
            let message = format!("`{}` is no IANA time zone", written.get_ref());
            excerpt::failure(path, text, &written.span(), message)
                .with_hint(config::zone_hint(written.get_ref()))
        })?,
        None => zone,
    };
    let schedule = file.schedule.map(|written| {
        Schedule::parse(written.get_ref(), zone)
            .map_err(|reason| excerpt::failure(path, text, &written.span(), reason))
    });
    let schedule = schedule.transpose()?;
    let whole = 0..0;
    if file.extract.is_empty() && file.build.is_empty() && file.export.is_empty() {
        return Err(excerpt::failure(path, text, &whole, "the job has no step")
            .with_hint("add `[[extract]]`, `[[build]]` or `[[export]]`"));
    }
    if let Some(step) = file.extract.iter().find(|s| s.source.is_none() && !s.streams.is_empty()) {
        let stream = step.streams.first().map_or("", String::as_str);
        let at = text.find("streams").unwrap_or(0);
        let message = format!("stream `{stream}` needs a source");
        return Err(excerpt::failure(path, text, &(at..at + 7), message)
            .with_hint("add `source = \"..\"` to this `[[extract]]`"));
    }
    Ok(Job {
        name: name.to_owned(),
        owner: file.owner,
        schedule,
        timeout: file.timeout.map_or(DEFAULT_TIMEOUT, |span| span.0),
        retry: file.retry,
        missed: file.missed,
        extracts: file.extract,
        builds: file.build,
        exports: file.export,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(text: &str) -> Result<Job, Failure> {
        parse("mine", "jobs/mine.toml", text, Tz::UTC)
    }

    #[test]
    fn the_default_job_parses() {
        let job = job(include_str!("../nightly.toml")).unwrap();
        assert!(job.schedule.is_some());
        assert_eq!((job.extracts.len(), job.builds.len(), job.exports.len()), (1, 1, 1));
    }

    #[test]
    fn an_unknown_field_is_shown_with_a_caret_and_a_suggestion() {
        let failure = job("owner = \"a\"\nshedule = \"7 * * * *\"\n[[build]]\n").unwrap_err();
        assert_eq!(failure.to_string(), "jobs/mine.toml:2:1: unknown field `shedule`");
        assert_eq!(failure.excerpt(), Some("2 | shedule = \"7 * * * *\"\n  | ^^^^^^^"));
        assert_eq!(failure.hint(), Some("did you mean `schedule`?"));
        let failure = job("owner = \"a\"\n[[extract]]\nlookbak = \"3d\"\n").unwrap_err();
        assert!(failure.to_string().starts_with("jobs/mine.toml:3:1: "), "{failure}");
    }

    #[test]
    fn every_wrong_value_is_shown_where_it_stands() {
        for (text, starts) in [
            (
                "owner = \"a\"\nschedule = \"7 * * * 1\"\n[[build]]",
                "jobs/mine.toml:2:12: `1` is a weekday",
            ),
            (
                "owner = \"a\"\ntime_zone = \"Mars\"\n[[build]]",
                "jobs/mine.toml:2:13: `Mars` is no IANA",
            ),
            (
                "owner = \"a\"\ntimeout = \"45\"\n[[build]]",
                "jobs/mine.toml:2:11: `45` is no duration",
            ),
            (
                "owner = \"a\"\nmissed = \"never\"\n[[build]]",
                "jobs/mine.toml:2:10: unknown variant",
            ),
            ("owner = \"a\"\n", "jobs/mine.toml:1:1: the job has no step"),
            ("[[build]]\n", "jobs/mine.toml:1:1: missing field `owner`"),
            (
                "owner = \"a\"\n[[extract]]\nstreams = [\"x\"]\n",
                "jobs/mine.toml:3:1: stream `x` needs",
            ),
            ("owner = ", "jobs/mine.toml:1:"),
        ] {
            let failure = job(text).unwrap_err();
            assert!(failure.to_string().starts_with(starts), "{failure}");
            assert!(failure.excerpt().is_some());
        }
    }

    #[test]
    fn waits_double_and_end() {
        let retry = Retry { times: 2, first_wait: Span(Duration::from_secs(5)) };
        assert_eq!(retry.wait_after(1), Some(Duration::from_secs(5)));
        assert_eq!(retry.wait_after(2), Some(Duration::from_secs(10)));
        assert_eq!(retry.wait_after(3), None);
        assert_eq!(Retry::default().wait_after(1), None);
    }
}

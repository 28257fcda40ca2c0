//! Klaviyo: profile properties by bulk import.
//!
//! An import is a job: `202` with an id, then `queued`, `processing`, `complete` or `cancelled`.
//! There is no status `failed`: a job is well when it is `complete` and counts no failure, and
//! the failures are a list of their own that expires, so it is read at once. One malformed
//! profile makes Klaviyo refuse the whole batch with pointers such as
//! `/data/attributes/profiles/data/7/attributes/email`. An import never changes consent.
//!
//! Limits: 10,000 profiles, 5 MB and 100 KB a profile in a call; 10 calls a second and 150 a
//! minute for each account; 429 carries `Retry-After`.
//!
//! API: <https://developers.klaviyo.com/en/reference/bulk_import_profiles> (revision 2026-10-15,
//! read 2026-11-22).

mod config;
mod mapping;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};

use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
pub use config::KlaviyoConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::{
    BatchLimits, Delivery, Destination, Error, Mapped, Outcome, Rejection, Result, Submission,
    kit::http::{Bucket, Http, Reply, Verdict},
};

const REVISION: &str = "2026-10-15";
const MEDIA_TYPE: &str = "application/vnd.api+json";
const ERRORS_PAGE: usize = 100; // the most Klaviyo returns
const PROFILES_PAGE: usize = 100;

/// One Klaviyo account.
#[derive(Debug)]
pub struct Klaviyo {
    /// Bulk imports: 10 a second, 150 a minute.
    imports: Http,
    /// Profile reads: 75 a second, 750 a minute.
    profiles: Http,
    account: String,
}

impl Klaviyo {
    /// Connects nothing yet; the first call does.
    ///
    /// # Errors
    /// A config error when the address is not usable.
    pub fn new(config: KlaviyoConfig) -> Result<Self> {
        let base = match config.base_url {
            Some(url) => url,
            None => Url::parse("https://a.klaviyo.com").map_err(|e| Error::bug(e.to_string()))?,
        };
        let key = SecretString::from(format!("Klaviyo-API-Key {}", config.key.expose_secret()));
        let client = |buckets: [Bucket; 2]| {
            let mut http = Http::builder("klaviyo", &base)
                .header_secret("authorization", &key)
                .header("revision", REVISION)
                .header("accept", MEDIA_TYPE)
                .classify(verdict);
            if config.rate_limit {
                for bucket in buckets {
                    http = http.bucket(bucket);
                }
            }
            http.build()
        };
        Ok(Self {
            imports: client([Bucket::per_second(10), Bucket::per_minute(150)])?,
            profiles: client([Bucket::per_second(75), Bucket::per_minute(750)])?,
            account: config.account,
        })
    }
}

/// A refused batch is an answer to read, not a failure of the call.
fn verdict(reply: &Reply) -> Verdict {
    match reply.status {
        400 | 404 | 409 | 413 | 422 => Verdict::Done,
        _ => Verdict::by_status(reply),
    }
}

#[async_trait]
impl Destination for Klaviyo {
    fn name(&self) -> &'static str {
        "klaviyo"
    }

    fn account(&self) -> &str {
        &self.account
    }

    fn limits(&self) -> BatchLimits {
        // 4.6 MB leaves room for the envelope under Klaviyo's 5 MB.
        BatchLimits { rows: 10_000, bytes: 4_600_000, row_bytes: 100_000 }
    }

    async fn check(&self) -> Result<String> {
        let reply = self
            .profiles
            .get("/api/profiles")
            .query("page[size]", "1")
            .query("fields[profile]", "email")
            .send()
            .await?;
        reply.json::<List<Profile>>().map(|_| format!("Klaviyo account `{}`", self.account))
    }

    fn map(&self, rows: &RecordBatch) -> Result<Vec<Mapped>> {
        mapping::profiles(rows, self.limits().row_bytes)
    }

    async fn suppressed(&self) -> Result<HashSet<String>> {
        let mut suppressed = HashSet::new();
        let mut page = self
            .profiles
            .get("/api/profiles")
            // Klaviyo has no filter "is suppressed"; every suppression has a timestamp.
            .query(
                "filter",
                "greater-or-equal(subscriptions.email.marketing.suppression.timestamp,2000-01-01T00:00:00Z)",
            )
            .query("fields[profile]", "email")
            .query("page[size]", PROFILES_PAGE)
            .send()
            .await?
            .json::<List<Profile>>()?;
        loop {
            suppressed.extend(
                page.data
                    .drain(..)
                    .filter_map(|p| p.attributes.email)
                    .map(|e| e.trim().to_lowercase()),
            );
            let Some(next) = page.links.and_then(|l| l.next) else { return Ok(suppressed) };
            page = self.profiles.get_absolute(&next)?.send().await?.json()?;
        }
    }

    async fn submit(&self, batch: &[Delivery]) -> Result<Submission> {
        let size = batch.iter().map(|d| d.payload.len() + 1).sum::<usize>() + 128;
        let mut body = String::with_capacity(size);
        body.push_str(
            r#"{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":["#,
        );
        for (index, delivery) in batch.iter().enumerate() {
            if index > 0 {
                body.push(',');
            }
            body.push_str(&delivery.payload);
        }
        body.push_str("]}}}}");
        let reply = self
            .imports
            .post("/api/profile-bulk-import-jobs")
            .body(body.into_bytes(), MEDIA_TYPE)
            .send()
            .await?;
        if reply.status < 300 {
            return Ok(Submission::Accepted { job_id: reply.json::<One<Job>>()?.data.id });
        }
        let errors = reply.json::<Refusal>().map(|r| r.errors).unwrap_or_default();
        Ok(refused(&errors, reply.status, batch.len()))
    }

    async fn outcome(&self, job_id: &str) -> Result<Outcome> {
        let path = format!("/api/profile-bulk-import-jobs/{job_id}");
        let reply = self.imports.get(&path).send().await?;
        if reply.status == 404 {
            return Ok(Outcome::Lost { reason: "Klaviyo no longer knows the job".to_owned() });
        }
        let job = done(reply)?.json::<One<Job>>()?.data.attributes;
        match job.status.as_str() {
            "complete" => {}
            "cancelled" => {
                return Ok(Outcome::Lost { reason: "Klaviyo cancelled the job".to_owned() });
            }
            _ => return Ok(Outcome::Running),
        }
        let failed = job.failed_count.unwrap_or(0);
        let mut rejected = Vec::new();
        if failed > 0 {
            let mut page = done(
                self.imports
                    .get(&format!("{path}/import-errors"))
                    .query("page[size]", ERRORS_PAGE)
                    .send()
                    .await?,
            )?
            .json::<List<ImportError>>()?;
            loop {
                rejected.extend(page.data.drain(..).filter_map(|e| e.attributes.into_rejection()));
                let Some(next) = page.links.and_then(|l| l.next) else { break };
                page = done(self.imports.get_absolute(&next)?.send().await?)?.json()?;
            }
        }
        // Klaviyo may name one profile for several reasons.
        let profiles: BTreeSet<&str> = rejected.iter().map(|(name, _)| name.as_str()).collect();
        let named = u64::try_from(profiles.len()).unwrap_or(u64::MAX);
        Ok(Outcome::Done { rejected, unnamed: failed.saturating_sub(named) })
    }
}

/// A reply that is not a refusal of content; the wire's 4xx become errors here.
fn done(reply: Reply) -> Result<Reply> {
    if reply.status < 300 {
        return Ok(reply);
    }
    let said = reply.json::<Refusal>().ok().and_then(|r| r.errors.into_iter().next());
    let detail = said.map_or_else(|| "no explanation".to_owned(), |e| e.title);
    Err(Error::data(format!("Klaviyo answered {}: {detail}", reply.status)))
}

/// Reads which profiles a refusal names; a pointer without a position is about the whole batch.
fn refused(errors: &[ApiError], status: u16, batch: usize) -> Submission {
    let rejection = errors.first().map_or_else(
        || Rejection { code: status.to_string(), detail: "no explanation".to_owned() },
        ApiError::rejection,
    );
    let mut rows: Vec<(usize, Rejection)> = Vec::new();
    for error in errors {
        let position = error.source.as_ref().and_then(|s| s.pointer.as_deref()).and_then(position);
        match position {
            Some(index) if index < batch => {
                if !rows.iter().any(|(known, _)| *known == index) {
                    rows.push((index, error.rejection()));
                }
            }
            // One error about the batch as a whole makes the named rows no explanation.
            _ => return Submission::Refused { rows: Vec::new(), rejection },
        }
    }
    rows.sort_by_key(|(index, _)| *index);
    Submission::Refused { rows, rejection }
}

/// `/data/attributes/profiles/data/7/attributes/email` is about profile 7.
fn position(pointer: &str) -> Option<usize> {
    pointer.strip_prefix("/data/attributes/profiles/data/")?.split('/').next()?.parse().ok()
}

#[derive(Debug, Deserialize)]
struct One<T> {
    data: T,
}

#[derive(Debug, Deserialize)]
struct List<T> {
    data: Vec<T>,
    links: Option<Links>,
}

#[derive(Debug, Deserialize)]
struct Links {
    next: Option<String>,
}

#[derive(Deserialize)]
struct Profile {
    attributes: ProfileAttributes,
}

#[derive(Deserialize)]
struct ProfileAttributes {
    email: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Job {
    id: String,
    attributes: JobAttributes,
}

#[derive(Debug, Deserialize)]
struct JobAttributes {
    status: String,
    failed_count: Option<u64>,
}

#[derive(Deserialize)]
struct ImportError {
    attributes: ImportErrorAttributes,
}

#[derive(Deserialize)]
struct ImportErrorAttributes {
    code: String,
    title: String,
    original_payload: Option<OriginalPayload>,
}

/// Klaviyo echoes the profile that it refused, in the form it was sent or only its attributes.
#[derive(Deserialize)]
struct OriginalPayload {
    email: Option<String>,
    attributes: Option<ProfileAttributes>,
}

impl ImportErrorAttributes {
    /// The title only: the detail may repeat the address.
    fn into_rejection(self) -> Option<(String, Rejection)> {
        let payload = self.original_payload?;
        let email = payload.email.or_else(|| payload.attributes.and_then(|a| a.email))?;
        Some((email.trim().to_lowercase(), Rejection { code: self.code, detail: self.title }))
    }
}

#[derive(Debug, Deserialize)]
struct Refusal {
    errors: Vec<ApiError>,
}

#[derive(Debug, Deserialize)]
struct ApiError {
    code: String,
    title: String,
    source: Option<ErrorSource>,
}

#[derive(Debug, Deserialize)]
struct ErrorSource {
    pointer: Option<String>,
}

impl ApiError {
    fn rejection(&self) -> Rejection {
        Rejection { code: self.code.clone(), detail: self.title.clone() }
    }
}

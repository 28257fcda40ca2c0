//! Klaviyo: bulk profile imports as jobs, their errors, and the profiles whose e-mail is suppressed.
//!
//! A batch with one malformed profile is refused whole, with a pointer to each fault. An accepted
//! one is `queued`, then `processing`, then `complete`, as it is asked about; a profile can still
//! fail there (here: addresses ending in `.invalid`), which only its import errors tell.
//! Imports: 10 calls a second and 150 a minute; profile reads: 75 and 750.

mod filter;
mod import;

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

use crate::world::World;

use super::{
    faults::FaultKind,
    json::{self, Object, cursor, uncursor},
    limits::{Room, Windows},
    request::{Answer, Call, Vendor, escape},
};
use filter::Filter;
use import::{Fault, Import, Profile};

const KEY: &str = "pk_sandbox";
/// One person in this many opted out at Klaviyo.
const ONE_IN: u64 = 47;
/// When they did, in epoch seconds: 2025-06-01.
const SUPPRESSED_AT: i64 = 1_748_736_000;

/// Klaviyo's side of the server.
#[derive(Debug)]
pub(crate) struct Klaviyo {
    imports: Windows,
    reads: Windows,
    as_of: i64,
    state: Mutex<State>,
}

/// A profile as Klaviyo holds it after the imports so far.
#[derive(Debug, Clone, PartialEq)]
pub struct ReceivedProfile {
    /// The e-mail, lower case; for a profile without one, its external id or phone.
    pub identifier: String,
    /// The profile's custom properties.
    pub properties: Value,
    /// How many imports named it.
    pub imports: u32,
}

#[derive(Debug, Default)]
struct State {
    jobs: Vec<Job>,
    /// Identifier -> (properties as JSON text, imports): text is a third of the size of a tree.
    profiles: BTreeMap<Box<str>, (Box<str>, u32)>,
}

#[derive(Debug)]
struct Job {
    total: usize,
    errors: Vec<JobError>,
    polls: u32,
}

#[derive(Debug)]
struct JobError {
    position: usize,
    payload: String,
}

impl Vendor for Klaviyo {
    fn answer(&self, world: &World, lifted: bool, call: &Call<'_>) -> Answer {
        let mut answer = match self.enter(lifted, call) {
            Err(refusal) => refusal,
            Ok(room) => {
                let answer = self.route(world, call);
                match room {
                    None => answer,
                    Some(room) => answer
                        .header("ratelimit-limit", room.limit.to_string())
                        .header("ratelimit-remaining", room.remaining.to_string())
                        .header("ratelimit-reset", room.reset.to_string()),
                }
            }
        };
        answer.content_type = "application/vnd.api+json";
        answer
    }

    fn too_many(&self) -> Answer {
        too_many()
    }

    fn broken(&self) -> &'static str {
        r#"{"errors":[{"id":"sandbox","status":500,"code":"error","title":"A server error occurred.","detail":"A server error occurred."}]}"#
    }
}

impl Klaviyo {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            imports: Windows::new(&[(1, 10), (60, 150)]),
            reads: Windows::new(&[(1, 75), (60, 750)]),
            as_of: world.as_of(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Key, revision and rate.
    fn enter(&self, lifted: bool, call: &Call<'_>) -> Result<Option<Room>, Answer> {
        match call.authorization("klaviyo-api-key") {
            Some(KEY) => {}
            Some(_) => {
                return Err(failure(
                    401,
                    "authentication_failed",
                    "Incorrect authentication credentials.",
                    "The API key specified is invalid.",
                    None,
                ));
            }
            None => {
                return Err(failure(
                    401,
                    "not_authenticated",
                    "Authentication credentials were not provided.",
                    "Missing or invalid authorization scheme. Please use Klaviyo-API-Key.",
                    None,
                ));
            }
        }
        let is_date = |text: &str| {
            text.get(..10).is_some_and(|date| date.parse::<chrono::NaiveDate>().is_ok())
        };
        let revision = call.header("revision").unwrap_or("");
        if !is_date(revision) || revision < "2024-11-22" {
            let detail = "The revision header is missing, malformed, or names a revision that is no longer served.";
            return Err(failure(400, "invalid", "Invalid revision.", detail, None));
        }
        if lifted {
            return Ok(None);
        }
        let windows =
            if call.path.starts_with("api/profiles") { &self.reads } else { &self.imports };
        windows.enter().map(Some).map_err(|wait| too_many().header("retry-after", wait.to_string()))
    }

    fn route(&self, world: &World, call: &Call<'_>) -> Answer {
        match (call.method, call.parts().as_slice()) {
            ("POST", ["api", "profile-bulk-import-jobs"]) => self.import(call),
            ("GET", ["api", "profile-bulk-import-jobs", id]) => self.job(call, id),
            ("GET", ["api", "profile-bulk-import-jobs", id, "import-errors"]) => {
                self.import_errors(call, id)
            }
            ("GET", ["api", "profiles"]) => self.list(world, call),
            (_, ["api", "profiles" | "profile-bulk-import-jobs", ..]) => failure(
                405,
                "method_not_allowed",
                "Method not allowed.",
                "This method is not allowed.",
                None,
            ),
            _ => failure(404, "not_found", "Not found.", "A resource could not be found.", None),
        }
    }

    fn import(&self, call: &Call<'_>) -> Answer {
        let type_of_body = call.header("content-type").unwrap_or("");
        if !type_of_body.starts_with("application/vnd.api+json")
            && !type_of_body.starts_with("application/json")
        {
            return failure(
                415,
                "unsupported_media_type",
                "Unsupported media type.",
                "Use application/vnd.api+json.",
                None,
            );
        }
        let profiles = match Import::read(call.body) {
            Ok(import) => import.profiles,
            Err(import::Refusal { status, faults }) => return failures(status, &faults),
        };
        let mut state = self.state();
        let mut job = Job { total: profiles.len(), errors: Vec::new(), polls: 0 };
        for (position, profile) in profiles.into_iter().enumerate() {
            let spoiled = position == 0 && call.fault == Some(FaultKind::ImportError);
            if spoiled || profile.identifier.ends_with(".invalid") {
                job.errors.push(JobError { position, payload: profile.payload.to_string() });
            } else {
                state.keep(profile);
            }
        }
        state.jobs.push(job);
        let number = state.jobs.len();
        let body =
            state.jobs.last().map(|job| self.job_body(call, number, job)).unwrap_or_default();
        drop(state);
        Answer::new(202, body)
    }

    fn job(&self, call: &Call<'_>, id: &str) -> Answer {
        let mut state = self.state();
        let found = job_number(id)
            .and_then(|number| Some((number, state.jobs.get_mut(number.checked_sub(1)?)?)));
        let Some((number, job)) = found else { return no_job(id) };
        let body = self.job_body(call, number, job);
        job.polls += 1;
        Answer::new(200, body)
    }

    fn job_body(&self, call: &Call<'_>, number: usize, job: &Job) -> String {
        let id = job_id(number);
        let link = format!("{}/api/profile-bulk-import-jobs/{id}", base(call));
        let is_new = call.method == "POST";
        let status = match (is_new, job.polls) {
            (true, _) | (_, 0) => "queued",
            (_, 1) => "processing",
            _ => "complete",
        };
        let is_done = status == "complete";
        json::object(|o| {
            o.object("data", |o| {
                o.text("type", "profile-bulk-import-job").text("id", &id).object(
                    "attributes",
                    |o| {
                        let at =
                            |seconds: i64| json::iso(self.as_of + seconds).replace('Z', "+00:00");
                        o.text("status", status)
                            .text("created_at", &at(0))
                            .int("total_count", job.total);
                        o.int(
                            "completed_count",
                            if is_done { job.total - job.errors.len() } else { 0 },
                        );
                        o.int("failed_count", if is_done { job.errors.len() } else { 0 });
                        o.maybe("completed_at", is_done.then(|| at(2)).as_deref())
                            .text("expires_at", &at(604_800));
                        o.maybe("started_at", (status != "queued").then(|| at(1)).as_deref());
                    },
                );
                o.object("relationships", |o| {
                    for name in ["lists", "profiles"] {
                        o.object(name, |o| {
                            o.object("links", |o| {
                                o.text("self", &format!("{link}/relationships/{name}"));
                                o.text("related", &format!("{link}/{name}"));
                            });
                        });
                    }
                    o.object("import-errors", |o| {
                        o.object("links", |o| {
                            o.text("related", &format!("{link}/import-errors"));
                        });
                    });
                });
                o.object("links", |o| {
                    o.text("self", &link);
                });
            });
        })
    }

    fn import_errors(&self, call: &Call<'_>, id: &str) -> Answer {
        let state = self.state();
        let found = job_number(id).and_then(|number| state.jobs.get(number.checked_sub(1)?));
        let Some(job) = found else { return no_job(id) };
        let page = match page(call) {
            Ok(page) => page,
            Err(refusal) => return *refusal,
        };
        let start = page.after.as_ref().and_then(|after| after.parse().ok()).unwrap_or(0);
        let shown = job.errors.iter().enumerate().skip(start).take(page.size);
        let next = (start + page.size < job.errors.len()).then(|| (start + page.size).to_string());
        let body = json::object(|o| {
            o.list("data", shown, |out, (at, error)| {
                let error_id = format!("{id}-{at}");
                let mut o = Object::new(out);
                o.text("type", "import-error").text("id", &error_id).object("attributes", |o| {
                    o.text("code", "invalid").text("title", "Invalid input.");
                    o.text("detail", "The e-mail domain of this profile does not accept mail.");
                    o.object("source", |o| {
                        o.text(
                            "pointer",
                            &format!(
                                "/data/attributes/profiles/data/{}/attributes/email",
                                error.position
                            ),
                        );
                    });
                    o.raw("original_payload", &error.payload);
                });
            });
            links(o, call, next.as_deref());
        });
        Answer::new(200, body)
    }

    /// Profiles by filter: those suppressed in the world, then those imported.
    fn list(&self, world: &World, call: &Call<'_>) -> Answer {
        let filter = match call.parameter("filter").map(Filter::parse).transpose() {
            Ok(filter) => filter.unwrap_or(Filter::All),
            Err(detail) => {
                return failure(400, "invalid", "Invalid input.", &detail, Some("/filter"));
            }
        };
        let page = match page(call) {
            Ok(page) => page,
            Err(refusal) => return *refusal,
        };
        let known = [
            "filter",
            "page[size]",
            "page[cursor]",
            "fields[profile]",
            "additional-fields[profile]",
            "sort",
        ];
        if let Some((name, _)) = call.parameters().find(|(name, _)| !known.contains(name)) {
            return failure(
                400,
                "invalid",
                "Invalid input.",
                &format!("'{name}' is not a valid parameter here."),
                Some(name),
            );
        }
        let (mut rows, after_person) =
            match page.after.as_deref().and_then(|after| after.split_once(':')) {
                Some(("e", email)) => (Vec::new(), Err(email.to_owned())),
                Some((_, person)) => (Vec::new(), Ok(person.parse::<u32>().unwrap_or(0))),
                None => (Vec::new(), Ok(0)),
            };
        let with_suppressed = filter.wants_suppressed(SUPPRESSED_AT);
        // One more than the page tells whether another follows.
        if let (Ok(start), true) = (&after_person, with_suppressed) {
            let mut people = (*start..world.person_count()).filter(|person| is_suppressed(*person));
            while rows.len() <= page.size {
                let Some(person) = people.next() else { break };
                let email = world.email(person, 0);
                if filter.wants_email(&email) {
                    rows.push((format!("s:{person}"), email, true));
                }
            }
        }
        if filter.wants_imported() && rows.len() <= page.size {
            let from = after_person.err().unwrap_or_default();
            let state = self.state();
            let held = state
                .profiles
                .range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded))
                .map(|(email, _)| email.to_string());
            let held = held.filter(|email| filter.wants_email(email));
            rows.extend(
                held.take(page.size + 1 - rows.len())
                    .map(|email| (format!("e:{email}"), email, false)),
            );
        }
        let next = rows.get(page.size).map(|(place, ..)| place.clone());
        rows.truncate(page.size);
        let with_subscriptions = call
            .parameter("additional-fields[profile]")
            .is_some_and(|f| f.contains("subscriptions"));
        let body = json::object(|o| {
            o.list("data", &rows, |out, (_, email, suppressed)| {
                profile(out, &base(call), email, with_subscriptions.then_some(*suppressed));
            });
            links(o, call, next.as_deref());
        });
        Answer::new(200, body)
    }

    pub(crate) fn received_count(&self) -> usize {
        self.state().profiles.len()
    }

    pub(crate) fn received(&self) -> Vec<ReceivedProfile> {
        let state = self.state();
        let profiles =
            state.profiles.iter().map(|(identifier, (properties, imports))| ReceivedProfile {
                identifier: identifier.to_string(),
                properties: serde_json::from_str(properties).unwrap_or(Value::Null),
                imports: *imports,
            });
        profiles.collect()
    }

    /// All received profiles as one JSON object by identifier.
    pub(crate) fn dump(&self) -> String {
        let state = self.state();
        json::object(|o| {
            for (identifier, (properties, _)) in &state.profiles {
                o.raw(identifier, properties);
            }
        })
    }
}

impl State {
    /// Upserts: null clears a property, an absent one stays.
    fn keep(&mut self, profile: Profile) {
        let held =
            self.profiles.entry(profile.identifier.into()).or_insert_with(|| ("{}".into(), 0));
        held.1 += 1;
        let mut properties: serde_json::Map<String, Value> =
            serde_json::from_str(&held.0).unwrap_or_default();
        for (name, value) in profile.properties {
            if value.is_null() {
                properties.shift_remove(&name);
            } else {
                properties.insert(name, value);
            }
        }
        held.0 = Value::Object(properties).to_string().into();
    }
}

/// E-mails of the people who opted out.
pub(crate) fn suppressed(world: &World) -> impl Iterator<Item = String> + '_ {
    (0..world.person_count())
        .filter(|person| is_suppressed(*person))
        .map(|person| world.email(person, 0))
}

const fn is_suppressed(person: u32) -> bool {
    // A fixed scatter, so that it follows no pattern in the people's own traits.
    ((person as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).is_multiple_of(ONE_IN)
}

fn profile(out: &mut String, base: &str, email: &str, suppressed: Option<bool>) {
    let id = format!(
        "01SANDBOX{:017X}",
        email.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(u64::from(byte)))
    );
    let mut o = Object::new(out);
    o.text("type", "profile").text("id", &id).object("attributes", |o| {
        o.text("email", email);
        for name in ["phone_number", "external_id", "first_name", "last_name"] {
            o.null(name);
        }
        if let Some(suppressed) = suppressed {
            o.object("subscriptions", |o| {
                o.object("email", |o| {
                    o.object("marketing", |o| {
                        let at = json::iso(SUPPRESSED_AT).replace('Z', "+00:00");
                        o.flag("can_receive_email_marketing", !suppressed);
                        o.text(
                            "consent",
                            if suppressed { "UNSUBSCRIBED" } else { "NEVER_SUBSCRIBED" },
                        );
                        o.list("suppression", suppressed.then_some(()), |out, ()| {
                            Object::new(out).text("reason", "UNSUBSCRIBE").text("timestamp", &at);
                        });
                        o.list("list_suppressions", [(); 0], |_, ()| ());
                    });
                });
            });
        }
    });
    o.object("links", |o| {
        o.text("self", &format!("{base}/api/profiles/{id}"));
    });
}

struct Page {
    size: usize,
    after: Option<String>,
}

fn page(call: &Call<'_>) -> Result<Page, Box<Answer>> {
    let wrong = |detail: &str, name: &str| {
        Box::new(failure(400, "invalid", "Invalid input.", detail, Some(name)))
    };
    let size =
        call.number("page[size]").ok().and_then(|size| usize::try_from(size.unwrap_or(20)).ok());
    let size = size.filter(|size| (1..=100).contains(size));
    let size =
        size.ok_or_else(|| wrong("Page size must be an integer between 1 and 100.", "page[size]"))?;
    let after = call.parameter("page[cursor]").filter(|cursor| !cursor.is_empty());
    let after = after
        .map(|cursor| uncursor(cursor).ok_or_else(|| wrong("Invalid cursor.", "page[cursor]")));
    Ok(Page { size, after: after.transpose()? })
}

fn links(o: &mut Object<'_>, call: &Call<'_>, next: Option<&str>) {
    let link = |place: Option<&str>| {
        let mut link = format!("{}/{}", base(call), call.path);
        let kept = call.parameters().filter(|(name, _)| place.is_none() || *name != "page[cursor]");
        let mut pairs: Vec<String> =
            kept.map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        pairs.extend(place.map(|place| format!("{}={}", escape("page[cursor]"), cursor(place))));
        if !pairs.is_empty() {
            json::push(&mut link, format_args!("?{}", pairs.join("&")));
        }
        link
    };
    o.object("links", |o| {
        o.text("self", &link(None))
            .maybe("next", next.map(|next| link(Some(next))).as_deref())
            .null("prev");
    });
}

fn base(call: &Call<'_>) -> String {
    format!("http://{}/klaviyo", call.header("host").unwrap_or("localhost"))
}

fn job_id(number: usize) -> String {
    format!("c2FuZGJveC1qb2I6{number:08}")
}

fn job_number(id: &str) -> Option<usize> {
    id.strip_prefix("c2FuZGJveC1qb2I6")?.parse().ok()
}

fn no_job(id: &str) -> Answer {
    let detail = format!("A profile bulk import job with id {id} does not exist.");
    failure(404, "not_found", "Not found.", &detail, None)
}

fn failure(
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: &str,
    parameter: Option<&str>,
) -> Answer {
    let fault = Fault {
        code,
        title,
        detail: detail.to_owned(),
        pointer: None,
        parameter: parameter.map(str::to_owned),
    };
    failures(status, &[fault])
}

fn failures(status: u16, faults: &[Fault]) -> Answer {
    let body = json::object(|o| {
        o.list("errors", faults.iter().enumerate(), |out, (at, fault)| {
            let mut o = Object::new(out);
            o.text("id", &format!("5eedf00d-0000-4000-8000-{at:012}")).int("status", status);
            o.text("code", fault.code).text("title", fault.title).text("detail", &fault.detail);
            o.object("source", |o| {
                if let Some(pointer) = &fault.pointer {
                    o.text("pointer", pointer);
                }
                if let Some(parameter) = &fault.parameter {
                    o.text("parameter", parameter);
                }
            });
            o.object("links", |_| ()).object("meta", |_| ());
        });
    });
    Answer::new(status, body)
}

/// Klaviyo's 429; the caller adds the wait.
fn too_many() -> Answer {
    let mut answer = failure(
        429,
        "throttled",
        "Request was throttled.",
        "Request was throttled. Expected available in 1 second.",
        None,
    );
    answer.content_type = "application/vnd.api+json";
    answer
}

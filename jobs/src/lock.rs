//! One run of a job, and one delivery to an account, at a time: a lock in the warehouse itself, so
//! that two machines see it.
//!
//! `_inkhouse/lock/<name>/<N>.json` is made by one conditional put, and the highest N holds. Only
//! its owner writes N again: to say that it lives, and at last that it is done. Who finds the
//! holder dead (silent for longer than it promised, or a process of this machine that is gone)
//! makes N+1, which one of several can. N is the fencing token: a holder that finds a higher one
//! stops. It need not stop in time to be safe: landings and releases are compare-and-swap, so a
//! run that lost its lock cannot overwrite anything, only waste work; vendors upsert, so a row
//! delivered twice is wasted work too.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use warehouse::Warehouse;

use crate::{
    clock::Clock,
    failure::{Failure, Kind},
    stop::{Reason, Stop},
};

/// How long a holder may be silent.
const PATIENCE: TimeDelta = TimeDelta::seconds(120);
/// How often it says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// What is done once at a time.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A job, by its name.
    Job(&'a str),
    /// What one export delivers to one account, whatever run it belongs to.
    Delivery {
        /// The vendor.
        destination: &'a str,
        /// The account there.
        account: &'a str,
        /// The export's name.
        export: &'a str,
    },
}

impl Subject<'_> {
    /// The lock's name. A job is named after a file, so that no job's has a slash.
    fn name(&self) -> String {
        match self {
            Self::Job(job) => (*job).to_owned(),
            Self::Delivery { destination, account, export } => {
                format!("export/{destination}/{account}/{export}")
            }
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => write!(f, "job `{job}`"),
            Self::Delivery { destination, account, export } => {
                write!(f, "export `{export}` to `{destination}` account `{account}`")
            }
        }
    }
}

/// What a lock object says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Holder {
    run_id: String,
    /// The machine's name, for people.
    host: String,
    /// The process, as far as this machine can tell it from others; `None` where it cannot.
    process: Option<Process>,
    expires_at: DateTime<Utc>,
    released: bool,
}

/// A process that can be recognised on its machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    /// The machine's boot and the process namespace: the same only where `pid` means the same.
    scope: String,
    pid: u32,
    /// When it started, in ticks since the boot: a number used again is another process.
    started: String,
}

impl Process {
    /// This process; known on Linux only.
    fn this() -> Option<Self> {
        let pid = std::process::id();
        Some(Self { scope: scope()?, pid, started: started(pid)? })
    }

    /// Whether it is surely gone.
    fn is_gone(&self) -> bool {
        scope().as_ref() == Some(&self.scope) && started(self.pid).as_ref() != Some(&self.started)
    }
}

fn scope() -> Option<String> {
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs_err::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {}", boot.trim(), namespace.display()))
}

fn started(pid: u32) -> Option<String> {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets and may hold blanks; state is the third.
    let rest = stat.rsplit_once(')')?.1;
    let mut fields = rest.split_whitespace();
    let is_dead = matches!(fields.next()?, "Z" | "X");
    let started = fields.nth(18)?.to_owned();
    (!is_dead).then_some(started)
}

fn host() -> String {
    fs_err::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "another machine".to_owned(), |name| name.trim().to_owned())
}

/// A lock that is held. Let it go with [`Lock::release`]; dropped, it lapses by itself.
#[derive(Debug)]
pub struct Lock {
    objects: Arc<dyn ObjectStore>,
    path: Path,
    holder: Holder,
    /// The fencing token: grows with every holder.
    pub token: u64,
    heartbeat: JoinHandle<()>,
}

/// Takes the lock of `subject` for `run_id`; `stop` is asked when another run takes it over.
///
/// # Errors
/// Busy, with who holds it and until when; or the storage's own failure.
pub async fn take(
    warehouse: &Warehouse,
    subject: Subject<'_>,
    run_id: &str,
    stop: &Stop,
) -> Result<Lock, Failure> {
    let objects = Arc::clone(warehouse.store().objects());
    let name = subject.name();
    // One segment of the path: a slash in the name is written as `%2F`.
    let folder = Path::from_iter(["_inkhouse", "lock", &name]);
    loop {
        let numbers = numbers(&objects, &folder).await?;
        let last = numbers.last().copied().unwrap_or(0);
        if last > 0
            && let Some(holder) = read(&objects, &path(&folder, last)).await?
            && !holder.released
        {
            let now = Clock::System.now();
            let is_gone = holder.process.as_ref().is_some_and(Process::is_gone);
            if !is_gone && holder.expires_at > now {
                let seconds = (holder.expires_at - now).num_seconds().max(1);
                return Err(Failure::new(Kind::Busy, format!("{subject} is running already"))
                    .with_cause(format!(
                        "run `{}` on `{}` holds its lock",
                        holder.run_id, holder.host
                    ))
                    .with_hint(format!(
                        "wait for it to end; if it died, its lock lapses in {seconds} s"
                    )));
            }
            tracing::warn!(name, dead = holder.run_id, "the last run ended without letting go");
        }
        let token = last + 1;
        let holder = Holder {
            run_id: run_id.to_owned(),
            host: host(),
            process: Process::this(),
            expires_at: Clock::System.now() + PATIENCE,
            released: false,
        };
        if !create(&objects, &path(&folder, token), &holder).await? {
            continue; // somebody was quicker; see who
        }
        if self::numbers(&objects, &folder).await?.last().is_some_and(|newest| *newest > token) {
            // The number was free again only because a later holder had cleared it away.
            if let Err(error) = objects.delete(&path(&folder, token)).await {
                tracing::debug!(name, token, %error, "a lock that came too late was left behind");
            }
            continue;
        }
        for old in numbers {
            // One that stays does no harm: the highest number counts.
            if let Err(error) = objects.delete(&path(&folder, old)).await {
                tracing::debug!(name, old, %error, "an old lock was left behind");
            }
        }
        let path = path(&folder, token);
        let heartbeat = tokio::spawn(beat(
            Arc::clone(&objects),
            folder.clone(),
            token,
            holder.clone(),
            stop.clone(),
        ));
        return Ok(Lock { objects, path, holder, token, heartbeat });
    }
}

impl Lock {
    /// Lets it go. A failure is logged: the lock lapses anyway.
    pub async fn release(mut self) {
        self.heartbeat.abort();
        // Aborting is not instant; the last word must be ours.
        if let Err(error) = (&mut self.heartbeat).await
            && !error.is_cancelled()
        {
            tracing::warn!(%error, "the lock's heartbeat failed");
        }
        self.holder.released = true;
        if let Err(error) = write(&self.objects, &self.path, &self.holder).await {
            tracing::warn!(%error, "the lock was not released; it lapses by itself");
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

async fn beat(
    objects: Arc<dyn ObjectStore>,
    folder: Path,
    token: u64,
    mut holder: Holder,
    stop: Stop,
) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        match numbers(&objects, &folder).await {
            Ok(numbers) if numbers.iter().any(|number| *number > token) => {
                stop.request(Reason::LockLost);
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the lock could not be looked at"),
        }
        holder.expires_at = Clock::System.now() + PATIENCE;
        if let Err(error) = write(&objects, &path(&folder, token), &holder).await {
            tracing::warn!(%error, "the lock could not be kept alive");
        }
    }
}

fn path(folder: &Path, number: u64) -> Path {
    folder.clone().join(format!("{number:020}.json"))
}

async fn numbers(objects: &Arc<dyn ObjectStore>, folder: &Path) -> Result<Vec<u64>, Failure> {
    let listed: Vec<_> =
        objects.list(Some(folder)).try_collect().await.map_err(|e| failed(folder, e))?;
    let mut numbers: Vec<u64> = listed
        .iter()
        .filter_map(|object| object.location.filename()?.strip_suffix(".json")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

async fn read(objects: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<Holder>, Failure> {
    let bytes = match objects.get(path).await {
        Ok(object) => object.bytes().await.map_err(|e| failed(path, e))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(failed(path, error)),
    };
    // A holder that cannot be read (a crash in the middle of its file) holds nothing.
    Ok(serde_json::from_slice(&bytes).ok())
}

async fn create(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
    holder: &Holder,
) -> Result<bool, Failure> {
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    match objects.put_opts(path, text(holder)?.into(), options).await {
        Ok(_) => Ok(true),
        // A put that was tried again may have met itself.
        Err(object_store::Error::AlreadyExists { .. }) => {
            Ok(read(objects, path).await?.as_ref() == Some(holder))
        }
        Err(error) => Err(failed(path, error)),
    }
}

async fn write(
    objects: &Arc<dyn ObjectStore>,
    path: &Path,
    holder: &Holder,
) -> Result<(), Failure> {
    objects.put(path, text(holder)?.into()).await.map(drop).map_err(|e| failed(path, e))
}

fn text(holder: &Holder) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(holder).map_err(|error| Failure::new(Kind::Bug, error.to_string()))
}

fn failed(path: &Path, error: object_store::Error) -> Failure {
    let doing = format!("using the lock `{path}`");
    Failure::from(warehouse::Error::Storage { doing, source: error })
        .with_hint("is `[warehouse] url` in `inkhouse.toml` right, and may this user write there?")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn house() -> Warehouse {
        let url = "memory:///".parse().unwrap();
        Warehouse::open(&url, &BTreeMap::new(), warehouse::Options::default()).unwrap()
    }

    #[tokio::test]
    async fn a_second_run_is_refused_until_the_first_lets_go() {
        let house = house();
        let stop = Stop::default();
        let first = take(&house, Subject::Job("nightly"), "run-a", &stop).await.unwrap();
        let refused = take(&house, Subject::Job("nightly"), "run-b", &stop).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Busy);
        assert!(refused.causes().concat().contains("run-a"), "{refused:?}");
        let other = take(&house, Subject::Job("hourly"), "run-c", &stop).await.unwrap();
        assert_eq!((first.token, other.token), (1, 1));
        first.release().await;
        assert_eq!(take(&house, Subject::Job("nightly"), "run-b", &stop).await.unwrap().token, 2);
    }

    #[tokio::test]
    async fn deliveries_are_apart_by_account_and_from_jobs() {
        let house = house();
        let stop = Stop::default();
        let to = |account| Subject::Delivery { destination: "klaviyo", account, export: "people" };
        let first = take(&house, to("main"), "run-a", &stop).await.unwrap();
        let refused = take(&house, to("main"), "run-b", &stop).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "export `people` to `klaviyo` account `main` is running already"
        );
        assert!(refused.hint().unwrap().contains("wait for it to end"), "{refused:?}");
        let others = [to("second"), Subject::Job("people"), Subject::Job("export")];
        for other in others {
            assert_eq!(take(&house, other, "run-c", &stop).await.unwrap().token, 1);
        }
        first.release().await;
        assert_eq!(take(&house, to("main"), "run-b", &stop).await.unwrap().token, 2);
    }

    #[tokio::test]
    async fn a_dead_holder_is_succeeded_at_once_on_its_machine_and_later_elsewhere() {
        let house = house();
        let objects = Arc::clone(house.store().objects());
        let folder = Path::from_iter(["_inkhouse", "lock", "nightly"]);
        let gone = Process { started: "1".to_owned(), ..Process::this().unwrap() };
        let mut holder = Holder {
            run_id: "dead".to_owned(),
            host: "here".to_owned(),
            process: Some(gone),
            expires_at: Clock::System.now() + PATIENCE,
            released: false,
        };
        write(&objects, &path(&folder, 7), &holder).await.unwrap();
        let stop = Stop::default();
        let lock = take(&house, Subject::Job("nightly"), "run-a", &stop).await.unwrap();
        assert_eq!(lock.token, 8);
        drop(lock);

        let elsewhere = Process { scope: "another boot".to_owned(), ..Process::this().unwrap() };
        holder.process = Some(elsewhere);
        write(&objects, &path(&folder, 9), &holder).await.unwrap();
        assert!(take(&house, Subject::Job("nightly"), "run-b", &stop).await.is_err());
        holder.expires_at = Clock::System.now() - TimeDelta::seconds(1);
        write(&objects, &path(&folder, 9), &holder).await.unwrap();
        assert_eq!(take(&house, Subject::Job("nightly"), "run-b", &stop).await.unwrap().token, 10);
    }

    #[tokio::test]
    async fn of_many_at_once_one_gets_it() {
        let house = house();
        let stop = Stop::default();
        let runs =
            (0..8).map(|number| {
                let (house, stop) = (house.clone(), stop.clone());
                async move {
                    take(&house, Subject::Job("nightly"), &format!("run-{number}"), &stop).await
                }
            });
        let taken = futures::future::join_all(runs).await;
        assert_eq!(taken.iter().filter(|lock| lock.is_ok()).count(), 1);
    }
}

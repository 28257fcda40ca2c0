//! The vendors' wire protocols on one loopback port, a prefix for each vendor.
//!
//! Every answer is written byte by byte from the world; nothing is shared with what reads it. The
//! whole server is one function from a call to an answer, so the same request always gets the same
//! bytes, save where a vendor's own limits or a [`FaultPlan`] step in.

mod door;
mod faults;
mod json;
mod klaviyo;
mod limits;
mod meta;
mod printful;
mod printify;
mod request;
mod shopify;
mod stripe;
mod vendors;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
};
use bytes::Bytes;
use futures::StreamExt;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::World;
use door::{Door, Visitor};
use faults::{Fault, change_records};
pub use faults::{FaultKind, FaultPlan, FaultPlanError, VENDORS};
pub use klaviyo::ReceivedProfile;
use request::{Answer, Call, Vendor};

/// The most a request may carry; Klaviyo's own cap is lower and answered by itself.
const BODY_LIMIT: usize = 32 << 20;

/// How to serve a world.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// What goes wrong, and when.
    pub faults: FaultPlan,
    /// Switches every vendor's rate limit off, and Shopify's 1000 points a query with them.
    pub lift_limits: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            faults: FaultPlan::default(),
            lift_limits: false,
        }
    }
}

/// A serving sandbox; it stops when dropped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    shop: Arc<Shop>,
    stopping: CancellationToken,
    server: JoinHandle<io::Result<()>>,
}

/// Requests served, by vendor and method.
pub type RequestCounts = BTreeMap<(&'static str, String), u64>;

/// All that the answers are made from.
#[derive(Debug)]
struct Shop {
    world: World,
    lifted: bool,
    faults: FaultPlan,
    /// In the order of [`VENDORS`], like `numbers`.
    vendors: Vec<Arc<dyn Vendor>>,
    numbers: Vec<AtomicU64>,
    counts: Mutex<RequestCounts>,
    faulted: AtomicU64,
    klaviyo: Arc<klaviyo::Klaviyo>,
}

/// Serves `world` until the answer is stopped or dropped.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(world: World, options: ServeOptions) -> io::Result<Running> {
    let listener = TcpListener::bind(options.addr).await?;
    let addr = listener.local_addr()?;
    let klaviyo = Arc::new(klaviyo::Klaviyo::new(&world));
    let shop = Arc::new(Shop {
        world,
        lifted: options.lift_limits,
        faults: options.faults,
        vendors: vendors::all(&klaviyo),
        numbers: VENDORS.iter().map(|_| AtomicU64::new(0)).collect(),
        counts: Mutex::default(),
        faulted: AtomicU64::new(0),
        klaviyo,
    });
    let stopping = CancellationToken::new();
    let app = Router::new().fallback(answer).with_state(Arc::clone(&shop));
    let app = app.into_make_service_with_connect_info::<Visitor>();
    let stopped = stopping.clone().cancelled_owned();
    let server = tokio::spawn(async move {
        axum::serve(Door(listener), app).with_graceful_shutdown(stopped).await
    });
    Ok(Running { addr, shop, stopping, server })
}

impl Running {
    /// What a connector's `base_url` is for this vendor.
    pub fn base_url(&self, vendor: &str) -> String {
        format!("http://{}/{vendor}", self.addr)
    }

    /// Requests served so far, refused and faulty ones too.
    pub fn requests(&self) -> RequestCounts {
        self.shop.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests of one vendor and method.
    pub fn requests_of(&self, vendor: &str, method: &str) -> u64 {
        let counts = self.shop.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let matching = counts.iter().filter(|((v, m), _)| *v == vendor && m == method);
        matching.map(|(_, count)| count).sum()
    }

    /// How many answers the fault plan spoiled. One that it names and that has nothing to spoil (no
    /// records to repeat, nothing imported) is not counted.
    pub fn faults_served(&self) -> u64 {
        self.shop.faulted.load(Ordering::Relaxed)
    }

    /// Klaviyo's profiles as imported so far, by e-mail.
    pub fn klaviyo_profiles(&self) -> Vec<ReceivedProfile> {
        self.shop.klaviyo.received()
    }

    /// How many profiles Klaviyo holds that were imported.
    pub fn klaviyo_profile_count(&self) -> usize {
        self.shop.klaviyo.received_count()
    }

    /// E-mails whose marketing Klaviyo suppresses.
    pub fn klaviyo_suppressed(&self) -> Vec<String> {
        klaviyo::suppressed(&self.shop.world).collect()
    }

    /// Stops taking calls and waits a moment for those under way.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        if tokio::time::timeout(Duration::from_secs(2), &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

async fn answer(
    State(shop): State<Arc<Shop>>,
    ConnectInfo(visitor): ConnectInfo<Visitor>,
    request: Request,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return response(Answer::new(413, String::from("too large")));
    };
    let path = head.uri.path().trim_start_matches('/');
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let Some((place, vendor)) = shop.vendor(name) else {
        return response(shop.inside(name, rest));
    };
    let number = shop.count(place, head.method.as_str());
    let fault = shop.faults.of(place, number);
    if let Some(fault) = fault {
        if fault.kind == FaultKind::Close {
            shop.spoiled();
            visitor.hang_up();
            return response(Answer::new(500, String::new()));
        }
        if fault.kind == FaultKind::Slow {
            shop.spoiled();
            tokio::time::sleep(Duration::from_millis(fault.milliseconds)).await;
        }
        if let Some(refusal) = refusal(vendor, fault) {
            shop.spoiled();
            return response(refusal);
        }
    }
    let query = head.uri.query().unwrap_or("");
    let call =
        Call::new(head.method.as_str(), rest, query, &head.headers, &body, fault.map(|f| f.kind));
    let mut answer = vendor.answer(&shop.world, shop.lifted, &call);
    match fault.map(|fault| fault.kind) {
        Some(FaultKind::Truncate) => {
            shop.spoiled();
            return cut_off(answer);
        }
        // Only an import is answered so, and its first profile was refused.
        Some(FaultKind::ImportError) if answer.status == 202 => shop.spoiled(),
        Some(kind) if answer.status < 300 => {
            if let Some(body) = change_records(kind, &answer.body) {
                shop.spoiled();
                answer.body = body;
            }
        }
        _ => {}
    }
    response(answer)
}

impl Shop {
    /// Counts an answer that is not what it would have been on a calm day.
    fn spoiled(&self) {
        self.faulted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request; its number among the vendor's, from 1.
    fn count(&self, vendor: usize, method: &str) -> u64 {
        let name = VENDORS.get(vendor).copied().unwrap_or("");
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((name, method.to_owned())).or_insert(0) += 1;
        drop(counts);
        self.numbers.get(vendor).map_or(0, |number| number.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn vendor(&self, name: &str) -> Option<(usize, &dyn Vendor)> {
        let place = VENDORS.iter().position(|known| *known == name)?;
        Some((place, &**self.vendors.get(place)?))
    }

    /// What tests in another process look at.
    fn inside(&self, name: &str, rest: &str) -> Answer {
        match (name, rest) {
            ("_sandbox", "stats") => Answer::new(200, self.stats()),
            ("_sandbox", "klaviyo/profiles") => Answer::new(200, self.klaviyo.dump()),
            _ => Answer::new(
                404,
                json::object(|o| {
                    o.text("error", "no vendor here; paths start with a vendor's name").list(
                        "vendors",
                        VENDORS.iter().copied(),
                        json::text,
                    );
                }),
            ),
        }
    }

    fn stats(&self) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        json::object(|o| {
            o.object("requests", |o| {
                for &vendor in VENDORS {
                    o.object(vendor, |o| {
                        for ((_, method), count) in
                            counts.iter().filter(|((name, _), _)| *name == vendor)
                        {
                            o.int(method, count);
                        }
                    });
                }
            })
            .int("faults", self.faulted.load(Ordering::Relaxed))
            .int("orders", self.world.order_count())
            .text("as_of", &json::iso(self.world.as_of()))
            .int("klaviyo_profiles", self.klaviyo.received_count());
        })
    }
}

/// A refusal in the vendor's own words.
fn refusal(vendor: &dyn Vendor, fault: Fault) -> Option<Answer> {
    let mut answer = match fault.kind {
        FaultKind::TooMany => vendor.too_many(),
        FaultKind::Server => Answer::new(500, vendor.broken().to_owned()),
        FaultKind::Throttled => vendor.throttled()?,
        _ => return None,
    };
    if let (FaultKind::TooMany, Some(seconds)) = (fault.kind, fault.retry_after) {
        answer = answer.header("retry-after", seconds.to_string());
    }
    Some(answer)
}

fn response(answer: Answer) -> Response<Body> {
    let Answer { status, headers, content_type, body } = answer;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// Half of the body under the full length, then the connection breaks.
fn cut_off(answer: Answer) -> Response<Body> {
    let whole = answer.body.len();
    let half = Bytes::copy_from_slice(answer.body.as_bytes().get(..whole / 2).unwrap_or(&[]));
    let broken = io::Error::new(io::ErrorKind::ConnectionReset, "cut off by the fault plan");
    let parts = futures::stream::once(async { Ok(half) }).chain(futures::stream::once(async {
        // What was written has to be on its way before the connection breaks.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(broken)
    }));
    let mut response = response(Answer { body: String::new(), ..answer });
    *response.body_mut() = Body::from_stream(parts);
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
    response
}

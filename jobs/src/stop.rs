//! Asking a run to stop, and remembering why.
//!
//! A run looks at this between two pages, two models and two batches: what was committed stays, and
//! the next run goes on from there. Who asks first is remembered; later reasons change nothing.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// Why a run was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Ctrl-C or SIGTERM.
    Signal,
    /// The job's `timeout`.
    Timeout(Duration),
    /// Another run took over a lock that this one held.
    LockLost,
}

/// A request to stop; clones are one request.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<Reason>>,
}

impl Stop {
    /// Asks.
    pub fn request(&self, reason: Reason) {
        // The first reason stays.
        let _first = self.reason.set(reason);
        self.token.cancel();
    }

    /// Whether it was asked.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why, if it was.
    pub fn reason(&self) -> Option<Reason> {
        self.reason.get().copied().or_else(|| self.is_requested().then_some(Reason::Signal))
    }

    /// Waits until it is asked.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }

    /// The token, for what only knows tokens.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// A request of its own that this one asks too; asking the child leaves the parent alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token(), reason: Arc::default() }
    }
}

/// Turns signals into a request: the first Ctrl-C or SIGTERM asks, the second ends the future.
pub async fn on_signals(stop: Stop, asked: impl FnOnce()) {
    signal().await;
    stop.request(Reason::Signal);
    asked();
    signal().await;
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => interrupted().await,
    }
}

#[cfg(not(unix))]
async fn signal() {
    interrupted().await;
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // No handler could be set: the system's own applies, and this must not look like a signal.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays_and_a_child_does_not_ask_its_parent() {
        let parent = Stop::default();
        let child = parent.child();
        child.request(Reason::LockLost);
        child.request(Reason::Signal);
        assert_eq!(child.reason(), Some(Reason::LockLost));
        assert!(!parent.is_requested());
        let other = parent.child();
        parent.request(Reason::Signal);
        other.requested().await;
        assert_eq!(other.reason(), Some(Reason::Signal));
    }
}

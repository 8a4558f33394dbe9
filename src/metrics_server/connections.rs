//! The open connections of a server, and which one to close if there are too many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// Maximum number of open connections per server.
pub(super) const MAX_CONNECTIONS: usize = 64;

/// Whether a request on the connection has been authorized.
#[derive(Clone, Debug, Default)]
pub(super) struct Authorized(Arc<AtomicBool>);

impl Authorized {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The open connections, oldest first.
#[derive(Default)]
pub(super) struct Connections(VecDeque<(AbortHandle, Authorized)>);

impl Connections {
    pub(super) fn add(&mut self, task: AbortHandle, authorized: Authorized) {
        self.0.push_back((task, authorized));
    }

    /// Removes closed connections. If the maximum is reached, closes the oldest one without an
    /// authorized request, or else the oldest one.
    pub(super) fn make_room(&mut self) {
        self.0.retain(|(task, _)| !task.is_finished());
        if self.0.len() < MAX_CONNECTIONS {
            return;
        }
        let unauthorized = self.0.iter().position(|(_, authorized)| !authorized.get());
        if let Some((task, _)) = self.0.remove(unauthorized.unwrap_or(0)) {
            task.abort();
        }
    }
}

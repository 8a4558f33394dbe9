//! Who may use which node. One FileIntegrity at a time may select a node, so a test takes its nodes
//! before it begins, and gives them back when nothing of it is on them anymore.
//!
//! `cargo test` starts all tests at once, each in a thread of its own, and they wait here. Tests on one
//! or two nodes run first, as many as nodes are free, the longest before the others. Those on all nodes
//! follow, one at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::{Notify, OnceCell};

/// How much of the cluster a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Any node.
    One,
    /// Any two nodes.
    Two,
    /// Every node, and so the whole cluster: for what spans nodes or disturbs others.
    All,
}

/// Nodes on loan to a test.
#[derive(Debug)]
pub(crate) struct Lease {
    nodes: Vec<String>,
}

/// What a test waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Request {
    wanted: Wanted,
    /// How long the test may take.
    patience: Duration,
}

#[derive(Debug)]
struct State {
    free: Vec<String>,
    /// Tests that run.
    running: usize,
    waiting: Vec<Request>,
}

static STATE: Mutex<State> = Mutex::new(State {
    free: Vec::new(),
    running: 0,
    waiting: Vec::new(),
});
static CHANGED: Notify = Notify::const_new();
/// Why there are no nodes, where that is so: no test tries again what failed for the first.
static PREPARED: OnceCell<Result<(), String>> = OnceCell::const_new();

/// Waits for the nodes of a test that may take that long. `prepare` runs once, before the first test
/// gets any, and names them.
pub(crate) async fn take(
    wanted: Wanted,
    patience: Duration,
    prepare: impl AsyncFnOnce() -> Result<Vec<String>>,
) -> Result<Lease> {
    let request = Request { wanted, patience };
    // Before the preparation, so that the first test to get nodes knows of the others.
    state().waiting.push(request);
    let prepared = PREPARED.get_or_init(async || {
        let nodes = prepare().await.map_err(|error| format!("{error:#}"))?;
        state().free = nodes;
        Ok(())
    });
    if let Err(error) = prepared.await {
        anyhow::bail!("the cluster cannot be used: {error}");
    }
    Ok(Lease {
        nodes: wait(request).await,
    })
}

async fn wait(request: Request) -> Vec<String> {
    loop {
        let changed = CHANGED.notified();
        tokio::pin!(changed);
        // From here on no change is missed.
        changed.as_mut().enable();
        let taken = state().take(request);
        if let Some(nodes) = taken {
            // One that had to let this one go first may begin now.
            CHANGED.notify_waiters();
            return nodes;
        }
        changed.await;
    }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Request {
    /// The number of nodes, for a test that shares the cluster.
    fn nodes(self) -> Option<usize> {
        match self.wanted {
            Wanted::One => Some(1),
            Wanted::Two => Some(2),
            Wanted::All => None,
        }
    }

    /// Whether the other one goes first if there are nodes for each.
    fn yields_to(self, other: Self) -> bool {
        (other.patience, other.nodes()) > (self.patience, self.nodes())
    }
}

impl State {
    /// The nodes, sorted, if a test may begin now.
    fn take(&mut self, request: Request) -> Option<Vec<String>> {
        if !self.may_begin(request) {
            return None;
        }
        if let Some(index) = self.waiting.iter().position(|other| *other == request) {
            self.waiting.swap_remove(index);
        }
        let count = request.nodes().unwrap_or(self.free.len());
        self.running += 1;
        let mut nodes = self.free.split_off(self.free.len() - count);
        nodes.sort();
        Some(nodes)
    }

    fn may_begin(&self, request: Request) -> bool {
        let mut sharing = self.waiting.iter().filter(|other| other.nodes().is_some());
        match request.nodes() {
            Some(count) => {
                let fits = |count| count <= self.free.len();
                fits(count)
                    && !sharing
                        .any(|other| other.nodes().is_some_and(fits) && request.yields_to(*other))
            }
            None => self.running == 0 && sharing.next().is_none(),
        }
    }
}

impl Lease {
    /// The nodes' names, sorted.
    pub(crate) fn nodes(&self) -> &[String] {
        &self.nodes
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = state();
        state.free.append(&mut self.nodes);
        state.running -= 1;
        drop(state);
        CHANGED.notify_waiters();
    }
}

//! Who may use which node. One FileIntegrity at a time may select a node, so a test takes its nodes
//! before it begins and gives them back when everything of it is gone from them.
//!
//! All tests wait here from the start, each in a thread of its own. A test on every node begins when no
//! other one waits or runs: so the first to come may be one, and the others follow those on one or two
//! nodes, of which as many run at a time as there are nodes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio::sync::{Notify, OnceCell};

/// How much of the cluster a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// None, but nobody may have the whole cluster meanwhile.
    Nothing,
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
    pool: &'static Pool,
}

/// The nodes of the cluster, and who waits for them.
#[derive(Debug)]
struct Pool {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    free: Vec<String>,
    /// Tests that run.
    running: usize,
    /// The one that runs has the whole cluster.
    exclusive: bool,
    /// Tests that wait for one node.
    waiting_for_one: usize,
    /// Tests that wait for two nodes.
    waiting_for_two: usize,
}

/// Why there are no nodes, where that is so: no test tries again what failed for the first.
static POOL: OnceCell<Result<Pool, String>> = OnceCell::const_new();

/// Waits for the nodes. `prepare` runs once, before the first test gets any, and names them.
pub(crate) async fn take(
    wanted: Wanted,
    prepare: impl AsyncFnOnce() -> Result<Vec<String>>,
) -> Result<Lease> {
    let pool = POOL
        .get_or_init(async || {
            let nodes = prepare().await;
            nodes.map(Pool::new).map_err(|error| format!("{error:#}"))
        })
        .await;
    let pool = pool
        .as_ref()
        .map_err(|error| anyhow::anyhow!("the cluster cannot be used: {error}"))?;
    Ok(Lease {
        nodes: pool.wait(wanted).await,
        pool,
    })
}

impl Pool {
    fn new(free: Vec<String>) -> Self {
        let state = State {
            free,
            ..State::default()
        };
        Self {
            state: Mutex::new(state),
            changed: Notify::new(),
        }
    }

    async fn wait(&self, wanted: Wanted) -> Vec<String> {
        match wanted {
            Wanted::One => self.state().waiting_for_one += 1,
            Wanted::Two => self.state().waiting_for_two += 1,
            Wanted::Nothing | Wanted::All => {}
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let taken = self.state().take(wanted);
            if let Some(nodes) = taken {
                return nodes;
            }
            changed.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The nodes, sorted, if a test may begin now.
    fn take(&mut self, wanted: Wanted) -> Option<Vec<String>> {
        if !self.may_begin(wanted) {
            return None;
        }
        let count = match wanted {
            Wanted::Nothing => 0,
            Wanted::One => 1,
            Wanted::Two => 2,
            Wanted::All => self.free.len(),
        };
        match wanted {
            Wanted::One => self.waiting_for_one -= 1,
            Wanted::Two => self.waiting_for_two -= 1,
            Wanted::Nothing | Wanted::All => {}
        }
        self.running += 1;
        self.exclusive = wanted == Wanted::All;
        let mut nodes = self.free.split_off(self.free.len() - count);
        nodes.sort();
        Some(nodes)
    }

    fn may_begin(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Nothing => !self.exclusive,
            // Two nodes that are free are for a test that waits for two.
            Wanted::One => self.free.len() == 1 || self.free.len() > 1 && self.waiting_for_two == 0,
            Wanted::Two => self.free.len() >= 2,
            Wanted::All => self.running + self.waiting_for_one + self.waiting_for_two == 0,
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
        let mut state = self.pool.state();
        state.free.append(&mut self.nodes);
        state.running -= 1;
        state.exclusive = false;
        drop(state);
        self.pool.changed.notify_waiters();
    }
}

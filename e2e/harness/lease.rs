//! Who may use which node. One FileIntegrity at a time may select a node, so a test takes its nodes
//! before it begins and gives them back when everything of it is gone from them.

use std::sync::Mutex;

use anyhow::{Context as _, Result};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// How much of the cluster a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// None, but nobody may have the whole cluster meanwhile.
    Nothing,
    /// Any node.
    One,
    /// Every node, and so the whole cluster: for what spans nodes or disturbs others.
    All,
}

/// Nodes on loan to a test.
#[derive(Debug)]
pub(crate) struct Lease {
    nodes: Vec<String>,
    pool: &'static Pool,
    _permits: Option<SemaphorePermit<'static>>,
}

/// The nodes of the cluster. The semaphore is fair: who waits for all is not passed by those who
/// come later for one.
#[derive(Debug)]
struct Pool {
    permits: Semaphore,
    free: Mutex<Vec<String>>,
    size: u32,
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
            let pool = async { Pool::new(prepare().await?) };
            pool.await.map_err(|error| format!("{error:#}"))
        })
        .await;
    let pool = pool
        .as_ref()
        .map_err(|error| anyhow::anyhow!("the cluster cannot be used: {error}"))?;
    let (permits, nodes) = match wanted {
        Wanted::Nothing => (1, 0),
        Wanted::One => (1, 1),
        Wanted::All => (pool.size, pool.size),
    };
    let permits = pool.permits.acquire_many(permits).await?;
    let nodes = pool.take(usize::try_from(nodes)?)?;
    Ok(Lease {
        nodes,
        pool,
        _permits: Some(permits),
    })
}

impl Pool {
    fn new(nodes: Vec<String>) -> Result<Self> {
        let size = u32::try_from(nodes.len())?;
        Ok(Self {
            permits: Semaphore::new(nodes.len()),
            free: Mutex::new(nodes),
            size,
        })
    }

    fn take(&self, count: usize) -> Result<Vec<String>> {
        let mut free = self
            .free
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let rest = free
            .len()
            .checked_sub(count)
            .context("there are fewer free nodes than permits")?;
        let mut nodes = free.split_off(rest);
        nodes.sort();
        Ok(nodes)
    }
}

impl Lease {
    /// The nodes' names, sorted.
    pub(crate) fn nodes(&self) -> &[String] {
        &self.nodes
    }
}

impl Drop for Lease {
    /// The permits go after this, so nodes are never fewer than permits.
    fn drop(&mut self) {
        let mut free = self
            .pool
            .free
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        free.append(&mut self.nodes);
    }
}

//! Which tests run at the same time. `cargo test` starts all of them at once, each in a thread of its
//! own, and they wait here.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};

/// Tests that run at the same time. Their deadlines allow for this number on two cores.
const CONCURRENT: u32 = 10;
/// How often a test that must run alone checks whether it can.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

static PERMITS: Semaphore = Semaphore::const_new(CONCURRENT as usize);

/// Waits until the test can run beside others. Ends with the permit.
pub(crate) async fn beside_others() -> anyhow::Result<SemaphorePermit<'static>> {
    Ok(PERMITS.acquire().await?)
}

/// Waits until no other test runs or waits, except those that must run alone too. It polls, because in
/// the queue it would hold up all that come later until the longest of those that run has ended.
pub(crate) async fn alone() -> anyhow::Result<SemaphorePermit<'static>> {
    loop {
        match PERMITS.try_acquire_many(CONCURRENT) {
            Err(TryAcquireError::NoPermits) => tokio::time::sleep(POLL_INTERVAL).await,
            other => return Ok(other?),
        }
    }
}

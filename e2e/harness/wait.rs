//! Waiting for something to become true.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout_at};

/// The default maximum time until a condition is met: far longer than on an idle machine, because
/// the tests verify that it is met, not when.
const PATIENCE: Duration = Duration::from_secs(150);
/// Pause between two polls.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Calls `poll` until it succeeds. Its last error describes the actual state, and is part of the
/// error after the maximum time.
pub(crate) async fn until<T>(
    expected: impl Display,
    poll: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    until_within(PATIENCE, expected, poll).await
}

/// The same with its own maximum time.
pub(crate) async fn until_within<T>(
    patience: Duration,
    expected: impl Display,
    mut poll: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut seen = String::from("nothing yet");
    loop {
        match timeout_at(deadline, poll()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => seen = format!("{error:#}"),
            Err(_) => {}
        }
        if Instant::now() + POLL_INTERVAL >= deadline {
            bail!(
                "expected within {} s: {expected}; seen at last: {seen}",
                patience.as_secs()
            );
        }
        sleep(POLL_INTERVAL).await;
    }
}

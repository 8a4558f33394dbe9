//! Waiting for something to become true.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep, timeout_at};

/// How long anything may take unless a test says otherwise: far longer than on an idle machine, as
/// what is waited for is that it comes, not when.
const PATIENCE: Duration = Duration::from_secs(150);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks again and again until `look` succeeds. What it fails with says what was seen instead, and
/// is part of the error when patience is at its end.
pub(crate) async fn until<T>(
    expected: impl Display,
    look: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    until_within(PATIENCE, expected, look).await
}

/// The same with a patience of its own.
pub(crate) async fn until_within<T>(
    patience: Duration,
    expected: impl Display,
    mut look: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    let mut seen = String::from("nothing yet");
    loop {
        match timeout_at(deadline, look()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => seen = format!("{error:#}"),
            Err(_) => {}
        }
        if Instant::now() + LOOK_EVERY >= deadline {
            bail!(
                "expected within {} s: {expected}; seen at last: {seen}",
                patience.as_secs()
            );
        }
        sleep(LOOK_EVERY).await;
    }
}

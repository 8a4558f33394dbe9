//! Waits until something in the cluster has happened.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use crate::plugin::failure::Failure;
use crate::plugin::safe::message;

/// Exit status: the time is over, as that of the program timeout.
pub(super) const TIMED_OUT: u8 = 124;
/// Pause between two reads.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a read has found.
pub(super) enum Step<T> {
    Done(T),
    /// Not yet, with how far it is.
    Waiting(String),
}

/// Reads until there is an answer. None if the time is over first, and how far it was is on standard error. A server that
/// does not answer is asked again.
pub(super) async fn until<T>(
    timeout: Duration,
    mut read: impl AsyncFnMut() -> Result<Step<T>, Failure>,
) -> Result<Option<T>, Failure> {
    let end = Instant::now() + timeout;
    let mut progress = Progress::default();
    loop {
        let state = match tokio::time::timeout_at(end, read()).await {
            Ok(Ok(Step::Done(answer))) => return Ok(Some(answer)),
            Ok(Ok(Step::Waiting(state))) => state,
            Ok(Err(failure)) if failure.is_temporary() => failure.to_string(),
            Ok(Err(failure)) => return Err(failure),
            Err(_) => "the API server has not answered in time".to_owned(),
        };
        progress.show(&message(&state));
        if Instant::now() + INTERVAL > end {
            tokio::time::sleep_until(end).await;
            progress.finish();
            return Ok(None);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// One line on standard error for each new state. Without a terminal, only the last one.
#[derive(Default)]
struct Progress {
    last: String,
}

impl Progress {
    fn show(&mut self, state: &str) {
        if self.last != state {
            state.clone_into(&mut self.last);
            if std::io::stderr().is_terminal() {
                self.write("");
            }
        }
    }

    fn finish(&self) {
        self.write("timed out: ");
    }

    fn write(&self, start: &str) {
        // Nothing can be reported if standard error is closed.
        writeln!(std::io::stderr(), "{start}{}", self.last).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads until the last of these answers, and returns how often it read.
    async fn reads(
        answers: Vec<Result<Step<u8>, Failure>>,
    ) -> (Result<Option<u8>, Failure>, usize) {
        let (mut answers, mut count) = (answers.into_iter(), 0);
        let timeout = Duration::from_secs(60);
        let answer = until(timeout, async || {
            count += 1;
            match answers.next() {
                Some(answer) => answer,
                None => Ok(Step::Waiting("waiting".to_owned())),
            }
        });
        (answer.await, count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_asked_again() {
        let unreachable = || Err(Failure::Unreachable("connection refused".to_owned()));
        let (answer, count) = reads(vec![unreachable(), unreachable(), Ok(Step::Done(7))]).await;
        assert_eq!((answer.unwrap(), count), (Some(7), 3));
        let failed = Err(Failure::Other("no such node".to_owned()));
        let (answer, count) = reads(vec![failed, Ok(Step::Done(7))]).await;
        assert_eq!(
            (answer.unwrap_err().to_string().as_str(), count),
            ("no such node", 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_time() {
        let started = Instant::now();
        let (answer, count) = reads(Vec::new()).await;
        assert_eq!(answer.unwrap(), None);
        assert_eq!(started.elapsed(), Duration::from_secs(60));
        assert!((29..=31).contains(&count), "{count}");
    }
}

//! Requests to the API server: each has a deadline, and retries back off with jitter. I/O.

pub mod client_layer;
pub mod decode;
pub mod raw;
pub mod token;
pub mod unread;
pub mod watch;
pub mod watch_throttle;

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use kube::client::ClientBuilder;
use kube::{Client, Config};

use self::client_layer::Sender;

/// How long one request may take, unless its caller says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a first failure; it doubles.
pub const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It was refused, or could not be made.
    #[error("{action}")]
    Failed {
        /// What was tried, such as `read the ConfigMap x`.
        action: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// No answer came in time.
    #[error("{action}: no answer in {} s", timeout.as_secs())]
    Timeout {
        /// What was tried.
        action: String,
        /// How long it was waited for.
        timeout: Duration,
    },
}

impl RequestError {
    /// The HTTP status with which the API server refused, if it did.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Failed { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Timeout { .. } => None,
        }
    }

    /// Whether the API server will not do it until somebody changes something: no permission, or an
    /// object that it, or an admission policy, does not take, or that is too large for it.
    pub fn is_refusal(&self) -> bool {
        matches!(self.code(), Some(400 | 403 | 413 | 422))
    }

    /// Whether an object was not created because it is there.
    pub fn is_already_there(&self) -> bool {
        match self {
            Self::Failed { source, .. } => is_already_there(source),
            Self::Timeout { .. } => false,
        }
    }
}

/// Whether the API server refused to create an object because it is there. A 409 can as well be a
/// conflict over something else, such as a quota.
pub fn is_already_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists")
}

/// A client that makes each request once, and opens no watch again and again.
pub fn client(config: Config) -> Result<Client, kube::Error> {
    Ok(builder(config)?.build())
}

/// What every client of ours begins with, in place of what kube's would do: what fails is tried again
/// by who asked, with pauses that grow. The client would try many times between two of these, and not
/// tell that the API is away.
pub fn builder(mut config: Config) -> Result<ClientBuilder<Sender>, kube::Error> {
    config.default_retry = false;
    let token = token::layer(&mut config)?;
    let builder = ClientBuilder::try_from(config)?.with_layer(&token);
    Ok(builder.with_layer(&watch_throttle::layer()))
}

/// Makes a request; `action` says in an error what was tried.
pub async fn request<T>(
    action: impl Into<String>,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, RequestError> {
    request_within(REQUEST_TIMEOUT, action, call).await
}

/// Makes a request that is to be answered sooner.
pub async fn request_within<T>(
    timeout: Duration,
    action: impl Into<String>,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, RequestError> {
    match tokio::time::timeout(timeout, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(RequestError::Failed {
            action: action.into(),
            source: Box::new(source),
        }),
        Err(_) => Err(RequestError::Timeout {
            action: action.into(),
            timeout,
        }),
    }
}

/// Pauses between tries, for ever: from a second on, doubling up to `longest`, with jitter, so that
/// many who failed together do not come back together.
pub fn backoff(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(FIRST_BACKOFF)
        .with_max_delay(longest)
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_without_an_answer_is_given_up() {
        let error = request("read x", std::future::pending::<kube::Result<()>>())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "read x: no answer in 30 s");
        assert_eq!(error.code(), None);
    }

    #[tokio::test]
    async fn a_refusal_tells_its_code() {
        let status = kube::core::Status::failure("gone", "NotFound").with_code(404);
        let answer = async { Err::<(), _>(kube::Error::Api(status.boxed())) };
        assert_eq!(
            request("read x", answer).await.unwrap_err().code(),
            Some(404)
        );
    }

    #[tokio::test]
    async fn what_is_refused_for_good_is_told_from_what_may_pass() {
        for (code, expected) in [
            (400, true),
            (401, false),
            (403, true),
            (404, false),
            (409, false),
            (413, true),
            (422, true),
            (429, false),
            (500, false),
            (503, false),
        ] {
            let status = kube::core::Status::failure("no", "No").with_code(code);
            let answer = async { Err::<(), _>(kube::Error::Api(status.boxed())) };
            let error = request("write x", answer).await.unwrap_err();
            assert_eq!(error.is_refusal(), expected, "{code}");
        }
    }

    #[test]
    fn a_conflict_is_not_taken_for_an_object_that_is_there() {
        for (reason, expected) in [("AlreadyExists", true), ("Conflict", false)] {
            let status = kube::core::Status::failure("no", reason).with_code(409);
            let error = kube::Error::Api(status.boxed());
            assert_eq!(is_already_there(&error), expected, "{reason}");
        }
    }

    #[test]
    fn pauses_grow_to_the_longest_and_go_on() {
        let longest = Duration::from_secs(30);
        let pauses: Vec<Duration> = backoff(longest).take(50).collect();
        assert_eq!(pauses.len(), 50);
        assert!(pauses[0] >= FIRST_BACKOFF && pauses[0] < pauses[5]);
        // Jitter adds at most as much again.
        assert!(
            pauses.iter().all(|pause| *pause <= longest * 2),
            "{pauses:?}"
        );
    }
}

//! Requests to the API server: timeouts, backoff, decoding, watches. I/O.

pub(crate) mod client_layer;
pub(crate) mod decode;
pub(crate) mod raw;
pub(crate) mod token;
pub(crate) mod unread;
pub(crate) mod watch;
pub(crate) mod watch_throttle;

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use kube::client::ClientBuilder;
use kube::{Client, Config};
use serde_json::Value;

use self::client_layer::Sender;

/// Default timeout of a request.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after the first failure. It doubles with each failure.
pub(crate) const FIRST_BACKOFF: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The API server rejected the request, or it could not be sent.
    #[error("{action}")]
    Failed {
        /// The action, such as `read the ConfigMap x`.
        action: String,
        /// The error of the client or the API server.
        source: Box<kube::Error>,
    },
    /// There was no response within the timeout.
    #[error("{action}: no response within {} s", timeout.as_secs())]
    Timeout {
        /// The action, as in [`Self::Failed`].
        action: String,
        /// The timeout that was exceeded.
        timeout: Duration,
    },
}

impl RequestError {
    /// The HTTP status of a rejection.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Failed { source, .. } => match &**source {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Timeout { .. } => None,
        }
    }

    /// Whether retries are useless until somebody changes something: a permission is missing, or the object is invalid,
    /// too large, or denied by an admission policy.
    pub fn is_refusal(&self) -> bool {
        matches!(self.code(), Some(400 | 403 | 413 | 422))
    }

    /// Whether the object was not created because it already exists.
    pub fn already_exists(&self) -> bool {
        match self {
            Self::Failed { source, .. } => already_exists(source),
            Self::Timeout { .. } => false,
        }
    }
}

/// Whether an object was not created because it already exists. Status 409 can also be another conflict, such as a
/// quota.
pub(crate) fn already_exists(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists")
}

/// A client without retries and with limited reopening of watches.
pub(crate) fn client(config: Config) -> Result<Client, kube::Error> {
    Ok(builder(config)?.build())
}

/// The base of all clients. Callers retry failed requests with backoff. The client's own retries would add many requests
/// and hide that the API server is unreachable.
pub fn builder(mut config: Config) -> Result<ClientBuilder<Sender>, kube::Error> {
    config.default_retry = false;
    let token = token::layer(&mut config)?;
    let builder = ClientBuilder::try_from(config)?.with_layer(&token);
    Ok(builder.with_layer(&watch_throttle::layer()))
}

/// Sends a request. `action` is the start of the error message.
pub(crate) async fn request<T>(
    action: impl Into<String>,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, RequestError> {
    request_within(REQUEST_TIMEOUT, action, call).await
}

/// Sends a request with another timeout.
pub(crate) async fn request_within<T>(
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

/// Endless exponential backoff from one second to `longest`. Jitter prevents clients that failed together from retrying
/// together.
pub(crate) fn backoff(longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(FIRST_BACKOFF)
        .with_max_delay(longest)
        .without_max_times()
        .build()
}

/// Whether a value counts as absent: the API server removes empty maps and lists.
pub(crate) fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_absent),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

//! The token by which a process shows who it is, from a file that the kubelet renews. I/O.
//!
//! The client's own layer reads the file anew by the wall clock: where that is set back by two days, an
//! old token is sent for two days. This one goes by a monotonic clock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::{HeaderValue, Request, header};
use kube::Config;
use kube::client::AuthError;
use tokio::time::Instant;
use tower::{Layer, Service};

/// How long a token is used before its file is looked at again. A kubelet renews it long before it
/// ends.
const READ_EVERY: Duration = Duration::from_secs(50);

/// Gives requests the token of a file.
#[derive(Clone, Debug)]
pub struct TokenLayer(Option<Arc<TokenFile>>);

#[derive(Debug)]
struct TokenFile {
    path: PathBuf,
    /// The header, and when it was read.
    read: Mutex<(HeaderValue, Instant)>,
}

impl TokenLayer {
    /// Takes the file out of this configuration, if it names one.
    pub fn take(config: &mut Config) -> Result<Self, kube::Error> {
        let Some(path) = config.auth_info.token_file.take().map(PathBuf::from) else {
            return Ok(Self(None));
        };
        let header = read(&path)
            .map_err(|error| kube::Error::Auth(AuthError::ReadTokenFile(error, path.clone())))?;
        let read = Mutex::new((header, Instant::now()));
        Ok(Self(Some(Arc::new(TokenFile { path, read }))))
    }
}

impl TokenFile {
    /// The header as it is now. While the file cannot be read the last one serves.
    fn header(&self) -> HeaderValue {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if known.1.elapsed() >= READ_EVERY {
            if let Ok(header) = read(&self.path) {
                known.0 = header;
            }
            known.1 = Instant::now();
        }
        known.0.clone()
    }
}

fn read(path: &PathBuf) -> std::io::Result<HeaderValue> {
    let token = std::fs::read_to_string(path)?;
    let mut header =
        HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(std::io::Error::other)?;
    // It is not to be seen in logs.
    header.set_sensitive(true);
    Ok(header)
}

impl<S> Layer<S> for TokenLayer {
    type Service = WithToken<S>;

    fn layer(&self, inner: S) -> WithToken<S> {
        WithToken {
            inner,
            file: self.0.clone(),
        }
    }
}

/// A service whose requests have the token.
#[derive(Clone, Debug)]
pub struct WithToken<S> {
    inner: S,
    file: Option<Arc<TokenFile>>,
}

impl<S, B> Service<Request<B>> for WithToken<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(file) = &self.file {
            let header = file.header();
            request.headers_mut().insert(header::AUTHORIZATION, header);
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_renewed_token_is_taken_within_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        std::fs::write(&path, "one\n").unwrap();
        let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
        config.auth_info.token_file = Some(path.to_string_lossy().into_owned());
        let layer = TokenLayer::take(&mut config).unwrap();
        assert_eq!(config.auth_info.token_file, None);
        let file = layer.0.unwrap();
        let header = || file.header().to_str().unwrap().to_owned();
        assert_eq!(header(), "Bearer one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(header(), "Bearer one");
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(header(), "Bearer two");
        std::fs::remove_file(&path).unwrap();
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(header(), "Bearer two");
        assert!(!format!("{file:?}").contains("two"), "it is not for logs");
    }

    #[test]
    fn without_a_file_nothing_is_taken_and_a_missing_one_is_told() {
        let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
        assert!(TokenLayer::take(&mut config).unwrap().0.is_none());
        config.auth_info.token_file = Some("/nowhere/token".to_owned());
        let error = TokenLayer::take(&mut config).unwrap_err();
        assert!(error.to_string().contains("/nowhere/token"), "{error}");
    }
}

//! The token by which a process shows who it is, from a file that the kubelet renews. I/O.
//!
//! The client's own layer reads the file anew by the wall clock: where that is set back by two days, an
//! old token is sent for two days. This one goes by a monotonic clock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use kube::Config;
use kube::client::AuthError;
use tokio::time::Instant;
use tower::{Layer, Service as _};

use super::client_layer::{Sender, client_layer};

/// How long a token is used before its file is looked at again. A kubelet renews it long before it
/// ends.
const READ_EVERY: Duration = Duration::from_secs(50);

/// A layer that gives requests the token of the file that this configuration names, if it does. The
/// name is taken out of it.
pub fn layer(
    config: &mut Config,
) -> Result<impl Layer<Sender, Service = Sender> + use<>, kube::Error> {
    let file = TokenFile::take(config)?.map(Arc::new);
    Ok(client_layer(move |mut request, sender| {
        if let Some(file) = &file {
            let header = file.header();
            request.headers_mut().insert(header::AUTHORIZATION, header);
        }
        sender.call(request)
    }))
}

#[derive(Debug)]
struct TokenFile {
    path: PathBuf,
    /// The header, and when it was read.
    read: Mutex<(HeaderValue, Instant)>,
}

impl TokenFile {
    fn take(config: &mut Config) -> Result<Option<Self>, kube::Error> {
        let Some(path) = config.auth_info.token_file.take().map(PathBuf::from) else {
            return Ok(None);
        };
        let header = read(&path)
            .map_err(|error| kube::Error::Auth(AuthError::ReadTokenFile(error, path.clone())))?;
        let read = Mutex::new((header, Instant::now()));
        Ok(Some(Self { path, read }))
    }

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
        let file = TokenFile::take(&mut config).unwrap().unwrap();
        assert_eq!(config.auth_info.token_file, None);
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
        assert!(TokenFile::take(&mut config).unwrap().is_none());
        config.auth_info.token_file = Some("/nowhere/token".to_owned());
        let error = TokenFile::take(&mut config).unwrap_err();
        assert!(error.to_string().contains("/nowhere/token"), "{error}");
    }
}

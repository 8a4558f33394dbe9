//! The ServiceAccount token, from a file that the kubelet renews. I/O.
//!
//! kube-rs' own layer decides by the wall clock when to read the file again. If that clock is set back by two days, an old
//! token is used for two days. This layer uses a monotonic clock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{HeaderValue, header};
use kube::Config;
use kube::client::AuthError;
use tokio::time::Instant;
use tower::{Layer, Service as _};

use super::client_layer::{Sender, client_layer};
use crate::locks::lock;

/// Time between two reads of the file. The kubelet renews a token long before it expires.
const READ_EVERY: Duration = Duration::from_secs(50);

/// A layer that adds the token from the file in this configuration, if there is one. Removes the file from the
/// configuration.
pub(crate) fn layer(
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
    /// The header and the time at which it was read.
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

    /// The current header. If the file cannot be read, the last one is used.
    fn header(&self) -> HeaderValue {
        let mut known = lock(&self.read);
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
    // Hides the token from logs.
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests;

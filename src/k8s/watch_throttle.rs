//! Limits how often the same watch is opened, in a layer of the client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Uri;
use tokio::time::Instant;
use tower::{Layer, Service as _};

use super::client_layer::{Sender, client_layer};
use crate::locks::lock;

/// Minimum time between two requests for the same watch. A watch that ends is reopened at once. That
/// is right if the API server ended it after minutes, but a flood of requests if it always ends at once.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// A layer that delays requests for a watch that was opened just before.
pub(crate) fn layer() -> impl Layer<Sender, Service = Sender> {
    let watches = Arc::new(Watches::default());
    client_layer(move |request, sender| {
        let at = is_watch(request.uri()).then(|| watches.next_start(request.uri()));
        // A request is sent when its future is polled.
        let answer = sender.call(request);
        Box::pin(async move {
            if let Some(at) = at {
                tokio::time::sleep_until(at).await;
            }
            answer.await
        })
    })
}

/// The times at which watches were last opened.
#[derive(Default)]
struct Watches(Mutex<HashMap<String, Instant>>);

impl Watches {
    /// The time at which this watch may be opened.
    fn next_start(&self, uri: &Uri) -> Instant {
        let now = Instant::now();
        let mut watches = lock(&self.0);
        watches.retain(|_, opened| *opened + MIN_INTERVAL > now);
        let at = watches.entry(key(uri)).or_insert(now);
        if *at < now {
            *at += MIN_INTERVAL;
        }
        *at
    }
}

/// Whether a request opens a watch.
pub fn is_watch(uri: &Uri) -> bool {
    let mut query = uri.query().unwrap_or_default().split('&');
    query.any(|part| part == "watch=true" || part == "watch=1")
}

/// The key of a watch: its URI without the version at which it starts.
fn key(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default().split('&');
    let parts = query.filter(|part| !part.starts_with("resourceVersion="));
    let mut key = uri.path().to_owned();
    parts.for_each(|part| {
        key.push('&');
        key.push_str(part);
    });
    key
}

#[cfg(test)]
mod tests;

//! Sees to it that a watch is not opened again and again: a layer around the client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::Uri;
use tokio::time::Instant;
use tower::{Layer, Service as _};

use super::around::{Sender, around};

/// The same watch is opened at most this often. Who watches opens an ended watch anew at once, which is
/// right where the API server ends it after minutes, and a flood where something ends it right away.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// A layer that waits before it opens a watch that was opened right now.
pub fn layer() -> impl Layer<Sender, Service = Sender> {
    let watches = Arc::new(Watches::default());
    around(move |request, sender| {
        let at = is_watch(request.uri()).then(|| watches.at(request.uri()));
        // Nothing is sent before it is waited for.
        let answer = sender.call(request);
        Box::pin(async move {
            if let Some(at) = at {
                tokio::time::sleep_until(at).await;
            }
            answer.await
        })
    })
}

/// When watches were opened last, by what they watch.
#[derive(Default)]
struct Watches(Mutex<HashMap<String, Instant>>);

impl Watches {
    /// When this watch may be opened.
    fn at(&self, uri: &Uri) -> Instant {
        let now = Instant::now();
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|_, opened| *opened + WATCH_EVERY > now);
        let at = watches.entry(watched(uri)).or_insert(now);
        if *at < now {
            *at += WATCH_EVERY;
        }
        *at
    }
}

/// Whether a request opens a watch.
pub fn is_watch(uri: &Uri) -> bool {
    let mut query = uri.query().unwrap_or_default().split('&');
    query.any(|part| part == "watch=true" || part == "watch=1")
}

/// What a watch is about, from wherever it begins.
fn watched(uri: &Uri) -> String {
    let query = uri.query().unwrap_or_default().split('&');
    let about = query.filter(|part| !part.starts_with("resourceVersion="));
    let mut key = uri.path().to_owned();
    about.for_each(|part| {
        key.push('&');
        key.push_str(part);
    });
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_watch_is_opened_once_in_a_second() {
        let watches = Watches::default();
        let start = Instant::now();
        let after = |uri: &'static str| watches.at(&Uri::from_static(uri)) - start;
        let s = Duration::from_secs;
        assert_eq!(after("/x?watch=true&resourceVersion=1"), s(0));
        assert_eq!(
            after("/x?watch=true&fieldSelector=a&resourceVersion=1"),
            s(0)
        );
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(after("/x?watch=true&resourceVersion=2"), s(1));
        tokio::time::advance(s(1)).await;
        assert_eq!(after("/x?watch=true&resourceVersion=3"), s(2));
        tokio::time::advance(s(5)).await;
        assert_eq!(
            watches.at(&Uri::from_static("/x?watch=true")),
            Instant::now()
        );
    }
}

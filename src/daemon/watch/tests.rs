use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{Request as HttpRequest, Response};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use tower::service_fn;

use super::*;
use crate::k8s::REQUEST_TIMEOUT;

/// The time until a request is repeated that the API server does not answer, or whose watch it `opens`
/// without sending an event.
async fn time_until_repeated(opens: bool) -> Duration {
    let requests = Arc::new(AtomicUsize::new(0));
    let (repeated, mut is_repeated) = watch::channel(false);
    let server = service_fn(move |_: HttpRequest<Body>| {
        if requests.fetch_add(1, Ordering::Relaxed) == 1 {
            repeated.send_replace(true);
        }
        async move {
            if !opens {
                std::future::pending::<()>().await;
            }
            let silence = futures::stream::pending::<Result<Frame<Bytes>, Infallible>>();
            Ok::<_, Infallible>(Response::new(StreamBody::new(silence)))
        }
    });
    let api = Api::namespaced(Client::new(server, "ns"), "ns");
    let (seen, _) = watch::channel(KnownStatus::default());
    let start = Instant::now();
    let watching = tokio::spawn(run(api, "fi-node".to_owned(), seen));
    let result = timeout(Duration::from_secs(3600), is_repeated.changed()).await;
    watching.abort();
    result.expect("the watch is opened again").unwrap();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_silent_watch_is_opened_again() {
    let table = [(false, REQUEST_TIMEOUT), (true, WATCH_DEADLINE)];
    for (opens, deadline) in table {
        let after = time_until_repeated(opens).await;
        let pause = after.checked_sub(deadline).expect("it is waited for");
        assert!(pause < Duration::from_secs(10), "{opens}: {after:?}");
    }
}

fn object(version: u64) -> Value {
    json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
        "metadata": {"name": "fi-node", "uid": "a", "resourceVersion": version.to_string()},
        "nodeName": "node",
    })
}

/// What is known in the end where version 100 is known before, the API server has `has`, and a new
/// watch shows these. With it how often the object was read.
async fn known_after(shows: &[(&str, u64)], has: Option<u64>) -> (Option<String>, usize) {
    let events = shows.iter().map(|(kind, version)| {
        let object = object(*version);
        format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
    });
    let (events, reads) = (events.collect::<String>(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&reads);
    let server = service_fn(move |request: HttpRequest<Body>| {
        let is_watch = request
            .uri()
            .query()
            .unwrap_or_default()
            .contains("watch=true");
        let (code, body) = if is_watch {
            (200, events.clone())
        } else {
            assert_eq!(request.method(), "PATCH");
            counted.fetch_add(1, Ordering::Relaxed);
            let not_found = json!({"kind": "Status", "status": "Failure", "code": 404});
            match has {
                Some(has) => (200, object(has).to_string()),
                None => (404, not_found.to_string()),
            }
        };
        let response = Response::builder()
            .status(code)
            .body(Body::from(body.into_bytes()));
        async { Ok::<_, Infallible>(response.unwrap()) }
    });
    let api = Api::namespaced(Client::new(server, "ns"), "ns");
    let (seen, _) = watch::channel(KnownStatus::default());
    seen.send_modify(|seen| {
        seen.keep_newest(serde_json::from_value(object(100)).unwrap());
    });
    follow(&api, "fi-node", &seen).await.unwrap();
    let known = seen.borrow().status.clone();
    let version = known.and_then(|known| known.metadata.resource_version);
    (version, reads.load(Ordering::Relaxed))
}

#[tokio::test]
async fn a_new_watch_begins_with_the_object_of_the_api_server() {
    let table = [
        ("as before", vec![("ADDED", 100)], Some(100), Some("100"), 0),
        ("changed", vec![("ADDED", 101)], Some(101), Some("101"), 0),
        (
            "the cache is behind our own write, and comes after it",
            vec![("ADDED", 98), ("MODIFIED", 99), ("MODIFIED", 100)],
            Some(100),
            Some("100"),
            1,
        ),
        (
            "the data are those of a backup",
            vec![("ADDED", 50)],
            Some(50),
            Some("50"),
            1,
        ),
        (
            "and are written again",
            vec![("ADDED", 50), ("MODIFIED", 51), ("MODIFIED", 52)],
            Some(51),
            Some("52"),
            1,
        ),
        (
            "and it is deleted",
            vec![("ADDED", 50), ("DELETED", 51)],
            Some(50),
            None,
            1,
        ),
        ("deleted meanwhile", vec![("ADDED", 50)], None, None, 1),
    ];
    for (what, shows, has, expected, reads) in table {
        let expected = (expected.map(str::to_owned), reads);
        assert_eq!(known_after(&shows, has).await, expected, "{what}");
    }
}

#[tokio::test]
async fn an_unreadable_object_is_not_known() {
    let mut odd = object(101);
    odd["lastResult"] = json!("none");
    let mut late = object(101);
    late["metadata"]["creationTimestamp"] = json!("9999-12-31T23:59:59Z");
    for (object, expected) in [(odd, None), (late, Some("101"))] {
        let (seen, _) = watch::channel(KnownStatus::default());
        let json = serde_json::value::to_raw_value(&object).unwrap();
        let events = futures::stream::iter([Ok(WatchEvent::Modified(json))]);
        let nobody = service_fn(async |_: HttpRequest<Body>| {
            Err::<Response<Body>, _>(std::io::Error::other("nobody"))
        });
        let api = Api::namespaced(Client::new(nobody, "ns"), "ns");
        take_events(events, &api, "fi-node", &seen).await.unwrap();
        let known = seen.borrow().status.clone();
        let version = known.and_then(|known| known.metadata.resource_version);
        assert_eq!(version.as_deref(), expected);
    }
}

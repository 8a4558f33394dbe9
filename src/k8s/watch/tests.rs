use std::sync::{Arc, Mutex};

use axum::http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::client::Body;
use serde_json::json;

use super::*;

/// The events of a watch whose lists have these resource versions, and which requests that takes.
/// Each watch ends as soon as it is opened.
async fn watched(versions: &[&str]) -> (usize, Vec<&'static str>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&requests);
    let mut left = versions
        .iter()
        .map(|&version| version.to_owned())
        .collect::<Vec<_>>()
        .into_iter();
    let left = Arc::new(Mutex::new(move || left.next()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let (seen, left) = (Arc::clone(&seen), Arc::clone(&left));
        async move {
            let what = match &query {
                query if query.contains("watch=true") => "watch",
                query if query.contains("limit=1&") || query.ends_with("limit=1") => "probe",
                _ => "list",
            };
            if what == "watch" {
                seen.lock().unwrap().push(what);
                return Ok::<_, std::convert::Infallible>(Response::new(Body::empty()));
            }
            let next = (*left.lock().unwrap())();
            let Some(version) = next else {
                std::future::pending().await
            };
            seen.lock().unwrap().push(what);
            let list = json!({
                "apiVersion": "v1", "kind": "ConfigMapList",
                "metadata": {"resourceVersion": version}, "items": [],
            });
            Ok(Response::new(Body::from(list.to_string().into_bytes())))
        }
    });
    let source = Source::<ConfigMap>::all(&Client::new(service, "ns"));
    let mut events = std::pin::pin!(watch(source));
    let mut lists = 0;
    let limit = std::time::Duration::from_secs(5);
    while let Ok(Some(event)) = tokio::time::timeout(limit, events.next()).await {
        lists += usize::from(matches!(event, Ok(Event::InitDone)));
    }
    let requests = requests.lock().unwrap().clone();
    (lists, requests)
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_opened_again() {
    let (lists, requests) = watched(&["700", "700", "701"]).await;
    let expected = ["list", "watch", "probe", "watch", "probe", "watch"];
    assert_eq!((lists, requests.as_slice()), (1, expected.as_slice()));
}

#[tokio::test(start_paused = true)]
async fn all_objects_are_listed_after_a_restore_of_etcd() {
    // "99" is the larger text.
    let (lists, requests) = watched(&["700", "99", "99"]).await;
    let expected = ["list", "watch", "probe", "list", "watch"];
    assert_eq!((lists, requests.as_slice()), (2, expected.as_slice()));
}

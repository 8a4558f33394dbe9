use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// An API server that knows three tokens and counts reviews. It fails from review number `fails_from` on.
fn scrape_auth(reviews: &Arc<AtomicU32>, fails_from: u32) -> ScrapeAuth {
    let reviews = Arc::clone(reviews);
    let service = tower::service_fn(move |request: Request<Body>| {
        let n = reviews.fetch_add(1, Ordering::Relaxed);
        async move {
            if n >= fails_from {
                return Err(std::io::Error::other("unreachable"));
            }
            let body = request.into_body().collect_bytes().await.unwrap();
            let answer = answer(serde_json::from_slice(&body).unwrap());
            Ok(Response::new(Body::from(
                serde_json::to_vec(&answer).unwrap(),
            )))
        }
    });
    ScrapeAuth::new(Client::new(service, "ns"), "ns", "/metrics-fio")
}

fn answer(mut review: Value) -> Value {
    let user = |name: &str, group: &str| json!({"authenticated": true, "user": {"username": name, "groups": [group]}});
    review["status"] = match review["spec"]["token"].as_str() {
        Some("ours") => user("sa", "system:serviceaccounts:ns"),
        Some("prometheus") => user("prometheus", "x"),
        Some("other") => user("other", "system:serviceaccounts:other"),
        Some(_) => json!({"authenticated": false}),
        None => {
            assert_eq!(
                review["spec"]["nonResourceAttributes"],
                json!({"path": "/metrics-fio", "verb": "get"})
            );
            json!({"allowed": review["spec"]["user"] == "prometheus"})
        }
    };
    review["metadata"] = json!({});
    review
}

#[tokio::test]
async fn each_token_is_reviewed_once() {
    let reviews = Arc::new(AtomicU32::new(0));
    let auth = scrape_auth(&reviews, 100);
    let table = [
        (None, Access::Unauthenticated, 0),
        (Some("Basic eDp5"), Access::Unauthenticated, 0),
        (Some("Bearer "), Access::Unauthenticated, 0),
        (Some("Bearer ours"), Access::Allowed, 1),
        (Some("bearer ours"), Access::Allowed, 0),
        (Some("Bearer prometheus"), Access::Allowed, 2),
        (Some("Bearer prometheus"), Access::Allowed, 0),
        (Some("Bearer other"), Access::Forbidden, 2),
        (Some("Bearer other"), Access::Forbidden, 0),
        (Some("Bearer nonsense"), Access::Unauthenticated, 1),
    ];
    for (header, expected, expected_reviews) in table {
        let before = reviews.load(Ordering::Relaxed);
        assert_eq!(auth.check(header).await.unwrap(), expected, "{header:?}");
        assert_eq!(
            reviews.load(Ordering::Relaxed) - before,
            expected_reviews,
            "{header:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn accepted_tokens_remain_valid_while_the_api_server_is_unreachable() {
    let auth = scrape_auth(&Arc::default(), 2);
    auth.check(Some("Bearer ours")).await.unwrap();
    auth.check(Some("Bearer nonsense")).await.unwrap();
    tokio::time::advance(CACHE_TTL).await;
    assert_eq!(
        auth.check(Some("Bearer ours")).await.unwrap(),
        Access::Allowed
    );
    auth.check(Some("Bearer nonsense")).await.unwrap_err();
    tokio::time::advance(CACHE_TTL_UNREACHABLE).await;
    auth.check(Some("Bearer ours")).await.unwrap_err();
}

#[tokio::test]
async fn guessed_tokens_do_not_displace_accepted_ones() {
    let auth = scrape_auth(&Arc::default(), u32::MAX);
    auth.check(Some("Bearer ours")).await.unwrap();
    for n in 0..2 * MAX_CACHED {
        auth.check(Some(&format!("Bearer {n}"))).await.unwrap();
    }
    assert!(auth.results.lock().unwrap().len() <= MAX_CACHED);
    let key: [u8; 32] = Sha256::digest("ours").into();
    assert_eq!(auth.cached(&key, CACHE_TTL), Some(Access::Allowed));
}

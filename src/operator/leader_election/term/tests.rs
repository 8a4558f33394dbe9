//! Tests of the client after the term.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::Response;

use super::*;

async fn sends(client: &Client, method: Method) -> bool {
    let request = Request::builder().method(method).uri("/");
    let answer = client.send(request.body(Body::empty()).unwrap()).await;
    if let Err(error) = &answer {
        let error = crate::error_chain(error);
        assert!(error.contains(&TermOver.to_string()), "{error}");
    }
    answer.is_ok()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_the_term() {
    let end = Instant::now() + Duration::from_secs(10);
    let (renew, term) = Term::new(end);
    // An API server that answers every request with an empty body.
    let answers =
        service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new(Body::empty())));
    let client = term.client(&Client::new(answers, "ns"));
    let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    for method in &writes {
        assert!(sends(&client, method.clone()).await, "{method}");
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    for method in &writes {
        assert!(!sends(&client, method.clone()).await, "{method}");
    }
    assert!(sends(&client, Method::GET).await, "it can read");
    renew.send_replace(Instant::now() + Duration::from_secs(1));
    assert!(sends(&client, Method::PATCH).await);
    // Without a sender, the last end stays.
    drop(renew);
    assert!(sends(&client, Method::PATCH).await);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(!sends(&client, Method::PATCH).await);
}

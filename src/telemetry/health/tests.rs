use super::*;

async fn code(readiness: &Readiness, query: Option<&str>) -> StatusCode {
    let query = RawQuery(query.map(str::to_owned));
    ready(State(readiness.clone()), query).await.0
}

#[tokio::test]
async fn readyz_returns_the_current_state() {
    let readiness = Readiness::default();
    assert_eq!(
        code(&readiness, None).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    readiness.set(true);
    assert_eq!(code(&readiness, None).await, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_probe_waits_until_the_process_is_ready() {
    let readiness = Readiness::default();
    let start = tokio::time::Instant::now();
    let ready_later = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        readiness.set(true);
    };
    let (code_of_probe, ()) = tokio::join!(code(&readiness, Some("wait=290")), ready_later);
    assert_eq!(
        (code_of_probe, start.elapsed().as_secs()),
        (StatusCode::OK, 100)
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_waits_at_most_as_long_as_requested_and_allowed() {
    let readiness = Readiness::default();
    for (query, seconds) in [
        (None, 0),
        (Some(""), 0),
        (Some("wait=x"), 0),
        (Some("wait=4"), 4),
        (Some("wait=18446744073709551615"), MAX_WAIT.as_secs()),
    ] {
        let start = tokio::time::Instant::now();
        let code = code(&readiness, query).await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE, "{query:?}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{query:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_waiting_probes_is_limited() {
    let readiness = Readiness::default();
    let probes = (0..=MAX_WAITING).map(|_| async {
        let start = tokio::time::Instant::now();
        code(&readiness, Some("wait=4")).await;
        start.elapsed().as_secs()
    });
    let mut waited = futures::future::join_all(probes).await;
    waited.sort_unstable();
    assert_eq!(
        waited.iter().filter(|seconds| **seconds == 4).count(),
        MAX_WAITING
    );
    assert_eq!(waited[0], 0);
}

#[tokio::test]
async fn the_error_names_the_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = serve(address, Readiness::default()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("listen on {address} for health checks")
    );
}

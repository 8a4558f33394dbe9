use super::*;

#[tokio::test(start_paused = true)]
async fn a_request_without_a_response_times_out() {
    let error = request("read x", std::future::pending::<kube::Result<()>>())
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "read x: no response within 30 s");
    assert_eq!(error.code(), None);
}

#[tokio::test]
async fn an_error_has_the_status_of_the_rejection() {
    let status = kube::core::Status::failure("gone", "NotFound").with_code(404);
    let answer = async { Err::<(), _>(kube::Error::Api(status.boxed())) };
    assert_eq!(
        request("read x", answer).await.unwrap_err().code(),
        Some(404)
    );
}

#[tokio::test]
async fn refusals_are_distinguished_from_temporary_failures() {
    for (code, expected) in [
        (400, true),
        (401, false),
        (403, true),
        (404, false),
        (409, false),
        (413, true),
        (422, true),
        (429, false),
        (500, false),
        (503, false),
    ] {
        let status = kube::core::Status::failure("no", "No").with_code(code);
        let answer = async { Err::<(), _>(kube::Error::Api(status.boxed())) };
        let error = request("write x", answer).await.unwrap_err();
        assert_eq!(error.is_refusal(), expected, "{code}");
    }
}

#[test]
fn a_conflict_is_not_an_existing_object() {
    for (reason, expected) in [("AlreadyExists", true), ("Conflict", false)] {
        let status = kube::core::Status::failure("no", reason).with_code(409);
        let error = kube::Error::Api(status.boxed());
        assert_eq!(already_exists(&error), expected, "{reason}");
    }
}

#[test]
fn backoff_grows_to_the_maximum_and_continues() {
    let longest = Duration::from_secs(30);
    let pauses: Vec<Duration> = backoff(longest).take(50).collect();
    assert_eq!(pauses.len(), 50);
    assert!(pauses[0] >= FIRST_BACKOFF && pauses[0] < pauses[5]);
    // Jitter at most doubles a pause.
    assert!(
        pauses.iter().all(|pause| *pause <= longest * 2),
        "{pauses:?}"
    );
}

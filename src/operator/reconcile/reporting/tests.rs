//! A table of failed observations and their reasons.

use super::*;
use crate::k8s::RequestError;

#[test]
fn failed_observations_have_a_reason() {
    let failed = |code| {
        let status = kube::core::Status::failure("no", "Reason").with_code(code);
        ObserveError::Request(RequestError::Failed {
            action: "read the PriorityClass x".to_owned(),
            source: Box::new(kube::Error::Api(status.boxed())),
        })
    };
    for (error, failures, reason) in [
        (ObserveError::NoImage, 0, Some(ConditionReason::NoImage)),
        (failed(403), 0, Some(ConditionReason::ApiRefused)),
        (failed(500), 0, None),
        (failed(500), 2, Some(ConditionReason::ApiFailing)),
        (ObserveError::WatchesEnded, 9, None),
    ] {
        assert_eq!(reason_of(&error, failures), reason, "{error:?}");
    }
}

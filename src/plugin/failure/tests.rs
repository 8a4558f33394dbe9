use std::time::Duration;

use super::*;

const LIST: Wanted<'_> = Wanted {
    verb: "list",
    resource: "fileintegrities",
    namespace: Some("x"),
    hint: "ask alice",
};

fn answered(code: u16, wanted: Wanted<'_>) -> Failure {
    let status = kube::core::Status::failure("the answer", "Reason").with_code(code);
    let error = RequestError::Failed {
        action: "list x".to_owned(),
        source: Box::new(kube::Error::Api(status.boxed())),
    };
    Failure::of(&error, wanted)
}

#[test]
fn a_missing_right_is_named() {
    let failure = answered(403, LIST);
    assert_eq!(
        failure.to_string(),
        "you may not list fileintegrities in the namespace x: the answer. ask alice"
    );
    assert_eq!(
        (failure.exit_status(), failure.is_optional()),
        (PROBLEMS, true)
    );
    let all = Wanted {
        namespace: None,
        ..LIST
    };
    assert!(
        answered(403, all)
            .to_string()
            .contains("list fileintegrities in all namespaces")
    );
}

#[test]
fn only_a_server_that_does_not_answer_is_unreachable() {
    for code in [400, 401, 403, 404, 410, 429, 500, 503] {
        let failure = answered(code, LIST);
        assert_eq!(failure.exit_status(), PROBLEMS, "{code}");
        assert!(!failure.is_temporary(), "{code}");
    }
    let timeout = RequestError::Timeout {
        action: "list x".to_owned(),
        timeout: Duration::from_secs(30),
    };
    let refused = RequestError::Failed {
        action: "list x".to_owned(),
        source: Box::new(kube::Error::Service("connection refused".into())),
    };
    for error in [timeout, refused] {
        let failure = Failure::of(&error, LIST);
        assert_eq!(failure.exit_status(), UNREACHABLE, "{failure}");
        assert!(failure.is_temporary() && !failure.is_optional());
    }
}

#[test]
fn a_kind_that_does_not_exist_means_that_fio_is_not_installed() {
    let failure = answered(404, LIST);
    assert!(
        failure
            .to_string()
            .starts_with("the API server has no fileintegrities")
    );
    assert!(failure.is_optional());
    let get = Wanted {
        verb: "get",
        ..LIST
    };
    assert!(matches!(answered(404, get), Failure::Other(_)));
}

#[test]
fn the_reason_of_an_admission_policy_names_the_right() {
    let message = "x \"y\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: bob may not \
        accept changes of the FileIntegrity fi: this requires the verb accept on it";
    for code in [403, 422] {
        let status = kube::core::Status::failure(message, "Forbidden").with_code(code);
        let error = RequestError::Failed {
            action: "create x".to_owned(),
            source: Box::new(kube::Error::Api(status.boxed())),
        };
        assert_eq!(
            Failure::of(&error, LIST).to_string(),
            "bob may not accept changes of the FileIntegrity fi: this requires the verb accept on it"
        );
    }
    assert_eq!(denial("bob may not: a webhook denied request: no"), None);
}

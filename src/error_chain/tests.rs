use super::*;

#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Outer {
    text: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
#[error("read x")]
struct Boxed(#[source] Box<kube::Error>);

#[test]
fn sources_follow_and_are_not_repeated() {
    let inner = std::io::Error::other("no route");
    let error = Outer {
        text: "read x",
        source: Box::new(inner),
    };
    assert_eq!(error_chain(&error), "read x: no route");
    let repeats = Outer {
        text: "failed: gone",
        source: "gone".into(),
    };
    assert_eq!(error_chain(&repeats), "failed: gone");
}

#[test]
fn the_message_of_the_api_is_not_repeated() {
    let status = kube::core::Status::failure("pods \"x\" not found", "NotFound").with_code(404);
    let error = Outer {
        text: "read x",
        source: Box::new(kube::Error::Api(status.clone().boxed())),
    };
    assert_eq!(error_chain(&error), "read x: pods \"x\" not found");
    let boxed = Boxed(Box::new(kube::Error::Api(status.boxed())));
    assert_eq!(error_chain(&boxed), "read x: pods \"x\" not found");
}

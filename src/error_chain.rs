//! Errors as text. Pure.

/// The messages of an error and its sources in one line: `read the ConfigMap x: connection refused`.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // The message of the API server is complete; the errors around it repeat it.
        let (part, is_last) = match api_error(error) {
            Some(kube::Error::Api(status)) => (status.message.clone(), true),
            _ => (error.to_string(), false),
        };
        // Some libraries repeat the message of their source.
        if !text.ends_with(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = if is_last { None } else { error.source() };
    }
    text
}

/// The error may be boxed.
fn api_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a kube::Error> {
    let boxed = || error.downcast_ref::<Box<kube::Error>>().map(AsRef::as_ref);
    error.downcast_ref::<kube::Error>().or_else(boxed)
}

#[cfg(test)]
mod tests {
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
}

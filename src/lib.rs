//! `fio`: watches the integrity of the files on every node of a Kubernetes cluster with AIDE.
//!
//! The rooms of this house, in the order in which they may use each other:
//! [`api`] (what the cluster sees) <- [`aide`] (what AIDE understands) <- [`scan`] (one scan's
//! outcome and how it is told) <- [`operator`] and [`daemon`], which never use each other.
//! [`telemetry`], [`k8s`] (requests to the API server) and [`signal_file`] stand beside them; [`cli`] is the only reader of arguments and environment.

pub mod aide;
pub mod api;
pub mod cli;
pub mod daemon;
mod file_error;
pub mod k8s;
mod locks;
pub mod metrics_server;
pub mod operator;
pub mod scan;
pub mod signal_file;
pub mod telemetry;
mod text;

#[cfg(test)]
#[path = "../e2e/chaos.rs"]
mod chaos;
#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod shipping_tests;
#[cfg(test)]
mod testing;

/// An error and its sources in one line: `read the ConfigMap x: connection refused`.
pub fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        // What the API server says is a sentence of its own; what is around it repeats it.
        let (part, is_last) = match api_error(error) {
            Some(kube::Error::Api(status)) => (status.message.clone(), true),
            _ => (error.to_string(), false),
        };
        // Some libraries repeat their source in their own words.
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

/// A boxed error is a type of its own.
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
    fn what_the_api_says_is_said_once() {
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

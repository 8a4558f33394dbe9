//! `fio`: watches the integrity of the files on every node of a Kubernetes cluster with AIDE.
//!
//! The rooms of this house, in the order in which they may use each other:
//! [`api`] (what the cluster sees) <- [`aide`] (what AIDE understands) <- [`scan`] (one scan's
//! outcome and how it is told) <- [`operator`] and [`daemon`], which never use each other.
//! [`telemetry`] stands beside them; [`cli`] is the only reader of arguments and environment.

pub mod aide;
pub mod api;
pub mod cli;
pub mod daemon;
pub mod operator;
pub mod scan;
pub mod telemetry;

/// An error and its sources in one line: `read the ConfigMap x: connection refused`.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let part = error.to_string();
        // Some libraries repeat their source in their own words.
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        source = error.source();
    }
    text
}

//! Why a command cannot answer, and its exit status. Pure.

use crate::k8s::RequestError;

/// Exit status: as the command describes it, all is well.
pub(crate) const WELL: u8 = 0;
/// Exit status: there are differences.
pub(crate) const DIFFERENCES: u8 = 1;
/// Exit status: there are problems, or the command cannot answer.
pub(crate) const PROBLEMS: u8 = 2;
/// Exit status: the API server cannot be reached.
pub(crate) const UNREACHABLE: u8 = 3;

/// Why a command cannot answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The user lacks a right.
    #[error("you may not {right}: {answer}. {hint}")]
    Forbidden {
        /// The right, such as `list fileintegrities in the namespace x`.
        right: String,
        /// What the API server answered.
        answer: String,
        /// Who has the right.
        hint: &'static str,
    },
    /// The API server does not know the kind.
    #[error(
        "the API server has no {resource}: fio is not installed in this cluster, or its definitions are of an earlier version"
    )]
    NotInstalled { resource: &'static str },
    /// The API server does not know the user.
    #[error("the API server does not accept your credentials: {0}")]
    Unauthorized(String),
    /// The API server cannot be reached.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// Any other reason, as a sentence.
    #[error("{0}")]
    Other(String),
}

/// What a request reads or writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The verb of the right, such as `get`.
    pub(crate) verb: &'static str,
    pub(crate) resource: &'static str,
    /// None for all namespaces, and for resources without one.
    pub(crate) namespace: Option<&'a str>,
    /// Who has the right.
    pub(crate) hint: &'static str,
}

impl Failure {
    /// The exit status of the program.
    pub(crate) const fn exit_status(&self) -> u8 {
        match self {
            Self::Unreachable(_) => UNREACHABLE,
            _ => PROBLEMS,
        }
    }

    /// The failure of a request.
    pub(crate) fn of(error: &RequestError, wanted: Wanted<'_>) -> Self {
        let Wanted {
            verb,
            resource,
            namespace,
            hint,
        } = wanted;
        let place = namespace.map_or_else(
            || " in all namespaces".to_owned(),
            |namespace| format!(" in the namespace {namespace}"),
        );
        match error {
            RequestError::Failed { source, .. } => match &**source {
                kube::Error::Api(status) => match status.code {
                    _ if denial(&status.message).is_some() => {
                        Self::Other(denial(&status.message).unwrap_or_default().to_owned())
                    }
                    401 => Self::Unauthorized(status.message.clone()),
                    403 => Self::Forbidden {
                        right: format!("{verb} {resource}{place}"),
                        answer: status.message.clone(),
                        hint,
                    },
                    404 if matches!(verb, "list" | "create") => Self::NotInstalled { resource },
                    _ => Self::Other(format!("{verb} {resource}{place}: {}", status.message)),
                },
                kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => {
                    Self::Other(crate::error_chain(error))
                }
                other => Self::Unreachable(crate::error_chain(other)),
            },
            RequestError::Timeout { .. } => Self::Unreachable(crate::error_chain(error)),
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }

    /// Whether the user lacks a right, or the definitions are of an earlier version: what can be read without it, is shown.
    pub(crate) const fn is_optional(&self) -> bool {
        matches!(self, Self::Forbidden { .. } | Self::NotInstalled { .. })
    }
}

/// The reason of an admission policy, which follows the names of the policy and its binding.
fn denial(message: &str) -> Option<&str> {
    let (policy, reason) = message.split_once(" denied request: ")?;
    policy
        .contains("ValidatingAdmissionPolicy ")
        .then_some(reason)
}

#[cfg(test)]
mod tests;

//! Why a plan could not be carried out.

use crate::k8s::RequestError;

/// Why a plan could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("{kind} {name} belongs to {owner} and is left alone; rename or remove one of the two")]
    NameCollision {
        kind: &'static str,
        name: String,
        owner: String,
    },
    /// The API has no FileIntegrity with the observed uid.
    #[error("FileIntegrity {0} was deleted, or created again, meanwhile")]
    Outdated(String),
    #[error("encode an object as JSON")]
    Json(#[from] serde_json::Error),
}

impl ApplyError {
    /// Whether the API server refuses the request until somebody changes something, such as a permission
    /// or the object.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_refusal())
    }
}

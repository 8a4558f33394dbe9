//! Why a FileIntegrity could not be observed.

use crate::aide::check::CheckError;
use crate::api::names;
use crate::api::object_name::InvalidName;
use crate::k8s::RequestError;

/// Why a FileIntegrity could not be observed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the watches have ended")]
    WatchesEnded,
    #[error(
        "no image for the pods: there is no Deployment {} in this namespace, and RELATED_IMAGE_OPERATOR is not set",
        names::OPERATOR_NAME
    )]
    NoImage,
    /// A name of fio's own objects is invalid. Tests exclude it.
    #[error(transparent)]
    Name(#[from] InvalidName),
    #[error(transparent)]
    Check(#[from] CheckError),
}

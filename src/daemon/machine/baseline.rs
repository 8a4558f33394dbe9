//! Baselines, and why they are created. Pure.

use super::timed_holds::EndedHold;
use crate::api::{AcceptedReason, RequestOrigin};

/// After so many kills in a row of AIDE together with the daemon, an acceptance is refused, and a new baseline is created
/// without a comparison, which takes more memory.
pub(crate) const MAX_KILLS: u32 = 2;

/// Replaces the digest of a file that cannot be read as a database.
pub(crate) const NO_DATABASE: &str = "a file that is no database";

/// The baseline as the daemon knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownBaseline {
    /// Hash of the configuration that it was created with.
    pub config_hash: String,
    /// sha256 of the database, in hexadecimal digits.
    pub digest: String,
    /// Id of the request, or UID of the acceptance, that it was created for.
    pub request: Option<String>,
    /// Whether somebody requested it.
    pub requested: bool,
    /// The acceptance that it was created for.
    pub acceptance: Option<ExecutedAcceptance>,
}

/// The acceptance that a baseline was created for, according to its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedAcceptance {
    /// Name of the acceptance.
    pub(crate) name: String,
    /// Its UID.
    pub(crate) uid: String,
    /// sha256 of the database that was replaced, in hexadecimal digits.
    pub(crate) old_digest: String,
}

/// The baseline that a new one replaces, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OldBaseline {
    /// Hash of the configuration that it was created with.
    pub(crate) config_hash: String,
    /// sha256 of the database, in hexadecimal digits.
    pub(crate) digest: String,
}

impl OldBaseline {
    /// Why the database with this digest, which AIDE has read, is not the recorded one, if that is so.
    pub(crate) fn differs_from(&self, found: Option<&str>) -> Option<String> {
        let recorded = &self.digest;
        match found {
            Some(found) if found == recorded => None,
            Some(found) => Some(format!(
                "the old database was not the recorded one (recorded {recorded}, found {found})"
            )),
            None => Some("the digest of the old database is not known".to_owned()),
        }
    }
}

/// What is in the state directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disk {
    Nothing,
    /// No database, but the record of one that was created for this FileIntegrity.
    Missing(KnownBaseline),
    /// A database without a record: of another FileIntegrity, or of another program.
    Foreign {
        /// sha256 of the database, in hexadecimal digits.
        digest: String,
    },
    /// A file that cannot be read as a database.
    Unreadable,
    /// A database and its record, created for this FileIntegrity.
    Baseline(KnownBaseline),
}

/// Why a baseline is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaselineReason {
    /// There was none before.
    First,
    /// The database is of another FileIntegrity or another program, and this AIDE may not be able to
    /// read it.
    Foreign {
        /// The failure that is reported now.
        open_failure: Option<String>,
    },
    /// The database is of another version of AIDE, and this one cannot read it.
    Outdated {
        /// Version of the AIDE that created the database.
        made_by: String,
        /// The failure that is reported now.
        open_failure: Option<String>,
    },
    /// Somebody has requested it; the id of the request.
    Requested(String),
    /// Holds of the spec have ended, and what has changed is accepted.
    HoldEnded(EndedHold),
    /// The configuration has changed.
    Config,
    /// The spec has another state directory; the one before.
    Moved(String),
    /// The database was deleted.
    Lost,
    /// The signal file requests it, and no request of the node status explains the file.
    Signal,
}

impl BaselineReason {
    /// Whether somebody requested the baseline. After an upgrade there is no request; the baseline
    /// counts as requested unless it accepts an open failure.
    pub fn requested(&self) -> bool {
        match self {
            Self::Lost | Self::Signal => false,
            Self::Foreign { open_failure } | Self::Outdated { open_failure, .. } => {
                open_failure.is_none()
            }
            Self::First
            | Self::Requested(_)
            | Self::HoldEnded(_)
            | Self::Config
            | Self::Moved(_) => true,
        }
    }

    /// Why it replaces a baseline that can be compared with the node; None if there is none.
    pub(crate) fn accepts(&self) -> Option<AcceptedReason> {
        Some(match self {
            Self::First | Self::Moved(_) | Self::Lost => return None,
            Self::Foreign { .. } => AcceptedReason::Foreign,
            Self::Outdated { .. } => AcceptedReason::Outdated,
            Self::HoldEnded(_) => AcceptedReason::HoldEnded,
            Self::Config => AcceptedReason::Configuration,
            Self::Signal => AcceptedReason::Signal,
            Self::Requested(id) => match RequestOrigin::of_request(id) {
                Some(RequestOrigin::Annotation) => AcceptedReason::Annotation,
                Some(RequestOrigin::OnFailed) => AcceptedReason::OnFailed,
                Some(RequestOrigin::NodeUpdate) => AcceptedReason::NodeUpdate,
                None => AcceptedReason::Request,
            },
        })
    }

    /// The request for re-initialization.
    pub fn request(&self) -> Option<&str> {
        match self {
            Self::Requested(id) => Some(id),
            _ => None,
        }
    }

    /// What the record of the baseline on the node has as its request. It explains the baseline after a crash.
    pub(crate) fn recorded_request(&self) -> Option<&str> {
        match self {
            Self::HoldEnded(ended) => Some(&ended.id),
            _ => self.request(),
        }
    }

    /// The request that the evidence is about. Nodes with the same changes and the same request share it.
    pub(crate) fn accepted_request(&self) -> Option<&str> {
        match self {
            Self::HoldEnded(ended) => Some(&ended.request),
            _ => self.request(),
        }
    }

    /// The names of the holds that have ended.
    pub(crate) fn holds(&self) -> &[String] {
        match self {
            Self::HoldEnded(ended) => &ended.holds,
            _ => &[],
        }
    }
}

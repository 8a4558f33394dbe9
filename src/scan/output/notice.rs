//! Notices: what else happened on a node, besides changes of files. Pure.

use crate::api::object_name::visible;
use crate::api::{Baseline, EventReason, HoldReason, ScanResult};
use crate::scan::accepted;
use crate::scan::event::EventMessage;

/// What holds the scans of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeldBy {
    /// The annotation of its node status.
    Annotation(HoldReason),
    /// These holds of the spec.
    Holds(Vec<String>),
}

/// What a notice reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoticeKind {
    /// A scan found no changes any more.
    ChangesEnded,
    /// A scan could not be completed, or was not started.
    ScanErrored,
    /// A scan was completed after an error.
    ErrorEnded,
    /// No scans start until the hold ends.
    HoldStarted,
    /// Scans are not held any more.
    HoldEnded,
    /// A new baseline was created.
    BaselineCreated,
    /// A new baseline accepted changes.
    ChangesAccepted,
    /// The daemon creates an event with this reason.
    Event(EventReason),
}

impl NoticeKind {
    /// The name that users see.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ChangesEnded => "ChangesEnded",
            Self::ScanErrored => "ScanErrored",
            Self::ErrorEnded => "ErrorEnded",
            Self::HoldStarted => "HoldStarted",
            Self::HoldEnded => "HoldEnded",
            Self::BaselineCreated => "BaselineCreated",
            Self::ChangesAccepted => EventReason::ChangesAccepted.as_str(),
            Self::Event(reason) => reason.as_str(),
        }
    }

    /// Whether somebody may have tampered with the baseline.
    pub(crate) const fn is_tampering(self) -> bool {
        matches!(
            self,
            Self::Event(
                EventReason::BaselineTampered
                    | EventReason::BaselineLost
                    | EventReason::UnrequestedReinit
            )
        )
    }
}

/// Something that happened on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub kind: NoticeKind,
    /// What happened, in one sentence.
    pub message: String,
    /// The class of an error.
    pub error_class: Option<String>,
}

impl Notice {
    fn new(kind: NoticeKind, message: String) -> Self {
        Self {
            kind,
            message,
            error_class: None,
        }
    }

    pub(super) fn changes_ended(node: &str) -> Self {
        let message = format!("no changes to node {node}");
        Self::new(NoticeKind::ChangesEnded, message)
    }

    pub(super) fn error_ended(node: &str) -> Self {
        let message = format!("node {node} was scanned again after an error");
        Self::new(NoticeKind::ErrorEnded, message)
    }

    pub(super) fn scan_errored(result: &ScanResult) -> Self {
        let message = result.error_message.clone().unwrap_or_default();
        Self {
            error_class: result.error_class.clone(),
            ..Self::new(NoticeKind::ScanErrored, message)
        }
    }

    pub(super) fn hold_started(node: &str, by: &HeldBy) -> Self {
        let why = match by {
            HeldBy::Annotation(HoldReason::User) => "a user requested it".to_owned(),
            HeldBy::Annotation(HoldReason::NodeUpdate) => "the node is being updated".to_owned(),
            HeldBy::Annotation(HoldReason::Unknown(_)) => {
                "the reason is not known to this version of fio".to_owned()
            }
            HeldBy::Holds(holds) => {
                let holds: Vec<String> = holds.iter().map(|hold| visible(hold)).collect();
                format!("the spec requests it, hold {}", holds.join(", "))
            }
        };
        let message = format!("scans of node {node} are held: {why}");
        Self::new(NoticeKind::HoldStarted, message)
    }

    pub(super) fn hold_ended(node: &str) -> Self {
        let message = format!("scans of node {node} continue");
        Self::new(NoticeKind::HoldEnded, message)
    }

    pub(super) fn baseline_created(baseline: &Baseline) -> Self {
        let requested = if baseline.requested {
            "requested"
        } else {
            "not requested"
        };
        let message = format!(
            "a new baseline was created, {requested}: {} entries, digest {}",
            baseline.entries, baseline.digest
        );
        Self::new(NoticeKind::BaselineCreated, message)
    }

    /// None if the baseline accepted nothing.
    pub(super) fn changes_accepted(node: &str, baseline: &Baseline) -> Option<Self> {
        let message = accepted::message(node, baseline)?;
        Some(Self::new(NoticeKind::ChangesAccepted, message))
    }

    pub(super) fn of_event(event: &EventMessage) -> Self {
        Self::new(NoticeKind::Event(event.reason), event.message.clone())
    }
}

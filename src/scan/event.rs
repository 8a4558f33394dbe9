//! Events on a FileIntegrity, in the API group events.k8s.io. Pure.
//!
//! The name of an event is a hash of its message and its transition. If an event is created again, the
//! API server answers 409, so nothing is reported twice.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::core::ObjectMeta;

use crate::api::{EventReason, FILE_INTEGRITY_KIND, GROUP, VERSION, names};
use crate::text::shorten_middle;

/// Maximum bytes of an event's note; the API server refuses more.
const MAX_NOTE: usize = 1024;
/// Number of hexadecimal digits of the hash in an event's name.
const NAME_DIGITS: usize = 16;

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Information that needs no action.
    Normal,
    /// A problem that needs attention.
    Warning,
}

/// What an event reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMessage {
    /// The type of the event: Normal or Warning.
    pub severity: Severity,
    /// The reason, by which users select events.
    pub(crate) reason: EventReason,
    /// The note of the event; one sentence.
    pub message: String,
}

/// The objects that an event is about, and who reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject<'a> {
    /// Namespace of the FileIntegrity.
    pub namespace: &'a str,
    /// Name of the FileIntegrity.
    pub name: &'a str,
    /// Uid of the FileIntegrity.
    pub uid: &'a str,
    /// The node, if the event is about one.
    pub node: Option<&'a str>,
    /// The pod or host that reports.
    pub reporter: &'a str,
}

/// Builds an event. `transition` distinguishes two events with the same message.
pub(crate) fn build(
    subject: &Subject<'_>,
    message: &EventMessage,
    transition: &str,
    at: MicroTime,
) -> Event {
    debug_assert!(
        subject.node.is_none() || message.reason.is_of_daemon(),
        "{}",
        message.reason
    );
    let mut note = message.message.clone();
    shorten_middle(&mut note, MAX_NOTE);
    Event {
        metadata: ObjectMeta {
            name: Some(name(subject, message, transition)),
            namespace: Some(subject.namespace.to_owned()),
            ..ObjectMeta::default()
        },
        action: Some(message.reason.to_string()),
        event_time: Some(at),
        note: Some(note),
        reason: Some(message.reason.to_string()),
        regarding: Some(regarding(subject)),
        related: subject.node.map(node_reference),
        reporting_controller: Some(names::OPERATOR_NAME.to_owned()),
        reporting_instance: Some(subject.reporter.chars().take(128).collect()),
        type_: Some(
            match message.severity {
                Severity::Normal => "Normal",
                Severity::Warning => "Warning",
            }
            .to_owned(),
        ),
        ..Event::default()
    }
}

fn name(subject: &Subject<'_>, message: &EventMessage, transition: &str) -> String {
    let identity = [
        subject.uid,
        subject.node.unwrap_or_default(),
        message.reason.as_str(),
        &message.message,
        transition,
    ]
    .join("\0");
    let hash = &names::sha256_hex(identity)[..NAME_DIGITS];
    // The admission policy allows daemons only names with that of their node. Otherwise one daemon could
    // create another's event first, and so suppress it.
    match subject.node {
        Some(node) => format!("{}.node-{hash}", start(node)),
        None => format!("{}.{hash}", start(subject.name)),
    }
}

/// The start of an object's name. It alone may be as long as the name of an event, which has other parts, too.
fn start(name: &str) -> &str {
    let end = name.char_indices().nth(200).map_or(name.len(), |(i, _)| i);
    name[..end].trim_end_matches(['.', '-'])
}

fn regarding(subject: &Subject<'_>) -> ObjectReference {
    ObjectReference {
        api_version: Some(format!("{GROUP}/{VERSION}")),
        kind: Some(FILE_INTEGRITY_KIND.to_owned()),
        name: Some(subject.name.to_owned()),
        namespace: Some(subject.namespace.to_owned()),
        uid: Some(subject.uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// Kubelets use the node's name as its uid in events, and tools expect it.
fn node_reference(node: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.to_owned()),
        uid: Some(node.to_owned()),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests;

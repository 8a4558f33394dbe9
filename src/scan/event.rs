//! Events on a FileIntegrity, in the API group events.k8s.io. Pure.
//!
//! Each distinct message is an event of its own, with a name made from what it says and of which
//! transition it speaks: creating it a second time is answered by 409, and nothing is told twice.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::core::ObjectMeta;

use crate::api::{EventReason, FILE_INTEGRITY_KIND, GROUP, VERSION, names};
use crate::text::shorten_middle;

/// Longest note of an event, in bytes: the API refuses more.
const MAX_NOTE: usize = 1024;
/// Hex digits of the hash in an event's name.
const NAME_DIGITS: usize = 16;

/// How much an event matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// For information.
    Normal,
    /// Somebody should look.
    Warning,
}

/// What an event reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventMessage {
    /// The type of the event: Normal or Warning.
    pub severity: Severity,
    /// By which users select events.
    pub reason: EventReason,
    /// The note of the event; one sentence.
    pub message: String,
}

/// Of whom an event speaks, and who says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Namespace of the FileIntegrity.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// The node that the event is about, if it is about one.
    pub node: Option<&'a str>,
    /// Which pod or process says it.
    pub reporter: &'a str,
}

/// The event that says this. `transition` tells apart two occasions of saying the same.
pub fn build(
    subject: &Subject<'_>,
    saying: &EventMessage,
    transition: &str,
    at: MicroTime,
) -> Event {
    let mut note = saying.message.clone();
    shorten_middle(&mut note, MAX_NOTE);
    Event {
        metadata: ObjectMeta {
            name: Some(name(subject, saying, transition)),
            namespace: Some(subject.namespace.to_owned()),
            ..ObjectMeta::default()
        },
        action: Some(saying.reason.to_string()),
        event_time: Some(at),
        note: Some(note),
        reason: Some(saying.reason.to_string()),
        regarding: Some(regarding(subject)),
        related: subject.node.map(node_reference),
        reporting_controller: Some(names::OPERATOR_NAME.to_owned()),
        reporting_instance: Some(subject.reporter.chars().take(128).collect()),
        type_: Some(
            match saying.severity {
                Severity::Normal => "Normal",
                Severity::Warning => "Warning",
            }
            .to_owned(),
        ),
        ..Event::default()
    }
}

fn name(subject: &Subject<'_>, saying: &EventMessage, transition: &str) -> String {
    let identity = [
        subject.uid,
        subject.node.unwrap_or_default(),
        saying.reason.as_str(),
        &saying.message,
        transition,
    ]
    .join("\0");
    let hash = &names::sha256_hex(identity)[..NAME_DIGITS];
    // The admission policy holds the daemons to names of their node's own: by taking another's, one
    // could keep it from telling.
    match subject.node {
        Some(node) => format!("{}.node-{hash}", start(node)),
        None => format!("{}.{hash}", start(subject.name)),
    }
}

/// A name may be as long as an event's, to which something is added; its start is enough for a
/// reader.
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

/// Kubelets use the node's name as its uid in events, and tools look for that.
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
mod tests {
    use super::*;

    const SUBJECT: Subject<'_> = Subject {
        namespace: "ns",
        name: "fi",
        uid: "u",
        node: Some("n1"),
        reporter: "pod",
    };

    fn saying(message: &str) -> EventMessage {
        EventMessage {
            severity: Severity::Warning,
            reason: EventReason::NodeIntegrityStatus,
            message: message.to_owned(),
        }
    }

    fn at() -> MicroTime {
        MicroTime("2026-01-02T03:04:05.678901Z".parse().unwrap())
    }

    #[test]
    fn the_whole_event() {
        insta::assert_json_snapshot!(build(&SUBJECT, &saying("node n1 has changed!"), "t", at()));
    }

    #[test]
    fn the_same_thing_said_of_the_same_transition_has_the_same_name() {
        let name = |message, transition| {
            build(&SUBJECT, &saying(message), transition, at())
                .metadata
                .name
                .unwrap()
        };
        assert_eq!(name("a", "1"), name("a", "1"));
        assert_ne!(name("a", "1"), name("a", "2"));
        assert_ne!(name("a", "1"), name("b", "1"));
    }

    #[test]
    fn an_event_about_a_node_is_called_after_it_and_another_is_not() {
        let name = |name: &str, node| {
            let subject = Subject {
                name,
                node,
                ..SUBJECT
            };
            let event = build(&subject, &saying("a"), "t", at());
            let name = event.metadata.name.unwrap();
            let (start, hash) = name.split_at(name.len() - NAME_DIGITS);
            assert!(hash.bytes().all(|digit| digit.is_ascii_hexdigit()));
            start.to_owned()
        };
        let long = format!("{}-{}", "l".repeat(199), "o".repeat(53));
        let table = [
            (name("fi", Some("n1")), "n1.node-".to_owned()),
            (name("fi", None), "fi.".to_owned()),
            (name("fi", Some(&long)), format!("{}.node-", &long[..199])),
            (name(&long, None), format!("{}.", &long[..199])),
        ];
        for (start, expected) in table {
            assert_eq!(start, expected);
        }
    }

    #[test]
    fn a_long_message_loses_its_middle() {
        let message = format!("failed to read '{}': the reason", "ä".repeat(600));
        let note = build(&SUBJECT, &saying(&message), "t", at()).note.unwrap();
        assert!((1020..=1024).contains(&note.len()), "{}", note.len());
        assert!(note.starts_with("failed to read 'ä"), "{note}");
        assert!(note.ends_with("ä': the reason"), "{note}");
    }
}

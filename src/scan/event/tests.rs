use super::*;

const SUBJECT: Subject<'_> = Subject {
    namespace: "ns",
    name: "fi",
    uid: "u",
    node: Some("n1"),
    reporter: "pod",
};

fn event_message(message: &str) -> EventMessage {
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
    insta::assert_json_snapshot!(build(
        &SUBJECT,
        &event_message("node n1 has changed!"),
        "t",
        at()
    ));
}

#[test]
fn the_same_message_of_the_same_transition_has_the_same_name() {
    let name = |message, transition| {
        build(&SUBJECT, &event_message(message), transition, at())
            .metadata
            .name
            .unwrap()
    };
    assert_eq!(name("a", "1"), name("a", "1"));
    assert_ne!(name("a", "1"), name("a", "2"));
    assert_ne!(name("a", "1"), name("b", "1"));
}

#[test]
fn only_the_name_of_an_event_about_a_node_begins_with_the_node() {
    let name = |name: &str, node| {
        let subject = Subject {
            name,
            node,
            ..SUBJECT
        };
        let event = build(&subject, &event_message("a"), "t", at());
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
    let note = build(&SUBJECT, &event_message(&message), "t", at())
        .note
        .unwrap();
    assert!((1020..=1024).contains(&note.len()), "{}", note.len());
    assert!(note.starts_with("failed to read 'ä"), "{note}");
    assert!(note.ends_with("ä': the reason"), "{note}");
}

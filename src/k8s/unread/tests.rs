use k8s_openapi::api::core::v1::{ConfigMap, Node};

use super::*;

fn readable(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object
}

fn odd(name: &str, owner: Option<&str>) -> Read<ConfigMap> {
    Err(Unreadable {
        kind: "ConfigMap".to_owned(),
        name: name.to_owned(),
        uid: String::new(),
        owners: owner.into_iter().map(str::to_owned).collect(),
        reason: "odd".to_owned(),
    })
}

#[test]
fn an_object_is_named_until_it_can_be_decoded_or_is_deleted() {
    let unread = UnreadableObjects::default();
    let is_new = |event| unread.take::<ConfigMap>(event).1;
    let text = |name: &str| format!("ConfigMap {name} cannot be read: odd");
    assert!(is_new(Event::Apply(odd("a", Some("fi")))));
    assert!(!is_new(Event::Apply(odd("a", Some("fi")))));
    assert_eq!(unread.about("fi"), [text("a")]);
    assert_eq!(unread.about("other"), [""; 0]);
    assert!(is_new(Event::Apply(odd("other", None))));
    assert_eq!(unread.about("other"), [text("other")]);
    assert_eq!(unread.of::<ConfigMap>().len(), 2);
    assert_eq!(unread.of::<Node>(), []);
    assert!(is_new(Event::Apply(Ok(readable("other")))));
    assert!(is_new(Event::Delete(odd("a", None))));
    assert_eq!(unread.about("fi"), [""; 0]);
    // A list shows what is left.
    is_new(Event::Apply(odd("a", Some("fi"))));
    is_new(Event::Apply(odd("b", Some("fi"))));
    assert!(!is_new(Event::Init));
    assert!(!is_new(Event::InitApply(odd("b", Some("fi")))));
    assert!(is_new(Event::InitDone));
    assert_eq!(unread.about("fi"), [text("b")]);
}

#[test]
fn a_node_affects_all_file_integrities() {
    let unread = UnreadableObjects::default();
    let mut node = odd("n", None).unwrap_err();
    node.kind = "Node".to_owned();
    unread.take::<Node>(Event::Apply(Err(node)));
    assert_eq!(unread.about("fi"), ["Node n cannot be read: odd"]);
}

#[test]
fn the_number_of_tracked_objects_is_limited() {
    let unread = UnreadableObjects::default();
    for number in 0..MAX_OBJECTS * 2 {
        unread.take::<ConfigMap>(Event::Apply(odd(&number.to_string(), Some("fi"))));
    }
    assert_eq!(unread.about("fi").len(), MAX_OBJECTS);
}

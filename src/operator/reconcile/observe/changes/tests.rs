//! Tables of events, and the FileIntegrities that they affect.

use k8s_openapi::api::core::v1::ConfigMap;

use super::*;

/// The target is in the data's key `for`.
fn relevance(object: &ConfigMap) -> Relevance {
    let data = object.data.clone().unwrap_or_default();
    let fingerprint = data
        .get("fingerprint")
        .map_or(0, |text| text.parse().unwrap());
    Relevance {
        target: data
            .get("for")
            .map(|name| Target::One(name.as_str().into())),
        fingerprint,
    }
}

fn object(name: &str, target: &str, fingerprint: u64) -> ConfigMap {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": name},
        "data": {"for": target, "fingerprint": fingerprint.to_string()},
    }))
    .unwrap()
}

fn targets(names: &[&str]) -> HashSet<Target> {
    names
        .iter()
        .map(|name| Target::One((*name).into()))
        .collect()
}

#[test]
fn used_fields_and_deletions_trigger() {
    let mut changes = Changes::new(relevance, Arc::default());
    let table = [
        (Event::Apply(object("a", "x", 1)), vec!["x"]),
        (Event::Apply(object("a", "x", 1)), vec![]),
        (Event::Apply(object("a", "x", 2)), vec!["x"]),
        (Event::Apply(object("a", "y", 2)), vec!["x", "y"]),
        (Event::Delete(object("a", "y", 2)), vec!["y"]),
        (Event::Delete(object("a", "y", 2)), vec![]),
    ];
    for (event, expected) in table {
        assert_eq!(changes.record(&event), targets(&expected), "{event:?}");
    }
}

#[test]
fn a_list_triggers_when_it_is_complete() {
    let mut changes = Changes::new(relevance, Arc::default());
    let table = [
        (Event::Init, vec![]),
        (Event::InitApply(object("a", "x", 1)), vec![]),
        (Event::InitApply(object("b", "y", 1)), vec![]),
        (Event::InitDone, vec!["x", "y"]),
        (Event::Init, vec![]),
        (Event::InitApply(object("a", "x", 2)), vec![]),
        (Event::InitDone, vec!["x", "y"]),
    ];
    for (event, expected) in table {
        assert_eq!(changes.record(&event), targets(&expected), "{event:?}");
    }
}

#[test]
fn deletions_during_an_interruption_trigger_after_the_new_list() {
    let mut changes = Changes::new(relevance, Arc::default());
    changes.record(&Event::Apply(object("a", "x", 1)));
    changes.record(&Event::Apply(object("b", "y", 1)));
    assert_eq!(changes.record(&Event::Init), targets(&[]));
    assert_eq!(
        changes.record(&Event::InitApply(object("b", "y", 1))),
        targets(&[])
    );
    assert_eq!(changes.record(&Event::InitDone), targets(&["x"]));
}

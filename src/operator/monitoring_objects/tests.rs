//! Tests of what is done with existing objects.

use serde_json::json;

use super::*;
use crate::operator::metrics_endpoint::CertificateAuthority;

#[test]
fn objects_that_a_user_changed_are_not_changed() {
    let [desired, _] = build::rules("ns", &Runbooks::new(None)).unwrap();
    let mut newer = desired.clone();
    newer["spec"]["groups"][0]["name"] = json!("newer");
    let made = |spec: &Value, written: Option<String>| {
        let mut object = desired.clone();
        object["spec"] = spec.clone();
        if let Some(written) = written {
            object["metadata"]["annotations"] = json!({Annotation::WRITTEN_SPEC: written});
        }
        serde_json::from_value::<DynamicObject>(object).unwrap()
    };
    let mut defaulted = desired["spec"].clone();
    defaulted["groups"][0]["interval"] = json!("30s");
    let annotation = |spec: &Value| Some(format!("{}.{}", hash(&desired["spec"]), hash(spec)));

    assert_eq!(step(None, &desired), Step::Create);
    let ours = made(&defaulted, annotation(&defaulted));
    assert_eq!(step(Some(&ours), &desired), Step::Leave);
    assert_eq!(step(Some(&ours), &newer), Step::Update);
    let edited = made(&json!({"groups": []}), annotation(&defaulted));
    assert_eq!(step(Some(&edited), &desired), Step::Leave);
    assert_eq!(step(Some(&edited), &newer), Step::LeaveOutdated);
    let foreign = made(&desired["spec"], None);
    assert_eq!(step(Some(&foreign), &newer), Step::LeaveOutdated);
    let targets = ScrapeTargets {
        process: true,
        fleet: true,
        authority: CertificateAuthority::Own,
    };
    let mut monitor = build::service_monitor("ns", targets);
    monitor["metadata"]["resourceVersion"] = json!("1");
    let originals = serde_json::from_value(monitor.clone()).unwrap();
    assert_eq!(step(Some(&originals), &monitor), Step::Update);
}

#[test]
fn the_rule_of_the_original_is_updated_unless_it_was_edited() {
    let [desired, further] = build::rules("ns", &Runbooks::new(None)).unwrap();
    let original = build::rule_of_the_original("ns");
    let read = |object: &Value| serde_json::from_value::<DynamicObject>(object.clone()).unwrap();
    assert_eq!(step(Some(&read(&original)), &desired), Step::Update);
    assert_eq!(step(Some(&read(&original)), &further), Step::LeaveOutdated);
    let of_another_namespace = build::rule_of_the_original("other");
    let read_elsewhere = read(&of_another_namespace);
    assert_eq!(step(Some(&read_elsewhere), &desired), Step::LeaveOutdated);
    for (path, value) in [
        ("/spec/groups/0/rules/0/labels/severity", json!("critical")),
        ("/spec/groups/0/rules/0/for", json!("30s")),
        ("/spec/groups", json!([])),
    ] {
        let mut edited = original.clone();
        *edited.pointer_mut(path).unwrap() = value;
        let step = step(Some(&read(&edited)), &desired);
        assert_eq!(step, Step::LeaveOutdated, "{path}");
    }
}

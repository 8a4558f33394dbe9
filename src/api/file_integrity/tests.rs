use serde_json::Value;

use super::*;
use crate::api::RealtimeMode;

fn spec(json: Value) -> FileIntegritySpec {
    serde_json::from_value(json).unwrap()
}

#[test]
fn unusual_values_are_described_with_the_used_ones() {
    let odd = |config: Value| spec(serde_json::json!({"config": config})).unusual_values();
    assert_eq!(odd(serde_json::json!({"gracePeriod": 5})), [""; 0]);
    assert_eq!(
        odd(
            serde_json::json!({"gracePeriod": -1, "maxBackups": -2, "initialDelay": -3, "key": "k"})
        ),
        [
            "spec.config.key is set without a name, so the default configuration is used",
            "spec.config.gracePeriod is -1, which is treated as 10",
            "spec.config.maxBackups is -2, which is treated as 0",
            "spec.config.initialDelay is -3, which is treated as 0",
        ]
    );
    assert_eq!(
        odd(serde_json::json!({"name": "n", "key": "k"})),
        ["spec.config.namespace is empty, so the default configuration is used"]
    );
}

#[test]
fn an_invalid_condition_is_skipped() {
    let condition = |kind: &str, time: &str| {
        serde_json::json!({
            "type": kind, "status": "True", "reason": "R", "message": "m", "lastTransitionTime": time,
        })
    };
    let status: FileIntegrityStatus = serde_json::from_value(serde_json::json!({
        "phase": "Active",
        "conditions": [
            condition("Degraded", "9999-12-31T23:59:59Z"),
            condition("Ready", "2026-01-02T03:04:05Z"),
        ],
    }))
    .unwrap();
    assert_eq!(status.phase, Some(Phase::Active));
    let [ready] = status.conditions.as_slice() else {
        panic!("{:?}", status.conditions);
    };
    assert_eq!(ready.type_, "Ready");
}

#[test]
fn an_empty_config_has_all_defaults() {
    let spec = spec(serde_json::json!({"config": {}}));
    assert_eq!(spec.grace_period(), 900);
    assert_eq!(spec.max_backups(), 5);
    assert_eq!(spec.initial_delay(), 0);
    assert_eq!(spec.user_config(), Ok(None));
    assert_eq!(spec.state_dir(), "/etc/kubernetes");
    assert_eq!(spec.realtime_mode(), RealtimeMode::Auto);
    assert_eq!(spec.realtime_delay(), 500);
    let odd = self::spec(serde_json::json!({"config": {"stateDir": "/srv/./fio/."}}));
    assert_eq!(odd.state_dir(), "/srv/fio");
    assert_eq!(spec.tolerations.len(), 2);
}

#[test]
fn unusual_values_are_treated_as_in_the_original() {
    let spec = spec(serde_json::json!({"config": {
        "gracePeriod": -5, "maxBackups": -1, "initialDelay": -3, "key": "k"
    }}));
    assert_eq!(spec.grace_period(), 10);
    assert_eq!(spec.max_backups(), 0);
    assert_eq!(spec.initial_delay(), 0);
    assert_eq!(spec.user_config(), Ok(None));
}

#[test]
fn an_invalid_reference_to_a_config_map_is_rejected() {
    let table = [
        ("namespace", "ns/secrets?x="),
        ("name", "n?watch=1"),
        ("key", "../tls.key"),
    ];
    for (field, value) in table {
        let mut config = serde_json::json!({"name": "n", "namespace": "ns", "key": "k"});
        config[field] = serde_json::json!(value);
        let error = spec(serde_json::json!({"config": config}))
            .user_config()
            .unwrap_err();
        let expected = format!("spec.config.{field}: {value:?} is not ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[test]
fn a_user_config_needs_name_and_namespace() {
    let both = spec(serde_json::json!({"config": {"name": "n", "namespace": "ns"}}));
    let named = both.user_config().unwrap().unwrap();
    assert_eq!(named.namespace.as_str(), "ns");
    assert_eq!(named.name.as_str(), "n");
    assert_eq!(named.key.as_str(), "aide.conf");
    let only_name = spec(serde_json::json!({"config": {"name": "n"}}));
    assert_eq!(only_name.user_config(), Ok(None));
    assert_eq!(only_name.missing_reference_field(), Some("namespace"));
    let only_namespace = spec(serde_json::json!({"config": {"name": "", "namespace": "n"}}));
    assert_eq!(only_namespace.missing_reference_field(), Some("name"));
}

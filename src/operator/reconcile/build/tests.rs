//! Tests of the objects: whole objects as snapshots, and the comparison of node statuses.

use serde_json::{Value, json};

use super::*;
use crate::api::{DesiredNodeState, FileIntegrity, HoldReason, names};
use crate::operator::cache::node_status::from_json;
use crate::operator::cache::node_status::wire::ReceivedNodeStatus;

fn fi(spec: &Value) -> FileIntegrity {
    serde_json::from_value(json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1",
        "kind": "FileIntegrity",
        "metadata": {"name": "example", "namespace": "ns", "uid": "u"},
        "spec": spec,
    }))
    .unwrap()
}

fn environment() -> Environment {
    Environment {
        image: "registry/fio:1".to_owned(),
        ..Environment::default()
    }
}

#[test]
fn the_default_daemon_set() {
    insta::assert_yaml_snapshot!(daemon_set(&fi(&json!({"config": {}})), &environment()));
}

#[test]
fn every_field_of_the_spec_reaches_the_pods() {
    let fi = fi(&json!({
        "config": {"gracePeriod": 20, "maxBackups": 3, "stateDir": "/var/lib/fi", "onBaselineLoss": "error"},
        "nodeSelector": {"role": "worker"},
        "tolerations": [{"key": "k", "operator": "Exists"}],
        "debug": true,
        "priorityClassName": "high",
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
        "output": {"format": "ocsf", "changesOnly": true, "clusterName": "prod-1"},
        "realtime": {"mode": "Off", "delayMilliseconds": 250},
    }));
    let environment = Environment {
        pull_secrets: vec!["pull".to_owned()],
        pull_policy: "IfNotPresent".to_owned(),
        openshift: true,
        priority_class_exists: true,
        ..environment()
    };
    insta::assert_yaml_snapshot!(daemon_set(&fi, &environment));
}

#[test]
fn defaults_in_the_spec_change_nothing() {
    let pods = |spec: Value| daemon_set(&fi(&spec), &environment());
    for spec in [
        json!({"config": {}, "output": {"format": "fio", "changesOnly": false}}),
        json!({"config": {}, "realtime": {}}),
        json!({"config": {}, "realtime": {"mode": "Auto", "delayMilliseconds": 500, "actors": "None"}}),
    ] {
        assert_eq!(pods(spec.clone()), pods(json!({"config": {}})), "{spec}");
    }
}

#[test]
fn daemons_see_all_processes_only_if_they_report_them() {
    let pod = |realtime: Value, profile: &str| {
        let config = json!({"securityProfile": profile, "stateDir": "/var/lib/fi"});
        let fi = fi(&json!({"config": config, "realtime": realtime}));
        daemon_set(&fi, &environment())["spec"]["template"]["spec"].clone()
    };
    let argument = json!("--realtime-actors=process");
    let is_given = |pod: &Value| {
        let args = pod["containers"][0]["args"].as_array().unwrap();
        args.contains(&argument)
    };
    let with = pod(json!({"actors": "Process"}), "privileged");
    assert_eq!((&with["hostPID"], is_given(&with)), (&json!(true), true));
    for (realtime, profile) in [
        (json!({"actors": "None"}), "privileged"),
        (json!({"actors": "Process", "mode": "Off"}), "privileged"),
        // The API refuses this one.
        (json!({"actors": "Process"}), "restricted"),
    ] {
        let without = pod(realtime.clone(), profile);
        assert_eq!(
            (&without["hostPID"], is_given(&without)),
            (&Value::Null, false),
            "{realtime}"
        );
    }
}

#[test]
fn restricted_pods_have_what_they_need_and_nothing_else() {
    let fi = fi(&json!({"config": {
        "securityProfile": "restricted", "stateDir": "/var/lib/fi",
    }}));
    let daemon = &daemon_set(&fi, &environment())["spec"]["template"]["spec"];
    let signal = Signal {
        nodes: Vec::new(),
        id: "r1".to_owned(),
    };
    let reinit = &reinit_daemon_set(&fi, &environment(), &signal)["spec"]["template"]["spec"];
    insta::assert_yaml_snapshot!([daemon, reinit]);
}

#[test]
fn the_default_security_profile_is_privileged() {
    let pods =
        |config: Value| daemon_set(&fi(&json!({"config": config})), &environment())["spec"].clone();
    assert_eq!(
        pods(json!({})),
        pods(json!({"securityProfile": "privileged"}))
    );
}

#[test]
fn a_priority_class_that_does_not_exist_is_left_out() {
    let fi = fi(&json!({"config": {}, "priorityClassName": "high"}));
    let pod = &daemon_set(&fi, &environment())["spec"]["template"]["spec"];
    assert_eq!(pod.get("priorityClassName"), None);
}

/// A failed probe is a Warning event. So no probe starts before the process listens, or ends before
/// the answer of one that waits.
#[test]
fn no_probe_fails_while_a_pod_starts() {
    let fi = fi(&json!({"config": {}}));
    let signal = Signal {
        nodes: Vec::new(),
        id: "r1".to_owned(),
    };
    let daemon = daemon_set(&fi, &environment());
    let reinit = reinit_daemon_set(&fi, &environment(), &signal);
    let mut probes = Vec::new();
    for daemon_set in [&daemon, &reinit] {
        let container = &daemon_set["spec"]["template"]["spec"]["containers"][0];
        for kind in ["livenessProbe", "readinessProbe"] {
            let probe = &container[kind];
            if !probe.is_null() {
                let number = |key: &str| probe[key].as_u64().unwrap_or_default();
                let path = probe["httpGet"]["path"].as_str().unwrap().to_owned();
                probes.push((
                    path,
                    number("initialDelaySeconds"),
                    number("timeoutSeconds"),
                ));
            }
        }
    }
    probes.push(operators_readiness_probe());
    assert_eq!(probes.len(), 4);
    for (path, delay, timeout) in probes {
        assert!(delay >= 2, "{path}");
        if let Some(wait) = path.strip_prefix("/readyz?wait=") {
            let wait: u64 = wait.parse().unwrap();
            assert!((20..=600).contains(&wait), "{path}");
            assert!(timeout >= wait + 5, "{path} {timeout}");
        } else {
            assert_eq!(path, "/healthz");
        }
    }
}

/// Path, delay and timeout of the manifest.
fn operators_readiness_probe() -> (String, u64, u64) {
    let manifest = include_str!("../../../../manifests/operator/deployment.yaml");
    let (_, probe) = manifest.split_once("readinessProbe:\n").unwrap();
    let (probe, _) = probe.split_once("resources:\n").unwrap();
    let value = |key: &str| {
        let line = |line: &str| {
            Some(
                line.trim()
                    .strip_prefix(key)?
                    .strip_prefix(": ")?
                    .to_owned(),
            )
        };
        probe.lines().find_map(line).unwrap()
    };
    let number = |key: &str| value(key).parse().unwrap();
    (
        value("path"),
        number("initialDelaySeconds"),
        number("timeoutSeconds"),
    )
}

#[test]
fn reinit_daemon_sets_for_all_for_one_and_for_some() {
    let fi = fi(&json!({"config": {}}));
    let signal = |nodes: &[&str]| Signal {
        nodes: nodes.iter().map(|n| (*n).to_owned()).collect(),
        id: "r1".to_owned(),
    };
    let all = reinit_daemon_set(&fi, &environment(), &signal(&[]));
    insta::assert_yaml_snapshot!(all);
    let one = reinit_daemon_set(&fi, &environment(), &signal(&["n1"]));
    assert_eq!(one["metadata"]["name"], "aide-ini-example-n1");
    let some = reinit_daemon_set(&fi, &environment(), &signal(&["n1", "n2"]));
    assert_eq!(some["metadata"]["name"], "aide-ini-example");
    insta::assert_yaml_snapshot!(some["spec"]["template"]["spec"]["affinity"]);
}

#[test]
fn the_config_map_and_a_node_status() {
    let fi = fi(&json!({"config": {}}));
    let config = ActiveConfig {
        conf: "a".to_owned(),
        effective: "b".to_owned(),
    };
    insta::assert_yaml_snapshot!(config_map(&fi, &config));
    let desired = DesiredNodeState {
        config_hash: Some("hash".to_owned()),
        reinit_request: Some("r1".to_owned()),
        hold: Some(HoldReason::User),
        require_acceptance: true,
        ..DesiredNodeState::default()
    };
    insta::assert_yaml_snapshot!(node_status(&fi, "n1", &desired));
}

/// For each value of the object: the pointer to the value, and the object without it.
fn without_one(object: &Value) -> Vec<(String, Value)> {
    let keys: Vec<Value> = match object {
        Value::Object(map) => map.keys().map(|key| json!(key)).collect(),
        Value::Array(list) => (0..list.len()).map(|index| json!(index)).collect(),
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for key in keys {
        let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        let inner = object.pointer(&pointer).unwrap();
        for (rest, changed) in without_one(inner) {
            let mut whole = object.clone();
            *whole.pointer_mut(&pointer).unwrap() = changed;
            all.push((format!("{pointer}{rest}"), whole));
        }
        let mut whole = object.clone();
        if let (Value::Object(map), Some(key)) = (&mut whole, key.as_str()) {
            map.remove(key);
            all.push((pointer, whole));
        }
    }
    all
}

#[test]
fn a_node_status_matches_only_with_everything_that_is_built() {
    let long = "f".repeat(70);
    for name in ["example", long.as_str()] {
        let mut fi = fi(&json!({"config": {}}));
        fi.metadata.name = Some(name.to_owned());
        let desired = |config: &str, request: Option<&str>, hold| DesiredNodeState {
            config_hash: Some(config.to_owned()),
            reinit_request: request.map(str::to_owned),
            hold,
            ..DesiredNodeState::default()
        };
        let all = [
            desired("c1", None, None),
            desired("c2", None, None),
            desired("c1", Some("r1"), None),
            desired("c1", Some("r2"), Some(HoldReason::User)),
            desired("c1", Some("r2"), Some(HoldReason::NodeUpdate)),
            DesiredNodeState {
                scan_request: Some("r2".to_owned()),
                ..desired("c1", None, None)
            },
        ];
        for made in &all {
            let object = node_status(&fi, "n1", made);
            let status = from_json(object.clone());
            for asked in &all {
                let is_same = is_node_status(&status, &fi, "n1", asked);
                assert_eq!(is_same, made == asked, "{made:?} {asked:?}");
            }
            for (what, less) in without_one(&object) {
                // The API keeps the first four. Some values are required to decode the object.
                let is_ignored = [
                    "/apiVersion",
                    "/kind",
                    "/metadata/name",
                    "/metadata/namespace",
                ]
                .contains(&what.as_str());
                if is_ignored || serde_json::from_value::<ReceivedNodeStatus>(less.clone()).is_err()
                {
                    continue;
                }
                assert!(
                    !is_node_status(&from_json(less), &fi, "n1", made),
                    "without {what}"
                );
            }
        }
    }
}

#[test]
fn the_hash_differs_when_anything_does() {
    let (one, two) = (
        fi(&json!({"config": {}})),
        fi(&json!({"config": {}, "debug": true})),
    );
    let hash = |fi| {
        daemon_set(fi, &environment())["metadata"]["annotations"][names::Annotation::APPLIED_HASH]
            .clone()
    };
    assert_ne!(hash(&one), hash(&two));
}

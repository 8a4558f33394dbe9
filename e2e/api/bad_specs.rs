//! Specifications that cannot be meant, in one table: each with who answers, and in which words. The
//! messages name the field and its valid values.
//!
//! The API refuses what the CustomResourceDefinition excludes. What the original's accepted is accepted, or its
//! objects could not be changed any more; a condition, or an event, names it then.

use anyhow::Context as _;
use fio::testing::api::FileIntegrity;
use serde_json::{Value, json};

use crate::admission::create;
use crate::harness::{Space, condition_of, eventually, in_space, message_of};

/// Who reports the error, with a part of the message.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// The API refuses it.
    Refused(&'static str),
    /// It is taken, and read as the original read it: `ConfigValid` is true, with a warning.
    Warned(&'static str),
    /// It is taken, and there can be no such configuration: `ConfigValid` is false.
    NoConfig(&'static str),
    /// It is taken, and cannot be used: `ConfigValid` is false, and the configuration counts as refused.
    NotUsed(&'static str),
    /// It is accepted, but the API of DaemonSets refuses such pods: Degraded names the field.
    Unfit(&'static str),
    /// It is accepted, and an event and Degraded explain why it is not used.
    Reported(&'static str),
}
use Answer::{NoConfig, NotUsed, Refused, Reported, Unfit, Warned};

const EXCLUDED: &str =
    "path must be absolute, without empty components, . and .., and not /, such as /etc/motd";
const STATE_DIR: &str = "stateDir must be an absolute path of letters, digits, '.', '_', '-' and '/', without '..', such as /var/lib/file-integrity";
const RESTRICTED: &str =
    "securityProfile restricted requires stateDir, the only directory that the daemon can write to";
const CLUSTER_NAME: &str =
    "clusterName must consist of at most 253 letters, digits, '.', '_' and '-'";
const QUANTITY: &str = "must be a quantity: a number with or without a unit, such as 300m or 1 for cpu, 600Mi or 1Gi for memory";
const TOLERATION: &str = "spec.template.spec.tolerations[0]";
const RESOURCES: &str = "spec.template.spec.containers[0].resources";

/// What is odd, the specification, and what comes of it.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "one table")]
fn table() -> Vec<(&'static str, Value, Answer)> {
    let config = |field: &str, value: Value| json!({"config": {field: value}});
    let spec = |field: &str, value: Value| json!({"config": {}, field: value});
    let output = |field: &str, value: Value| json!({"config": {}, "output": {field: value}});
    let realtime = |field: &str, value: Value| json!({"config": {}, "realtime": {field: value}});
    let toleration = |toleration: Value| json!({"config": {}, "tolerations": [toleration]});
    let limit = |limits: Value| json!({"config": {}, "resources": {"limits": limits}});
    let request = |requests: Value| json!({"config": {}, "resources": {"requests": requests}});
    let exclude = |path: Value| json!({"config": {}, "exclude": [{"path": path, "reason": "r"}]});
    let because = |reason: Value| json!({"config": {}, "exclude": [{"path": "/a", "reason": reason}]});
    let many: Vec<Value> = (0..257).map(|n| json!({"path": format!("/a{n}"), "reason": "r"})).collect();
    vec![
        ("exclude is a text", spec("exclude", json!("/a")), Refused("spec.exclude in body must be of type array: \"string\"")),
        ("an exclusion without a path", spec("exclude", json!([{"reason": "r"}])), Refused("spec.exclude[0].path: Required value")),
        ("an exclusion without a reason", spec("exclude", json!([{"path": "/a"}])), Refused("spec.exclude[0].reason: Required value")),
        ("an exclusion with a reason that says nothing", because(json!("...")), Refused("reason must state in 1 to 1024 characters why the path is excluded")),
        ("an exclusion of everything", exclude(json!("/")), Refused(EXCLUDED)),
        ("an exclusion of a relative path", exclude(json!("etc/motd")), Refused(EXCLUDED)),
        ("an exclusion with a slash at the end", exclude(json!("/etc/")), Refused(EXCLUDED)),
        ("an exclusion with an empty component", exclude(json!("/etc//motd")), Refused(EXCLUDED)),
        ("an exclusion with ..", exclude(json!("/etc/../root")), Refused(EXCLUDED)),
        ("an exclusion that ends with ..", exclude(json!("/etc/..")), Refused(EXCLUDED)),
        ("an exclusion with .", exclude(json!("/./etc")), Refused(EXCLUDED)),
        ("an exclusion of a long path", exclude(json!(format!("/{}", "a".repeat(4096)))), Refused("spec.exclude[0].path: Too long")),
        ("an exclusion until tomorrow", json!({"config": {}, "exclude": [{"path": "/a", "reason": "r", "until": "tomorrow"}]}), Refused("spec.exclude[0].until in body must be of type date-time")),
        ("two exclusions of a path", spec("exclude", json!([{"path": "/a", "reason": "r"}, {"path": "/a", "reason": "s"}])), Refused("spec.exclude[1]: Duplicate value")),
        ("257 exclusions", spec("exclude", json!(many)), Refused("spec.exclude: Too many: 257: must have at most 256 items")),
        ("an exclusion with a backslash", exclude(json!("/back\\slash")), NotUsed("spec.exclude: the path /back")),
        ("an exclusion that is not UTF-8", exclude(json!("/bad\\377")), NotUsed("AIDE cannot exclude a name that is not UTF-8")),
        ("no spec", Value::Null, Refused("spec: Required value")),
        ("no config", json!({}), Refused("spec.config: Required value")),
        ("config is a list", json!({"config": []}), Refused("spec.config in body must be of type object: \"array\"")),
        ("config is a text", json!({"config": "default"}), Refused("spec.config in body must be of type object: \"string\"")),
        ("name is a number", config("name", json!(5)), Refused("spec.config.name in body must be of type string: \"integer\"")),
        ("name is a list", config("name", json!(["a"])), Refused("spec.config.name in body must be of type string: \"array\"")),
        ("name is no name", json!({"config": {"name": "Not A Name!", "namespace": "ns"}}), NoConfig("spec.config.name: \"Not A Name!\" is not the name of an object")),
        ("name without namespace", config("name", json!("n")), Warned("spec.config.namespace is empty, so the default configuration is used")),
        ("namespace is a number", config("namespace", json!(5)), Refused("spec.config.namespace in body must be of type string: \"integer\"")),
        ("namespace without name", json!({"config": {"name": "", "namespace": "ns"}}), Warned("spec.config.name is empty, so the default configuration is used")),
        ("key is a number", config("key", json!(5)), Refused("spec.config.key in body must be of type string: \"integer\"")),
        ("key without name", config("key", json!("k")), Warned("spec.config.key is set without a name, so the default configuration is used")),
        ("gracePeriod is a text", config("gracePeriod", json!("10")), Refused("spec.config.gracePeriod in body must be of type integer: \"string\"")),
        // Of type int64 or integer: that differs by the version of Kubernetes.
        ("gracePeriod is a fraction", config("gracePeriod", json!(1.5)), Refused("spec.config.gracePeriod in body must be of type int")),
        ("gracePeriod is huge", config("gracePeriod", json!(1e20)), Refused("spec.config.gracePeriod in body must be of type int")),
        ("gracePeriod is negative", config("gracePeriod", json!(-5)), Warned("spec.config.gracePeriod is -5, which is treated as 10")),
        ("maxBackups is a text", config("maxBackups", json!("five")), Refused("spec.config.maxBackups in body must be of type integer: \"string\"")),
        ("maxBackups is a fraction", config("maxBackups", json!(0.5)), Refused("spec.config.maxBackups in body must be of type int")),
        ("maxBackups is negative", config("maxBackups", json!(-1)), Warned("spec.config.maxBackups is -1, which is treated as 0")),
        ("initialDelay is a text", config("initialDelay", json!("1m")), Refused("spec.config.initialDelay in body must be of type integer: \"string\"")),
        ("initialDelay is negative", config("initialDelay", json!(-3)), Warned("spec.config.initialDelay is -3, which is treated as 0")),
        ("profile is a number", config("profile", json!(1)), Refused("spec.config.profile: Unsupported value: 1: supported values: \"generic\", \"openshift\"")),
        ("profile that there is not", config("profile", json!("windows")), Refused("spec.config.profile: Unsupported value: \"windows\": supported values: \"generic\", \"openshift\"")),
        ("stateDir is a number", config("stateDir", json!(1)), Refused("spec.config.stateDir in body must be of type string: \"integer\"")),
        ("stateDir is relative", config("stateDir", json!("var/lib")), Refused(STATE_DIR)),
        ("stateDir is empty", config("stateDir", json!("")), Refused(STATE_DIR)),
        ("stateDir is the root", config("stateDir", json!("/")), Refused(STATE_DIR)),
        ("stateDir goes up", config("stateDir", json!("/var/../etc")), Refused(STATE_DIR)),
        ("stateDir goes up at its end", config("stateDir", json!("/var/lib/..")), Refused(STATE_DIR)),
        ("stateDir ends in a slash", config("stateDir", json!("/var/lib/")), Refused(STATE_DIR)),
        ("stateDir has a shell's words", config("stateDir", json!("/var/$(id)")), Refused(STATE_DIR)),
        ("stateDir has two lines", config("stateDir", json!("/var\n/etc")), Refused(STATE_DIR)),
        ("onBaselineLoss is a truth value", config("onBaselineLoss", json!(true)), Refused("spec.config.onBaselineLoss: Unsupported value: true: supported values: \"reinit\", \"error\"")),
        ("onBaselineLoss that there is not", config("onBaselineLoss", json!("ignore")), Refused("spec.config.onBaselineLoss: Unsupported value: \"ignore\": supported values: \"reinit\", \"error\"")),
        ("securityProfile that there is not", config("securityProfile", json!("none")), Refused("spec.config.securityProfile: Unsupported value: \"none\": supported values: \"privileged\", \"restricted\"")),
        ("restricted without stateDir", config("securityProfile", json!("restricted")), Refused(RESTRICTED)),
        ("holdoffWhenCordoned is a text", config("holdoffWhenCordoned", json!("yes")), Refused("spec.config.holdoffWhenCordoned in body must be of type boolean: \"string\"")),
        ("scanTimeout is short", config("scanTimeout", json!(59)), Refused("spec.config.scanTimeout in body should be greater than or equal to 60")),
        ("scanTimeout is long", config("scanTimeout", json!(604_801)), Refused("spec.config.scanTimeout in body should be less than or equal to 604800")),
        ("scanTimeout is a text", config("scanTimeout", json!("6h")), Refused("spec.config.scanTimeout in body must be of type integer: \"string\"")),
        ("nodeSelector is a list", spec("nodeSelector", json!(["a"])), Refused("spec.nodeSelector in body must be of type object: \"array\"")),
        ("nodeSelector is a text", spec("nodeSelector", json!("a=b")), Refused("spec.nodeSelector in body must be of type object: \"string\"")),
        ("a label is a number", spec("nodeSelector", json!({"a": 5})), Refused("spec.nodeSelector.a in body must be of type string: \"integer\"")),
        ("tolerations is a map", spec("tolerations", json!({"key": "a"})), Refused("spec.tolerations in body must be of type array: \"object\"")),
        ("a toleration is a text", spec("tolerations", json!(["a"])), Refused("spec.tolerations[0] in body must be of type object: \"string\"")),
        ("tolerationSeconds is a text", toleration(json!({"key": "a", "tolerationSeconds": "5"})), Refused("spec.tolerations[0].tolerationSeconds in body must be of type integer: \"string\"")),
        ("a toleration's operator that there is not", toleration(json!({"key": "a", "operator": "Sometimes"})), Unfit(TOLERATION)),
        ("a toleration's effect that there is not", toleration(json!({"key": "a", "effect": "Never"})), Unfit(TOLERATION)),
        ("a toleration's value beside Exists", toleration(json!({"key": "a", "operator": "Exists", "value": "b"})), Unfit(TOLERATION)),
        ("a toleration's value without a key", toleration(json!({"operator": "Equal", "value": "b"})), Unfit(TOLERATION)),
        ("a toleration's key is no key", toleration(json!({"key": "no key!", "operator": "Exists"})), Unfit(TOLERATION)),
        ("tolerationSeconds beside NoSchedule", toleration(json!({"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5})), Unfit(TOLERATION)),
        ("debug is a text", spec("debug", json!("yes")), Refused("spec.debug in body must be of type boolean: \"string\"")),
        ("priorityClassName is a number", spec("priorityClassName", json!(5)), Refused("spec.priorityClassName in body must be of type string: \"integer\"")),
        ("priorityClassName is no name", spec("priorityClassName", json!("Not A Name!")), Reported("Error while getting priority class 'Not A Name!', PriorityClass not found or invalid")),
        ("resources is a list", spec("resources", json!([])), Refused("spec.resources in body must be of type object: \"array\"")),
        ("limits is a text", limit(json!("1")), Refused("spec.resources.limits in body must be of type object: \"string\"")),
        ("a limit is no quantity", limit(json!({"cpu": "much"})), Refused(QUANTITY)),
        ("a limit is empty", limit(json!({"cpu": ""})), Refused(QUANTITY)),
        ("a limit is a fraction without quotes", limit(json!({"cpu": 0.5})), Refused("spec.resources.limits.cpu in body must be of type integer,string: \"number\"")),
        ("a limit is negative", limit(json!({"cpu": "-1"})), Unfit(RESOURCES)),
        ("a limit of what there is not", limit(json!({"gpu!": "1"})), Unfit(RESOURCES)),
        ("limits of nine kinds", limit((0..9).map(|n| (format!("example.com/{n}"), json!(1))).collect::<Value>()), Refused("spec.resources.limits: Too many: 9: must have at most 8 items")),
        ("a request's unit that there is not", request(json!({"memory": "10Megabytes"})), Refused(QUANTITY)),
        ("a request's unit after a blank", request(json!({"memory": "10 Mi"})), Refused(QUANTITY)),
        ("a request is a list", request(json!({"memory": [1]})), Refused("spec.resources.requests.memory in body must be of type integer,string: \"array\"")),
        ("output is a text", spec("output", json!("ecs")), Refused("spec.output in body must be of type object: \"string\"")),
        ("output's format that there is not", output("format", json!("cef")), Refused("spec.output.format: Unsupported value: \"cef\": supported values: \"fio\", \"ecs\", \"ocsf\"")),
        ("changesOnly is a text", output("changesOnly", json!("yes")), Refused("spec.output.changesOnly in body must be of type boolean: \"string\"")),
        ("clusterName has two lines", output("clusterName", json!("prod\n1")), Refused(CLUSTER_NAME)),
        ("clusterName is empty", output("clusterName", json!("")), Refused(CLUSTER_NAME)),
        ("clusterName is long", output("clusterName", json!("a".repeat(254))), Refused("spec.output.clusterName: Too long")),
        ("realtime is a text", spec("realtime", json!("Auto")), Refused("spec.realtime in body must be of type object: \"string\"")),
        ("realtime's mode that there is not", realtime("mode", json!("On")), Refused("spec.realtime.mode: Unsupported value: \"On\": supported values: \"Auto\", \"Off\"")),
        // YAML reads Off without quotes so.
        ("realtime's mode is a truth value", realtime("mode", json!(false)), Refused("spec.realtime.mode: Unsupported value: false: supported values: \"Auto\", \"Off\"")),
        ("delayMilliseconds is short", realtime("delayMilliseconds", json!(99)), Refused("spec.realtime.delayMilliseconds in body should be greater than or equal to 100")),
        ("delayMilliseconds is long", realtime("delayMilliseconds", json!(10_001)), Refused("spec.realtime.delayMilliseconds in body should be less than or equal to 10000")),
        ("delayMilliseconds is a text", realtime("delayMilliseconds", json!("1s")), Refused("spec.realtime.delayMilliseconds in body must be of type integer: \"string\"")),
        ("actors that there are not", realtime("actors", json!("User")), Refused("spec.realtime.actors: Unsupported value: \"User\": supported values: \"None\", \"Process\"")),
        ("actors of restricted daemons", json!({"config": {"securityProfile": "restricted", "stateDir": "/var/lib/x"}, "realtime": {"actors": "Process"}}), Refused("realtime.actors Process requires securityProfile privileged")),
        ("evidence is a number", spec("evidence", json!(7)), Refused("spec.evidence in body must be of type object: \"integer\"")),
        ("retentionDays is zero", json!({"config": {}, "evidence": {"retentionDays": 0}}), Refused("spec.evidence.retentionDays in body should be greater than or equal to 1")),
        ("retentionDays is long", json!({"config": {}, "evidence": {"retentionDays": 3651}}), Refused("spec.evidence.retentionDays in body should be less than or equal to 3650")),
        ("retentionDays is a text", json!({"config": {}, "evidence": {"retentionDays": "1y"}}), Refused("spec.evidence.retentionDays in body must be of type integer: \"string\"")),
        ("a request beyond the limit", json!({"config": {}, "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}), Unfit(RESOURCES)),
    ]
}

/// The same of holds.
#[rustfmt::skip]
fn holds() -> Vec<(&'static str, Value, Answer)> {
    let hold = |more: Value| {
        let mut hold = json!({"name": "a", "from": "2026-12-01T00:00:00Z", "until": "2026-12-02T00:00:00Z"});
        if let (Some(hold), Value::Object(more)) = (hold.as_object_mut(), more) {
            hold.extend(more);
        }
        hold
    };
    let holds = |holds: &[Value]| json!({"config": {}, "holds": holds});
    vec![
        ("a hold ends before it starts", holds(&[hold(json!({"until": "2026-11-30T23:59:59Z"}))]), Refused("a hold must end after it starts: until must be later than from")),
        // The same time in another zone.
        ("a hold ends when it starts", holds(&[hold(json!({"until": "2026-12-01T01:00:00+01:00"}))]), Refused("a hold must end after it starts: until must be later than from")),
        ("a hold without an end", holds(&[json!({"name": "a", "from": "2026-12-01T00:00:00Z"})]), Refused("spec.holds[0].until: Required value")),
        ("a hold until no time", holds(&[hold(json!({"until": "tomorrow"}))]), Refused("spec.holds[0].until in body must be of type date-time: \"tomorrow\"")),
        ("two holds of one name", holds(&[hold(json!({})), hold(json!({"from": "2026-12-01T12:00:00Z"}))]), Refused("spec.holds[1]: Duplicate value: {\"name\":\"a\"}")),
        ("a hold with two kinds of nodes", holds(&[hold(json!({"nodes": ["n1"], "nodeSelector": {"a": "b"}}))]), Refused("a hold has nodes or nodeSelector, not both; without either it holds all nodes")),
        ("a hold of no nodes", holds(&[hold(json!({"nodes": []}))]), Refused("spec.holds[0].nodes in body should have at least 1 items")),
        ("a hold with a node twice", holds(&[hold(json!({"nodes": ["n1", "n1"]}))]), Refused("spec.holds[0].nodes[1]: Duplicate value: \"n1\"")),
        ("a hold without a name", holds(&[hold(json!({"name": ""}))]), Refused("spec.holds[0].name in body should be at least 1 chars long")),
        ("a hold with a name that is none", holds(&[hold(json!({"name": "A hold"}))]), Refused("the name of a hold must consist of lower case letters, digits and '-', and begin and end with a letter or digit")),
        ("a hold that ends with a third thing", holds(&[hold(json!({"then": "Ask"}))]), Refused("spec.holds[0].then: Unsupported value: \"Ask\": supported values: \"Report\", \"Accept\"")),
        ("65 holds", holds(&(0..65).map(|n| hold(json!({"name": format!("h{n}")}))).collect::<Vec<_>>()), Refused("spec.holds: Too many: 65: must have at most 64 items")),
    ]
}

#[tokio::test]
async fn each_invalid_spec_is_refused_or_reported() -> anyhow::Result<()> {
    in_space("bad-specs", async |space| {
        let _operator = space.operator("op").await?;
        space.node("n1").await?;
        let table = [table(), holds()].concat();
        for (number, (what, spec, answer)) in table.iter().enumerate() {
            let name = format!("row-{number}");
            let Refused(part) = answer else {
                let written = space.file_integrity(&name, spec.clone()).await;
                written.with_context(|| format!("{what}: {spec}"))?;
                continue;
            };
            let Err(kube::Error::Api(status)) = create(space, &name, spec.clone()).await else {
                anyhow::bail!("{what}: {spec} is let through");
            };
            assert_eq!(status.code, 422, "{what}: {}", status.message);
            assert!(status.message.contains(part), "{what}: {}", status.message);
        }
        for (number, (what, _, answer)) in table.iter().enumerate() {
            is_answered(space, &format!("row-{number}"), what, *answer).await?;
        }
        Ok(())
    })
    .await
}

/// Waits until the operator has reported it.
async fn is_answered(space: &Space, name: &str, what: &str, answer: Answer) -> anyhow::Result<()> {
    let (condition, expected, part) = match answer {
        Warned(part) => ("ConfigValid", "True/ValidWithWarnings", part),
        NoConfig(part) => ("ConfigValid", "False/InvalidReference", part),
        NotUsed(part) => ("ConfigValid", "False/Refused", part),
        Unfit(part) => ("Degraded", "True/ApiRefused", part),
        Reported(part) => {
            eventually(&format!("an event about {what}"), async || {
                let messages = space.event_messages(name, "PriorityClass").await?;
                Ok(messages.iter().any(|message| message == part).then_some(()))
            })
            .await?;
            ("Degraded", "True/PriorityClass", part)
        }
        // The API has already reported it.
        Refused(_) => return Ok(()),
    };
    let wanted = format!("{what} to be named: {part}");
    space
        .until_is(name, &wanted, |fi: &FileIntegrity| {
            condition_of(fi, condition) == expected && message_of(fi, condition).contains(part)
        })
        .await?;
    Ok(())
}

//! The tries with a daemon's token, group by group, and what must stay allowed beside them.

use axum::http::Method;
use fio::testing::api::names;
use fio::testing::operator::admission_policy::Policy;
use serde_json::{Value, json};

use super::{
    APPLY, JSON_PATCH, MERGE, PLAIN, STRATEGIC, Try, collection, every_verb, merge, patches,
};
use crate::daemon_permissions::Stage;
use crate::harness::{Space, kubectl};

const FIO: &str = "/apis/fileintegrity.openshift.io/v1alpha1";
const CORE: &str = "/api/v1";
const EVENTS: &str = "/apis/events.k8s.io/v1";

/// The groups of the table that is printed.
const VERBS: &str = "every verb of every kind";
const OTHER_NODE: &str = "objects of another node";
const NAMES: &str = "labels and names";
const OPERATOR_FIELDS: &str = "the operator's fields of a status";
const CONFIGURATION: &str = "the active configuration";
const OTHER_FI: &str = "objects of another FileIntegrity";
const FORGED_EVENTS: &str = "forged events";
const OTHER_INSTALL: &str = "another installation";
const ACCEPTANCES: &str = "acceptances and evidence";

const EVIDENCE: &str = "aide-fi-set-0123456789abcdef0123456789abcdef";

/// Where the attacks are tried: two FileIntegrities on two nodes, and another installation on the same
/// nodes.
pub(super) struct Scene {
    /// FileIntegrity `fi`; its daemon on the first node is the attacker.
    pub(super) own: Stage,
    /// FileIntegrity `fi-x`, on the same nodes.
    neighbour: Stage,
    /// FileIntegrity `fi` of another installation, on the same nodes.
    pub(super) foreign: Stage,
}

impl Scene {
    pub(super) async fn set(space: &Space, second: &Space) -> anyhow::Result<Self> {
        let nodes = [space.node("n1").await?, space.node("x-n1").await?];
        let on = [nodes[0].as_str(), nodes[1].as_str()];
        let scene = Self {
            own: Stage::of(space, "fi", on).await?,
            neighbour: Stage::of(space, "fi-x", on).await?,
            foreign: Stage::of(second, "fi", on).await?,
        };
        // The failure logs that are there: not that of the attacker's own node.
        for (stage, node) in [
            (&scene.own, &scene.own.theirs),
            (&scene.foreign, &scene.foreign.mine),
        ] {
            let log = stage.log_of(node)?.to_string();
            kubectl(&["create", "-f", "-"], &log).await?;
        }
        let operator = format!("--as={}", space.account(names::OPERATOR_NAME));
        let evidence = scene.evidence(EVIDENCE).to_string();
        kubectl(&["create", &operator, "-f", "-"], &evidence).await?;
        Ok(scene)
    }

    /// Evidence with this name.
    fn evidence(&self, name: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": name, "namespace": self.own.namespace,
                "labels": {names::Label::EVIDENCE: "", names::Label::OWNER: "fi"},
                "annotations": {names::Annotation::VERIFIED: "true"},
            },
            "immutable": true, "data": {"record.json": "{}"},
        })
    }

    fn configmaps(&self) -> String {
        collection(CORE, &self.own.namespace, "configmaps")
    }

    fn statuses(&self) -> String {
        collection(FIO, &self.own.namespace, "fileintegritynodestatuses")
    }

    /// A status with another result.
    fn status(stage: &Stage, node: &str) -> (Value, Value) {
        let object = json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
            "metadata": {"name": stage.status_of(node), "namespace": stage.namespace},
            "nodeName": node,
        });
        (object, json!({"lastResult": result()}))
    }

    /// A failure log with another content.
    fn log(stage: &Stage, node: &str) -> anyhow::Result<(Value, Value)> {
        let text = json!({"data": {names::KEY_INTEGRITY_LOG: "all is well"}});
        Ok((stage.log_of(node)?, text))
    }

    /// An event of the attacker's own.
    fn event(&self) -> Value {
        let node = &self.own.mine;
        json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {
                "name": format!("{node}.node-0123456789abcdef"), "namespace": self.own.namespace,
            },
            "eventTime": fio::testing::api::time::now_micro(), "type": "Normal",
            "reason": "NodeIntegrityStatus", "action": "NodeIntegrityStatus",
            "note": format!("no changes to node {node}"),
            "reportingController": "file-integrity-operator", "reportingInstance": "pod",
            "regarding": {
                "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
                "name": "fi", "namespace": self.own.namespace, "uid": "u",
            },
            "related": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node},
        })
    }

    pub(super) fn tries(&self) -> anyhow::Result<Vec<Try>> {
        let mut tries = self.verbs()?;
        tries.extend(self.of_another_node()?);
        tries.extend(self.disguises()?);
        tries.extend(self.operator_fields());
        tries.extend(self.configurations());
        tries.extend(self.of_another_file_integrity()?);
        tries.extend(self.events());
        tries.extend(self.of_another_installation()?);
        tries.extend(self.acceptances()?);
        Ok(tries)
    }

    /// What the daemon's Role does not name at all, of its own and others.
    fn verbs(&self) -> anyhow::Result<Vec<Try>> {
        let (own, namespace) = (&self.own, self.own.namespace.as_str());
        let anything = json!({"metadata": {"labels": {"a": "b"}}});
        let kinds = [
            (CORE, "secrets", names::OWN_CERT_SECRET),
            (CORE, "secrets", names::METRICS_TOKEN_SECRET),
            (CORE, "serviceaccounts", names::DAEMON_SERVICE_ACCOUNT),
            (CORE, "serviceaccounts", names::OPERATOR_NAME),
            (CORE, "pods", "any"),
            (CORE, "events", "any"),
            (CORE, "services", "metrics"),
            (FIO, "fileintegrities", "fi"),
            ("/apis/apps/v1", "daemonsets", "aide-fi"),
            ("/apis/apps/v1", "deployments", names::OPERATOR_NAME),
            ("/apis/coordination.k8s.io/v1", "leases", names::LEASE_NAME),
            (
                "/apis/rbac.authorization.k8s.io/v1",
                "roles",
                names::DAEMON_SERVICE_ACCOUNT,
            ),
            (
                "/apis/rbac.authorization.k8s.io/v1",
                "rolebindings",
                names::DAEMON_SERVICE_ACCOUNT,
            ),
        ];
        let mut tries = Vec::new();
        for (api, resource, name) in kinds {
            let object = json!({"metadata": {"name": name, "namespace": namespace}});
            tries.extend(every_verb(
                VERBS,
                (api, namespace, resource),
                &object,
                &anything,
            ));
            let one = format!("{}/{name}", collection(api, namespace, resource));
            tries.push(Try::new(VERBS, format!("get {one}"), Method::GET, one));
        }
        // Verbs that the Role does not name, of objects that it does.
        let is_no_patch = |a: &Try| a.method != Method::PATCH || a.path.ends_with("/any");
        let (status, change) = Self::status(own, &own.mine);
        let of_status = (FIO, namespace, "fileintegritynodestatuses");
        tries.extend(
            every_verb(VERBS, of_status, &status, &change)
                .into_iter()
                .filter(is_no_patch),
        );
        let (log, change) = Self::log(own, &own.mine)?;
        let is_no_create = |a: &Try| is_no_patch(a) && !a.what.starts_with("create configmaps");
        let of_log = (CORE, namespace, "configmaps");
        tries.extend(
            every_verb(VERBS, of_log, &log, &change)
                .into_iter()
                .filter(is_no_create),
        );
        let is_no_create = |a: &Try| is_no_patch(a) && !a.what.starts_with("create events");
        let of_event = (EVENTS, namespace, "events");
        tries.extend(
            every_verb(VERBS, of_event, &self.event(), &anything)
                .into_iter()
                .filter(is_no_create),
        );
        let policy = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
        for path in [
            format!("{policy}/{}", Policy::Daemon.name(namespace)),
            format!("{policy}bindings/{}", Policy::Daemon.name(namespace))
                .replace("policiesb", "policyb"),
            format!("{CORE}/nodes/{}", own.mine),
            format!("{CORE}/namespaces/{namespace}"),
        ] {
            let delete = Try::new(
                VERBS,
                format!("delete {path}"),
                Method::DELETE,
                path.clone(),
            );
            let patch = Try::new(VERBS, format!("patch {path}"), Method::PATCH, path);
            tries.extend([delete, patch.with(MERGE, anything.clone())]);
        }
        let account = |name: &str| {
            format!(
                "{}/{name}/token",
                collection(CORE, namespace, "serviceaccounts")
            )
        };
        for name in [names::DAEMON_SERVICE_ACCOUNT, names::OPERATOR_NAME] {
            let request = json!({
                "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"audiences": [], "expirationSeconds": 600},
            });
            let attempt = Try::new(
                VERBS,
                format!("a token for {name}"),
                Method::POST,
                account(name),
            );
            tries.push(attempt.with(PLAIN, request));
        }
        Ok(tries)
    }

    fn of_another_node(&self) -> anyhow::Result<Vec<Try>> {
        let (own, namespace) = (&self.own, self.own.namespace.as_str());
        let mut tries = Vec::new();
        let (status, change) = Self::status(own, &own.theirs);
        let of_status = (FIO, namespace, "fileintegritynodestatuses");
        tries.extend(every_verb(OTHER_NODE, of_status, &status, &change));
        let one = format!("{}/{}", self.statuses(), own.status_of(&own.theirs));
        for change in [
            json!({"nodeName": own.mine}),
            json!({"baseline": {
                "createdAt": "2026-01-02T03:04:05Z", "configHash": "c1", "digest": "d",
                "entries": 1, "aideVersion": "0.19.1", "requested": true,
            }}),
            json!({"nodeName": own.mine, "metadata": {"labels": {names::Label::NODE: own.mine}}}),
        ] {
            tries.extend(patches(OTHER_NODE, &one, &status, &change));
        }
        let mine = format!("{}/{}", self.statuses(), own.status_of(&own.mine));
        let (status, _) = Self::status(own, &own.mine);
        let moved = json!({"nodeName": own.theirs});
        tries.extend(patches(OTHER_NODE, &mine, &status, &moved));

        let (log, change) = Self::log(own, &own.theirs)?;
        let of_log = (CORE, namespace, "configmaps");
        tries.extend(every_verb(OTHER_NODE, of_log, &log, &change));
        let name = log["metadata"]["name"].as_str().unwrap_or_default();
        let one = format!("{}/{name}", self.configmaps());
        for labels in [
            json!({names::Label::NODE: own.mine}),
            json!({names::Label::NODE: own.mine, names::Label::OWNER: "fi"}),
            Value::Null,
        ] {
            let change = json!({"metadata": {"labels": labels}});
            tries.extend(patches(OTHER_NODE, &one, &log, &change));
        }
        Ok(tries)
    }

    /// A log of the attacker's node with something wrong about it. There is no log of that node yet,
    /// so these would create one.
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn disguises(&self) -> anyhow::Result<Vec<Try>> {
        let own = &self.own;
        let name = own.identity(&own.mine).failure_log();
        let called = |name: String| json!({"metadata": {"name": name}});
        let with = |key: &str, value: Value| json!({"metadata": {key: value}});
        let mut disguises: Vec<(String, Value)> = vec![
            // Kept for another node: that of FileIntegrity fi on node x-n1 ends like one of node n1.
            (
                "the name of another node's log".to_owned(),
                called(own.identity(&own.theirs).failure_log()),
            ),
            (
                "a name that ends alike".to_owned(),
                called(format!("aide-fi-x-{}-failed", own.mine)),
            ),
            (
                "a name that begins alike".to_owned(),
                called(format!("{name}-2")),
            ),
            (
                "a name without the FileIntegrity".to_owned(),
                called(format!("aide-{}-failed", own.mine)),
            ),
            (
                "a name of no log".to_owned(),
                called("a-configuration-that-somebody-waits-for".to_owned()),
            ),
            (
                "the name of a legacy object".to_owned(),
                called("aide-reinit".to_owned()),
            ),
            (
                "a long name".to_owned(),
                called(format!("{name}{}", "-failed".repeat(30))),
            ),
            (
                "a name of 253 characters".to_owned(),
                called({
                    let start = format!("aide-fi-{}-", own.mine);
                    format!("{start}{}", "a".repeat(253 - start.len()))
                }),
            ),
            ("no labels".to_owned(), with("labels", Value::Null)),
            (
                "another node's label".to_owned(),
                with("labels", json!({names::Label::NODE: own.theirs})),
            ),
            (
                "another node's annotation".to_owned(),
                json!({"metadata": {
                    "labels": {names::Label::NODE: own.theirs}, "annotations": {names::Label::NODE: own.mine},
                }}),
            ),
            (
                "a node in capitals".to_owned(),
                with(
                    "labels",
                    json!({names::Label::NODE: own.mine.to_uppercase()}),
                ),
            ),
            (
                "no label of the node".to_owned(),
                with("labels", json!({names::Label::NODE: null})),
            ),
            (
                "no label of the owner".to_owned(),
                with("labels", json!({names::Label::OWNER: null})),
            ),
            (
                "another owner".to_owned(),
                with("labels", json!({names::Label::OWNER: "fi-x"})),
            ),
            (
                "no owner".to_owned(),
                with("labels", json!({names::Label::OWNER: ""})),
            ),
            (
                "a long owner".to_owned(),
                with("labels", json!({names::Label::OWNER: "f".repeat(59)})),
            ),
            (
                "no label of a log".to_owned(),
                with("labels", json!({names::Label::RESULT_LOG: null})),
            ),
            (
                "the label of a configuration".to_owned(),
                with("labels", json!({names::Label::AIDE_CONF: ""})),
            ),
            (
                "the label of a legacy log".to_owned(),
                with("labels", json!({names::Label::LOG: ""})),
            ),
            (
                "a label that a dashboard's loader selects".to_owned(),
                with("labels", json!({"grafana_dashboard": "1"})),
            ),
            (
                "an annotation of another program".to_owned(),
                with("annotations", json!({"example.com/inject": "true"})),
            ),
            (
                "an owner that is to be removed with it".to_owned(),
                with(
                    "ownerReferences",
                    json!([{
                        "apiVersion": "v1", "kind": "Node", "name": own.theirs, "uid": "u", "blockOwnerDeletion": true,
                    }]),
                ),
            ),
            (
                "a finalizer".to_owned(),
                with("finalizers", json!(["example.com/keep"])),
            ),
            ("a content for ever".to_owned(), json!({"immutable": true})),
        ];
        // A report of a new baseline, instead of a log.
        let report = own.report_of(&own.mine)?;
        let mut of_reports = Vec::new();
        for (what, change) in [
            (
                "the name of another node's report",
                called(format!("aide-fi-{}-accepted", own.theirs)),
            ),
            ("a report with the name of a log", called(name.clone())),
            (
                "the name of evidence",
                called(format!("aide-fi-set-{}", "0".repeat(32))),
            ),
            (
                "the labels of a log and of a report",
                with("labels", json!({names::Label::RESULT_LOG: ""})),
            ),
            (
                "the label of evidence",
                with("labels", json!({names::Label::EVIDENCE: ""})),
            ),
            (
                "a report with the label of a log",
                with(
                    "labels",
                    json!({names::Label::RESULT_LOG: "", names::Label::ACCEPTED: null}),
                ),
            ),
            ("a report for ever", json!({"immutable": true})),
        ] {
            let mut changed = report.clone();
            merge(&mut changed, &change);
            of_reports.extend(self.creations(what, &changed));
        }
        // What is no name at all is refused before admission.
        let malformed = [
            name.to_uppercase(),
            format!("{name}."),
            format!("{name}-"),
            format!("{name}/status"),
        ];
        let mut tries = of_reports;
        for (what, change) in disguises.drain(..) {
            let mut log = own.log_of(&own.mine)?;
            merge(&mut log, &change);
            tries.extend(self.creations(&what, &log));
        }
        for name in malformed {
            let mut log = own.log_of(&own.mine)?;
            log["metadata"]["name"] = json!(name);
            let odd = self.creations("a name that is none", &log).into_iter();
            tries.extend(odd.map(|attempt| attempt.answered(&[400, 403, 404, 405, 422])));
        }
        let mut generated = own.log_of(&own.mine)?;
        generated["metadata"]["name"] = Value::Null;
        for start in [name.clone(), format!("{name}-"), "aide-fi-".to_owned()] {
            generated["metadata"]["generateName"] = json!(start);
            let attempt = Try::new(NAMES, "a name at random", Method::POST, self.configmaps());
            tries.push(attempt.with(PLAIN, generated.clone()));
        }
        Ok(tries)
    }

    fn creations(&self, what: &str, log: &Value) -> [Try; 3] {
        let name = log["metadata"]["name"].as_str().unwrap_or_default();
        let attempt = |verb: &str, method: Method, path: String| {
            Try::new(
                NAMES,
                format!("{verb} a log with {what}: {name}"),
                method,
                path,
            )
        };
        let one = format!("{}/{name}", self.configmaps());
        [
            attempt("create", Method::POST, self.configmaps()).with(PLAIN, log.clone()),
            attempt("apply", Method::PATCH, format!("{one}?fieldManager=x"))
                .with(APPLY, log.clone())
                .answered(&[403, 409]),
            attempt(
                "apply by force",
                Method::PATCH,
                format!("{one}?fieldManager=x&force=true"),
            )
            .with(APPLY, log.clone()),
        ]
    }

    /// The attacker's own status, as far as it is the operator's.
    fn operator_fields(&self) -> Vec<Try> {
        let own = &self.own;
        let one = format!("{}/{}", self.statuses(), own.status_of(&own.mine));
        let (status, _) = Self::status(own, &own.mine);
        let node = json!({"apiVersion": "v1", "kind": "Node", "name": own.theirs, "uid": "u"});
        let metadata = |key: &str, value: Value| json!({"metadata": {key: value}});
        let annotation = |key: &str, value: Value| metadata("annotations", json!({key: value}));
        let mut tries = Vec::new();
        for change in [
            annotation(names::Annotation::HOLDOFF, json!("")),
            annotation(
                names::Annotation::HOLDOFF,
                json!(names::HOLDOFF_NODE_UPDATE),
            ),
            annotation(names::Annotation::DESIRED_CONFIG, json!("another")),
            annotation(names::Annotation::REINIT_REQUEST, json!("request")),
            annotation(names::Annotation::ACCEPTANCE, json!("{}")),
            annotation("example.com/any", json!("any")),
            metadata("labels", json!({names::Label::OWNER: "fi-x"})),
            metadata("labels", json!({names::Label::NODE: own.theirs})),
            metadata("labels", json!({"example.com/any": "any"})),
            metadata("ownerReferences", json!([node])),
            metadata("finalizers", json!(["example.com/keep"])),
        ] {
            tries.extend(patches(OPERATOR_FIELDS, &one, &status, &change));
        }
        // Only a merge patch can remove something.
        for change in [
            annotation(names::Annotation::DESIRED_CONFIG, Value::Null),
            metadata("annotations", Value::Null),
            metadata("labels", Value::Null),
            metadata("ownerReferences", Value::Null),
            // Who set what: without it the operator could not take an annotation back.
            metadata("managedFields", json!([{}])),
        ] {
            let attempt = Try::new(
                OPERATOR_FIELDS,
                format!("{change}"),
                Method::PATCH,
                one.clone(),
            );
            tries.push(attempt.with(MERGE, change));
        }
        // Nothing changes, but what is applied becomes the attacker's as well, and stays when the
        // operator takes it back.
        let mut same = status;
        same["metadata"]["annotations"] = json!({names::Annotation::DESIRED_CONFIG: "c1"});
        for query in ["?fieldManager=x", "?fieldManager=x&force=true"] {
            let path = format!("{one}{query}");
            let attempt = Try::new(
                OPERATOR_FIELDS,
                "the operator's fields unchanged",
                Method::PATCH,
                path,
            );
            tries.push(attempt.with(APPLY, same.clone()));
        }
        tries
    }

    /// What the daemons of all nodes run.
    fn configurations(&self) -> Vec<Try> {
        let namespace = self.own.namespace.as_str();
        let mut tries = Vec::new();
        for fi in ["fi", "fi-x"] {
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": fi, "namespace": namespace},
            });
            let less = json!({"data": {names::KEY_EFFECTIVE_CONF: "!/etc\n"}});
            let kind = (CORE, namespace, "configmaps");
            tries.extend(every_verb(CONFIGURATION, kind, &object, &less));
            let one = format!("{}/{fi}", self.configmaps());
            for change in [
                json!({"data": null}),
                json!({"immutable": true}),
                json!({"metadata": {"labels": {
                    names::Label::RESULT_LOG: "", names::Label::NODE: self.own.mine,
                    names::Label::OWNER: "fi", names::Label::AIDE_CONF: null,
                }}}),
                json!({"metadata": {"ownerReferences": null}}),
                json!({"metadata": {"annotations": {"example.com/any": "any"}}}),
            ] {
                tries.extend(patches(CONFIGURATION, &one, &object, &change));
            }
        }
        tries
    }

    /// Of the FileIntegrity that watches the same nodes: also what is the attacker's own node's.
    fn of_another_file_integrity(&self) -> anyhow::Result<Vec<Try>> {
        let (stage, namespace) = (&self.neighbour, self.own.namespace.as_str());
        let mut tries = Vec::new();
        for node in [&stage.mine, &stage.theirs] {
            let (status, change) = Self::status(stage, node);
            let of_status = (FIO, namespace, "fileintegritynodestatuses");
            tries.extend(every_verb(OTHER_FI, of_status, &status, &change));
            let (log, change) = Self::log(stage, node)?;
            let name = log["metadata"]["name"].as_str().unwrap_or_default();
            // There is none yet: what is to be changed is not found.
            let of_log = every_verb(OTHER_FI, (CORE, namespace, "configmaps"), &log, &change);
            let one = format!("{}/{name}", self.configmaps());
            tries.extend(of_log.into_iter().map(|attempt| {
                let is_change = attempt.path.starts_with(&one)
                    && [MERGE, JSON_PATCH, STRATEGIC].contains(&attempt.content_type);
                if is_change {
                    attempt.answered(&[403, 404])
                } else {
                    attempt
                }
            }));
        }
        Ok(tries)
    }

    #[expect(clippy::too_many_lines, reason = "one table")]
    fn events(&self) -> Vec<Try> {
        let own = &self.own;
        let at = |pointer: &str, value: Value| {
            let mut event = self.event();
            if let Some(field) = event.pointer_mut(pointer) {
                *field = value;
            }
            event
        };
        let with = |key: &str, value: Value| {
            let mut event = self.event();
            event["metadata"][key] = value;
            event
        };
        let named = |name: String| at("/metadata/name", json!(name));
        let table = [
            ("about another node", at("/related/name", json!(own.theirs))),
            (
                "about a node in capitals",
                at("/related/name", json!(own.mine.to_uppercase())),
            ),
            ("about no node", at("/related", Value::Null)),
            ("about a pod", at("/related/kind", json!("Pod"))),
            (
                "on another FileIntegrity",
                at("/regarding/name", json!("fi-x")),
            ),
            (
                "on a FileIntegrity that ends in a dot",
                at("/regarding/name", json!("fi.")),
            ),
            ("on no FileIntegrity", at("/regarding/name", json!(""))),
            ("on a node", at("/regarding/kind", json!("Node"))),
            (
                "with another node's name",
                named(format!("{}.node-0123456789abcdef", own.theirs)),
            ),
            (
                "with a longer node's name",
                named(format!("{}.x.node-0123456789abcdef", own.mine)),
            ),
            (
                "with a name of the operator's",
                named("fi.0123456789abcdef".to_owned()),
            ),
            (
                "with a name of the operator's for a FileIntegrity called like the node",
                named(format!("{}.0123456789abcdef", own.mine)),
            ),
            ("with any name", named("any".to_owned())),
            (
                "with a short hash",
                named(format!("{}.node-0123", own.mine)),
            ),
            (
                "with a result of another node",
                at("/note", json!(format!("no changes to node {}", own.theirs))),
            ),
            (
                "with a failure of another node",
                at(
                    "/note",
                    json!(format!(
                        "node {} has changed! a:1,c:0,r:0 log:x/y",
                        own.theirs
                    )),
                ),
            ),
            (
                "with a result of a node whose name begins alike",
                at("/note", json!(format!("no changes to node {}0", own.mine))),
            ),
            ("without a message", at("/note", json!(""))),
            (
                "with the operator's phase",
                at("/reason", json!("FileIntegrityStatus")),
            ),
            ("with any reason", at("/reason", json!("Any"))),
            (
                "with an owner",
                with(
                    "ownerReferences",
                    json!([{
                        "apiVersion": "v1", "kind": "Node", "name": own.theirs, "uid": "u",
                    }]),
                ),
            ),
            (
                "with a finalizer, so that the namespace cannot go",
                with("finalizers", json!(["example.com/keep"])),
            ),
        ];
        let path = collection(EVENTS, &own.namespace, "events");
        let attempt = |what: &str| {
            Try::new(
                FORGED_EVENTS,
                format!("an event {what}"),
                Method::POST,
                path.clone(),
            )
        };
        let mut tries: Vec<Try> = table
            .into_iter()
            .map(|(what, event)| attempt(what).with(PLAIN, event))
            .collect();
        let mut generated = with("generateName", json!(format!("{}.node-", own.mine)));
        generated["metadata"]["name"] = Value::Null;
        tries.push(attempt("with a name at random").with(PLAIN, generated));
        let foreign = at("/regarding/namespace", json!(self.foreign.namespace));
        tries.push(attempt("on another installation's").with(PLAIN, foreign));
        tries
    }

    /// The other installation is the same program with the same names, on the same nodes.
    fn of_another_installation(&self) -> anyhow::Result<Vec<Try>> {
        let (stage, namespace) = (&self.foreign, self.foreign.namespace.as_str());
        let mut tries = Vec::new();
        let (status, change) = Self::status(stage, &stage.mine);
        let of_status = (FIO, namespace, "fileintegritynodestatuses");
        tries.extend(every_verb(OTHER_INSTALL, of_status, &status, &change));
        let (log, change) = Self::log(stage, &stage.mine)?;
        let of_log = (CORE, namespace, "configmaps");
        tries.extend(every_verb(OTHER_INSTALL, of_log, &log, &change));
        let mut event = self.event();
        for pointer in ["/metadata/namespace", "/regarding/namespace"] {
            if let Some(place) = event.pointer_mut(pointer) {
                *place = json!(namespace);
            }
        }
        let of_event = (EVENTS, namespace, "events");
        tries.extend(every_verb(OTHER_INSTALL, of_event, &event, &change));
        for path in [
            format!("{}/fi", collection(CORE, namespace, "configmaps")),
            format!(
                "{}?watch=true&timeoutSeconds=1",
                collection(FIO, namespace, "fileintegritynodestatuses")
            ),
        ] {
            tries.push(Try::new(
                OTHER_INSTALL,
                format!("read {path}"),
                Method::GET,
                path,
            ));
        }
        Ok(tries)
    }

    /// A daemon executes acceptances, and reads them by name. It writes none, and nothing of what was accepted but its own report.
    fn acceptances(&self) -> anyhow::Result<Vec<Try>> {
        let namespace = self.own.namespace.as_str();
        let acceptance = json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityAcceptance",
            "metadata": {"name": "any", "namespace": namespace},
            "spec": {
                "fileIntegrity": "fi", "changeSet": "a".repeat(64), "reason": "any",
                "approvedBy": {"username": format!("system:serviceaccount:{namespace}:file-integrity-daemon")},
            },
        });
        let of = (FIO, namespace, "fileintegrityacceptances");
        let change = json!({"status": {"evidence": EVIDENCE}});
        let mut tries = every_verb(ACCEPTANCES, of, &acceptance, &change);
        let one = format!("{}/any", collection(FIO, namespace, of.2));
        // It may read one, for the changes that are listed in it.
        let read = Try::new(ACCEPTANCES, "an acceptance, read", Method::GET, one);
        tries.push(read.answered(&[404]));

        let (evidence, of) = (self.evidence(EVIDENCE), (CORE, namespace, "configmaps"));
        let one = format!("{}/{EVIDENCE}", self.configmaps());
        let nodes = json!({"metadata": {"annotations": {names::Annotation::NODES: self.own.mine}}});
        tries.extend(every_verb(ACCEPTANCES, of, &evidence, &nodes));
        for change in [
            json!({"metadata": {"annotations": {names::Annotation::RETAIN_UNTIL: "2026-01-02T03:04:05Z"}}}),
            json!({"metadata": {"labels": {names::Label::EVIDENCE: null}}}),
            json!({"metadata": {"labels": {names::Label::ACCEPTED: "", names::Label::NODE: self.own.mine}}}),
        ] {
            tries.extend(patches(ACCEPTANCES, &one, &evidence, &change));
        }
        let mut forged = vec![
            (
                "evidence",
                self.evidence("aide-fi-set-ffffffffffffffffffffffffffffffff"),
            ),
            ("evidence with another name", self.evidence("any")),
        ];
        // Its own report, which would be evidence as well, or already one.
        let mut report = self.own.report_of(&self.own.mine)?;
        report["metadata"]["labels"][names::Label::EVIDENCE] = json!("");
        forged.push(("its report, labeled as evidence", report.clone()));
        report["metadata"]["name"] = json!("aide-fi-set-ffffffffffffffffffffffffffffffff");
        forged.push(("its report, named and labeled as evidence", report));
        tries.extend(forged.into_iter().map(|(what, object)| {
            Try::new(ACCEPTANCES, what, Method::POST, self.configmaps()).with(PLAIN, object)
        }));
        Ok(tries)
    }

    /// What a daemon does, and what its Role lets it do besides; each is answered by 200 or 201.
    pub(super) fn allowed(&self) -> anyhow::Result<Vec<Try>> {
        let own = &self.own;
        let one = format!("{}/{}", self.statuses(), own.status_of(&own.mine));
        let log = own.log_of(&own.mine)?;
        let name = own.identity(&own.mine).failure_log();
        let log_path = format!(
            "{}/{name}?fieldManager=file-integrity-daemon&force=true",
            self.configmaps()
        );
        let attempt = |what: &str, method: Method, path: &str| {
            Try::new("", what, method, path.to_owned()).answered(&[200, 201])
        };
        let result = json!({"results": [result()], "lastResult": result()});
        let operation = json!([{"op": "add", "path": "/lastResult", "value": self::result()}]);
        let mut named = self.event();
        named["metadata"]["name"] = json!(format!("{}.node-fedcba9876543210", own.mine));
        named["note"] = json!(format!(
            "node {} has changed! a:1,c:0,r:0 log:x/y",
            own.mine
        ));
        let mut baseline = named.clone();
        baseline["metadata"]["name"] = json!(format!("{}.node-0000000000000000", own.mine));
        baseline["reason"] = json!("UnrequestedReinit");
        baseline["note"] = json!("a new baseline was created");
        let events = collection(EVENTS, &own.namespace, "events");
        let report = own.report_of(&own.mine)?;
        let report_path = format!("{}/aide-fi-{}-accepted", self.configmaps(), own.mine);
        let refused = |what: &str, method: Method| {
            Try::new("", what, method, report_path.clone()).answered(&[403])
        };
        let change = json!({"data": {"record.json": "{}"}});
        let mut changed = report.clone();
        merge(&mut changed, &change);
        Ok(vec![
            attempt(
                "the report of its new baseline",
                Method::POST,
                &self.configmaps(),
            )
            .with(PLAIN, report),
            refused("its report, changed", Method::PATCH).with(MERGE, change.clone()),
            Try::new(
                "",
                "its report, applied",
                Method::PATCH,
                format!("{report_path}?fieldManager=x&force=true"),
            )
            .with(APPLY, changed),
            refused("its report, deleted", Method::DELETE),
            attempt("its result", Method::PATCH, &one).with(MERGE, result),
            attempt("its result as an operation", Method::PATCH, &one).with(JSON_PATCH, operation),
            attempt("its log, the first time", Method::PATCH, &log_path).with(APPLY, log.clone()),
            attempt("its log, once more", Method::PATCH, &log_path).with(APPLY, log),
            attempt(
                "its log, corrected",
                Method::PATCH,
                &format!("{}/{name}", self.configmaps()),
            )
            .with(
                MERGE,
                json!({"metadata": {"annotations": {names::Annotation::COMPRESSED: null}}}),
            ),
            attempt("no changes", Method::POST, &events).with(PLAIN, self.event()),
            attempt("changes", Method::POST, &events).with(PLAIN, named),
            attempt("a baseline", Method::POST, &events).with(PLAIN, baseline),
            attempt(
                "the active configuration",
                Method::GET,
                &format!("{}/fi", self.configmaps()),
            ),
            attempt(
                "its status watched",
                Method::GET,
                &format!(
                    "{}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3D{}",
                    self.statuses(),
                    own.status_of(&own.mine)
                ),
            ),
        ])
    }
}

fn result() -> Value {
    json!({"condition": "Succeeded", "lastProbeTime": "2026-01-02T03:04:05Z"})
}

//! The admission policy for acceptances: who may create, withdraw and delete one, and who may write what it stores.

use std::io::Read as _;

use anyhow::Context as _;
use fio::testing::api::{
    DesiredNodeState, FileIntegrity, FileIntegrityAcceptance, FileIntegrityNodeStatus, names,
};
use fio::testing::operator::admission_policy::{Policy, PolicyState, acceptance_policy};
use fio::testing::operator::build;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::acceptance_admission::{ADMIN, acceptance, acceptances, from_now};
use crate::attacks::attack_row;
use crate::daemon_permissions::apply;
use crate::harness::{
    Space, alone, audit_log, eventually, in_space, kubectl, reinstall_definitions,
};

const NAMESPACE_CONTROLLER: &str = "system:serviceaccount:kube-system:namespace-controller";
const DAY: i64 = 24 * 3600;

const NOT_ACCEPT: &str = "this requires the verb accept on";
const UNTIL: &str = "spec.until must be later than now, and at most 30 days later";
const OWNERS: &str = "an acceptance must not have owners or finalizers";
const DELETED: &str = "only the operator deletes an acceptance, at the end of its retention; to withdraw it, set \
                       spec.revoked to true";
const STATUS: &str = "only the operator writes the status of an acceptance";
const EVIDENCE: &str = "only the operator writes and deletes evidence of accepted changes";
const REPORT_CREATED: &str = "only a daemon or the operator creates the report of a new baseline";
const REPORT_CHANGED: &str =
    "the report of a new baseline cannot be changed, and no other ConfigMap can become one";
const REPORT_DELETED: &str = "only the operator deletes the report of a new baseline";
const ANNOTATION: &str =
    "only the operator sets the annotations file-integrity.openshift.io/acceptance and";

const NODE: &str =
    "only the operator changes what it requests of a node while spec.config.requireAcceptance";

/// One request, and a part of the message with which it is refused, if it is.
struct Try {
    what: String,
    request: BoxFuture<'static, kube::Result<()>>,
    refusal: Option<&'static str>,
}

fn allowed<T>(
    what: impl Into<String>,
    request: impl Future<Output = kube::Result<T>> + Send + 'static,
) -> Try {
    Try {
        what: what.into(),
        request: Box::pin(async { request.await.map(|_| ()) }),
        refusal: None,
    }
}

fn refused<T>(
    what: impl Into<String>,
    refusal: &'static str,
    request: impl Future<Output = kube::Result<T>> + Send + 'static,
) -> Try {
    Try {
        refusal: Some(refusal),
        ..allowed(what, request)
    }
}

/// Makes the requests one after the other, and prints a row of the table of attacks.
async fn carry_out(attack: &str, tries: Vec<Try>) -> anyhow::Result<()> {
    let (mut count, mut wrong) = (0, Vec::new());
    for attempt in tries {
        let result = attempt.request.await;
        let Some(refusal) = attempt.refusal else {
            result.with_context(|| attempt.what.clone())?;
            continue;
        };
        count += 1;
        match result {
            Err(kube::Error::Api(status)) if status.message.contains(refusal) => {}
            Err(error) => wrong.push(format!("{}: not by {refusal:?}: {error}", attempt.what)),
            Ok(()) => wrong.push(format!("{}: let through", attempt.what)),
        }
    }
    attack_row(attack, count, count - wrong.len())?;
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn create(
    client: &Client,
    space: &Space,
    object: DynamicObject,
) -> impl Future<Output = kube::Result<DynamicObject>> + Send + 'static + use<> {
    let api = acceptances(client, &space.namespace);
    async move { api.create(&PostParams::default(), &object).await }
}

fn merge(
    client: &Client,
    space: &Space,
    name: &str,
    patch: Value,
) -> impl Future<Output = kube::Result<DynamicObject>> + Send + 'static + use<> {
    let api = acceptances(client, &space.namespace);
    let name = name.to_owned();
    async move {
        let params = PatchParams::default();
        api.patch(&name, &params, &Patch::Merge(patch)).await
    }
}

/// The API server enforces a new policy some time after its creation.
async fn until_the_policy_works(space: &Space) -> anyhow::Result<()> {
    let api = acceptances(&space.client, &space.namespace);
    let forged = acceptance("forged", &json!({"approvedBy": {"username": "nobody"}}));
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually("the policy to be in effect", async || {
        let created = api.create(&params, &forged).await;
        Ok(matches!(created, Err(kube::Error::Api(status)) if status.code == 403).then_some(()))
    })
    .await
}

/// Rules of a Role.
fn rule(resources: &[&str], verbs: &[&str]) -> Value {
    let group = "fileintegrity.openshift.io";
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

fn accepter() -> Value {
    let verbs = ["create", "get", "list", "watch", "patch"];
    let fi = rule(&["fileintegrities"], &["accept", "get"]);
    json!([rule(&["fileintegrityacceptances"], &verbs), fi])
}

/// An acceptance by this user.
fn by(user: &str, name: &str, changes: &Value) -> DynamicObject {
    let mut object = acceptance(name, changes);
    object.data["spec"]["approvedBy"] = json!({"username": user});
    object
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn only_a_user_who_may_accept_creates_an_acceptance_in_their_own_name() -> anyhow::Result<()>
{
    in_space("acceptance-who", async |space| {
        until_the_policy_works(space).await?;
        let (alice, as_alice) = space.user("alice", accepter()).await?;
        // Everything that a definition's kind can be asked for, but not the virtual verb.
        let all = [
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ];
        let everything = rule(
            &[
                "fileintegrities",
                "fileintegrities/status",
                "fileintegrityacceptances",
            ],
            &all,
        );
        let (bob, as_bob) = space.user("bob", json!([everything])).await?;
        let mut one = rule(&["fileintegrities"], &["accept"]);
        one["resourceNames"] = json!(["fi"]);
        let acceptances = rule(&["fileintegrityacceptances"], &["create", "patch"]);
        let (carol, as_carol) = space.user("carol", json!([one, acceptances])).await?;
        let any = rule(&["fileintegrities", "fileintegrityacceptances"], &["*"]);
        let (dave, as_dave) = space.user("dave", json!([any])).await?;
        let other = json!({"fileIntegrity": "other"});
        let mut generated = by(&alice, "", &json!({}));
        generated.metadata.name = None;
        generated.metadata.generate_name = Some("alice-".to_owned());
        let mut generated_forged = generated.clone();
        generated_forged.data["spec"]["approvedBy"] = json!({"username": bob});
        let applied = {
            let api = crate::acceptance_admission::acceptances(&as_alice, &space.namespace);
            let forged = by(ADMIN, "applied", &json!({}));
            async move {
                let params = PatchParams::apply("test");
                api.patch("applied", &params, &Patch::Apply(&forged)).await
            }
        };
        let name_of_alice = "spec.approvedBy.username must be alice.";
        carry_out(
            "a user: an acceptance of somebody else, or without the permission",
            vec![
                allowed(
                    "alice's",
                    create(&as_alice, space, by(&alice, "alice", &json!({}))),
                ),
                allowed(
                    "alice's with a generated name",
                    create(&as_alice, space, generated),
                ),
                allowed(
                    "the administrator's",
                    create(&space.client, space, acceptance("admin", &json!({}))),
                ),
                refused(
                    "an administrator's by alice",
                    name_of_alice,
                    create(&as_alice, space, by(ADMIN, "x", &json!({}))),
                ),
                refused(
                    "bob's by alice",
                    name_of_alice,
                    create(&as_alice, space, by(&bob, "x", &json!({}))),
                ),
                refused(
                    "in capitals",
                    name_of_alice,
                    create(&as_alice, space, by(&alice.to_uppercase(), "x", &json!({}))),
                ),
                refused(
                    "bob's by alice, with a generated name",
                    name_of_alice,
                    create(&as_alice, space, generated_forged),
                ),
                refused(
                    "an administrator's by alice, applied",
                    name_of_alice,
                    applied,
                ),
                // Impersonation: the request is that of alice, not that of the administrator who sends it.
                refused(
                    "alice's by bob",
                    "must be bob.",
                    create(&as_bob, space, by(&alice, "x", &json!({}))),
                ),
                refused(
                    "bob's",
                    NOT_ACCEPT,
                    create(&as_bob, space, by(&bob, "x", &json!({}))),
                ),
                allowed(
                    "carol's",
                    create(&as_carol, space, by(&carol, "carol", &json!({}))),
                ),
                refused(
                    "carol's for another FileIntegrity",
                    NOT_ACCEPT,
                    create(&as_carol, space, by(&carol, "x", &other)),
                ),
                allowed(
                    "that of any verb",
                    create(&as_dave, space, by(&dave, "dave", &other)),
                ),
                // Withdrawal.
                refused(
                    "alice's, withdrawn by bob",
                    NOT_ACCEPT,
                    merge(&as_bob, space, "alice", json!({"spec": {"revoked": true}})),
                ),
                refused(
                    "that of another FileIntegrity, withdrawn by carol",
                    NOT_ACCEPT,
                    merge(&as_carol, space, "dave", json!({"spec": {"revoked": true}})),
                ),
                allowed(
                    "alice's with a label by bob",
                    merge(
                        &as_bob,
                        space,
                        "alice",
                        json!({"metadata": {"labels": {"a": "b"}}}),
                    ),
                ),
                allowed(
                    "alice's, withdrawn by carol",
                    merge(
                        &as_carol,
                        space,
                        "alice",
                        json!({"spec": {"revoked": true}}),
                    ),
                ),
            ],
        )
        .await?;
        let stored = space
            .api::<FileIntegrityAcceptance>()
            .list(&ListParams::default())
            .await?;
        let mut names: Vec<String> = stored
            .items
            .iter()
            .map(kube::ResourceExt::name_any)
            .collect();
        names.retain(|name| !name.starts_with("alice-"));
        assert_eq!(names, ["admin", "alice", "carol", "dave"]);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_acceptance_ends_within_30_days_and_begins_as_nothing_else() -> anyhow::Result<()> {
    in_space("acceptance-when", async |space| {
        until_the_policy_works(space).await?;
        let client = &space.client;
        let of = |changes: Value| create(client, space, acceptance("x", &changes));
        let with = |key: &str, value: Value| {
            let mut object = acceptance("x", &json!({}));
            let mut metadata = serde_json::to_value(&object.metadata).unwrap_or_default();
            metadata[key] = value;
            object.metadata = serde_json::from_value(metadata).unwrap_or_default();
            create(client, space, object)
        };
        let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}]);
        let mut with_status = acceptance("with-status", &json!({}));
        with_status.data["status"] = json!({"evidence": "forged"});
        carry_out("a user: an acceptance with another time or state", vec![
            refused("one that is over", UNTIL, of(json!({"until": from_now(-60)}))),
            refused("one of now", UNTIL, of(json!({"until": from_now(-1)}))),
            refused("one of 31 days", UNTIL, of(json!({"until": from_now(31 * DAY)}))),
            refused("one of a year", UNTIL, of(json!({"until": "2099-01-01T00:00:00Z"}))),
            refused(
                "a withdrawn one",
                "spec.revoked withdraws an existing acceptance; it must not be true in a new one",
                of(json!({"revoked": true})),
            ),
            refused("one with an owner", OWNERS, with("ownerReferences", owner.clone())),
            refused("one with a finalizer", OWNERS, with("finalizers", json!(["example.com/keep"]))),
            allowed("one with a status", create(client, space, with_status)),
        ])
        .await?;
        let stored = space.api::<FileIntegrityAcceptance>().get("with-status").await?;
        assert!(stored.status.is_none());
        let api = acceptances(client, &space.namespace);
        let status = |client: &Client| {
            let api = acceptances(client, &space.namespace);
            async move {
                let patch = Patch::Merge(json!({"status": {"evidence": "any"}}));
                api.patch_status("with-status", &PatchParams::default(), &patch).await
            }
        };
        let delete = |client: &Client, name: &'static str| {
            let api = acceptances(client, &space.namespace);
            async move { api.delete(name, &DeleteParams::default()).await }
        };
        let all = {
            let api = api.clone();
            async move { api.delete_collection(&DeleteParams::default(), &ListParams::default()).await }
        };
        let operator = space.client_as(&space.account(names::OPERATOR_NAME)).await?;
        let another = space.client_as("system:serviceaccount:another:file-integrity-operator").await?;
        let metadata = |key: &str, value: Value| {
            merge(client, space, "with-status", json!({"metadata": {key: value}}))
        };
        carry_out("a user: the state, owners or deletion of an acceptance", vec![
            refused("an owner", OWNERS, metadata("ownerReferences", owner)),
            refused("a finalizer", OWNERS, metadata("finalizers", json!(["example.com/keep"]))),
            refused("the status by an administrator", STATUS, status(client)),
            refused("the status by another operator", "forbidden", status(&another)),
            allowed("the status by the operator", status(&operator)),
            refused("deleted by an administrator", DELETED, delete(client, "with-status")),
            refused("all deleted by an administrator", DELETED, all),
            refused("deleted by another operator", "forbidden", delete(&another, "with-status")),
            allowed("deleted by the operator", delete(&operator, "with-status")),
        ])
        .await
    })
    .await
}

/// A ConfigMap with a label.
fn config_map(name: &str, label: Option<&str>) -> ConfigMap {
    let mut object = ConfigMap {
        data: Some([("record.json".to_owned(), "{}".to_owned())].into()),
        ..ConfigMap::default()
    };
    object.metadata.name = Some(name.to_owned());
    object.metadata.labels = label.map(|label| [(label.to_owned(), String::new())].into());
    object
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn only_the_operator_writes_evidence_and_only_daemons_create_reports() -> anyhow::Result<()> {
    in_space("acceptance-evidence", async |space| {
        until_the_policy_works(space).await?;
        let verbs = [
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
            "get",
            "list",
        ];
        let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": verbs}]);
        let (_, user) = space.user("writer", rules).await?;
        let operator = space
            .client_as(&space.account(names::OPERATOR_NAME))
            .await?;
        let api = |client: &Client| Api::<ConfigMap>::namespaced(client.clone(), &space.namespace);
        let create = |client: &Client, object: ConfigMap| {
            let api = api(client);
            async move { api.create(&PostParams::default(), &object).await }
        };
        let label = |client: &Client, name: &'static str, key: &str, value: Value| {
            let (api, patch) = (api(client), json!({"metadata": {"labels": {key: value}}}));
            async move {
                api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
                    .await
            }
        };
        let delete = |client: &Client, name: &'static str| {
            let api = api(client);
            async move { api.delete(name, &DeleteParams::default()).await }
        };
        // A storage migration writes what it has read.
        let rewrite = |client: &Client, name: &'static str, data: Option<&'static str>| {
            let api = api(client);
            async move {
                let mut object = api.get(name).await?;
                if let Some(data) = data {
                    object.data = Some([("record.json".to_owned(), data.to_owned())].into());
                }
                api.replace(name, &PostParams::default(), &object).await
            }
        };
        let of = |labels: &str| ListParams::default().labels(labels);
        let delete_all = |client: &Client, list: ListParams| {
            let api = api(client);
            async move { api.delete_collection(&DeleteParams::default(), &list).await }
        };
        let (is_evidence, is_report) = (names::Label::EVIDENCE, names::Label::ACCEPTED);
        let set = "aide-fi-set-0123456789abcdef0123456789abcdef";
        let hashed =
            "aide0123456789012345678901234567890123456789-set-0123456789abcdef0123456789abcdef";
        let report = "aide-fi-n1-accepted";
        let mut evidence = config_map(set, Some(is_evidence));
        evidence.immutable = Some(true);
        let mut generated = config_map("", Some(is_evidence));
        generated.metadata.name = None;
        generated.metadata.generate_name = Some("any-".to_owned());
        carry_out(
            "a user with ConfigMaps: evidence and reports",
            vec![
                allowed("any ConfigMap", create(&user, config_map("any", None))),
                refused("evidence", EVIDENCE, create(&user, evidence.clone())),
                refused(
                    "evidence by its name",
                    EVIDENCE,
                    create(&user, config_map(set, None)),
                ),
                refused(
                    "evidence by a hashed name",
                    EVIDENCE,
                    create(&user, config_map(hashed, None)),
                ),
                refused(
                    "evidence by its label",
                    EVIDENCE,
                    create(&user, config_map("x", Some(is_evidence))),
                ),
                refused(
                    "evidence with a generated name",
                    EVIDENCE,
                    create(&user, generated),
                ),
                refused(
                    "any ConfigMap made evidence",
                    EVIDENCE,
                    label(&user, "any", is_evidence, json!("")),
                ),
                allowed("evidence by the operator", create(&operator, evidence)),
                refused(
                    "evidence that is none any more",
                    EVIDENCE,
                    label(&user, set, is_evidence, Value::Null),
                ),
                refused(
                    "evidence with a label",
                    EVIDENCE,
                    label(&user, set, "a", json!("b")),
                ),
                refused(
                    "evidence with a label by an administrator",
                    EVIDENCE,
                    label(&space.client, set, "a", json!("b")),
                ),
                allowed(
                    "evidence, written without a change",
                    rewrite(&user, set, None),
                ),
                allowed(
                    "evidence with a label by the operator",
                    label(&operator, set, "a", json!("b")),
                ),
                refused("evidence deleted", EVIDENCE, delete(&user, set)),
                refused(
                    "evidence deleted by an administrator",
                    EVIDENCE,
                    delete(&space.client, set),
                ),
                refused(
                    "all evidence deleted",
                    EVIDENCE,
                    delete_all(&user, of(is_evidence)),
                ),
                refused(
                    "a report",
                    REPORT_CREATED,
                    create(&user, config_map(report, Some(is_report))),
                ),
                refused(
                    "a report by its name",
                    REPORT_CREATED,
                    create(&user, config_map(report, None)),
                ),
                refused(
                    "a report by its label",
                    REPORT_CREATED,
                    create(&user, config_map("x", Some(is_report))),
                ),
                refused(
                    "any ConfigMap made a report",
                    REPORT_CHANGED,
                    label(&user, "any", is_report, json!("")),
                ),
                refused(
                    "any ConfigMap made a report by the operator",
                    REPORT_CHANGED,
                    label(&operator, "any", is_report, json!("")),
                ),
                allowed(
                    "a report by the operator",
                    create(&operator, config_map(report, Some(is_report))),
                ),
                refused(
                    "a report with a label",
                    REPORT_CHANGED,
                    label(&user, report, "a", json!("b")),
                ),
                refused(
                    "a report that is none any more",
                    REPORT_CHANGED,
                    label(&user, report, is_report, Value::Null),
                ),
                refused(
                    "a report with other data",
                    REPORT_CHANGED,
                    rewrite(&user, report, Some("[]")),
                ),
                refused(
                    "a report changed by the operator",
                    REPORT_CHANGED,
                    label(&operator, report, "a", json!("b")),
                ),
                allowed(
                    "a report, written without a change",
                    rewrite(&user, report, None),
                ),
                refused("a report deleted", REPORT_DELETED, delete(&user, report)),
                refused(
                    "all reports deleted",
                    REPORT_DELETED,
                    delete_all(&user, of(is_report)),
                ),
                allowed("any ConfigMap deleted", delete(&user, "any")),
                allowed(
                    "a report deleted by the operator",
                    delete(&operator, report),
                ),
                allowed("evidence deleted by the operator", delete(&operator, set)),
            ],
        )
        .await
    })
    .await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one table")]
async fn loosening_a_restricted_file_integrity_requires_accept() -> anyhow::Result<()> {
    in_space("acceptance-loosen", async |space| {
        until_the_policy_works(space).await?;
        let verbs = ["create", "update", "patch", "delete", "get", "list"];
        let resources = ["fileintegrities", "fileintegritynodestatuses"];
        let edit = rule(&resources, &verbs);
        let (_, editor) = space.user("editor", json!([edit])).await?;
        let accept = rule(&["fileintegrities"], &["accept"]);
        let (_, accepter) = space.user("accepter", json!([edit, accept])).await?;
        let restricted = |name: &'static str| {
            let config = json!({"gracePeriod": 10, "requireAcceptance": true});
            let evidence = json!({"retentionDays": 500});
            space.file_integrity(name, json!({"config": config, "evidence": evidence}))
        };
        let kept = restricted("kept").await?;
        let exclude = |paths: &[(&str, Option<&String>)]| {
            let list = paths.iter().map(|(path, until)| match until {
                Some(until) => json!({"path": path, "reason": "a cache", "until": until}),
                None => json!({"path": path, "reason": "a cache"}),
            });
            json!({"exclude": list.collect::<Vec<Value>>()})
        };
        let (sooner, soon, later) = (from_now(1800), from_now(3600), from_now(7200));
        let patch = json!({"spec": exclude(&[("/etc/a", Some(&soon))])});
        space.merge::<FileIntegrity>("kept", patch).await?;
        for name in ["lowered", "deleted"] {
            restricted(name).await?;
        }
        space.file_integrity("free", json!({})).await?;
        let change = |client: &Client, name: &'static str, spec: Value| {
            let api = Api::<FileIntegrity>::namespaced(client.clone(), &space.namespace);
            async move {
                let patch = Patch::Merge(json!({"spec": spec}));
                api.patch(name, &PatchParams::default(), &patch).await
            }
        };
        let delete = |client: &Client, name: &'static str| {
            let api = Api::<FileIntegrity>::namespaced(client.clone(), &space.namespace);
            async move { api.delete(name, &DeleteParams::default()).await }
        };
        let node = |client: &Client, annotations: Value| {
            let api = Api::<FileIntegrityNodeStatus>::namespaced(client.clone(), &space.namespace);
            async move {
                let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
                api.patch("kept-n1", &PatchParams::default(), &patch).await
            }
        };
        let shown_hold = |client: &Client| {
            let api = Api::<FileIntegrityNodeStatus>::namespaced(client.clone(), &space.namespace);
            async move {
                let (since, until) = ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
                let hold = json!({"since": since, "until": until, "then": "Accept", "holds": ["a"]});
                let patch = Patch::Merge(json!({"hold": hold}));
                api.patch("kept-n1", &PatchParams::default(), &patch).await
            }
        };
        let operator = space
            .client_as(&space.account(names::OPERATOR_NAME))
            .await?;
        let desired = DesiredNodeState {
            config_hash: Some("c".to_owned()),
            require_acceptance: true,
            ..DesiredNodeState::default()
        };
        let status = build::node_status(&kept, "n1", &desired);
        apply::<FileIntegrityNodeStatus>(&operator, status).await?;
        let lower = || json!({"config": {"requireAcceptance": false}});
        let retention = |days: Value| json!({"evidence": {"retentionDays": days}});
        let of_node = |key: &str, value: Value| json!({key: value});
        let holds = |holds: &[(&str, &String, &str)]| {
            let list = holds.iter().map(|(name, until, then)| {
                json!({"name": name, "from": "2026-01-01T00:00:00Z", "until": until, "then": then})
            });
            json!({"holds": list.collect::<Vec<Value>>()})
        };
        carry_out(
            "a user without accept: loosen spec.config.requireAcceptance",
            vec![
                refused(
                    "false",
                    "setting spec.config.requireAcceptance to false requires the verb accept",
                    change(&editor, "kept", lower()),
                ),
                refused(
                    "removed",
                    "setting spec.config.requireAcceptance to false",
                    change(
                        &editor,
                        "kept",
                        json!({"config": {"requireAcceptance": null}}),
                    ),
                ),
                refused(
                    "another config",
                    "setting spec.config.requireAcceptance to false",
                    change(
                        &editor,
                        "kept",
                        json!({"config": {"requireAcceptance": false, "gracePeriod": 60}}),
                    ),
                ),
                refused(
                    "shorter retention",
                    "lowering spec.evidence.retentionDays",
                    change(&editor, "kept", retention(json!(499))),
                ),
                refused(
                    "default retention",
                    "lowering spec.evidence.retentionDays",
                    change(&editor, "kept", json!({"evidence": null})),
                ),
                refused(
                    "deleted",
                    "deleting it requires the verb accept",
                    delete(&editor, "kept"),
                ),
                refused(
                    "the node is free",
                    NODE,
                    node(
                        &editor,
                        of_node(names::Annotation::REQUIRE_ACCEPTANCE, Value::Null),
                    ),
                ),
                refused(
                    "a request",
                    NODE,
                    node(
                        &editor,
                        of_node(names::Annotation::REINIT_REQUEST, json!("r1")),
                    ),
                ),
                refused(
                    "a configuration",
                    NODE,
                    node(
                        &editor,
                        of_node(names::Annotation::DESIRED_CONFIG, json!("d")),
                    ),
                ),
                refused(
                    "a former configuration",
                    NODE,
                    node(
                        &editor,
                        of_node(names::Annotation::PREVIOUS_CONFIG, json!("d")),
                    ),
                ),
                refused(
                    "a hold",
                    NODE,
                    node(&accepter, of_node(names::Annotation::HOLDOFF, json!(""))),
                ),
                refused(
                    "an exclusion",
                    "adding or extending an exclusion requires the verb accept",
                    change(
                        &editor,
                        "kept",
                        exclude(&[("/etc/a", Some(&soon)), ("/etc/b", None)]),
                    ),
                ),
                refused(
                    "another exclusion",
                    "adding or extending an exclusion",
                    change(&editor, "kept", exclude(&[("/etc/c", None)])),
                ),
                refused(
                    "a longer exclusion",
                    "adding or extending an exclusion",
                    change(&editor, "kept", exclude(&[("/etc/a", Some(&later))])),
                ),
                refused(
                    "an exclusion without an end",
                    "adding or extending an exclusion",
                    change(&editor, "kept", exclude(&[("/etc/a", None)])),
                ),
                refused(
                    "another state directory",
                    "changing spec.config.stateDir requires the verb accept",
                    change(&editor, "kept", json!({"config": {"stateDir": "/var/x"}})),
                ),
                refused(
                    "a hold in a node status",
                    "only the daemon of the node writes its hold",
                    shown_hold(&accepter),
                ),
                refused(
                    "an accepting hold of a node",
                    NODE,
                    node(&editor, of_node(names::Annotation::HOLDS, json!("[]"))),
                ),
                refused(
                    "a scan",
                    NODE,
                    node(
                        &editor,
                        of_node(names::Annotation::SCAN_REQUEST, json!("s1")),
                    ),
                ),
                refused(
                    "an accepting hold",
                    "changing spec.holds, which has a hold with then: Accept, requires the verb accept",
                    change(&editor, "kept", holds(&[("a", &soon, "Accept")])),
                ),
                allowed(
                    "a reporting hold",
                    change(&editor, "kept", holds(&[("a", &soon, "Report")])),
                ),
                refused(
                    "a hold that accepts now",
                    "changing spec.holds",
                    change(&editor, "kept", holds(&[("a", &soon, "Accept")])),
                ),
                allowed(
                    "two holds by an accepter",
                    change(
                        &accepter,
                        "kept",
                        holds(&[("a", &soon, "Accept"), ("b", &later, "Report")]),
                    ),
                ),
                refused(
                    "a longer accepting hold",
                    "changing spec.holds",
                    change(
                        &editor,
                        "kept",
                        holds(&[("a", &later, "Accept"), ("b", &later, "Report")]),
                    ),
                ),
                refused(
                    "without the reporting one",
                    "changing spec.holds",
                    change(&editor, "kept", holds(&[("a", &soon, "Accept")])),
                ),
                allowed(
                    "something else beside an accepting hold",
                    change(&editor, "kept", json!({"debug": true})),
                ),
                allowed(
                    "without the accepting hold",
                    change(&editor, "kept", holds(&[("b", &later, "Report")])),
                ),
                allowed(
                    "a shorter exclusion",
                    change(&editor, "kept", exclude(&[("/etc/a", Some(&sooner))])),
                ),
                allowed(
                    "an exclusion by an accepter",
                    change(
                        &accepter,
                        "kept",
                        exclude(&[("/etc/b", None), ("/etc/a", Some(&sooner))]),
                    ),
                ),
                allowed(
                    "an exclusion ended",
                    change(&editor, "kept", json!({"exclude": null})),
                ),
                // What accepts nothing.
                allowed(
                    "another annotation",
                    node(&editor, of_node("example.com/a", json!("b"))),
                ),
                allowed(
                    "a request by the operator",
                    node(
                        &operator,
                        of_node(names::Annotation::REINIT_REQUEST, json!("r1")),
                    ),
                ),
                allowed(
                    "longer retention",
                    change(&editor, "kept", retention(json!(501))),
                ),
                allowed(
                    "another pause",
                    change(&editor, "kept", json!({"config": {"gracePeriod": 60}})),
                ),
                allowed(
                    "true",
                    change(
                        &editor,
                        "free",
                        json!({"config": {"requireAcceptance": true}}),
                    ),
                ),
                refused(
                    "true, and false again",
                    "setting spec.config.requireAcceptance to false",
                    change(&editor, "free", lower()),
                ),
                // The right.
                allowed(
                    "shorter retention by an accepter",
                    change(&accepter, "lowered", retention(json!(1))),
                ),
                allowed(
                    "false by an accepter",
                    change(&accepter, "lowered", lower()),
                ),
                allowed("deleted when it is free", delete(&editor, "lowered")),
                allowed("deleted by an accepter", delete(&accepter, "deleted")),
            ],
        )
        .await
    })
    .await
}

#[tokio::test]
async fn only_the_operator_hands_an_acceptance_to_a_node() -> anyhow::Result<()> {
    in_space("acceptance-annotation", async |space| {
        until_the_policy_works(space).await?;
        let statuses = rule(
            &["fileintegritynodestatuses"],
            &["create", "update", "patch", "delete", "get"],
        );
        let (_, user) = space.user("writer", json!([statuses])).await?;
        let operator = space.client_as(&space.account(names::OPERATOR_NAME)).await?;
        let key = names::Annotation::ACCEPTANCE;
        let resource = ApiResource::erase::<FileIntegrityNodeStatus>(&());
        let api = |client: &Client| {
            Api::<DynamicObject>::namespaced_with(client.clone(), &space.namespace, &resource)
        };
        let create = |client: &Client, name: &str, annotations: Value| {
            let object = json!({
                "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
                "metadata": {"name": name, "annotations": annotations}, "nodeName": "n",
            });
            let api = api(client);
            async move {
                let object = serde_json::from_value(object).map_err(kube::Error::SerdeError)?;
                api.create(&PostParams::default(), &object).await
            }
        };
        let patch = |client: &Client, patch: Value| {
            let api = api(client);
            async move { api.patch("s", &PatchParams::default(), &Patch::Merge(patch)).await }
        };
        let annotate = |client: &Client, value: Value| {
            patch(client, json!({"metadata": {"annotations": {key: value}}}))
        };
        let announce = |client: &Client, value: Value| {
            let key = names::Annotation::ANNOUNCED_CHANGES;
            patch(client, json!({"metadata": {"annotations": {key: value}}}))
        };
        let apply = |client: &Client, value: Value| {
            let api = api(client);
            async move {
                let object = json!({
                    "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
                    "metadata": {"name": "s", "annotations": {key: value}}, "nodeName": "n",
                });
                let params = PatchParams::apply(names::FIELD_MANAGER_OPERATOR).force();
                api.patch("s", &params, &Patch::Apply(object)).await
            }
        };
        let replace = |client: &Client| {
            let api = api(client);
            async move {
                let mut object = api.get("s").await?;
                object.metadata.annotations = Some([(key.to_owned(), "{}".to_owned())].into());
                api.replace("s", &PostParams::default(), &object).await
            }
        };
        carry_out("a user with node statuses: an acceptance", vec![
            allowed("a status", create(&user, "s", json!({"a": "b"}))),
            refused("one with an acceptance", ANNOTATION, create(&user, "t", json!({key: "{}"}))),
            refused("an acceptance", ANNOTATION, annotate(&user, json!("{}"))),
            refused("an acceptance by an administrator", ANNOTATION, annotate(&space.client, json!("{}"))),
            refused("an acceptance, applied by the operator's name", ANNOTATION, apply(&user, json!("{}"))),
            refused("an acceptance, written as a whole", ANNOTATION, replace(&user)),
            allowed("an acceptance by the operator", apply(&operator, json!("{\"name\":\"a\"}"))),
            refused("another acceptance", ANNOTATION, annotate(&user, json!("{}"))),
            refused("no acceptance", ANNOTATION, annotate(&user, Value::Null)),
            refused("no annotations", ANNOTATION, patch(&user, json!({"metadata": {"annotations": null}}))),
            allowed("another annotation", patch(&user, json!({"metadata": {"annotations": {"a": "c"}}}))),
            allowed("a result", patch(&user, json!({"lastResult": {
                "condition": "Succeeded", "lastProbeTime": "2026-01-02T03:04:05Z",
            }}))),
            allowed("an acceptance taken back by the operator", annotate(&operator, Value::Null)),
            refused("announced changes", ANNOTATION, announce(&user, json!("[]"))),
            allowed("announced changes by the operator", announce(&operator, json!("[]"))),
            refused("no announced changes", ANNOTATION, announce(&user, Value::Null)),
        ])
        .await
    })
    .await
}

#[tokio::test]
async fn a_deleted_namespace_is_emptied() -> anyhow::Result<()> {
    in_space("acceptance-namespace", async |space| {
        until_the_policy_works(space).await?;
        let operator = space
            .client_as(&space.account(names::OPERATOR_NAME))
            .await?;
        let (set, report) = (
            "aide-fi-set-0123456789abcdef0123456789abcdef",
            "aide-fi-n1-accepted",
        );
        let config_maps =
            |client: &Client| Api::<ConfigMap>::namespaced(client.clone(), &space.namespace);
        for object in [
            config_map(set, Some(names::Label::EVIDENCE)),
            config_map(report, Some(names::Label::ACCEPTED)),
        ] {
            config_maps(&operator)
                .create(&PostParams::default(), &object)
                .await?;
        }
        for name in ["a", "b", "c"] {
            create(&space.client, space, acceptance(name, &json!({}))).await?;
        }
        let delete = |client: &Client, name: &'static str| {
            let api = acceptances(client, &space.namespace);
            async move { api.delete(name, &DeleteParams::default()).await }
        };
        let params = DeleteParams::default();
        // By the name of its account also while the namespace stays.
        let controller = space.client_as(NAMESPACE_CONTROLLER).await?;
        delete(&controller, "a").await?;
        delete(&space.client, "b")
            .await
            .err()
            .context("let through")?;
        Api::<Namespace>::all(space.client.clone())
            .delete(&space.namespace, &params)
            .await?;
        // Without the account, as where all controllers share one.
        eventually("the deletion in a deleted namespace", async || {
            Ok(delete(&space.client, "b").await.ok())
        })
        .await?;
        for client in [&controller, &space.client] {
            let all = ListParams::default();
            acceptances(client, &space.namespace)
                .delete_collection(&params, &all)
                .await?;
            config_maps(client).delete_collection(&params, &all).await?;
        }
        let left = config_maps(&space.client)
            .list_metadata(&ListParams::default())
            .await?;
        assert_eq!(left.items.len(), 0);
        let left = space
            .api::<FileIntegrityAcceptance>()
            .list_metadata(&ListParams::default())
            .await?;
        assert_eq!(left.items.len(), 0);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn deleting_the_definition_leaves_the_evidence() -> anyhow::Result<()> {
    alone("acceptance-definition", async |space| {
        until_the_policy_works(space).await?;
        let operator = space
            .client_as(&space.account(names::OPERATOR_NAME))
            .await?;
        let set = "aide-fi-set-0123456789abcdef0123456789abcdef";
        let config_maps = Api::<ConfigMap>::namespaced(operator, &space.namespace);
        let evidence = config_map(set, Some(names::Label::EVIDENCE));
        let evidence = config_maps
            .create(&PostParams::default(), &evidence)
            .await?;
        create(&space.client, space, acceptance("a", &json!({}))).await?;
        // No policy is asked about what a deleted definition takes with it.
        let definition = "fileintegrityacceptances.fileintegrity.openshift.io";
        kubectl(&["delete", "--timeout=60s", "crd", definition], "").await?;
        reinstall_definitions().await?;
        let left = eventually("the definition to be back", async || {
            let api = space.api::<FileIntegrityAcceptance>();
            Ok(api.list_metadata(&ListParams::default()).await.ok())
        })
        .await?;
        assert_eq!(left.items.len(), 0);
        assert_eq!(space.api::<ConfigMap>().get(set).await?, evidence);
        let refused = space
            .api::<ConfigMap>()
            .delete(set, &DeleteParams::default())
            .await;
        assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 403));
        Ok(())
    })
    .await
}

/// What the policy is, as the operator sees it.
async fn state(space: &Space) -> anyhow::Result<PolicyState> {
    let operator = space
        .client_as(&space.account(names::OPERATOR_NAME))
        .await?;
    Ok(acceptance_policy(&operator, &space.namespace).await?)
}

#[tokio::test]
async fn the_installed_policy_is_in_force_until_somebody_changes_it() -> anyhow::Result<()> {
    in_space("acceptance-state", async |space| {
        let name = Policy::Acceptance.name(&space.namespace);
        let (policy, binding) = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding");
        let get = async |kind: &str| kubectl(&["get", kind, &name, "-o", "json"], "").await;
        let mut created = Vec::new();
        let mut stored = Vec::new();
        for kind in [policy, binding] {
            let object: Value = serde_json::from_str(&get(kind).await?)?;
            let at = object["metadata"]["creationTimestamp"].as_str().context("a time")?;
            created.push(at.parse::<jiff::Timestamp>()?);
            stored.push(json!({
                "apiVersion": object["apiVersion"], "kind": kind,
                "metadata": {"name": name}, "spec": object["spec"],
            }));
        }
        let PolicyState::InForce { since } = state(space).await? else {
            anyhow::bail!("{:?}", state(space).await?);
        };
        assert_eq!(Some(since.0), created.into_iter().max());
        for (kind, patch, field) in [
            (policy, json!({"spec": {"failurePolicy": "Ignore"}}), "spec.failurePolicy"),
            (
                policy,
                json!({"spec": {"matchConstraints": {"excludeResourceRules": [{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"], "resources": ["configmaps"],
                }]}}}),
                "spec.matchConstraints.excludeResourceRules",
            ),
            (policy, json!({"spec": {"validations": [{"expression": "true"}]}}), "spec.validations[0].expression"),
            (binding, json!({"spec": {"validationActions": ["Warn"]}}), "spec.validationActions[0]"),
            (
                binding,
                json!({"spec": {"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}}),
                "spec.matchResources.objectSelector",
            ),
        ] {
            let text = patch.to_string();
            kubectl(&["patch", kind, &name, "--type=merge", "-p", &text], "").await?;
            let expected = PolicyState::Altered {
                what: format!("{field} of the {kind} {name} is not as in the manifest"),
            };
            assert_eq!(state(space).await?, expected);
            // As it was.
            for object in &stored {
                kubectl(&["replace", "-f", "-"], &object.to_string()).await?;
            }
            assert!(matches!(state(space).await?, PolicyState::InForce { .. }));
        }
        kubectl(&["delete", binding, &name], "").await?;
        assert_eq!(state(space).await?, PolicyState::Absent);
        kubectl(&["create", "-f", "-"], &stored[1].to_string()).await?;
        kubectl(&["delete", policy, &name], "").await?;
        assert_eq!(state(space).await?, PolicyState::Absent);
        // What the operator creates is what it expects.
        let _operator = space.operator("op").await?;
        eventually("the operator's policy", async || {
            Ok(matches!(state(space).await?, PolicyState::InForce { .. }).then_some(()))
        })
        .await?;
        // Another account is not allowed to read it.
        let other = space.client_as(&space.account(names::DAEMON_SERVICE_ACCOUNT)).await?;
        let state = acceptance_policy(&other, &space.namespace).await?;
        assert!(matches!(&state, PolicyState::Altered { what } if what.contains("no permission")), "{state:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_audit_log_names_what_was_accepted_and_why() -> anyhow::Result<()> {
    in_space("acceptance-audit", async |space| {
        until_the_policy_works(space).await?;
        let reason = "r".repeat(300);
        let object = acceptance("audited", &json!({"reason": reason}));
        create(&space.client, space, object).await?;
        let policy = Policy::Acceptance.name(&space.namespace);
        let entry = eventually("the entry of the audit log", async || {
            let mut log = Vec::new();
            audit_log()?.read_to_end(&mut log)?;
            let log = String::from_utf8_lossy(&log);
            let entries = log.lines().filter(|line| line.contains(&space.namespace));
            let mut entries = entries.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            Ok(entries
                .find(|entry| entry["verb"] == "create" && entry["objectRef"]["name"] == "audited"))
        })
        .await?;
        let annotation = |key: &str| entry["annotations"][format!("{policy}/{key}")].clone();
        assert_eq!(annotation("change-set"), json!("a".repeat(64)));
        assert_eq!(annotation("file-integrity"), json!("fi"));
        assert_eq!(annotation("reason"), json!("r".repeat(256)));
        Ok(())
    })
    .await
}

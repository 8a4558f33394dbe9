//! The CustomResourceDefinition of FileIntegrityAcceptance: which acceptances can be created, and what can be changed
//! in one. The messages state what is valid. Who may create one: [`crate::acceptance_policy`].

use anyhow::Context as _;
use fio::testing::api::FileIntegrityAcceptance;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams, TypeMeta};
use kube::discovery::ApiResource;
use serde_json::{Value, json};

use crate::harness::{Space, in_space};

/// The user of the tests' certificate.
pub(crate) const ADMIN: &str = "admin";

/// The acceptances as their users write them, without the conversion of the Rust types.
pub(crate) fn acceptances(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<FileIntegrityAcceptance>(&());
    Api::namespaced_with(client.clone(), namespace, &resource)
}

/// An acceptance with these fields in its spec; null removes one.
pub(crate) fn acceptance(name: &str, changes: &Value) -> DynamicObject {
    let mut spec = json!({
        "fileIntegrity": "fi",
        "changeSet": "a".repeat(64),
        "reason": "openssl, RHSA-2026:4711",
        "approvedBy": {"username": ADMIN},
    });
    for (field, value) in changes.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, value| *value != json!("absent"));
    }
    let resource = ApiResource::erase::<FileIntegrityAcceptance>(&());
    let mut object = DynamicObject::new(name, &resource);
    object.types = Some(TypeMeta::resource::<FileIntegrityAcceptance>());
    object.data = json!({"spec": spec});
    object
}

/// A time that is so many seconds from now.
pub(crate) fn from_now(seconds: i64) -> String {
    let now = fio::testing::api::time::now().0;
    (now + jiff::SignedDuration::from_secs(seconds)).to_string()
}

const SET: &str =
    "changeSet must be the whole ID of a change set, 64 lower-case hexadecimal digits";
const EITHER: &str = "an acceptance must have either changeSet or changes";
const NAME: &str = "fileIntegrity must be the name of a FileIntegrity in this namespace";
const REASON: &str = "reason must state in 1 to 1024 characters why the changes are accepted";
const TICKET: &str = "ticket must be on one line, without control characters";
const NODES: &str = "nodes must have either names or a selector; omit nodes to include all nodes";
const SELECTOR: &str = "selector must have matchLabels or matchExpressions; omit nodes";
const VALUES: &str =
    "values are required for In and NotIn, and not allowed for Exists and DoesNotExist";
const TIME: &str = "spec.until in body must be of type date-time";

/// An acceptance of these changes instead of a set.
pub(crate) fn listed(changes: &Value) -> Value {
    json!({"changeSet": "absent", "changes": changes})
}

/// The same for lists of changes.
#[expect(clippy::too_many_lines, reason = "one table")]
fn invalid_lists() -> Vec<(&'static str, Value, &'static str)> {
    const PATH: &str =
        "path must be absolute, without a slash at the end, and without the segments";
    const DIGITS: &str = "a digest must have lower-case hexadecimal digits";
    let removed = |path: &str| listed(&json!([{"path": path, "kind": "removed"}]));
    let many: Vec<Value> = (0..=1000)
        .map(|number| json!({"path": format!("/{number}"), "kind": "removed"}))
        .collect();
    let changed = |fields: &Value| {
        let mut change = json!({"path": "/etc/a", "kind": "changed"});
        for (field, value) in fields.as_object().into_iter().flatten() {
            change[field] = value.clone();
        }
        listed(&json!([change]))
    };
    let digest =
        |name: &str, digits: usize| changed(&json!({"digests": {name: "a".repeat(digits)}}));
    vec![
        (
            "a set and changes",
            json!({"changes": [{"path": "/a", "kind": "removed"}]}),
            EITHER,
        ),
        (
            "no changes",
            listed(&json!([])),
            "spec.changes in body should have at least 1 items",
        ),
        (
            "1001 changes",
            listed(&json!(many)),
            "spec.changes: Too many: 1001: must have at most 1000 items",
        ),
        (
            "a path twice",
            listed(&json!([{"path": "/a", "kind": "removed"}, {"path": "/a", "kind": "removed"}])),
            "spec.changes[1]: Duplicate value",
        ),
        (
            "no path",
            listed(&json!([{"kind": "removed"}])),
            "spec.changes[0].path: Required value",
        ),
        ("a relative path", removed("etc/a"), PATH),
        ("a parent", removed("/etc/../a"), PATH),
        ("a parent at the end", removed("/etc/.."), PATH),
        ("a segment without effect", removed("/etc/./a"), PATH),
        ("an empty segment", removed("/etc//a"), PATH),
        ("a slash at the end", removed("/etc/"), PATH),
        ("the root", removed("/"), PATH),
        ("an empty path", removed(""), PATH),
        (
            "a long path",
            removed(&format!("/{}", "a".repeat(4096))),
            "spec.changes[0].path: Too long",
        ),
        (
            "no kind",
            listed(&json!([{"path": "/a"}])),
            "spec.changes[0].kind: Required value",
        ),
        (
            "an unknown kind",
            listed(&json!([{"path": "/a", "kind": "moved"}])),
            "supported values: \"added\", \"changed\", \"removed\"",
        ),
        (
            "a weak digest",
            digest("sha1", 40),
            "digests must be sha256, sha512,",
        ),
        ("a digest of another length", digest("sha256", 128), DIGITS),
        ("a short digest", digest("sha512", 64), DIGITS),
        (
            "capitals in a digest",
            changed(&json!({"digests": {"sha256": "A".repeat(64)}})),
            DIGITS,
        ),
        (
            "no digests",
            changed(&json!({"digests": {}})),
            "should have at least 1 properties",
        ),
        (
            "a mode that is no octal number",
            changed(&json!({"mode": "0888"})),
            "spec.changes[0].mode",
        ),
        (
            "a mode with a type",
            changed(&json!({"mode": "100644"})),
            "spec.changes[0].mode",
        ),
        (
            "a number for a mode",
            changed(&json!({"mode": 420})),
            "must be of type string",
        ),
        (
            "a negative owner",
            changed(&json!({"uid": -1})),
            "spec.changes[0].uid",
        ),
        (
            "an added path without an owner",
            listed(&json!([{"path": "/a", "kind": "added", "mode": "0644"}])),
            "an added path must have mode, uid and gid",
        ),
        (
            "a removed path with a mode",
            listed(&json!([{"path": "/a", "kind": "removed", "mode": "0644"}])),
            "a removed path has no new values",
        ),
        (
            "a link with a digest",
            changed(&json!({"digests": {"sha256": "a".repeat(64)}, "linkTarget": "b"})),
            "only a regular file has digests, and only a symbolic link has linkTarget",
        ),
        (
            "an ACL in another form",
            changed(&json!({"acl": ["u:1:r"]})),
            "spec.changes[0].acl[0]",
        ),
    ]
}

/// What is odd, the fields, and a part of the message.
#[expect(clippy::too_many_lines, reason = "one table")]
fn invalid() -> Vec<(&'static str, Value, &'static str)> {
    let nodes = |nodes: Value| json!({"nodes": nodes});
    let labels = |selector: Value| json!({"nodes": {"selector": selector}});
    let names: Vec<String> = (0..=1000).map(|number| format!("n{number}")).collect();
    vec![
        (
            "no FileIntegrity",
            json!({"fileIntegrity": "absent"}),
            "spec.fileIntegrity: Required value",
        ),
        ("an empty FileIntegrity", json!({"fileIntegrity": ""}), NAME),
        (
            "a FileIntegrity that is no name",
            json!({"fileIntegrity": "ns/fi"}),
            NAME,
        ),
        (
            "a FileIntegrity in capitals",
            json!({"fileIntegrity": "FI"}),
            NAME,
        ),
        (
            "a long FileIntegrity",
            json!({"fileIntegrity": "a".repeat(254)}),
            "spec.fileIntegrity: Too long",
        ),
        ("no set", json!({"changeSet": "absent"}), EITHER),
        ("an empty set", json!({"changeSet": ""}), SET),
        (
            "the digits of kubectl get",
            json!({"changeSet": "9f1c3a5b7d20"}),
            SET,
        ),
        ("63 digits", json!({"changeSet": "a".repeat(63)}), SET),
        (
            "65 digits",
            json!({"changeSet": "a".repeat(65)}),
            "spec.changeSet: Too long: may not be",
        ),
        ("capitals", json!({"changeSet": "A".repeat(64)}), SET),
        ("other letters", json!({"changeSet": "g".repeat(64)}), SET),
        (
            "a line break at the end",
            json!({"changeSet": format!("{}\n", "a".repeat(63))}),
            SET,
        ),
        (
            "a number",
            json!({"changeSet": 1}),
            "spec.changeSet in body must be of type string",
        ),
        (
            "no reason",
            json!({"reason": "absent"}),
            "spec.reason: Required value",
        ),
        ("an empty reason", json!({"reason": ""}), REASON),
        (
            "a blank reason",
            json!({"reason": " \u{a0}\u{3000}"}),
            REASON,
        ),
        (
            "a reason without a letter",
            json!({"reason": "..."}),
            REASON,
        ),
        (
            "a long reason",
            json!({"reason": "a".repeat(100_000)}),
            "spec.reason: Too long: may not be",
        ),
        ("a reason on two lines", json!({"reason": "a\nb"}), REASON),
        (
            "a reason with an escape sequence",
            json!({"reason": "a\u{1b}[2Jb"}),
            REASON,
        ),
        (
            "a reason with a C1 control",
            json!({"reason": "a\u{9b}2Jb"}),
            REASON,
        ),
        (
            "a reason with a line separator",
            json!({"reason": "a\u{2028}b"}),
            REASON,
        ),
        (
            "a reason that changes the direction",
            json!({"reason": "a\u{202e}b"}),
            REASON,
        ),
        ("a ticket on two lines", json!({"ticket": "a\r\nb"}), TICKET),
        (
            "a long ticket",
            json!({"ticket": "a".repeat(257)}),
            "spec.ticket: Too long: may not be",
        ),
        (
            "no approver",
            json!({"approvedBy": "absent"}),
            "spec.approvedBy: Required value",
        ),
        (
            "an approver without a name",
            json!({"approvedBy": {}}),
            "spec.approvedBy.username: Required value",
        ),
        (
            "an approver with an empty name",
            json!({"approvedBy": {"username": ""}}),
            "spec.approvedBy.username in body should be at least 1 chars long",
        ),
        ("no nodes", nodes(json!({})), NODES),
        (
            "names and a selector",
            nodes(json!({"names": ["a"], "selector": {"matchLabels": {"a": "b"}}})),
            NODES,
        ),
        // As if there were no field.
        ("null for the names", nodes(json!({"names": null})), NODES),
        (
            "null for both",
            nodes(json!({"names": null, "selector": null})),
            NODES,
        ),
        (
            "an empty list",
            nodes(json!({"names": []})),
            "spec.nodes.names in body should have at least 1 items",
        ),
        (
            "an empty name",
            nodes(json!({"names": [""]})),
            "spec.nodes.names[0] in body should be at least 1 chars long",
        ),
        (
            "a long name",
            nodes(json!({"names": ["a".repeat(254)]})),
            "spec.nodes.names[0]: Too long",
        ),
        (
            "a name twice",
            nodes(json!({"names": ["a", "a"]})),
            "spec.nodes.names[1]: Duplicate value: \"a\"",
        ),
        (
            "1001 names",
            nodes(json!({"names": names})),
            "spec.nodes.names: Too many: 1001: must have at most 1000 items",
        ),
        ("an empty selector", labels(json!({})), SELECTOR),
        (
            "a selector with nothing in it",
            labels(json!({"matchLabels": {}, "matchExpressions": []})),
            SELECTOR,
        ),
        (
            "a label without a value",
            labels(json!({"matchLabels": {"a": null}})),
            SELECTOR,
        ),
        (
            "In without values",
            labels(json!({"matchExpressions": [{"key": "a", "operator": "In"}]})),
            VALUES,
        ),
        (
            "Exists with values",
            labels(
                json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
            ),
            VALUES,
        ),
        (
            "an operator that there is not",
            labels(json!({"matchExpressions": [{"key": "a", "operator": "Sometimes"}]})),
            "Unsupported value: \"Sometimes\": supported values: \"In\", \"NotIn\", \"Exists\", \"DoesNotExist\"",
        ),
        ("a word for a time", json!({"until": "tomorrow"}), TIME),
        ("a day for a time", json!({"until": "2026-12-01"}), TIME),
        (
            "a time without a zone",
            json!({"until": "2026-12-01T00:00:00"}),
            TIME,
        ),
        ("a number for a time", json!({"until": 1}), TIME),
        (
            "a text for revoked",
            json!({"revoked": "yes"}),
            "spec.revoked in body must be of type boolean",
        ),
    ]
}

#[tokio::test]
async fn each_invalid_acceptance_is_refused() -> anyhow::Result<()> {
    in_space("acceptance-invalid", async |space| {
        let api = acceptances(&space.client, &space.namespace);
        for (what, spec, part) in invalid().into_iter().chain(invalid_lists()) {
            let object = acceptance("invalid", &spec);
            let Err(kube::Error::Api(status)) = api.create(&PostParams::default(), &object).await
            else {
                anyhow::bail!("{what}: let through");
            };
            assert_eq!(status.code, 422, "{what}: {}", status.message);
            assert!(status.message.contains(part), "{what}: {}", status.message);
        }
        Ok(())
    })
    .await
}

/// Fields of valid acceptances.
fn valid() -> Vec<Value> {
    let names: Vec<String> = (0..1000).map(|number| format!("{number:0>253}")).collect();
    let long = |number: u32| {
        json!({
            "path": format!("/{number:0>300}"), "kind": "changed", "digests": {"sha512": "a".repeat(128)},
        })
    };
    vec![
        json!({}),
        json!({"fileIntegrity": "my.fi-1", "changeSet": "0123456789abcdef".repeat(4)}),
        json!({"reason": "ü".repeat(1024), "ticket": "ü".repeat(256)}),
        json!({"reason": "升级 openssl 👩‍💻, \"quoted\" <b>"}),
        json!({"ticket": "", "revoked": false}),
        json!({"nodes": {"names": names}}),
        json!({"nodes": {"selector": {"matchLabels": {"pool": "a", "empty": ""}}}}),
        json!({"nodes": {"selector": {"matchExpressions": [
            {"key": "example.com/a", "operator": "In", "values": ["b", "c"]},
            {"key": "d", "operator": "DoesNotExist"},
        ]}}}),
        json!({"until": from_now(60)}),
        json!({"until": from_now(30 * 24 * 3600 - 60)}),
        listed(&json!([{"path": "/etc/motd", "kind": "removed"}])),
        listed(&json!([
            {
                "path": "/etc/new\\012line", "kind": "added", "mode": "4755", "uid": 0, "gid": 4_294_967_295_i64,
                "digests": {"sha256": "a".repeat(64), "sha512": "b".repeat(128)}, "size": 1,
                "acl": ["user:1000:r--", "mask::r--"], "xattrs": {"user.a": "YQ=="},
                "capabilities": "cap_net_raw=ep",
            },
            {"path": "/etc/link", "kind": "changed", "linkTarget": "../a"},
        ])),
        // As long as they can be.
        listed(&(0..1000).map(long).collect()),
    ]
}

#[tokio::test]
async fn valid_acceptances_are_created() -> anyhow::Result<()> {
    in_space("acceptance-valid", async |space| {
        let api = acceptances(&space.client, &space.namespace);
        for (number, spec) in valid().into_iter().enumerate() {
            let object = acceptance(&format!("valid-{number}"), &spec);
            let created = api.create(&PostParams::default(), &object).await;
            let created = created.with_context(|| format!("valid-{number}"))?;
            assert_eq!(created.data["spec"], object.data["spec"]);
            // What the types serialize is what is stored.
            let name = format!("valid-{number}");
            let typed = space.api::<FileIntegrityAcceptance>().get(&name).await?;
            let mut expected = object.data["spec"].clone();
            if expected["revoked"] == json!(false) {
                expected
                    .as_object_mut()
                    .context("a spec")?
                    .remove("revoked");
            }
            assert_eq!(serde_json::to_value(&typed.spec)?, expected);
        }
        Ok(())
    })
    .await
}

const UNCHANGED: &str =
    "the spec of an acceptance cannot be changed, except that revoked can be set to true";
const REVOKED: &str = "revoked cannot be set to false again; create another acceptance";

async fn change(space: &Space, name: &str, spec: &Value) -> kube::Result<DynamicObject> {
    let api = acceptances(&space.client, &space.namespace);
    let patch = Patch::Merge(json!({"spec": spec}));
    api.patch(name, &PatchParams::default(), &patch).await
}

#[tokio::test]
async fn only_the_revocation_of_an_acceptance_can_be_changed() -> anyhow::Result<()> {
    in_space("acceptance-immutable", async |space| {
        let api = acceptances(&space.client, &space.namespace);
        let selector = json!({"selector": {"matchLabels": {"a": "b"}}});
        let full = json!({
            "nodes": {"names": ["a"]}, "until": from_now(3600), "ticket": "CHG1",
        });
        for (name, spec) in [
            ("bare", json!({})),
            ("full", full),
            ("selector", json!({"nodes": selector})),
        ] {
            let object = acceptance(name, &spec);
            api.create(&PostParams::default(), &object).await?;
        }
        for (name, spec) in [
            // Added.
            ("bare", json!({"nodes": {"names": ["a"]}})),
            ("bare", json!({"nodes": selector})),
            ("bare", json!({"until": from_now(60)})),
            ("bare", json!({"ticket": ""})),
            ("bare", json!({"ticket": "CHG2"})),
            // Changed.
            ("bare", json!({"fileIntegrity": "other"})),
            ("bare", json!({"changeSet": "b".repeat(64)})),
            ("bare", json!({"reason": "another"})),
            ("bare", json!({"approvedBy": {"username": "another"}})),
            ("full", json!({"nodes": {"names": ["b"]}})),
            ("full", json!({"nodes": {"names": ["a", "b"]}})),
            (
                "full",
                json!({"nodes": {"names": null, "selector": selector["selector"]}}),
            ),
            ("full", json!({"until": from_now(7200)})),
            ("full", json!({"ticket": "CHG2"})),
            (
                "selector",
                json!({"nodes": {"selector": {"matchLabels": {"a": "c"}}}}),
            ),
            (
                "selector",
                json!({"nodes": {"selector": {"matchLabels": {"c": "d"}}}}),
            ),
            (
                "selector",
                json!({"nodes": {"selector": {
                    "matchExpressions": [{"key": "a", "operator": "Exists"}],
                }}}),
            ),
            // Removed.
            ("full", json!({"nodes": null})),
            ("full", json!({"until": null})),
            ("full", json!({"ticket": null})),
            ("selector", json!({"nodes": null})),
            // Beside what can be changed.
            ("full", json!({"revoked": true, "ticket": "CHG2"})),
        ] {
            is_refused(change(space, name, &spec).await, UNCHANGED, &spec)?;
        }
        for name in ["bare", "full", "selector"] {
            change(space, name, &json!({"revoked": false})).await?;
            change(space, name, &json!({"revoked": true})).await?;
            for spec in [json!({"revoked": false}), json!({"revoked": null})] {
                is_refused(change(space, name, &spec).await, REVOKED, &spec)?;
            }
            change(space, name, &json!({"revoked": true})).await?;
        }
        Ok(())
    })
    .await
}

fn is_refused(
    changed: kube::Result<DynamicObject>,
    part: &str,
    spec: &Value,
) -> anyhow::Result<()> {
    let Err(kube::Error::Api(status)) = changed else {
        anyhow::bail!("{spec}: let through");
    };
    assert_eq!(status.code, 422, "{spec}: {}", status.message);
    assert!(status.message.contains(part), "{spec}: {}", status.message);
    Ok(())
}

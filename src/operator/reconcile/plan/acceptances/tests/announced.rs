//! Acceptances that list their changes.

use super::*;
use crate::api::AnnouncedResult;

const DAY: i64 = 24 * 3600;

/// The removal of these paths.
fn removal(paths: &[&str]) -> Value {
    let changes = paths
        .iter()
        .map(|path| json!({"path": path, "kind": "removed"}));
    json!({"changeSet": null, "changes": changes.collect::<Vec<_>>()})
}

fn with(spec: &Value, others: &Value) -> Value {
    let mut spec = spec.clone();
    let fields = spec.as_object_mut().unwrap();
    fields.extend(others.as_object().unwrap().clone());
    spec
}

/// A cluster of nodes `n0`, `n1` and so on, without changes.
fn clean(count: usize) -> Cluster {
    Cluster::new((0..count).map(|n| format!("n{n}")))
}

impl Cluster {
    /// The names of the acceptances that are announced to a node.
    fn announced(&self, node: &str) -> Vec<String> {
        let announced = self.statuses[node].desired().announced.into_iter();
        announced.map(|it| it.name).collect()
    }

    /// The baseline of a node has so many of the changes, and lacks so many.
    fn has(&mut self, node: &str, acceptance: &str, accepted: i64, remaining: i64) {
        let (seconds, new) = (
            self.seconds,
            names::sha256_hex(format!("{node} {accepted}")),
        );
        let status = self.statuses.get_mut(node).unwrap();
        status.announced.retain(|result| result.name != acceptance);
        status.announced.push(AnnouncedResult {
            name: acceptance.to_owned(),
            uid: format!("uid of {acceptance}"),
            accepted,
            remaining,
            message: (remaining > 0).then(|| "/a: the mode is another one".to_owned()),
            accepted_at: (accepted > 0).then(|| at(seconds)),
            old_digest: None,
            new_digest: (accepted > 0).then_some(new),
        });
    }
}

#[test]
fn listed_changes_are_announced_to_all_nodes_and_complete_when_all_have_them() {
    let mut cluster = clean(3);
    cluster.accept("a", &removal(&["/a", "/b"]));
    cluster.reconcile();
    for node in ["n0", "n1", "n2"] {
        let announced = cluster.statuses[node].desired().announced;
        let expected = AnnouncedChanges {
            name: "a".to_owned(),
            uid: "uid of a".to_owned(),
            until: at(DAY).0,
            config_hash: cluster.config_hash(),
        };
        assert_eq!(announced, [expected]);
        assert_eq!(cluster.statuses[node].desired().acceptance, None);
    }
    cluster.is_open("a", AcceptanceReason::WaitingForNodes);
    assert_eq!(cluster.numbers("a"), [3, 0, 0, 3]);
    cluster.has("n0", "a", 2, 0);
    cluster.has("n1", "a", 1, 1);
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [3, 1, 0, 2]);
    let listed = cluster.nodes("a");
    assert_eq!(
        listed[0].message.as_deref(),
        Some("the baseline has 1 of 2 changes; /a: the mode is another one")
    );
    assert_eq!(
        (listed[2].name.as_str(), listed[2].state),
        ("n0", AcceptanceState::Accepted)
    );
    assert!(listed[2].new_digest.is_some() && listed[2].at.is_some());
    // What a node has had counts, also if it changes again.
    cluster.has("n0", "a", 1, 1);
    cluster.has("n1", "a", 2, 0);
    cluster.has("n2", "a", 2, 0);
    cluster.reconcile();
    assert_eq!(cluster.numbers("a"), [3, 3, 0, 0]);
    cluster.is_complete("a", AcceptanceReason::Accepted);
    cluster.reconcile();
    assert_eq!(cluster.announced("n0"), [""; 0]);
    assert!(
        cluster
            .events
            .last()
            .unwrap()
            .message
            .contains("2 listed changes")
    );
}

#[test]
fn with_until_they_are_announced_until_then_also_to_new_nodes() {
    let mut cluster = clean(1);
    cluster.accept(
        "a",
        &with(&removal(&["/a"]), &json!({"until": at(2 * DAY)})),
    );
    cluster.reconcile();
    cluster.has("n0", "a", 1, 0);
    cluster.reconcile();
    cluster.is_open("a", AcceptanceReason::WaitingForNodes);
    cluster.sleep(DAY);
    cluster.add_node("n1");
    cluster.reconcile();
    assert_eq!(cluster.announced("n1"), ["a"]);
    cluster.sleep(DAY);
    // A daemon may have replaced its baseline in the last moment.
    cluster.reconcile();
    assert_eq!(cluster.announced("n0"), [""; 0]);
    cluster.is_open("a", AcceptanceReason::WaitingForNodes);
    cluster.sleep(31);
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Expired);
    assert_eq!(cluster.numbers("a"), [2, 1, 0, 1]);
}

#[test]
fn only_included_nodes_get_them() {
    let mut cluster = clean(3);
    let nodes = json!({"nodes": {"selector": {"matchLabels": {"role": "n1"}}}});
    cluster.accept("a", &with(&removal(&["/a"]), &nodes));
    cluster.reconcile();
    let announced = ["n0", "n1", "n2"].map(|node| cluster.announced(node).len());
    assert_eq!(announced, [0, 1, 0]);
    assert_eq!(cluster.numbers("a"), [1, 0, 0, 1]);
}

#[test]
fn a_younger_acceptance_with_other_values_for_a_path_fails() {
    let changed = |mode: &str| json!({"changeSet": null, "changes": [{"path": "/a", "kind": "changed", "mode": mode}]});
    let on = |node: &str| json!({"nodes": {"names": [node]}});
    let mut cluster = clean(2);
    cluster.accept("a", &changed("0644"));
    cluster.sleep(10);
    cluster.accept("same", &changed("0644"));
    cluster.reconcile();
    cluster.is_open("same", AcceptanceReason::WaitingForNodes);
    cluster.accept("other", &changed("0600"));
    cluster.reconcile();
    let reason = AcceptanceReason::Contradictory;
    let expected = [format!("False/{reason}"), format!("True/{reason}")];
    assert_eq!(cluster.conditions("other"), expected);
    let message = &cluster.events.last().unwrap().message;
    assert!(
        message.contains("the older acceptance a lists other values for /a"),
        "{message}"
    );
    cluster.reconcile();
    assert_eq!(cluster.announced("n0"), ["a", "same"]);
    // Other nodes, and later.
    cluster.revoke("a");
    cluster.revoke("same");
    cluster.accept("n0", &with(&changed("0644"), &on("n0")));
    cluster.sleep(10);
    cluster.accept("n1", &with(&changed("0600"), &on("n1")));
    cluster.reconcile();
    assert_eq!(cluster.announced("n0"), ["n0"]);
    assert_eq!(cluster.announced("n1"), ["n1"]);
    assert_eq!(cluster.conditions("other"), expected, "it stays so");
}

#[test]
fn a_list_that_no_node_can_have_fails() {
    for path in ["/a/../b", "a", "/a\\9", "/a\\141"] {
        let mut cluster = clean(1);
        cluster.accept("a", &removal(&[path]));
        cluster.reconcile();
        cluster.is_failed("a", AcceptanceReason::InvalidChanges);
        assert_eq!(cluster.announced("n0"), [""; 0]);
    }
}

#[test]
fn a_withdrawn_list_is_announced_no_longer() {
    let mut cluster = clean(2);
    cluster.accept("a", &removal(&["/a"]));
    cluster.reconcile();
    cluster.has("n0", "a", 1, 0);
    cluster.revoke("a");
    cluster.reconcile();
    cluster.is_complete("a", AcceptanceReason::Revoked);
    assert_eq!(cluster.numbers("a"), [2, 1, 0, 1]);
    assert_eq!(cluster.announced("n1"), [""; 0]);
}

#[test]
fn without_the_admission_policy_nothing_is_announced() {
    for policy in [
        PolicyState::Absent,
        PolicyState::InForce { since: at(-4) },
        PolicyState::Altered {
            what: "spec.validations".to_owned(),
        },
    ] {
        let mut cluster = clean(1);
        cluster.observed.policy = Some(policy);
        cluster.accept("a", &removal(&["/a"]));
        cluster.reconcile();
        cluster.is_failed("a", AcceptanceReason::NoAdmissionPolicy);
        assert_eq!(cluster.announced("n0"), [""; 0]);
    }
    // A change interrupts one that has begun: what was announced stays, and nodes that come get nothing.
    let mut cluster = clean(1);
    cluster.accept("a", &removal(&["/a"]));
    cluster.reconcile();
    cluster.observed.policy = Some(PolicyState::Altered {
        what: "spec.validations".to_owned(),
    });
    cluster.add_node("n1");
    cluster.reconcile();
    assert_eq!(cluster.announced("n0"), ["a"]);
    assert_eq!(cluster.announced("n1"), [""; 0]);
    cluster.is_open("a", AcceptanceReason::Pending);
}

#[test]
fn at_most_sixteen_are_announced_to_a_node_the_oldest_first() {
    let mut cluster = clean(1);
    let name = |n: usize| format!("a{n:02}");
    for n in 0..18 {
        cluster.accept(&name(n), &removal(&["/a"]));
        cluster.sleep(1);
    }
    cluster.sleep(10);
    cluster.reconcile();
    let announced = cluster.announced("n0");
    assert_eq!(announced, (0..16).map(name).collect::<Vec<_>>());
    cluster.revoke("a00");
    cluster.reconcile();
    assert_eq!(
        cluster.announced("n0"),
        (1..17).map(name).collect::<Vec<_>>()
    );
}

#[test]
fn a_list_does_not_keep_a_set_from_being_accepted() {
    let mut cluster = Cluster::failed(2);
    cluster.accept("list", &removal(&["/a"]));
    cluster.sleep(10);
    cluster.accept("set", &json!({}));
    cluster.prove("set");
    cluster.all_accept();
    cluster.reconcile();
    cluster.is_complete("set", AcceptanceReason::Accepted);
    assert_eq!(cluster.announced("n0"), ["list"]);
}

#[test]
fn nodes_that_keep_an_old_configuration_accept_listed_changes_with_it() {
    let mut cluster = clean(2);
    cluster.shows("n0", 'a');
    let old = cluster.require_acceptance_and_reconfigure();
    cluster.accept("a", &removal(&["/a"]));
    cluster.reconcile();
    let hashes = |cluster: &Cluster| {
        ["n0", "n1"].map(|node| {
            let desired = cluster.statuses[node].desired();
            let announced = desired.announced.into_iter().map(|it| it.config_hash);
            (desired.config_hash, announced.collect::<Vec<_>>())
        })
    };
    let of = |hash: &String| (Some(hash.clone()), vec![hash.clone()]);
    let new = cluster.config_hash();
    assert_eq!(hashes(&cluster), [of(&old), of(&new)]);
    cluster.has("n0", "a", 1, 0);
    cluster.is_clean("n0");
    cluster.reconcile();
    assert_eq!(hashes(&cluster), [of(&new), of(&new)]);
}

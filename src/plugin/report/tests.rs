use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::critical::Critical;
use super::csv::Table;
use super::period::Period;
use super::records::{AcceptanceRecord, BaselineRecord, IntegrityRecord, NodeRecord, Records};
use super::{Report, Scope};
use crate::aide::path_check::Answer;
use crate::api::ScanMonths;
use crate::api::names::{Annotation, KEY_RECORD, Label};
use crate::plugin::coverage::Coverage;
use crate::plugin::failure::{DIFFERENCES, PROBLEMS, WELL};
use crate::plugin::fixtures::{HOSTILE, NOW, errored, failed, set, succeeded, well};
use crate::plugin::fleet::{Node, Owner};

const NAMESPACE: &str = "openshift-file-integrity";

fn integrity(status: &Value) -> IntegrityRecord {
    let object = json!({
        "metadata": {"name": "example", "namespace": NAMESPACE, "creationTimestamp": "2026-01-05T08:00:00Z"},
        "spec": {"config": {"gracePeriod": 900, "profile": "generic"}, "nodeSelector": {"node-role": "worker"}, "holds": [
            {"name": "weekend", "from": "2026-11-28T00:00:00Z", "until": "2026-12-02T00:00:00Z", "nodes": ["node01", "node03"],
                "reason": "kernel, CHG7", "then": "Accept"},
            {"name": "old", "from": "2026-10-01T00:00:00Z", "until": "2026-10-02T00:00:00Z"},
        ]},
        "status": status,
    });
    IntegrityRecord::of(&serde_json::from_value(object).unwrap())
}

/// A node whose longest time between two scans in November is this one.
fn node(name: &str, result: &Value, longest: i64, requested: bool) -> NodeRecord {
    let object = json!({
        "metadata": {
            "name": format!("example-{name}"), "namespace": NAMESPACE, "creationTimestamp": "2026-01-05T08:00:00Z",
            "ownerReferences": [{"apiVersion": "fileintegrity.openshift.io/v1alpha1",
                "kind": "FileIntegrity", "name": "example", "uid": "u", "controller": true}],
        },
        "nodeName": name,
        "lastResult": result,
        "lastFullScan": "2026-12-01T11:50:00Z",
        "scanMonths": {
            "2026-08": {"scans": 2900, "longestIntervalSeconds": 2_000_000, "longestIntervalEndedAt": "2026-08-20T00:00:00Z"},
            "2026-11": {"scans": 2800, "longestIntervalSeconds": longest, "longestIntervalEndedAt": "2026-11-20T06:00:00Z"},
            "2026-12": {"scans": 46, "longestIntervalSeconds": 910, "longestIntervalEndedAt": "2026-12-01T01:00:00Z"},
        },
        "baseline": {"createdAt": "2026-11-20T10:00:00Z", "configHash": set("config"), "digest": set(name),
            "entries": 29446, "requested": requested},
    });
    NodeRecord::of(&serde_json::from_value(object).unwrap()).unwrap()
}

fn acceptance(reason: &str, approved_by: &str) -> AcceptanceRecord {
    let object = json!({
        "metadata": {"name": "openssl", "namespace": NAMESPACE, "creationTimestamp": "2026-11-29T09:00:00Z"},
        "spec": {"fileIntegrity": "example", "changeSet": set("openssl"), "reason": reason, "ticket": "CHG0042137",
            "approvedBy": {"username": approved_by}},
        "status": {
            "conditions": [{"type": "Complete", "status": "True", "reason": "PartlyRefused", "message": "",
                "lastTransitionTime": "2026-11-29T09:05:00Z"}],
            "counts": {"matched": 3, "accepted": 2, "refused": 1, "waiting": 0},
            "evidence": "aide-example-set-0123",
        },
    });
    AcceptanceRecord::of(&serde_json::from_value(object).unwrap()).unwrap()
}

fn baseline(name: &str, at: &str, reason: &str, requested: bool, verified: &str) -> BaselineRecord {
    let record = json!({
        "fileIntegrity": "example", "node": "node01", "hostRoot": "/hostroot",
        "baseline": {
            "createdAt": at, "configHash": "c", "digest": "d", "entries": 1, "requested": requested,
            "accepted": {
                "reason": reason,
                "acceptance": (reason == "Acceptance").then_some("openssl"),
                "differences": {"filesAdded": 1, "filesChanged": 2, "changesHash": set("openssl")},
            },
        },
    });
    let object = json!({
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": {Label::EVIDENCE: ""},
            "annotations": {Annotation::VERIFIED: verified, Annotation::NODES: "node01,node02", Annotation::NODE_COUNT: "2"},
        },
        "data": {KEY_RECORD: record.to_string()},
    });
    BaselineRecord::of(&serde_json::from_value(object).unwrap()).unwrap()
}

/// A fleet with one node of each kind.
fn records() -> Records {
    let mut of_operator = well();
    of_operator["nodes"] = json!({"selected": 4, "initialized": 4, "failed": 1, "errored": 1, "held": 0, "stale": 0, "notSelected": 1});
    let late = 8 * 86_400 + 3 * 3600;
    let mut records = Records {
        cluster: "api.example.com:6443".to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        integrities: vec![integrity(&of_operator)],
        nodes: vec![
            node("node01", &succeeded(), 930, true),
            node(
                "node02",
                &failed("cron", "paths", "/etc/cron.d/x"),
                930,
                true,
            ),
            node("node03", &errored("io", "the disk is full"), late, true),
            node("node04", &succeeded(), 930, false),
        ],
        acceptances: Some(vec![acceptance(
            "openssl, RHSA-2026:4711",
            "alice@example.com",
        )]),
        baselines: Some(vec![
            baseline(
                "aide-example-set-0123",
                "2026-11-29T09:01:00Z",
                "Acceptance",
                true,
                "true",
            ),
            baseline(
                "aide-example-set-4567",
                "2026-11-20T10:00:00Z",
                "Signal",
                false,
                "false: the report is truncated",
            ),
            baseline(
                "aide-example-set-89ab",
                "2026-01-20T10:00:00Z",
                "Annotation",
                true,
                "true",
            ),
        ]),
        unread: Vec::new(),
    };
    records.sort();
    records
}

fn scope(from: &str, to: Option<&str>) -> Scope {
    let now: Timestamp = NOW.parse().unwrap();
    Scope {
        period: Period::parse(Some(from), to, now).unwrap(),
        max_interval: 7 * 86_400,
        now,
    }
}

fn november() -> Scope {
    scope("2026-11-01", None)
}

fn report() -> Report {
    of(&records(), november())
}

fn of(records: &Records, scope: Scope) -> Report {
    Report::of(records, &critical(HOSTILE), scope)
}

/// A watched file, and one that is not, as a user has written them.
fn critical(unwatched: &str) -> Critical {
    let answer = |watched| Answer {
        watched,
        kind: None,
        line: watched.then_some(2),
        attributes: None,
    };
    let mut coverage = Coverage {
        owner: Owner {
            namespace: NAMESPACE.to_owned(),
            name: "example".to_owned(),
        },
        hash: Some(set("config")),
        nodes: 4,
        current: 4,
        paths: Vec::new(),
    };
    let effective = "# rules\n/hostroot/etc R\n";
    coverage.add("/etc/passwd", answer(true), effective, "/hostroot");
    coverage.add(
        &format!("/srv/{unwatched}"),
        answer(false),
        effective,
        "/hostroot",
    );
    Critical::Known(vec![coverage])
}

#[test]
fn the_report_as_json() {
    let report = report();
    assert_eq!(report.exit_status, DIFFERENCES);
    let mut json = serde_json::to_value(&report).unwrap();
    json["programVersion"] = json!("[version]");
    insta::assert_json_snapshot!(json);
}

#[test]
fn the_report_as_a_page() {
    let page = report().html().unwrap();
    let page = page.replace(env!("CARGO_PKG_VERSION"), "[version]");
    insta::assert_snapshot!(page);
}

#[test]
fn the_tables_as_csv() {
    let report = report();
    let tables = [
        Table::Findings,
        Table::FileIntegrities,
        Table::CriticalFiles,
        Table::Nodes,
        Table::Holds,
        Table::ChangeSets,
        Table::Acceptances,
        Table::Baselines,
    ];
    let all: Vec<String> = tables
        .into_iter()
        .map(|table| format!("{table:?}\n{}", report.csv(table).unwrap()))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn holds_are_those_of_the_period_and_of_now() {
    let mut records = records();
    let held = |name: &str, hold: &Value| {
        let mut node = node(name, &succeeded(), 930, true);
        let mut object = json!({
            "metadata": {"name": "x", "namespace": NAMESPACE, "ownerReferences": [{
                "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity", "name": "example",
                "uid": "u", "controller": true}]},
            "nodeName": name,
        });
        if hold.is_string() {
            object["metadata"]["annotations"] = json!({Annotation::HOLDOFF: hold});
        } else {
            object["hold"] = hold.clone();
        }
        node.node = Node::of(&serde_json::from_value(object).unwrap()).unwrap();
        node
    };
    let by = |name: &str| json!({"since": "2026-11-28T00:00:00Z", "until": "2026-12-02T00:00:00Z", "holds": [name]});
    records.nodes.extend([
        held("node05", &by("weekend")),
        held("node06", &json!("")),
        held("node07", &json!("")),
        held("node08", &by("removed")),
    ]);
    let rows = |from: &str, to: Option<&str>| {
        let report = of(&records, scope(from, to));
        let rows = serde_json::to_value(&report.holds).unwrap();
        let rows = rows.as_array().unwrap().clone();
        let row = |row: Value| {
            (
                row["kind"].clone(),
                row["name"].clone(),
                row["nodesNow"].clone(),
            )
        };
        rows.into_iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(
        rows("2026-11-01", None),
        [
            (json!("spec"), json!("weekend"), json!("node05")),
            (json!("user"), json!(null), json!("node06, node07")),
            (json!("spec"), json!("removed"), json!("node08")),
        ]
    );
    let old = (json!("spec"), json!("old"), json!(null));
    assert_eq!(rows("2026-10-01", Some("2026-10-31")), [old]);
    assert!(rows("2026-09-01", Some("2026-09-30")).is_empty());
}

#[test]
fn a_month_outside_the_period_does_not_count() {
    let at = |from, to| {
        let report = of(&records(), scope(from, to));
        let node = &report.nodes[0];
        (node.scans, node.longest_interval_seconds)
    };
    // The time since the last scan counts until now.
    assert_eq!(at("2026-12-01", None), (46, Some(910)));
    assert_eq!(at("2026-11-01", Some("2026-11-29")), (2800, Some(930)));
    assert_eq!(
        at("2026-08-31", Some("2026-12-01")),
        (5746, Some(2_000_000))
    );
    assert_eq!(at("2026-09-01", Some("2026-10-01")), (0, None));
}

#[test]
fn a_node_without_a_scan_is_late_since_it_is_known() {
    let mut records = records();
    let node = &mut records.nodes[0];
    (node.node.last_full_scan, node.months) = (None, ScanMonths::new());
    let report = of(&records, november());
    assert!(report.nodes[0].is_late);
    let finding = &report.findings[1];
    let text = serde_json::to_value(finding).unwrap();
    assert_eq!(
        text["message"],
        "was not scanned for 330d 4h and is not scanned yet; the limit is 7d"
    );
}

#[test]
fn the_present_is_no_part_of_a_period_that_has_ended() {
    let report = of(
        &records(),
        scope("2026-11-01", Some("2026-11-30T00:00:00Z")),
    );
    let kinds: Vec<Value> = report
        .findings
        .iter()
        .map(|it| serde_json::to_value(it).unwrap()["kind"].clone())
        .collect();
    assert_eq!(kinds, ["late-scan", "unrequested-baseline", "evidence"]);
    let outcomes = serde_json::to_value(&report.change_sets).unwrap();
    assert!(!outcomes.to_string().contains("open\""), "{outcomes}");
}

#[test]
fn evidence_of_the_old_configuration_has_its_own_changes() {
    let record = json!({
        "fileIntegrity": "example", "node": "node01", "hostRoot": "/hostroot", "withOldConfig": true,
        "baseline": {
            "createdAt": NOW, "configHash": "c", "digest": "d", "entries": 1, "requested": true,
            "accepted": {
                "reason": "Configuration",
                "differences": {"filesAdded": 1, "changesHash": set("new")},
                "withOldConfig": {"filesRemoved": 5, "changesHash": set("old")},
            },
        },
    });
    let object = json!({
        "metadata": {"name": "aide-example-set-0123", "namespace": NAMESPACE, "labels": {Label::EVIDENCE: ""}},
        "data": {KEY_RECORD: record.to_string()},
    });
    let record = BaselineRecord::of(&serde_json::from_value(object).unwrap()).unwrap();
    assert_eq!(record.counts.to_string(), "a:0,c:0,r:5");
    assert_eq!(record.set, Some(set("old")));
}

#[test]
fn the_exit_status_is_that_of_the_worst() {
    let well = Records {
        nodes: vec![node("node01", &succeeded(), 930, true)],
        integrities: vec![integrity(&well())],
        ..Records::default()
    };
    let unknown = Critical::Unknown("there is no AIDE".to_owned());
    let status = |records: &Records| Report::of(records, &unknown, november()).exit_status;
    assert_eq!(status(&well), WELL);
    assert_eq!(status(&records()), DIFFERENCES);
    let unwatched = of(&well, november());
    assert_eq!(unwatched.exit_status, DIFFERENCES);
    let unread = Records {
        unread: vec!["you may not list configmaps".to_owned()],
        ..well
    };
    assert_eq!(status(&unread), PROBLEMS);
    assert_eq!(status(&Records::default()), PROBLEMS, "no FileIntegrity");
}

#[test]
fn texts_of_others_stay_texts() {
    let hostile = format!("<script>alert(1)</script>\"'{HOSTILE}=1+1");
    let mut records = records();
    records.acceptances = Some(vec![acceptance(&format!("=cmd|{hostile}"), &hostile)]);
    records.nodes = vec![node("node01", &failed("x", "x", &hostile), 930, true)];
    records.unread = vec![hostile.clone()];
    let report = of(&records, november());
    let page = report.html().unwrap();
    for forbidden in [
        "<script",
        "alert(1)</",
        "\u{1b}",
        "\u{202e}",
        "\u{9b}",
        "javascript:",
        "http://",
        "https://",
        " src=",
    ] {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
    assert!(page.contains("&lt;script&gt;"), "the text is shown");
    let csv = report.csv(Table::Acceptances).unwrap();
    assert!(csv.contains("\"'=cmd|"), "{csv}");
    assert!(!csv.contains(['\u{1b}', '\u{202e}']), "{csv:?}");
}

#[test]
fn formulas_are_texts_in_csv() {
    let mut records = records();
    let formulas = ["=1", "+1", " -1", "@x", "\tx", "\r=1"];
    let all = formulas.map(|formula| acceptance("r", formula));
    records.acceptances = Some(all.to_vec());
    let csv = of(&records, november()).csv(Table::Acceptances).unwrap();
    let mut lines = ::csv::Reader::from_reader(csv.as_bytes());
    let column = lines
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "approvedBy")
        .unwrap();
    let cells: Vec<String> = lines
        .records()
        .map(|row| row.unwrap()[column].to_owned())
        .collect();
    assert_eq!(cells, ["'=1", "'+1", "' -1", "'@x", "\\011x", "\\015=1"]);
}

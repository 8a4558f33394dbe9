use std::time::Duration;

use super::*;

fn filled() -> Metrics {
    let metrics = Metrics::new();
    let fleet = metrics.lead();
    let node = |name: &str| Arc::from(name);
    for (phase, times) in [("Active", 2), ("Initializing", 1), ("Pending", 1)] {
        fleet
            .phase
            .get_or_create(&PhaseLabel { phase })
            .inc_by(times);
    }
    fleet
        .error
        .get_or_create(&ErrorLabel { error: "scan" })
        .inc();
    let label = NodeLabel {
        node: node("node-a"),
    };
    fleet.pause.get_or_create(&label).inc();
    fleet.unpause.get_or_create(&label).inc();
    for (by, of) in [("config", ""), ("demand", ""), ("node", "node-a")] {
        let labels = ReinitLabels { by, node: node(of) };
        fleet.reinit.get_or_create(&labels).inc();
    }
    for (condition, of) in [
        ("Errored", "node-c"),
        ("Failed", "node-a"),
        ("Succeeded", "node-b"),
    ] {
        let labels = ConditionLabels {
            condition,
            node: node(of),
        };
        fleet.node_status.get_or_create(&labels).inc();
    }
    let kind = "Node".to_owned();
    fleet.unreadable.get_or_create(&KindLabel { kind }).set(1);
    let error = NodeErrorLabels {
        error: "configuration",
        node: node("node-c"),
    };
    fleet.node_status_error.get_or_create(&error).inc();
    fleet.node_errored.get_or_create(&error).set(1);
    for operation in ["delete", "podkill", "update"] {
        fleet
            .daemon_set
            .get_or_create(&OperationLabel { operation })
            .inc();
    }
    for operation in ["delete", "update"] {
        fleet
            .reinit_daemon_set
            .get_or_create(&OperationLabel { operation })
            .inc();
    }
    fleet.node_failed.get_or_create(&label).set(1);
    fleet.node_stale.get_or_create(&label).set(0);
    let state = NodeStateLabels {
        node: node("node-a"),
        state: "Active",
    };
    fleet.node_realtime.get_or_create(&state).set(1);
    fleet.realtime_missed.get_or_create(&label).inc();
    fleet.realtime_overflows.get_or_create(&label).inc();
    fleet.last_scan.get_or_create(&label).set(1_800_000_000.0);
    fleet.scan_duration.get_or_create(&label).set(1.5);
    fleet.files_scanned.get_or_create(&label).set(10_871);
    fleet.baseline.get_or_create(&label).set(1_700_000_000.0);
    fleet.held_since.get_or_create(&label).set(1_750_000_000.0);
    fleet.unrequested.get_or_create(&label).set(0);
    fleet
        .nodes
        .get_or_create(&StateLabel { state: "selected" })
        .set(3);
    let fi = FileIntegrityLabel {
        file_integrity: "fi".to_owned(),
    };
    fleet.degraded.get_or_create(&fi).set(0);
    let set = ChangeSetLabels {
        file_integrity: "fi".to_owned(),
        change_set: "other".to_owned(),
    };
    fleet.change_set_nodes.get_or_create(&set).set(2);
    let acceptance = AcceptanceLabels {
        file_integrity: "fi".to_owned(),
        outcome: "complete",
    };
    fleet.acceptances.get_or_create(&acceptance).inc();
    fleet
        .reconcile_errors
        .get_or_create(&StepLabel { step: "observe" })
        .inc();
    fleet.observe_reconcile(Duration::from_millis(7));
    metrics.requests().count_for_tests();
    metrics
}

#[test]
fn all_metrics_as_text() {
    insta::assert_snapshot!(filled().fleet_text(Format::Plain, false));
}

#[test]
fn open_metrics_has_the_same_values() {
    let open = filled().fleet_text(Format::OpenMetrics, false);
    assert!(open.ends_with("# EOF\n"));
    assert!(open.contains("# TYPE file_integrity_operator_phase counter\n"));
    assert!(open.contains("file_integrity_operator_phase_total{phase=\"Active\"} 2\n"));
}

#[test]
fn only_the_leader_exports_metrics_of_the_fleet() {
    let metrics = filled();
    metrics.stand_by();
    assert_eq!(metrics.fleet_text(Format::Plain, false), "");
    let text = metrics.fleet_text(Format::Plain, true);
    assert!(
        text.contains("\nfile_integrity_operator_leader 0\n"),
        "{text}"
    );
    assert!(text.contains("process_resident_memory_bytes"), "{text}");
    let fresh = metrics.lead();
    assert!(!metrics.fleet_text(Format::Plain, false).contains("phase"));
    drop(fresh);
}

/// Alerts, dashboard and documentation use existing metrics.
#[test]
fn all_documented_metrics_exist() {
    let metrics = filled();
    let exported = metrics.fleet_text(Format::Plain, true);
    for text in [
        include_str!("../../operator/monitoring_objects/failure.json"),
        include_str!("../../operator/monitoring_objects/further.json"),
        include_str!("../../../manifests/monitoring/dashboard.json"),
        include_str!("../../../docs/monitoring.md"),
    ] {
        let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
        let names = text
            .split(|c| !is_part(c))
            .filter(|word| word.strip_prefix(PREFIX).is_some_and(|rest| rest.len() > 1));
        for name in names {
            let found = [' ', '{'].map(|end| exported.contains(&format!("\n{name}{end}")));
            let described = exported.contains(&format!("# TYPE {name} "));
            assert!(described || found.contains(&true), "{name}");
        }
    }
}

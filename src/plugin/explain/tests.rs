use super::*;
use crate::api::condition::{ConditionReason, ConditionType};
use crate::api::{
    AcceptanceReason, ErrorClass, EventReason, RealtimeReason, RefusalReason, WaitingReason,
};
use crate::plugin::fixtures::screen;

#[test]
fn everything_that_fio_reports_is_explained() {
    let realtime = [
        RealtimeReason::Busy,
        RealtimeReason::CheckFailed,
        RealtimeReason::FilesystemRefuses,
        RealtimeReason::KernelTooOld,
        RealtimeReason::NotPermitted,
        RealtimeReason::Overflow,
        RealtimeReason::PartlyWatched,
        RealtimeReason::WatchLimit,
    ];
    let events = EventReason::ALL.iter().map(|it| it.as_str().to_owned());
    let reasons = ConditionReason::ALL.iter().map(|it| it.as_str().to_owned());
    let types = ConditionType::ALL.iter().map(|it| it.as_str().to_owned());
    let classes = ErrorClass::ALL.iter().map(|it| it.as_str().to_owned());
    let refusals = RefusalReason::ALL.iter().map(|it| it.as_str().to_owned());
    let acceptances = AcceptanceReason::ALL.iter();
    let acceptances = acceptances.map(|it| it.as_str().to_owned());
    let waiting = WaitingReason::ALL.iter();
    let acceptances = acceptances.chain(waiting.map(|it| it.as_str().to_owned()));
    let realtime = realtime.iter().map(|it| format!("{it:?}"));
    let all = events.chain(reasons).chain(types).chain(classes);
    let all = all.chain(refusals).chain(realtime).chain(acceptances);
    let missing: Vec<String> = all
        .filter(|name| explain(name, &screen(None, false)).is_none())
        .collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn every_alert_has_its_runbook() {
    let alerts = PAGES
        .into_iter()
        .flat_map(sections)
        .find(|section| section.title == "Alerts")
        .map(|section| cells(&section))
        .unwrap();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        let text = explain(&alert.names[0], &screen(None, false)).unwrap();
        assert!(text.contains("What it means."), "{text}");
        assert!(text.contains("    kubectl "), "{text}");
    }
}

#[test]
fn texts() {
    for name in [
        "NodesSilent",
        "lock",
        "FileIntegrityNodeErrored",
        "realtime",
    ] {
        let text = explain(name, &screen(Some(80), false)).unwrap();
        insta::assert_snapshot!(name, text);
        assert!(!text.contains("]("), "{text}");
    }
}

#[test]
fn an_unknown_name_has_similar_ones() {
    let screen = screen(None, false);
    assert_eq!(explain("", &screen), None);
    assert_eq!(explain("nodes", &screen), None);
    let similar = similar("Nodes");
    assert!(similar.contains(&"NodesSilent".to_owned()), "{similar:?}");
    assert_eq!(super::similar(""), Vec::<String>::new());
}

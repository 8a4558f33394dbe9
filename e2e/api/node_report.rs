//! AIDE's report of a simulated node with one added file, and how the daemon publishes it with a new baseline. Pure.

use std::io::Write as _;

use fio::testing::aide::report::{Report, parse_json};
use fio::testing::api::{AcceptanceRequest, names};
use fio::testing::scan::change_set::ChangeSet;
use fio::testing::scan::evidence::acceptance_set;
use flate2::Compression;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

/// AIDE's report of a node with one added file.
pub(crate) fn json_report(path: &str, content: u8) -> String {
    let content = format!("{content:043}=");
    json!({
        "number_of_entries": {"total": 9, "added": 1, "removed": 0, "changed": 0},
        "added": {path: "f++++"},
        "details": {path: {"sha256": {"new": content}}},
    })
    .to_string()
}

/// The report of a node with `/etc/new`.
pub(crate) fn report(content: u8) -> anyhow::Result<Report> {
    Ok(parse_json(json_report("/etc/new", content).as_bytes())?)
}

/// The ID of the set of such nodes.
pub(crate) fn set_of(content: u8) -> anyhow::Result<String> {
    Ok(ChangeSet::new(&report(content)?).hash().to_owned())
}

/// The report of a new baseline, as the daemon of the node publishes it.
pub(crate) fn published_report(
    fi: &str,
    node: &str,
    request: &AcceptanceRequest,
    baseline: &Value,
    report: &str,
) -> anyhow::Result<ConfigMap> {
    let set = acceptance_set(&request.uid, &request.config_hash, &request.change_set);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(report.as_bytes())?;
    let record = json!({
        "fileIntegrity": fi, "node": node, "hostRoot": "", "baseline": baseline,
    });
    let mut object: ConfigMap = serde_json::from_value(json!({
        "metadata": {
            "name": format!("{}-{node}-accepted", names::daemon_set(fi)),
            "labels": {
                names::Label::OWNER: fi, names::Label::NODE: names::label_value(node),
                names::Label::ACCEPTED: "",
            },
            "annotations": {names::Annotation::CHANGE_SET: set},
        },
        "data": {names::KEY_INTEGRITY_LOG: "AIDE's report", "record.json": record.to_string()},
    }))?;
    let report = ("report.json.gz".to_owned(), ByteString(gzip.finish()?));
    object.binary_data = Some([report].into());
    Ok(object)
}

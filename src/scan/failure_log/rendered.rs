//! The failure log of a state that no single run of AIDE has reported: the result of the last scan of all
//! files, with the results of the checks since. Pure.

use std::io;

use serde_json::Value;

use super::{Reports, config_map, fit};
use crate::aide::report::Report;
use crate::aide::report::render::{self, Head};
use crate::scan::Identity;

/// What all known differences of a node are.
const ORIGIN: &str = "All known differences: those of the last scan of all files, and of the checks of changed files since.";

/// Where and when the state was known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) at: jiff::Timestamp,
    pub(crate) aide_version: &'a str,
    pub(crate) host_root: &'a str,
    /// Path on the node of AIDE's plain report of the last scan.
    pub(crate) path_on_node: &'a str,
}

/// The ConfigMap with this report in AIDE's formats.
pub(crate) fn of_known_state(
    identity: &Identity,
    report: &Report,
    known: Known<'_>,
) -> io::Result<Value> {
    let time = known.at.strftime("%Y-%m-%d %H:%M:%S +0000").to_string();
    let head = Head {
        time: &time,
        origin: ORIGIN,
        aide_version: known.aide_version,
        host_root: known.host_root,
    };
    let reports = Reports {
        plain: io::Cursor::new(render::plain(report, head)),
        json: io::Cursor::new(render::json(report, head)),
        path_on_node: known.path_on_node.to_owned(),
    };
    let content = fit(identity, report, reports)?;
    Ok(config_map(identity, report, &content))
}

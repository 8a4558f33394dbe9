//! The events to create on a FileIntegrity, except for a new phase. Pure.

use super::super::observed::ConfigVerdict;
use super::super::scan_request::ScanRequest;
use super::holdoff::holds_no_node;
use super::inputs::Inputs;
use super::requests::Requests;
use crate::api::EventReason;
use crate::scan::event::{EventMessage, Severity};

impl Inputs<'_> {
    pub(super) fn events(&self, requests: &Requests) -> Vec<EventMessage> {
        let mut events = Vec::new();
        let request = requests.reinit.as_ref();
        let of_reinit = request.and_then(|request| request.unknown_nodes.clone());
        let of_scan = requests.scan.as_ref().and_then(ScanRequest::unknown_nodes);
        for message in of_reinit.into_iter().chain(of_scan) {
            events.push(warning(EventReason::UnknownNodes, message));
        }
        for message in self.holds_of_unknown_nodes() {
            events.push(warning(EventReason::UnknownNodes, message));
        }
        if self.refuses_reinit() {
            events.push(warning(EventReason::AcceptanceRequired, self.refusal()));
        }
        if holds_no_node(self.fi) {
            let message = "holdoff names no node: give an empty value for all nodes, or names \
                           separated by commas";
            events.push(warning(EventReason::UnknownNodes, message.to_owned()));
        }
        if request.is_some_and(|request| request.finds_none_failed) {
            let message = "re-init-on-failed has no effect: no node's last scan failed";
            events.push(warning(EventReason::NoNodesFailed, message.to_owned()));
        }
        if let Some(message) = self.missing_priority_class() {
            events.push(warning(EventReason::PriorityClass, message));
        }
        match &self.observed.verdict {
            ConfigVerdict::Refused { message } => {
                events.push(warning(EventReason::ConfigRefused, message.clone()));
            }
            ConfigVerdict::Good { warnings, .. } if !warnings.is_empty() => {
                events.push(warning(EventReason::ConfigWarnings, warnings.join("; ")));
            }
            _ => {}
        }
        events
    }

    /// Why a re-initialization is refused, and what to do instead.
    fn refusal(&self) -> String {
        let namespace = self.fi.metadata.namespace.as_deref().unwrap_or_default();
        format!(
            "the re-initialization was refused and its annotations were removed, because \
             spec.config.requireAcceptance is true; review the change sets (kubectl -n {namespace} get \
             fileintegrity {name} -o jsonpath='{{.status.changeSets}}'), then accept them with kubectl -n \
             {namespace} create -f and a FileIntegrityAcceptance",
            name = self.name,
        )
    }
}

fn warning(reason: EventReason, message: String) -> EventMessage {
    EventMessage {
        severity: Severity::Warning,
        reason,
        message,
    }
}

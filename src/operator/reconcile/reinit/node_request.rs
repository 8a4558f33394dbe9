//! The request in a node's status object. Pure.

use crate::api::{RequestOrigin, names};
use crate::operator::cache::node_status::CachedNodeStatus;

/// Whether the node still has to do this request.
pub(crate) fn is_open(status: &CachedNodeStatus, request: Option<&str>) -> bool {
    request.is_some_and(|id| status.report.reinit.as_deref() != Some(id))
}

/// The id of a request that the operator creates itself at the end of an update.
///
/// It is derived from the request before. So the same decision has the same id until it is written,
/// whatever the daemon writes meanwhile, and the next decision has another id.
pub(crate) fn next_request(status: &CachedNodeStatus) -> String {
    let after = |before: &str| {
        let hash = names::short_hash(format!("{}/{}/{before}", status.name, status.uid));
        RequestOrigin::NodeUpdate.request_id(&hash)
    };
    let before = status.desired.reinit_request.as_deref();
    let next = after(before.unwrap_or_default());
    if is_open(status, Some(&next)) {
        next
    } else {
        // Somebody else changed or removed the annotation, and this id is done already.
        after(&next)
    }
}

#[cfg(test)]
mod tests;

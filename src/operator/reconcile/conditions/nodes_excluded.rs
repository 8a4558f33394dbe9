//! The condition `NodesExcluded`. Pure.
//!
//! It is for information: taints are the usual way to keep pods off nodes. So such nodes are not a
//! reason for Degraded.

use super::super::nodes::excluded::Excluded;
use super::condition::NewCondition;
use super::node_names::list;
use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};

pub(super) fn nodes_excluded(excluded: &Excluded) -> NewCondition {
    let (status, reason, message) = if excluded.is_empty() {
        (
            ConditionStatus::False,
            ConditionReason::NoneExcluded,
            "all Linux nodes that match spec.nodeSelector are selected".to_owned(),
        )
    } else {
        let message = format!(
            "Linux nodes that match spec.nodeSelector and are not watched because spec.tolerations does \
             not tolerate their taints: {}. Add a toleration to watch them: {}",
            excluded.count(),
            excluded.describe(list),
        );
        (
            ConditionStatus::True,
            ConditionReason::UntoleratedTaints,
            message,
        )
    };
    NewCondition::new(ConditionType::NodesExcluded, (status, reason), message)
}

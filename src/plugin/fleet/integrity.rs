//! A FileIntegrity. Pure.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::Owner;
use crate::api::condition::{ConditionReason, ConditionStatus, ConditionType};
use crate::api::names::Annotation;
use crate::api::{FileIntegrity, Phase, ProfileName, RealtimeMode};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Integrity {
    pub(crate) owner: Owner,
    pub(crate) phase: Option<Phase>,
    /// The ConfigMap of the configuration, or the name of a profile.
    pub(crate) configuration: String,
    pub(crate) state_dir: String,
    /// Seconds between two scans.
    pub(crate) period: i64,
    pub(crate) is_realtime: bool,
    /// Number of nodes that are not ready or silent, and that are not watched because of their taints.
    pub(crate) stale: i64,
    pub(crate) not_selected: i64,
    pub(crate) problems: Vec<Problem>,
    /// The nodes of a scan that is requested and that they have not received. None are all.
    pub(crate) requested_scan: Option<Vec<String>>,
    /// Which nodes are not selected, and why.
    pub(crate) excluded: Option<String>,
    /// When the operator saw a set first, by its ID.
    pub(crate) first_seen: HashMap<String, Timestamp>,
}

/// A condition that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) condition: &'static str,
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl Integrity {
    pub(crate) fn of(object: &FileIntegrity) -> Self {
        let status = object.status.clone().unwrap_or_default();
        let counts = status.nodes.unwrap_or_default();
        let problem = |kind: ConditionType, wrong: ConditionStatus| {
            let condition = kind.find(&status.conditions)?;
            (condition.status == wrong.as_str()).then(|| Problem {
                condition: kind.as_str(),
                reason: condition.reason.clone(),
                message: condition.message.clone(),
            })
        };
        // A node that waits for its baseline is not a problem of its own: it is counted as pending.
        let waits = [ConditionReason::Initializing, ConditionReason::Pending];
        let ready = problem(ConditionType::Ready, ConditionStatus::False)
            .or_else(|| problem(ConditionType::Ready, ConditionStatus::Unknown))
            .filter(|it| waits.iter().all(|reason| reason.as_str() != it.reason));
        let config = problem(ConditionType::ConfigValid, ConditionStatus::False);
        let degraded = problem(ConditionType::Degraded, ConditionStatus::True);
        let excluded = problem(ConditionType::NodesExcluded, ConditionStatus::True);
        let sets = status.change_sets.iter();
        Self {
            owner: Owner {
                namespace: object.metadata.namespace.clone().unwrap_or_default(),
                name: object.metadata.name.clone().unwrap_or_default(),
            },
            phase: status.phase,
            configuration: configuration(object),
            state_dir: object.spec.state_dir(),
            period: object.spec.grace_period(),
            is_realtime: object.spec.realtime_mode() == RealtimeMode::Auto,
            stale: counts.stale,
            not_selected: counts.not_selected,
            requested_scan: object.annotations().get(Annotation::SCAN).map(|list| {
                let names = crate::plugin::annotation::parse(list).into_iter();
                names.map(str::to_owned).collect()
            }),
            problems: [config, degraded, ready].into_iter().flatten().collect(),
            excluded: excluded.map(|it| it.message),
            first_seen: sets.map(|set| (set.id.clone(), set.first_seen.0)).collect(),
        }
    }
}

/// The ConfigMap of the user, or the profile.
fn configuration(object: &FileIntegrity) -> String {
    let spec = &object.spec;
    match (spec.user_config(), spec.config.profile) {
        (Err(_), _) => "invalid".to_owned(),
        (Ok(Some(config)), _) => format!("{}/{}", config.namespace, config.name),
        (Ok(None), Some(ProfileName::Generic)) => "generic".to_owned(),
        (Ok(None), Some(ProfileName::Openshift)) => "openshift".to_owned(),
        (Ok(None), None) => "default".to_owned(),
    }
}

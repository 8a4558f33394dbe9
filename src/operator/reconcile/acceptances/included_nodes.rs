//! Which nodes the spec of an acceptance includes. Pure.

use std::collections::HashSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::api::AcceptedNodes;
use crate::api::object_name::visible;
use crate::operator::cache::node::Labels;

/// The nodes that an acceptance includes.
#[derive(Debug)]
pub(crate) enum IncludedNodes<'a> {
    All,
    Names(HashSet<&'a str>),
    Selector(&'a LabelSelector),
}

/// A selector cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSelector {
    #[error(
        "spec.nodes.selector has the unknown operator {0}; In, NotIn, Exists and DoesNotExist are valid"
    )]
    Operator(String),
    #[error("spec.nodes.selector has no values for {0}, which In and NotIn need")]
    NoValues(String),
    #[error("spec.nodes.selector has values for {0}, which Exists and DoesNotExist do not have")]
    Values(String),
}

impl<'a> IncludedNodes<'a> {
    pub(crate) fn new(nodes: Option<&'a AcceptedNodes>) -> Result<Self, InvalidSelector> {
        let Some(nodes) = nodes else {
            return Ok(Self::All);
        };
        if let Some(names) = &nodes.names {
            return Ok(Self::Names(names.iter().map(String::as_str).collect()));
        }
        let Some(selector) = &nodes.selector else {
            return Ok(Self::All);
        };
        let mut requirements = selector.match_expressions.iter().flatten();
        requirements.try_for_each(check)?;
        Ok(Self::Selector(selector))
    }

    pub(crate) fn includes(&self, name: &str, labels: &Labels) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(name),
            Self::Selector(selector) => {
                let mut equal = selector.match_labels.iter().flatten();
                let mut requirements = selector.match_expressions.iter().flatten();
                equal.all(|(key, value)| labels.get(key) == Some(value))
                    && requirements.all(|requirement| is_met(requirement, labels))
            }
        }
    }
}

fn check(requirement: &LabelSelectorRequirement) -> Result<(), InvalidSelector> {
    let has_values = requirement
        .values
        .as_ref()
        .is_some_and(|values| !values.is_empty());
    match (requirement.operator.as_str(), has_values) {
        ("In" | "NotIn", true) | ("Exists" | "DoesNotExist", false) => Ok(()),
        ("In" | "NotIn", false) => Err(InvalidSelector::NoValues(visible(&requirement.key))),
        ("Exists" | "DoesNotExist", true) => {
            Err(InvalidSelector::Values(visible(&requirement.key)))
        }
        (unknown, _) => Err(InvalidSelector::Operator(visible(unknown))),
    }
}

/// As Kubernetes' selectors: `NotIn` includes nodes without the label.
fn is_met(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let is_listed = || {
        let mut values = requirement.values.iter().flatten();
        values.any(|listed| Some(listed.as_str()) == value)
    };
    match requirement.operator.as_str() {
        "In" => is_listed(),
        "NotIn" => !is_listed(),
        "Exists" => value.is_some(),
        _ => value.is_none(),
    }
}

#[cfg(test)]
mod tests;

//! The admission policies of manifests/policy, for a namespace. Pure.

use kube::core::ObjectMeta;

use crate::api::names::{self, Annotation};

/// The namespace in the manifests.
const MANIFEST_NAMESPACE: &str = "openshift-file-integrity";

/// A policy, with a binding of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Restricts each daemon to the objects of its own node.
    Daemon,
    /// Protects acceptances and evidence.
    Acceptance,
}

/// One of the two objects of a policy.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// The path of the API for this kind.
    pub(super) path: &'static str,
    pub(super) kind: &'static str,
    /// The object as YAML.
    pub(super) text: String,
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 2] = [Self::Daemon, Self::Acceptance];

    /// The policy and its binding for the namespace [`MANIFEST_NAMESPACE`].
    pub(super) const fn manifest(self) -> &'static str {
        match self {
            Self::Daemon => include_str!("../../../manifests/policy/daemon.yaml"),
            Self::Acceptance => include_str!("../../../manifests/policy/acceptance.yaml"),
        }
    }

    /// The name of the policy and its binding.
    pub fn name(self, namespace: &str) -> String {
        let prefix = match self {
            Self::Daemon => "file-integrity-daemon",
            Self::Acceptance => "file-integrity-acceptance",
        };
        format!("{prefix}.{namespace}")
    }

    /// The policy and its binding for this namespace.
    pub(super) fn documents(self, namespace: &str) -> [Document; 2] {
        let text = self.manifest().replace(MANIFEST_NAMESPACE, namespace);
        let (policy, binding) = text.split_once("\n---\n").unwrap_or((&text, ""));
        [
            Document {
                path: "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
                kind: "ValidatingAdmissionPolicy",
                text: policy.to_owned(),
            },
            Document {
                path: "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
                kind: "ValidatingAdmissionPolicyBinding",
                text: binding.to_owned(),
            },
        ]
    }

    /// What follows if the policy is missing.
    pub(super) const fn without_it(self) -> &'static str {
        match self {
            Self::Daemon => "a node's token can write the results of other nodes",
            Self::Acceptance => "acceptances have no effect, and evidence is not protected",
        }
    }
}

impl Document {
    pub(super) fn hash(&self) -> String {
        names::short_hash(&self.text)
    }

    /// The object with the annotation that has its hash.
    pub(super) fn with_hash(&self) -> String {
        let (key, hash) = (Annotation::MANIFEST_HASH, self.hash());
        let annotations = format!("metadata:\n  annotations:\n    {key}: \"{hash}\"\n");
        self.text.replacen("metadata:\n", &annotations, 1)
    }
}

/// Whether an object should be written. `existing` is the metadata of the existing one.
pub(super) fn needs_update(existing: Option<&ObjectMeta>, hash: &str) -> bool {
    let Some(existing) = existing else {
        return true;
    };
    let annotations = existing.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(Annotation::MANIFEST_HASH))
        .is_some_and(|existing| existing != hash)
}

#[cfg(test)]
mod tests;

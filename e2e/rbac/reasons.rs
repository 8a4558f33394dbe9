//! The permissions that no end-to-end test uses, and why they are granted.

use std::fmt;

use crate::grants::Grant;

/// Why a permission is granted that the end-to-end tests do not use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason {
    pub(crate) account: &'static str,
    pub(crate) verb: &'static str,
    /// The resource as [`Grant::what`] has it.
    pub(crate) what: &'static str,
    #[expect(dead_code, reason = "for who reads the table")]
    pub(crate) why: &'static str,
    /// The file and name of the API test that uses it; none where the API server asks about a permission
    /// without a request that the audit log could show.
    pub(crate) test: Option<(&'static str, &'static str)>,
}

impl Reason {
    /// Whether it is for this permission.
    pub(crate) fn explains(&self, grant: &Grant) -> bool {
        self.account == grant.account && self.verb == grant.verb && self.what == grant.what()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.account, self.verb, self.what)
    }
}

const OPERATOR: &str = "file-integrity-operator";

const MONITORING: (&str, &str) = (
    "metrics.rs",
    "prometheus_objects_of_another_version_are_updated",
);
const POLICY: (&str, &str) = ("policy.rs", "a_deleted_policy_is_restored");
const READERS: (&str, &str) = ("metrics.rs", "only_clients_with_permission_can_scrape");

/// A permission of the operator.
const fn reason(
    verb: &'static str,
    what: &'static str,
    why: &'static str,
    test: Option<(&'static str, &'static str)>,
) -> Reason {
    Reason {
        account: OPERATOR,
        verb,
        what,
        why,
        test,
    }
}

/// The table. A permission that the end-to-end tests come to use may stay in it.
pub(crate) const REASONS: &[Reason] = &[
    Reason {
        account: "file-integrity-daemon",
        verb: "get",
        what: "fileintegrityacceptances.fileintegrity.openshift.io",
        why: "reads the changes that an acceptance lists",
        test: Some((
            "announced.rs",
            "an_announced_change_causes_no_failure_and_any_other_does",
        )),
    },
    reason(
        "update",
        "fileintegrities/finalizers.fileintegrity.openshift.io",
        "OpenShift's admission asks for it where an object is owned with blockOwnerDeletion",
        None,
    ),
    reason(
        "delete",
        "fileintegrityacceptances.fileintegrity.openshift.io",
        "the end of the retention is days later",
        Some((
            "acceptances.rs",
            "an_acceptance_is_deleted_at_the_end_of_its_retention",
        )),
    ),
    reason(
        "get",
        "priorityclasses.scheduling.k8s.io",
        "one that does not exist is reported and left out",
        Some((
            "operator.rs",
            "a_missing_priority_class_is_reported_and_left_out",
        )),
    ),
    reason(
        "update",
        "secrets/file-integrity-operator-tls",
        "the certificate is renewed after months",
        Some(("metrics.rs", "an_expiring_certificate_is_renewed")),
    ),
    reason(
        "get",
        "services/metrics",
        "owns the objects for Prometheus, where the API has their kinds",
        Some(MONITORING),
    ),
    reason(
        "get",
        "servicemonitors.monitoring.coreos.com/metrics",
        "where the Prometheus Operator is",
        Some(MONITORING),
    ),
    reason(
        "create",
        "servicemonitors.monitoring.coreos.com",
        "where the Prometheus Operator is",
        Some(MONITORING),
    ),
    reason(
        "get",
        "prometheusrules.monitoring.coreos.com/file-integrity",
        "where the Prometheus Operator is",
        Some(MONITORING),
    ),
    reason(
        "get",
        "prometheusrules.monitoring.coreos.com/file-integrity-operator",
        "where the Prometheus Operator is",
        Some(MONITORING),
    ),
    reason(
        "create",
        "prometheusrules.monitoring.coreos.com",
        "where the Prometheus Operator is",
        Some(MONITORING),
    ),
    reason(
        "update",
        "servicemonitors.monitoring.coreos.com/metrics",
        "that of another version, or the original's, is renewed",
        Some(MONITORING),
    ),
    reason(
        "update",
        "prometheusrules.monitoring.coreos.com/file-integrity",
        "that of another version is renewed",
        Some(MONITORING),
    ),
    reason(
        "update",
        "prometheusrules.monitoring.coreos.com/file-integrity-operator",
        "that of another version is renewed",
        Some(MONITORING),
    ),
    reason(
        "create",
        "validatingadmissionpolicies.admissionregistration.k8s.io/file-integrity-daemon.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "patch",
        "validatingadmissionpolicies.admissionregistration.k8s.io/file-integrity-daemon.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "create",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io/file-integrity-daemon.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "patch",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io/file-integrity-daemon.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "create",
        "validatingadmissionpolicies.admissionregistration.k8s.io/file-integrity-acceptance.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "patch",
        "validatingadmissionpolicies.admissionregistration.k8s.io/file-integrity-acceptance.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "create",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io/file-integrity-acceptance.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "patch",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io/file-integrity-acceptance.openshift-file-integrity",
        "OLM installs no policies",
        Some(POLICY),
    ),
    reason(
        "create",
        "tokenreviews.authentication.k8s.io",
        "whose the token of a scrape is",
        Some(READERS),
    ),
    reason(
        "create",
        "subjectaccessreviews.authorization.k8s.io",
        "whether an account of another namespace may read the metrics",
        Some(READERS),
    ),
];

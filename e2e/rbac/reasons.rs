//! The rights that no end-to-end test uses, and why they are granted.

use std::fmt;

use crate::grants::Grant;

/// Why a right is granted that the end-to-end tests do not use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reason {
    pub(crate) account: &'static str,
    pub(crate) verb: &'static str,
    /// The resource as [`Grant::what`] has it.
    pub(crate) what: &'static str,
    #[expect(dead_code, reason = "for who reads the table")]
    pub(crate) why: &'static str,
    /// The file and name of the API test that uses it; none where the API server asks about a right
    /// without a request that the audit log could show.
    pub(crate) test: Option<(&'static str, &'static str)>,
}

impl Reason {
    /// Whether it speaks of this right.
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

/// The table.
pub(crate) const REASONS: &[Reason] = &[Reason {
    account: OPERATOR,
    verb: "update",
    what: "fileintegrities/finalizers.fileintegrity.openshift.io",
    why: "OpenShift's admission asks for it where an object is owned with blockOwnerDeletion",
    test: None,
}];

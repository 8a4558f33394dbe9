//! The configurations that fio brings along.
//!
//! Pure. They are written as a user's would be, in terms of the node: [`super::config::prepare`]
//! makes them ready like any other.

/// A built-in configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For any Linux node.
    Generic,
    /// For OpenShift nodes (Red Hat Enterprise Linux `CoreOS`).
    Openshift,
}

impl Profile {
    /// The configuration's text.
    pub fn text(self) -> &'static str {
        match self {
            Self::Generic => include_str!("profiles/generic.conf"),
            Self::Openshift => include_str!("profiles/openshift.conf"),
        }
    }
}

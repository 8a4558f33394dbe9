//! The default configurations. Pure.
//!
//! They are written like those of users, with paths on the node. [`super::config::prepare`] converts them like any
//! other.

/// A profile with a default configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For any Linux node.
    Generic,
    /// For OpenShift nodes (Red Hat Enterprise Linux `CoreOS`).
    Openshift,
}

impl Profile {
    /// The text of the configuration.
    pub fn text(self) -> &'static str {
        match self {
            Self::Generic => include_str!("profiles/generic.conf"),
            Self::Openshift => include_str!("profiles/openshift.conf"),
        }
    }
}

#[cfg(test)]
mod aide_tests;

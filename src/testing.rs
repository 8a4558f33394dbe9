//! Support for unit tests.

pub(crate) mod mount_namespace;

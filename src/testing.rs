//! Support for tests.

pub(crate) mod aide;
pub(crate) mod chaos;
pub(crate) mod mount_namespace;

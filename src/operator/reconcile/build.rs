//! Builds the objects that a FileIntegrity needs. Pure: the same input gives the same object.
//!
//! Objects are JSON values, as server-side apply takes them. A field that is missing here is left to
//! the API's defaults and to other writers.

mod config_map;
mod daemon_set;
mod node_status;
mod object;
mod pod;
mod reinit_daemon_set;

pub use self::config_map::{ActiveConfig, config_map};
pub(crate) use self::daemon_set::daemon_set;
pub(crate) use self::node_status::is_node_status;
pub use self::node_status::node_status;
pub(crate) use self::pod::Environment;
pub(crate) use self::reinit_daemon_set::{Signal, reinit_daemon_set, reinit_daemon_set_name};

#[cfg(test)]
mod tests;

//! AIDE: running it, its configuration, reports, exit statuses and databases.

pub(crate) mod check;
pub(crate) mod command;
pub(crate) mod config;
pub(crate) mod coverage;
pub(crate) mod database;
pub(crate) mod database_entries;
pub mod exit;
pub(crate) mod limit;
pub(crate) mod node_links;
pub(crate) mod path_check;
pub mod profiles;
pub(crate) mod report;
pub mod stderr;
pub(crate) mod watchdog;

#[cfg(test)]
mod differential;

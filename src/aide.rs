//! AIDE: running it, its configuration, reports, exit statuses and databases.

pub mod check;
pub mod command;
pub mod config;
pub mod database;
pub mod exit;
pub mod node_links;
pub mod path_check;
pub mod profiles;
pub mod report;
pub mod stderr;
pub mod watchdog;

#[cfg(test)]
mod differential;

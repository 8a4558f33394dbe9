//! What AIDE understands: its configuration, reports, exit status, database, and how it is run.

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
pub(crate) mod aide_tests;

#[cfg(test)]
mod differential;

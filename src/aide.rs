//! What AIDE understands: its configuration, reports, exit status, database, and how it is run.

pub mod command;
pub mod database;

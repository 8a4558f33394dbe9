//! `fio`: file integrity monitoring for the nodes of a Kubernetes cluster, with AIDE.
//!
//! Modules depend on each other only in this direction: [`api`] (the API objects) <- [`aide`] (AIDE's configuration,
//! reports and database) <- [`scan`] (results of scans and their publication) <- [`operator`],
//! [`daemon`] and [`plugin`], which never use each other. [`k8s`] (requests to the API server), [`telemetry`],
//! [`metrics_server`] and [`signal_file`] use nothing but [`api`] and each other. Only [`cli`] reads
//! arguments and environment variables.

#![cfg_attr(
    feature = "testing",
    expect(missing_docs, reason = "public for the tests of this repository")
)]
#![cfg_attr(
    not(feature = "testing"),
    allow(unreachable_pub, reason = "public with the feature testing")
)]

mod aide;
mod api;
mod cli;
mod daemon;
mod error_chain;
mod file_error;
mod k8s;
mod locks;
mod metrics_server;
mod operator;
mod plugin;
mod scan;
mod signal_file;
mod telemetry;
mod text;

#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod shipping_tests;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use self::cli::{Cli, write_termination_log};
pub use self::error_chain::error_chain;

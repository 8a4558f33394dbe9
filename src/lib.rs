//! `fio`: file integrity monitoring for the nodes of a Kubernetes cluster, with AIDE.
//!
//! Modules depend on each other only in this direction: [`api`] (the API objects) <- [`aide`] (AIDE's configuration,
//! reports and database) <- [`scan`] (results of scans and their publication) <- [`operator`] and
//! [`daemon`], which never use each other. [`k8s`] (requests to the API server), [`telemetry`],
//! [`metrics_server`] and [`signal_file`] are independent of them. Only [`cli`] reads arguments and
//! environment variables.

pub mod aide;
pub mod api;
pub mod cli;
pub mod daemon;
mod error_chain;
mod file_error;
pub mod k8s;
mod locks;
pub mod metrics_server;
pub mod operator;
pub mod scan;
pub mod signal_file;
pub mod telemetry;
mod text;

#[cfg(test)]
mod docs_tests;
#[cfg(test)]
mod shipping_tests;
#[cfg(test)]
mod testing;

pub use self::error_chain::error_chain;

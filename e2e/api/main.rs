//! Tests against a real API server, without nodes: `make api-test`, or one of them by
//! `hack/with-apiserver cargo test --test api --all-features NAME`.
//!
//! Nodes are Node objects without machines, and the tests play the role of the daemons.
//! The tests run side by side, each in a namespace of its own (see [`harness`]).

mod abuse;
mod acceptance_admission;
mod acceptance_policy;
mod acceptances;
mod admission;
mod announced;
mod attacks;
mod bad_specs;
mod binary;
mod bounds;
mod change_sets;
#[path = "../../src/testing/chaos.rs"]
mod chaos;
mod churn;
mod clocks;
mod concurrency;
mod cuts;
mod daemon_acceptances;
mod daemon_permissions;
mod detection;
mod docs;
mod edits;
mod evidence;
mod exclusions;
mod failover;
mod faults;
mod flux;
mod harness;
mod holds;
mod hostile;
mod hostile_configs;
mod kills;
mod logcollector;
mod lost_answers;
mod metrics;
mod node_report;
mod operator;
mod plugin;
mod plugin_accept;
mod plugin_exclude;
mod plugin_report;
mod plugin_requests;
mod plugin_scan;
mod policy;
mod process;
mod proxy;
mod realtime;
mod reinit;
mod require_acceptance;
mod restored;
mod scan_now;
mod site;
mod skew;
mod spec;
mod state_dirs;
mod tampered;
mod unreadable;
mod updates;
mod upgrade;
mod values;

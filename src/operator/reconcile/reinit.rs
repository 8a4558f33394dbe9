//! Requests for re-initialization, as far as the operator handles them. Pure.
//!
//! 1. A user annotates the FileIntegrity ([`request`]).
//! 2. The operator replaces the annotation by a record with an id, in one write
//!    ([`super::request_record`]).
//! 3. It writes the id to the status object of each node, and removes the record when all nodes have it
//!    ([`node_request`]).
//! 4. The re-init DaemonSet signals the nodes ([`signal`]).
//!
//! Every step can be repeated. So if the operator is killed, the next reconcile continues.

#[cfg(test)]
pub(super) mod fixtures;
pub(super) mod node_request;
pub(super) mod request;
pub(super) mod signal;

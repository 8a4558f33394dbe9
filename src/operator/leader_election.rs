//! Leader election by a Lease, so that one operator acts at a time.
//!
//! The rules are those of other users of Leases, such as the original operator: the leader renews the
//! Lease, and a candidate takes it over when it was released, or when it has not changed for the duration
//! in it. That time is measured on the candidate's monotonic clock, so clocks that differ do not
//! matter. Every update has the resource version, so of two concurrent ones, one fails.

mod candidate;
mod election;
mod leadership;
mod lease_client;
mod term;

pub(crate) use self::candidate::Candidate;

//! Carries out a plan: server-side apply, deletions, events and the status. I/O.
//!
//! An object that is up to date is not written again, so a cluster without changes causes no writes.

mod acceptances;
mod applier;
mod comparison;
pub(crate) mod error;
mod events;
mod status;

pub(crate) use self::applier::{Applied, Applier};

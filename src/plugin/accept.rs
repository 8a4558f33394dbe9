//! `accept`: which set of changes is accepted on which nodes, and what has become of it. Pure.

mod outcome;
mod plan;
pub(crate) mod text;

#[cfg(test)]
mod tests;

pub(crate) use self::outcome::Outcome;
pub(crate) use self::plan::{Only, Plan, Record};

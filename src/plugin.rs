//! The plugin of kubectl: what administrators ask about a fleet, from the objects in the API.
//!
//! [`read`] and [`mod@write`] make the requests. Everything else is pure: [`fleet`] is the model of the objects that all commands use, and
//! each command has a folder with its decisions, its text and its JSON. [`screen`] and [`grid`] are what all texts have in
//! common. No text from the API reaches the terminal before [`safe`] has replaced its control characters.

pub(crate) mod accept;
pub(crate) mod annotation;
pub(crate) mod changes;
pub(crate) mod completion;
pub(crate) mod coverage;
pub(crate) mod diff;
pub(crate) mod exclude;
pub(crate) mod explain;
pub(crate) mod failure;
pub(crate) mod fleet;
pub(crate) mod grid;
pub(crate) mod labels;
pub(crate) mod log;
pub(crate) mod output;
pub(crate) mod read;
pub(crate) mod reinit;
pub(crate) mod report;
pub(crate) mod safe;
pub(crate) mod scan;
pub(crate) mod screen;
pub(crate) mod status;
pub(crate) mod target;
pub(crate) mod wait;
pub(crate) mod write;

#[cfg(test)]
pub(crate) mod fixtures;

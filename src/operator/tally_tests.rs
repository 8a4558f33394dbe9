//! Stories of counts.

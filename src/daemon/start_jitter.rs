//! Spreads the second scans of nodes whose daemons start together. Pure.

use sha2::{Digest as _, Sha256};

/// A fraction from 0 to 1 of the interval, for the pause after a daemon's first scan. It is always the
/// same for a node, and evenly distributed over nodes.
pub fn start_jitter(node: &str) -> f64 {
    let hash = Sha256::digest(node.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    f64::from(number) / f64::from(u32::MAX)
}

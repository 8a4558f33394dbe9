//! The kinds of changes, in results and records. Pure. The doc comments are the descriptions in the API.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kind of change of a path.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The path was added.
    Added,
    /// The path was removed.
    Removed,
    /// At least one attribute changed.
    Changed,
}

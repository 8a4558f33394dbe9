//! The record beside the baseline: who created it, when, and with which configuration.

use std::fs;
use std::path::Path;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::api::Accepted;

/// How a baseline was created. It is stored beside the database, so that a FileIntegrity that is deleted
/// and recreated continues with the same baseline.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// The name of the FileIntegrity.
    pub owner: String,
    /// The sha256 of the configuration.
    pub config_hash: String,
    /// The sha256 of the uncompressed database, hex.
    pub digest: String,
    /// The number of files in the database.
    pub entries: i64,
    /// When AIDE finished it.
    pub created_at: Time,
    pub aide_version: String,
    /// False if nobody requested it, as `baseline.requested` in the node status.
    pub requested: bool,
    /// The ID of the re-init request that it fulfills.
    pub request: Option<String>,
    /// AIDE's warnings about files whose content is missing in the database, because they changed
    /// during initialization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// The entries of excluded paths from before their exclusion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<ExcludedEntries>,
    /// What it accepted when it replaced another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// Entries that were taken out of a baseline. They are in a file of their own.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExcludedEntries {
    /// The sha256 of the uncompressed file, hex.
    pub digest: String,
    /// The excluded paths of which all entries are in the file, as they are written in the API.
    pub paths: Vec<String>,
}

impl Record {
    /// Reads a record; `None` if there is no valid one.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// The content of the file.
    pub(super) fn to_json(&self) -> Vec<u8> {
        // A struct of strings, numbers and a time always has a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

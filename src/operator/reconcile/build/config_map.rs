//! The ConfigMap with the active configuration. Pure.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use super::object::{metadata, name, with_hash};
use crate::api::{FileIntegrity, names};

/// A configuration as it is deployed to the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveConfig {
    /// The user's text with paths relocated below the host root.
    pub conf: String,
    /// The converted text that AIDE gets.
    pub effective: String,
}

impl ActiveConfig {
    /// Reads it from the ConfigMap.
    pub(crate) fn from_config_map(config_map: &ConfigMap) -> Option<Self> {
        let data = config_map.data.as_ref()?;
        Some(Self {
            conf: data.get(names::KEY_AIDE_CONF)?.clone(),
            effective: data.get(names::KEY_EFFECTIVE_CONF)?.clone(),
        })
    }
}

/// The ConfigMap with the active configuration.
pub fn config_map(fi: &FileIntegrity, config: &ActiveConfig) -> Value {
    with_hash(json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(fi, &name(fi), &json!({
            names::Label::AIDE_CONF: "",
            names::Label::OWNER: names::label_value(&name(fi)),
        })),
        "data": {
            names::KEY_AIDE_CONF: config.conf,
            names::KEY_EFFECTIVE_CONF: config.effective,
        },
    }))
}

//! Values of attributes.

use serde::Deserialize;
use serde::de::Deserializer;

use super::latin1::as_bytes;
use crate::aide::report::path::display_path;
use crate::aide::report::value_hash::new_values;

/// Old and new value of an attribute.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Values {
    pub(super) old: Value,
    pub(super) new: Value,
}

/// The lines of a value. ACLs and extended attributes have several; a missing value has none.
#[derive(Default)]
pub(super) struct Value(Vec<String>);

impl Value {
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }

    pub(super) fn text(&self) -> String {
        self.0.join(", ")
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Text(String),
            Number(serde_json::Number),
            Lines(Vec<String>),
        }
        let shown = |text: &String| display_path(&as_bytes(text));
        Ok(Self(match Raw::deserialize(deserializer)? {
            Raw::Text(text) if text.is_empty() => Vec::new(),
            Raw::Text(text) => vec![shown(&text)],
            Raw::Number(number) => vec![number.to_string()],
            Raw::Lines(lines) => lines.iter().map(shown).collect(),
        }))
    }
}

/// The hash of new values. The size of a directory is ignored, because it depends on the file system.
pub(super) fn hash_of_new(attributes: &[(String, Values)], is_directory: bool) -> Option<[u8; 32]> {
    let counted = attributes
        .iter()
        .filter(|(name, _)| !(is_directory && name == "size"));
    new_values(counted.map(|(name, values)| (name.as_str(), &values.new.0[..])))
}

//! Values of attributes.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};

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

/// Maximum number of lines of a value: more than a file can have extended attributes, whose names take 64 KiB at most.
const MAX_LINES: usize = 32 * 1024;

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lines)
    }
}

/// A text, a number, or a list of texts. Nothing is buffered that is not kept.
struct Lines;

impl<'de> Visitor<'de> for Lines {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of an attribute")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        let line = (!text.is_empty()).then(|| shown(text));
        Ok(Value(line.into_iter().collect()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value(vec![number.to_string()]))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value(vec![number.to_string()]))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value(vec![number.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut lines = Vec::new();
        while let Some(line) = seq.next_element::<String>()? {
            if lines.len() == MAX_LINES {
                return Err(A::Error::custom("a value has too many lines"));
            }
            lines.push(shown(&line));
        }
        Ok(Value(lines))
    }
}

fn shown(text: &str) -> String {
    display_path(&as_bytes(text))
}

/// The hash of new values. The size of a directory is ignored, because it depends on the file system.
pub(super) fn hash_of_new(attributes: &[(String, Values)], is_directory: bool) -> Option<[u8; 32]> {
    let counted = attributes
        .iter()
        .filter(|(name, _)| !(is_directory && name == "size"));
    new_values(counted.map(|(name, values)| (name.as_str(), &values.new.0[..])))
}

//! Decodes the first of a list of changes. Pure.

use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::aide::report::display_path;
use crate::text::shorten_middle;

/// Maximum size in bytes of what is kept of a path.
const MAX_PATH: usize = 256;

/// The path of the first of a list of changes. The others are skipped while they are read.
#[derive(Clone, Debug, Default)]
pub(super) struct FirstChange(Option<String>);

#[derive(Deserialize)]
struct WireChange {
    path: String,
}

impl<'de> Deserialize<'de> for FirstChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = FirstChange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of changes")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<FirstChange, A::Error> {
                let first: Option<WireChange> = list.next_element()?;
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(FirstChange(first.map(|change| change.path)))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

impl FirstChange {
    /// The path as shown in the status of the FileIntegrity. A daemon has escaped it, so its backslashes
    /// are escapes already. The daemon of a compromised node may have written anything.
    pub(super) fn shown_path(&self) -> Option<String> {
        let parts = self.0.as_ref()?.split('\\');
        let parts: Vec<String> = parts.map(|part| display_path(part.as_bytes())).collect();
        let mut text = parts.join("\\");
        shorten_middle(&mut text, MAX_PATH);
        Some(text)
    }
}

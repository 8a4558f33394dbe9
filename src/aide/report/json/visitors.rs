//! Visitors of the JSON structure. They pass entries to the [`Collector`] while the report is read.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::collector::Collector;
use super::latin1::as_bytes;
use super::values::Values;
use crate::aide::report::changes::ChangeKind;
use crate::aide::report::tokens::kind_of;

/// Maximum number of attributes of an entry. AIDE has some 30. The report may be of a node that somebody else controls,
/// and an entry is in memory while it is read.
const MAX_ATTRIBUTES: usize = 128;

pub(super) struct Top<'a>(pub(super) &'a mut Collector);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a report of AIDE")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let collector = self.0;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "outline" => {
                    let outline: String = map.next_value()?;
                    collector.report.differs = outline.contains(" found differences");
                }
                "aide_version" => collector.report.aide_version = map.next_value()?,
                "run_time_seconds" => {
                    // Negative if the clock was set back during the run.
                    let seconds: i64 = map.next_value()?;
                    collector.report.run_time_seconds = u64::try_from(seconds).ok();
                }
                "number_of_entries" => {
                    let counts: BTreeMap<String, u64> = map.next_value()?;
                    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
                    collector.report.total = count("total");
                    collector.report.added = count("added");
                    collector.report.removed = count("removed");
                    collector.report.changed = count("changed");
                }
                "added" => map.next_value_seed(Entries(collector, Some(ChangeKind::Added)))?,
                "removed" => map.next_value_seed(Entries(collector, Some(ChangeKind::Removed)))?,
                "changed" => map.next_value_seed(Entries(collector, Some(ChangeKind::Changed)))?,
                "entries" => map.next_value_seed(Entries(collector, None))?,
                "different_attributes" => {
                    map.next_value_seed(OtherAttributes(collector))?;
                }
                "details" => map.next_value_seed(Details(collector))?,
                "databases" => map.next_value_seed(Databases(collector))?,
                _ => map.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        Ok(())
    }
}

/// A list of entries: an object from path to flags (`report_summarize_changes`) or to the kind
/// (without `report_grouped`), or an array of paths.
struct Entries<'a>(&'a mut Collector, Option<ChangeKind>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((path, flags)) = map.next_entry::<String, String>()? {
            let kind = self.1.unwrap_or_else(|| kind_of(&flags));
            self.0.list(as_bytes(&path), kind, &flags);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(path) = seq.next_element::<String>()? {
            let kind = self.1.unwrap_or(ChangeKind::Changed);
            self.0.list(as_bytes(&path), kind, "");
        }
        Ok(())
    }
}

/// Paths of which the databases have different attributes.
struct OtherAttributes<'a>(&'a mut Collector);

impl<'de> DeserializeSeed<'de> for OtherAttributes<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OtherAttributes<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes of entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((path, IgnoredAny)) = map.next_entry::<String, _>()? {
            self.0.other_attributes(as_bytes(&path));
        }
        Ok(())
    }
}

/// Values of attributes by path.
struct Details<'a>(&'a mut Collector);

impl<'de> DeserializeSeed<'de> for Details<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Details<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("details of entries")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(path) = map.next_key::<String>()? {
            let attributes = map.next_value_seed(Attributes)?;
            self.0.detail(&path, attributes);
        }
        Ok(())
    }
}

/// The attributes of an entry, in the report's order.
struct Attributes;

impl<'de> DeserializeSeed<'de> for Attributes {
    type Value = Vec<(String, Values)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Attributes {
    type Value = Vec<(String, Values)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes with old and new value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Vec::new();
        while let Some((name, values)) = map.next_entry()? {
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(A::Error::custom("an entry has too many attributes"));
            }
            attributes.push((name, values));
        }
        Ok(attributes)
    }
}

/// Digests of databases, by the database's path.
struct Databases<'a>(&'a mut Collector);

impl<'de> DeserializeSeed<'de> for Databases<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Databases<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("digests of databases")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(IgnoredAny) = map.next_key()? {
            let digests = map.next_value()?;
            self.0.database(&digests);
        }
        Ok(())
    }
}

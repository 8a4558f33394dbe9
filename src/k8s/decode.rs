//! Decodes objects even if some of their values cannot be represented. Pure.
//!
//! The API server accepts values that the types here cannot represent, such as a time in the last second of the
//! year 9999 in managed fields or in the metadata of a pod template. One such value must not prevent
//! all other objects from being decoded. So it is removed if the field is optional, otherwise the
//! object is named in an [`Unreadable`]. The kind is checked: a response with objects of another kind,
//! such as Secrets instead of ConfigMaps, is rejected.

use std::borrow::Cow;
use std::fmt;

use kube::Resource;
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Maximum length of a reason in characters.
const MAX_REASON: usize = 256;

/// An object that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The kind that was requested.
    pub kind: String,
    /// The name, or an empty string if it cannot be decoded either.
    pub name: String,
    /// The UID, or an empty string.
    pub uid: String,
    /// Names of its owners.
    pub owners: Vec<String>,
    /// The reason, without values: readers of it may have no permission to read the object.
    pub reason: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind, name, reason, ..
        } = self;
        write!(f, "{kind} {name} cannot be read: {reason}")
    }
}

impl std::error::Error for Unreadable {}

/// The fields with the type of an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Types<'a> {
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
}

/// Decodes an object of this kind.
pub(crate) fn object<K>(json: &str) -> Result<K, Unreadable>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    verify_types::<K>(json, &K::kind(&()))?;
    let error = match serde_json::from_str(json) {
        Ok(object) => return Ok(object),
        Err(error) => error,
    };
    let Ok(mut value) = serde_json::from_str::<Value>(json) else {
        return Err(unreadable::<K>(&Value::Null, &error));
    };
    remove_invalid_times(&mut value);
    K::deserialize(&value).map_err(|error| unreadable::<K>(&value, &error))
}

/// Decodes the metadata of an object.
pub(crate) fn metadata<K>(json: &str) -> Result<ObjectMeta, Unreadable>
where
    K: Resource<DynamicType = ()>,
{
    #[derive(Deserialize)]
    struct Object {
        #[serde(default)]
        metadata: ObjectMeta,
    }
    verify_types::<K>(json, &K::kind(&()))?;
    if let Ok(object) = serde_json::from_str::<Object>(json) {
        return Ok(object.metadata);
    }
    let mut value: Value =
        serde_json::from_str(json).map_err(|error| unreadable::<K>(&Value::Null, &error))?;
    remove_invalid_times(&mut value);
    Object::deserialize(&value)
        .map(|object| object.metadata)
        .map_err(|error| unreadable::<K>(&value, &error))
}

/// Rejects objects with another kind or API version than `kind` of K's group. Items of a list have none; their list
/// has.
pub(crate) fn verify_types<K>(json: &str, kind: &str) -> Result<(), Unreadable>
where
    K: Resource<DynamicType = ()>,
{
    let types: Types<'_> =
        serde_json::from_str(json).map_err(|error| unreadable::<K>(&Value::Null, &error))?;
    let version = K::api_version(&());
    for (found, expected) in [(types.kind, kind), (types.api_version, &*version)] {
        if let Some(found) = found.filter(|found| *found != expected) {
            let found: String = found.chars().take(MAX_REASON).collect();
            return Err(Unreadable {
                kind: K::kind(&()).into_owned(),
                name: String::new(),
                uid: String::new(),
                owners: Vec::new(),
                reason: format!("the API server returned {found:?} instead of {expected:?}"),
            });
        }
    }
    Ok(())
}

/// Maps with arbitrary keys of users, where `time` may have any value.
const USER_MAPS: [&str; 6] = [
    "annotations",
    "binaryData",
    "data",
    "labels",
    "matchLabels",
    "nodeSelector",
];

/// Removes times that cannot be represented.
fn remove_invalid_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !is_invalid_time(key, value));
            let others = map
                .iter_mut()
                .filter(|(key, _)| !USER_MAPS.contains(&key.as_str()));
            others.for_each(|(_, value)| remove_invalid_times(value));
        }
        Value::Array(list) => list.iter_mut().for_each(remove_invalid_times),
        _ => {}
    }
}

fn is_invalid_time(key: &str, value: &Value) -> bool {
    let is_time = key.ends_with("Time") || key.ends_with("Timestamp") || key == "time";
    let is_valid = |text: &str| text.parse::<jiff::Timestamp>().is_ok();
    is_time && value.as_str().is_some_and(|text| !is_valid(text))
}

fn unreadable<K>(value: &Value, error: &serde_json::Error) -> Unreadable
where
    K: Resource<DynamicType = ()>,
{
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &value["metadata"];
    let owners = metadata["ownerReferences"].as_array();
    Unreadable {
        kind: K::kind(&()).into_owned(),
        name: text(&metadata["name"]),
        uid: text(&metadata["uid"]),
        owners: owners
            .into_iter()
            .flatten()
            .map(|owner| text(&owner["name"]))
            .collect(),
        reason: without_values(&error.to_string()),
    }
}

/// The decoder's message without quoted values. The names of missing fields remain.
fn without_values(message: &str) -> String {
    let (mut shown, mut end) = (String::new(), None);
    let keeps_quotes = message.starts_with("missing field");
    for c in message.chars().take(MAX_REASON) {
        match end {
            Some(quote) if c == quote => {
                shown.push(c);
                end = None;
            }
            Some(_) => {}
            None => {
                shown.push(c);
                if matches!(c, '"' | '`') && !keeps_quotes {
                    shown.push('…');
                    end = Some(c);
                }
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests;

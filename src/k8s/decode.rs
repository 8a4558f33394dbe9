//! Reads an object from its JSON, whatever is odd about it. Pure.
//!
//! The API server takes values that no type here can hold, such as a time in the last second of the
//! year 9999 in the managed fields of an object or in a pod template's metadata. One such value in one object must not keep all others from
//! being read. So it is left out where the object can do without it, and where it cannot the object
//! is named in an [`Unreadable`]. The kind is verified: an answer about other objects than requested,
//! such as Secrets in the place of ConfigMaps, is refused.

use std::borrow::Cow;
use std::fmt;

use kube::Resource;
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// More of what the decoder reports is not shown.
const MAX_REASON: usize = 256;

/// An object that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The kind that was requested.
    pub kind: String,
    /// Its name; empty where not even that can be read.
    pub name: String,
    /// Its uid, likewise.
    pub uid: String,
    /// Names of the objects that own it.
    pub owners: Vec<String>,
    /// Why not. It quotes no value: who reads this need not be allowed to read the object.
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

/// What is read of an object before its type is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Types<'a> {
    #[serde(borrow)]
    api_version: Option<Cow<'a, str>>,
    #[serde(borrow)]
    kind: Option<Cow<'a, str>>,
}

/// Reads an object of this kind.
pub fn object<K>(json: &str) -> Result<K, Unreadable>
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
    leave_out_odd_times(&mut value);
    K::deserialize(&value).map_err(|error| unreadable::<K>(&value, &error))
}

/// Reads the metadata of an object that a write has returned.
pub fn metadata<K>(json: &str) -> Result<ObjectMeta, Unreadable>
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
    leave_out_odd_times(&mut value);
    Object::deserialize(&value)
        .map(|object| object.metadata)
        .map_err(|error| unreadable::<K>(&value, &error))
}

/// Refuses what says of itself that it is of another kind or version than `kind` of K's group. The
/// elements of a list say nothing, and their list does.
pub fn verify_types<K>(json: &str, kind: &str) -> Result<(), Unreadable>
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
                reason: format!("the API server answered with {found:?} in place of {expected:?}"),
            });
        }
    }
    Ok(())
}

/// Keys of maps whose keys are the users', where `time` may have any value.
const USER_MAPS: [&str; 6] = [
    "annotations",
    "binaryData",
    "data",
    "labels",
    "matchLabels",
    "nodeSelector",
];

/// Removes times that cannot be counted with.
fn leave_out_odd_times(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !is_odd_time(key, value));
            let others = map
                .iter_mut()
                .filter(|(key, _)| !USER_MAPS.contains(&key.as_str()));
            others.for_each(|(_, value)| leave_out_odd_times(value));
        }
        Value::Array(list) => list.iter_mut().for_each(leave_out_odd_times),
        _ => {}
    }
}

fn is_odd_time(key: &str, value: &Value) -> bool {
    let is_time = key.ends_with("Time") || key.ends_with("Timestamp") || key == "time";
    let is_readable = |text: &str| text.parse::<jiff::Timestamp>().is_ok();
    is_time && value.as_str().is_some_and(|text| !is_readable(text))
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

/// A decoder's message without what it quotes of the object, but for the name of a missing field,
/// which is one of ours.
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
mod tests {
    use k8s_openapi::api::apps::v1::DaemonSet;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;
    use crate::api::FileIntegrity;

    const NEVER: &str = "9999-12-31T23:59:59Z";

    fn fi() -> Value {
        json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
            "metadata": {"name": "fi", "creationTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"config": {}},
        })
    }

    fn daemon_set() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "DaemonSet",
            "metadata": {"name": "ds", "ownerReferences": [
                {"apiVersion": "v1", "kind": "FileIntegrity", "name": "fi", "uid": "u"},
            ]},
            "spec": {"selector": {}, "template": {"metadata": {}}},
        })
    }

    #[test]
    fn an_odd_time_is_left_out() {
        let mut json = fi();
        json["metadata"]["managedFields"] = json!([
            {"manager": "a", "time": NEVER}, {"manager": "b", "time": "2026-01-02T03:04:05Z"},
        ]);
        let read = object::<FileIntegrity>(&json.to_string()).unwrap();
        assert!(read.metadata.creation_timestamp.is_some());
        let entries = read.metadata.managed_fields.unwrap();
        assert_eq!(entries[0].time, None);
        assert!(entries[1].time.is_some());
        assert!(metadata::<FileIntegrity>(&json.to_string()).is_ok());

        let mut json = json!({
            "metadata": {"name": "c", "managedFields": [{"time": NEVER}]},
            "data": {"time": "noon", "Time": NEVER},
        });
        json["metadata"]["labels"] = json!({"time": "noon"});
        let read = object::<ConfigMap>(&json.to_string()).unwrap();
        assert_eq!(read.data.unwrap().len(), 2);
        assert_eq!(read.metadata.labels.unwrap().len(), 1);

        let mut json = daemon_set();
        json["spec"]["template"]["metadata"]["creationTimestamp"] = json!(NEVER);
        let read = object::<DaemonSet>(&json.to_string()).unwrap();
        assert_eq!(read.metadata.name.as_deref(), Some("ds"));
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_quoted() {
        let mut json = daemon_set();
        json["spec"]["minReadySeconds"] = json!("a secret");
        let error = object::<DaemonSet>(&json.to_string()).unwrap_err();
        assert_eq!((&*error.kind, &*error.name), ("DaemonSet", "ds"));
        assert_eq!(error.owners, ["fi"]);
        let message = error.to_string();
        assert!(
            message.starts_with("DaemonSet ds cannot be read: invalid type"),
            "{message}"
        );
        assert!(!message.contains("secret"), "{message}");
        let mut json = fi();
        json["spec"]["config"]["profile"] = json!("a secret");
        let message = object::<FileIntegrity>(&json.to_string())
            .unwrap_err()
            .to_string();
        assert!(!message.contains("secret"), "{message}");
        json["spec"] = json!({});
        let message = object::<FileIntegrity>(&json.to_string())
            .unwrap_err()
            .to_string();
        assert!(message.contains("missing field `config`"), "{message}");
    }

    #[test]
    fn another_kind_than_requested_is_refused() {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": "djE="},
        })
        .to_string();
        let message = object::<ConfigMap>(&secret).unwrap_err().to_string();
        assert!(
            message.contains(r#""Secret" in place of "ConfigMap""#),
            "{message}"
        );
        let mut other = fi();
        other["apiVersion"] = json!("fileintegrity.openshift.io/v2");
        assert!(object::<FileIntegrity>(&other.to_string()).is_err());
        let list = r#"{"apiVersion": "v1", "kind": "SecretList", "items": []}"#;
        assert!(verify_types::<ConfigMap>(list, "ConfigMapList").is_err());
        assert!(verify_types::<ConfigMap>(list, "SecretList").is_ok());
    }
}

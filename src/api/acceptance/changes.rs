//! The changes of an acceptance that lists them. Its doc comments are the descriptions in the API.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::api::change_kind::ChangeKind;

/// Maximum number of changes of an acceptance.
pub(crate) const MAX_CHANGES: usize = 1000;

/// A change of a path that is accepted, with the new values of its attributes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.kind != 'added' || has(self.mode) && has(self.uid) && has(self.gid)",
    "message": "an added path must have mode, uid and gid"
}, {
    "rule": "self.kind != 'removed' || !(has(self.digests) || has(self.mode) || has(self.uid) || has(self.gid) || has(self.size) || has(self.linkTarget) || has(self.acl) || has(self.xattrs) || has(self.capabilities))",
    "message": "a removed path has no new values"
}, {
    "rule": "!has(self.digests) || !has(self.linkTarget)",
    "message": "only a regular file has digests, and only a symbolic link has linkTarget"
}]))]
pub struct ApprovedChange {
    /// Path on the node. Bytes that are not printable UTF-8 characters, and backslashes, are written as a backslash and
    /// three octal digits, as in results.
    #[schemars(schema_with = "path")]
    pub path: String,
    /// Kind of change: added, changed or removed.
    #[schemars(schema_with = "kind")]
    pub kind: ChangeKind,
    /// Digests of the content of a regular file, by algorithm: `sha256`, `sha512`, `sha512_256`, `sha3_256` or
    /// `sha3_512`. At least one must be part of the rule that watches the path. If unset, the content must not change.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "digests")]
    pub digests: BTreeMap<String, String>,
    /// Permissions as octal digits, such as "0644". If unset, they must not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "mode")]
    pub mode: Option<String>,
    /// ID of the owner. If unset, it must not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "owner_id")]
    pub uid: Option<i64>,
    /// ID of the group. If unset, it must not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "group_id")]
    pub gid: Option<i64>,
    /// Size in bytes. Digests determine it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "size")]
    pub size: Option<i64>,
    /// Target of a symbolic link, written as the path. If unset, it must not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "link_target")]
    pub link_target: Option<String>,
    /// All entries of the access control list, such as user:1000:r--, and with the prefix default: those of a directory.
    /// If unset, the ACL must not change, and an added path must have none beyond its permissions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "acl")]
    pub acl: Option<Vec<String>>,
    /// All extended attributes that the rule watches, by name, in base64. If unset, they must not change, and an added
    /// path must have none. The security label does not count for an added path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "xattrs")]
    pub xattrs: Option<BTreeMap<String, String>>,
    /// Capabilities of a program, such as `cap_net_raw=ep`. If unset, they must not change, and an added path must have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "capabilities")]
    pub capabilities: Option<String>,
}

impl ApprovedChange {
    /// A change that lists no values.
    pub(crate) fn new(path: String, kind: ChangeKind) -> Self {
        Self {
            path,
            kind,
            digests: BTreeMap::new(),
            mode: None,
            uid: None,
            gid: None,
            size: None,
            link_target: None,
            acl: None,
            xattrs: None,
            capabilities: None,
        }
    }
}

/// The digests that an acceptance may have, with the number of their hexadecimal digits. Two files with the same one
/// are the same.
pub(crate) const DIGESTS: [(&str, usize); 5] = [
    ("sha256", 64),
    ("sha512", 128),
    ("sha512_256", 64),
    ("sha3_256", 64),
    ("sha3_512", 128),
];

// The schemas are not nullable, so that the API server removes null, and limited, because rules compare all changes.

fn path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 4096,
        "x-kubernetes-validations": [{
            "rule": "self.startsWith('/') && !self.endsWith('/') && !self.contains('//') && !self.contains('/../') && !self.endsWith('/..') && !self.contains('/./') && !self.endsWith('/.')",
            "message": "path must be absolute, without a slash at the end, and without the segments .., . and empty ones",
        }],
    })
}

fn kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["added", "changed", "removed"]})
}

fn digests(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 128},
        "minProperties": 1,
        "maxProperties": 5,
        "x-kubernetes-validations": [{
            "rule": "self.all(name, name in ['sha256', 'sha512', 'sha512_256', 'sha3_256', 'sha3_512'])",
            "message": "digests must be sha256, sha512, sha512_256, sha3_256 or sha3_512",
        }, {
            "rule": "self.all(name, self[name].matches('^[0-9a-f]+$') && size(self[name]) == (name in ['sha512', 'sha3_512'] ? 128 : 64))",
            "message": "a digest must have lower-case hexadecimal digits: 128 for sha512 and sha3_512, 64 for others",
        }],
    })
}

fn mode(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 4, "pattern": "^[0-7]{3,4}$"})
}

fn owner_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int64", "minimum": 0, "maximum": 4_294_967_295_i64})
}

fn group_id(generator: &mut SchemaGenerator) -> Schema {
    owner_id(generator)
}

fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int64", "minimum": 0})
}

fn link_target(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 4096})
}

fn acl(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "string",
            "maxLength": 280,
            "pattern": "^(default:)?(user|group|mask|other):[^:\\s]*:[r-][w-][x-]$",
        },
        "minItems": 1,
        "maxItems": 32,
        "x-kubernetes-list-type": "set",
    })
}

fn xattrs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 4096},
        "minProperties": 1,
        "maxProperties": 16,
    })
}

fn capabilities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 1024})
}

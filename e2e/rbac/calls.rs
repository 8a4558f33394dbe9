//! What the accounts of operator and daemons asked the API server for, by its audit log. Pure.

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// A request that RBAC let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The namespace of the account.
    pub(crate) namespace: String,
    /// The ServiceAccount.
    pub(crate) account: String,
    pub(crate) verb: String,
    pub(crate) group: String,
    /// Plural, with the subresource: `fileintegrities/status`.
    pub(crate) resource: String,
    /// Empty where no single object is meant.
    pub(crate) name: String,
    /// HTTP status of the answer.
    pub(crate) code: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    user: User,
    /// Whom the API tests' administrator plays.
    impersonated_user: Option<User>,
    #[serde(default)]
    object_ref: ObjectRef,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    name: String,
}

#[derive(Default, Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

/// The calls of our accounts.
pub(crate) fn read(log: &str) -> Result<Vec<Call>> {
    // The last line may be half written.
    let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let mut calls = Vec::new();
    for line in whole
        .lines()
        .filter(|line| line.contains(":file-integrity-"))
    {
        let line: Line = serde_json::from_str(line)
            .with_context(|| format!("a line of the audit log: {line}"))?;
        calls.extend(call(line));
    }
    Ok(calls)
}

fn call(line: Line) -> Option<Call> {
    let user = line.impersonated_user.unwrap_or(line.user).username;
    let (namespace, account) = user
        .strip_prefix("system:serviceaccount:")?
        .split_once(':')?;
    let code = line.response_status.code;
    let is_ours = ["file-integrity-operator", "file-integrity-daemon"].contains(&account);
    if !is_ours || code == 403 {
        return None;
    }
    let object = line.object_ref;
    let resource = match object.subresource.as_str() {
        "" => object.resource,
        subresource => format!("{}/{subresource}", object.resource),
    };
    Some(Call {
        namespace: namespace.to_owned(),
        account: account.to_owned(),
        verb: line.verb,
        group: object.api_group,
        resource,
        name: object.name,
        code,
    })
}

//! Whether something secret is in what people and log shippers read: the logs of operator and daemons,
//! and the events.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, ResourceExt as _};

/// How a token of a ServiceAccount (the head of its JSON web token), an Authorization header and a key
/// begin.
const BEGINNINGS: [&str; 3] = ["eyJhbGciOi", "Bearer ", "PRIVATE KEY-----"];
/// Shorter values of Secrets are words that may occur anywhere.
const SHORTEST: usize = 20;

/// Checks the logs of the operator and of the daemons of the test `test` in the last `seconds`, and all
/// events. The error names the place of a secret, not its value.
pub(crate) async fn are_not_exposed(
    client: &Client,
    namespace: &str,
    test: &str,
    seconds: i64,
) -> Result<()> {
    let known = known(&Api::namespaced(client.clone(), namespace)).await?;
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    for pod in pods.list(&ListParams::default()).await? {
        let name = pod.name_any();
        if !name.contains(test) && !name.starts_with("file-integrity-operator") {
            continue;
        }
        for previous in [true, false] {
            let params = LogParams {
                since_seconds: Some(seconds),
                previous,
                ..LogParams::default()
            };
            // A container that did not run has no log, and most have no previous one.
            if let Ok(log) = pods.logs(&name, &params).await {
                is_clean(&log, &known, &format!("the log of pod {name}"))?;
            }
        }
    }
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    for event in events.list(&ListParams::default()).await? {
        let note = event.note.clone().unwrap_or_default();
        is_clean(&note, &known, &format!("event {}", event.name_any()))?;
    }
    Ok(())
}

/// The values of all Secrets, each under a name to speak of it.
async fn known(secrets: &Api<Secret>) -> Result<Vec<(String, String)>> {
    let mut known = Vec::new();
    for secret in secrets.list(&ListParams::default()).await? {
        let name = secret.name_any();
        for (key, value) in secret.data.unwrap_or_default() {
            let is_public = ["ca.crt", "tls.crt", "namespace"].contains(&key.as_str());
            if let (false, Ok(text)) = (is_public, String::from_utf8(value.0)) {
                known.push((format!("{key} of Secret {name}"), text));
            }
        }
    }
    Ok(known)
}

fn is_clean(text: &str, known: &[(String, String)], place: &str) -> Result<()> {
    for (what, value) in known {
        // A key of several lines comes line by line, if it comes.
        let mut pieces = value.lines().filter(|line| line.len() >= SHORTEST);
        ensure!(
            !pieces.any(|piece| text.contains(piece)),
            "{what} is in {place}"
        );
    }
    for beginning in BEGINNINGS {
        ensure!(
            !text.contains(beginning),
            "what begins with {beginning:?} is in {place}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! Who asked the API for what, from the API server's audit log. The audit policy of hack/cluster
//! logs all requests for the objects that fio touches.

use anyhow::{Context as _, Result};
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::cluster::hack_cluster;

/// A request that the API server has answered, or has begun to answer with a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// When it came.
    pub(crate) at: Timestamp,
    /// The account that sent it.
    pub(crate) user: String,
    /// The pod that sent it, if the token was that of a pod.
    pub(crate) pod: Option<String>,
    /// get, list, watch, create, patch, update, delete, deletecollection.
    pub(crate) verb: String,
    /// Plural, with the subresource: `fileintegrities/status`.
    pub(crate) resource: String,
    /// The object's name, where one object is meant.
    pub(crate) name: String,
    /// Path and query.
    pub(crate) uri: String,
    /// HTTP status of the answer.
    pub(crate) code: u16,
}

impl Request {
    /// Whether the API server changed something for it.
    pub(crate) fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch") && self.code < 300
    }

    /// Verb, resource and name, for messages.
    pub(crate) fn short(&self) -> String {
        format!(
            "{} {} {} ({})",
            self.verb, self.resource, self.name, self.code
        )
    }
}

/// The audit log from a point on.
#[derive(Debug)]
pub(crate) struct Audit {
    from: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    #[serde(default)]
    object_ref: ObjectRef,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: Timestamp,
}

#[derive(Deserialize)]
struct User {
    username: String,
    #[serde(default)]
    extra: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
struct ObjectRef {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl Audit {
    /// The log from here on.
    pub(crate) async fn start() -> Result<Self> {
        let file = File::open(path().await?)
            .await
            .context("open the audit log")?;
        Ok(Self {
            from: file.metadata().await?.len(),
        })
    }

    /// All requests since then that match. The log is written when a request has been answered, so
    /// one that has just had its effect may be missing.
    pub(crate) async fn requests(&self, which: impl Fn(&Request) -> bool) -> Result<Vec<Request>> {
        let mut file = File::open(path().await?)
            .await
            .context("open the audit log")?;
        file.seek(std::io::SeekFrom::Start(self.from)).await?;
        let mut text = String::new();
        file.read_to_string(&mut text)
            .await
            .context("read the audit log")?;
        // The last line may be in the middle of being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut requests = Vec::new();
        for line in whole.lines() {
            let line: Line = serde_json::from_str(line)
                .with_context(|| format!("a line of the audit log: {line}"))?;
            requests.extend(request(line).filter(&which));
        }
        requests.sort_by_key(|request| request.at);
        Ok(requests)
    }
}

/// A watch counts from its first answer on, everything else when it is complete.
fn request(line: Line) -> Option<Request> {
    let counted = if line.verb == "watch" {
        "ResponseStarted"
    } else {
        "ResponseComplete"
    };
    if line.stage != counted {
        return None;
    }
    let object = line.object_ref;
    let resource = match object.subresource.as_str() {
        "" => object.resource,
        subresource => format!("{}/{subresource}", object.resource),
    };
    Some(Request {
        at: line.request_received_timestamp,
        user: line.user.username,
        pod: line
            .user
            .extra
            .get("authentication.kubernetes.io/pod-name")
            .and_then(|pods| pods.first())
            .cloned(),
        verb: line.verb,
        resource,
        name: object.name,
        uri: line.request_uri,
        code: line.response_status.map_or(0, |status| status.code),
    })
}

async fn path() -> Result<String> {
    hack_cluster(&["audit-log"]).await
}

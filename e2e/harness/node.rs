//! A node, as a test works on it: from inside, as root.

use anyhow::{Context as _, Result};

use super::cluster::hack_cluster;

/// Where tests put their files: watched by the default configuration, and removed after each test.
pub(crate) const FILES: &str = "/etc/fio-e2e";

/// Marks the routes of tests: a number that no routing program has.
const PROTOCOL: u8 = 99;

/// A node on loan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
}

impl Node {
    /// Runs a shell script on the node, in its root file system and in [`FILES`] if that is there;
    /// returns what it printed.
    pub(crate) async fn sh(&self, script: &str) -> Result<String> {
        let script = format!("set -eu; cd {FILES} 2>/dev/null || cd /; {script}");
        hack_cluster(&["node-exec", &self.name, "--", "sh", "-c", &script])
            .await
            .with_context(|| format!("on {}", self.name))
    }

    /// Makes [`FILES`] and fills it by a script that runs there.
    pub(crate) async fn files(&self, script: &str) -> Result<String> {
        self.sh(&format!("mkdir -p {FILES}; cd {FILES}; {script}"))
            .await
    }

    /// The sha256 of what the database on the node unpacks to.
    pub(crate) async fn digest_on_disk(&self) -> Result<String> {
        self.sh("zcat /etc/kubernetes/aide.db.gz | sha256sum | cut -d' ' -f1")
            .await
    }

    /// Cuts the node and its pods off from this address, until [`Self::clean`] or
    /// [`Self::reconnect`].
    pub(crate) async fn cut_off(&self, address: &str) -> Result<()> {
        self.sh(&format!(
            "ip route add blackhole {address} proto {PROTOCOL}"
        ))
        .await
        .map(|_| ())
    }

    /// Undoes [`Self::cut_off`].
    pub(crate) async fn reconnect(&self) -> Result<()> {
        self.sh(&format!("ip route flush proto {PROTOCOL}"))
            .await
            .map(|_| ())
    }

    /// Removes what tests and daemons leave on a node.
    pub(crate) async fn clean(&self) -> Result<()> {
        self.reconnect().await?;
        self.sh(&format!(
            "cd /; rm -rf {FILES} /etc/kubernetes/aide.* /run/aide.reinit"
        ))
        .await
        .map(|_| ())
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

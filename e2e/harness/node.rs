//! A node, as a test works on it: from inside, as root.

use anyhow::{Context as _, Result, bail, ensure};
use fio::testing::api::names;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde::Serialize;

use super::cluster::hack_cluster;
use super::wait::until;

/// Where tests put their files: watched by the default configuration, and removed after each test.
pub(crate) const FILES: &str = "/etc/fio-e2e";

/// Where [`FILES`] is filled before it is put in its place: on the same file system, and not watched.
const UNFINISHED: &str = "/srv/fio-e2e";

/// A state directory of a test's own, removed after each test.
pub(crate) const STATE_DIR: &str = "/var/lib/fio-e2e";

/// Exists on a node while [`Node::at_once`] polls there.
const POLL_MARKER: &str = "/run/fio-e2e.polling";

/// Ends what a test does on a node in the background.
pub(crate) const STOP: &str = "/run/fio-e2e.stop";

/// Maximum number of polls on a node, twenty per second.
const MAX_POLLS: u32 = 1800;

/// Priority of the tests' routing rules, which nothing else on a node uses.
const CUT_OFF: u32 = 99;

/// A node that a test has leased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
}

/// The resources of a process at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Uses {
    /// Its id, as the node sees it.
    pub(crate) process: u64,
    /// Bytes of anonymous memory (`RssAnon` in `/proc/PID/status`).
    pub(crate) anonymous: u64,
    pub(crate) threads: u64,
    /// Open files.
    pub(crate) files: u64,
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

    /// Makes [`FILES`] and fills it by a script that runs there. Where it is new, a scan that is under
    /// way sees all of it or nothing.
    pub(crate) async fn files(&self, script: &str) -> Result<String> {
        self.sh(&format!(
            "fill() {{ {script}
             }}
             if [ -d {FILES} ]; then cd {FILES}; fill; exit; fi
             mkdir -p {UNFINISHED}; cd {UNFINISHED}; fill; mv -T {UNFINISHED} {FILES}"
        ))
        .await
    }

    /// Runs `then` on the node as soon as `condition` succeeds there, both in shell: nothing comes
    /// between the two, however busy the machine is.
    async fn at_once(&self, condition: &str, then: &str) -> Result<()> {
        self.sh(&format!(
            ": >{POLL_MARKER}; tries=0
             until {condition} >/dev/null; do
               tries=$((tries + 1))
               [ $tries -le {MAX_POLLS} ] || {{ echo \"in vain: until {condition}\" >&2; exit 1; }}
               sleep 0.05
             done
             {then}
             rm -f {POLL_MARKER}"
        ))
        .await
        .map(|_| ())
    }

    /// Waits until AIDE runs on the node with this argument, and runs a script there at that moment.
    pub(crate) async fn when_aide_runs(&self, argument: &str, then: &str) -> Result<()> {
        self.at_once(&format!("pgrep -f {}", aide(argument)), then)
            .await
    }

    /// Stops the next AIDE that runs with this argument, as soon as it is there, until
    /// [`Self::continue_aide`]: the test can act before it finishes, without a time limit. The
    /// node already waits for AIDE when `ask` is called, which requests such a run.
    pub(crate) async fn stop_aide(
        &self,
        argument: &str,
        ask: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let stop = format!("pkill -STOP -f {}", aide(argument));
        let ask = async {
            until(format!("AIDE is waited for on {self}"), async || {
                self.sh(&format!("ls {POLL_MARKER}")).await.map(|_| ())
            })
            .await?;
            ask().await
        };
        tokio::try_join!(self.at_once(&stop, ":"), ask)?;
        Ok(())
    }

    /// Undoes [`Self::stop_aide`].
    pub(crate) async fn continue_aide(&self) -> Result<()> {
        self.sh(&format!("pkill -CONT -f {}", aide("--")))
            .await
            .map(|_| ())
    }

    /// Waits until there is no signal file. A pod of the re-init DaemonSet may write the signal after
    /// the daemon has handled the request through the status object; the daemon then removes it at
    /// its next poll.
    pub(crate) async fn signal_is_removed(&self) -> Result<()> {
        until(format!("the signal on {self} is removed"), async || {
            let signal = self
                .sh(&format!("ls {} 2>/dev/null || true", names::SIGNAL_FILE))
                .await?;
            ensure!(signal.is_empty(), "{signal} is there");
            Ok(())
        })
        .await
    }

    /// The sha256 of what the database on the node unpacks to.
    pub(crate) async fn digest_on_disk(&self) -> Result<String> {
        self.sh("zcat /etc/kubernetes/aide.db.gz | sha256sum | cut -d' ' -f1")
            .await
    }

    /// What the program of a pod of ours uses, which runs on this node.
    pub(crate) async fn uses(&self, pod: &Pod) -> Result<Uses> {
        let figures =
            "echo $p $(awk '/^RssAnon|^Threads/ {print $2}' $p/status) $(ls $p/fd | wc -l)";
        let found = self.sh(&with_program_of(pod, figures)?).await?;
        let numbers = found.split_whitespace().map(str::parse);
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().context("numbers")?;
        let &[process, kilobytes, threads, files] = numbers.as_slice() else {
            bail!("not one process of {}: {found}", pod.name_any());
        };
        Ok(Uses {
            process,
            anonymous: kilobytes * 1024,
            threads,
            files,
        })
    }

    /// Sends a signal to the program of a pod of ours, which runs on this node.
    pub(crate) async fn signal(&self, pod: &Pod, signal: &str) -> Result<()> {
        let sent = format!("kill -{signal} $p; echo sent");
        let sent = self.sh(&with_program_of(pod, &sent)?).await?;
        let name = pod.name_any();
        ensure!(sent == "sent", "not one process of {name}: {sent}");
        Ok(())
    }

    /// The command names of all processes of a pod, which runs on this node.
    pub(crate) async fn processes(&self, pod: &Pod) -> Result<Vec<String>> {
        // It may end just now.
        let names = self
            .sh(&with_processes_of(pod, "cat $p/comm || true")?)
            .await?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Drops what this pod of the node sends to this address, until [`Self::reconnect`] or
    /// [`Self::clean`].
    pub(crate) async fn cut_off(&self, pod: &Pod, address: &str) -> Result<()> {
        let status = pod.status.as_ref();
        let from = status.and_then(|status| status.pod_ip.as_deref());
        let from = from.context("the pod has no address")?;
        self.sh(&format!(
            "ip rule add from {from} to {address} priority {CUT_OFF} blackhole"
        ))
        .await
        .map(|_| ())
    }

    /// Undoes [`Self::cut_off`].
    pub(crate) async fn reconnect(&self) -> Result<()> {
        self.sh(&format!(
            "while ip rule del priority {CUT_OFF} 2>/dev/null; do :; done"
        ))
        .await
        .map(|_| ())
    }

    /// Removes what tests and daemons leave on a node.
    pub(crate) async fn clean(&self) -> Result<()> {
        self.reconnect().await?;
        self.sh(&format!(
            "cd /; for mount in $(grep -o ' {FILES}[^ ]*' /proc/mounts); do umount \"$mount\"; done
             : > {STOP}
             # A script of a test that has failed may be creating files.
             rm -rf {FILES} || {{ sleep 1; rm -rf {FILES}; }}
             rm -rf {UNFINISHED} {STATE_DIR} {POLL_MARKER} {STOP} /etc/kubernetes/aide.* /run/aide.reinit"
        ))
        .await
        .map(|_| ())
    }
}

/// A script that runs `then` for each process of a pod. It is in /proc, and `p` is the process.
fn with_processes_of(pod: &Pod, then: &str) -> Result<String> {
    let uid = pod.uid().context("a pod without uid")?;
    // Drivers of control groups write the dashes of a uid as they are, or as underscores.
    let uid = uid.replace('-', "[-_]");
    Ok(format!(
        "cd /proc; for p in [0-9]*; do
           grep -qs {uid} $p/cgroup || continue
           {then}
         done"
    ))
}

/// The same for the process of our program only.
fn with_program_of(pod: &Pod, then: &str) -> Result<String> {
    let is_ours = "case $(cat $p/comm) in fio|file-integrity*) ;; *) continue ;; esac";
    with_processes_of(pod, &format!("{is_ours}\n{then}"))
}

/// What its process is found by where AIDE runs with this argument, which comes first, as an argument
/// of a shell's.
fn aide(argument: &str) -> String {
    format!("'^[^ ]*aide {argument}'")
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

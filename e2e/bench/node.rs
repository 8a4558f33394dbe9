//! A node's root as the benchmark makes it, and a real daemon on it. I/O.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use fio::testing::aide::config::config_hash;
use fio::testing::api::{DesiredNodeState, FileIntegrity, FileIntegrityNodeStatus, names};
use fio::testing::operator::build::{ActiveConfig, config_map, node_status};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cgroup::Cgroup;
use crate::harness::{Space, aide, kubeconfig_as};
use crate::process::Sample;
use crate::{Run, progress, web};

/// The FileIntegrity that the daemon serves.
pub(crate) const FILE_INTEGRITY: &str = "node";
/// The node.
pub(crate) const NODE: &str = "n1";
/// Files in a directory of the tree.
const PER_DIRECTORY: usize = 100;
/// Sizes of the files in bytes, one after the other: on the whole like those of /usr.
const SIZES: [usize; 10] = [0, 300, 700, 1200, 2000, 3000, 5000, 8000, 16_000, 40_000];
/// The attributes that are compared: the built-in profiles' group.
pub(crate) const ATTRIBUTES: &str = "ftype+p+u+g+acl+selinux+xattrs+l";

/// A node's root.
pub(crate) struct Tree {
    dir: TempDir,
    /// How many files it has.
    pub(crate) files: usize,
}

impl Tree {
    /// Makes one with this many watched files, the same ones each time.
    pub(crate) fn make(files: usize) -> anyhow::Result<Self> {
        let tree = Self {
            dir: tempfile::tempdir()?,
            files,
        };
        for directory in ["etc/kubernetes", "run", "tmp", "config", "watched"] {
            std::fs::create_dir_all(tree.path(directory))?;
        }
        let content: Vec<u8> = (0_u32..).flat_map(u32::to_le_bytes).take(100_000).collect();
        for index in 0..files {
            let directory = tree.watched().join(format!("{:05}", index / PER_DIRECTORY));
            if index % PER_DIRECTORY == 0 {
                std::fs::create_dir(&directory)?;
            }
            let size = SIZES[index % SIZES.len()];
            let start = index % 1000;
            std::fs::write(
                directory.join(format!("file-{index}")),
                &content[start..start + size],
            )?;
        }
        Ok(tree)
    }

    /// Where something of the root is.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// The directory that is watched.
    pub(crate) fn watched(&self) -> PathBuf {
        self.path("watched")
    }

    /// A configuration with these attributes.
    pub(crate) fn configuration(&self, attributes: &str) -> String {
        format!("BENCH = {attributes}\n{} BENCH\n", self.watched().display())
    }
}

/// How a daemon is started.
#[derive(Default)]
pub(crate) struct Options<'a> {
    /// Pause between scans, in seconds.
    pub(crate) interval: u64,
    /// More of its arguments.
    pub(crate) arguments: &'a [&'a str],
    /// Its limits.
    pub(crate) cgroup: Option<&'a Cgroup>,
}

impl Options<'_> {
    /// With realtime detection, as by default.
    pub(crate) fn new(interval: u64) -> Self {
        Self {
            interval,
            ..Self::default()
        }
    }

    /// Only with scans.
    pub(crate) fn of_scans(interval: u64) -> Self {
        Self {
            arguments: &["--realtime=off"],
            ..Self::new(interval)
        }
    }
}

/// A daemon on such a root. It is killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Daemon {
    /// Starts `fio daemon` on this root, with what it needs in the API.
    pub(crate) async fn start(
        space: &Space,
        run: &Run,
        tree: &Tree,
        options: &Options<'_>,
    ) -> anyhow::Result<Self> {
        let config = tree.configuration(&format!("{ATTRIBUTES}+sha256"));
        prepare(space, &config).await?;
        std::fs::write(tree.path("config").join(names::KEY_EFFECTIVE_CONF), &config)?;
        // The administrator's access under a name of its own, so that the audit log identifies the daemon.
        let groups = ["system:masters", &space.group("daemon")];
        let kubeconfig = kubeconfig_as(tree.dir.path(), "bench-daemon", &groups)?;
        let mut child = Command::new(&run.fio)
            .args(["daemon", "--debug=true", "--node", NODE])
            .args(["--owner", FILE_INTEGRITY, "--namespace", &space.namespace])
            .args(["--interval", &options.interval.to_string()])
            .args(options.arguments)
            .arg("--host-root")
            .arg(tree.dir.path())
            .arg("--aideconfigdir")
            .arg(tree.path("config"))
            .args([
                "--health-address",
                &format!("127.0.0.1:{}", web::free_port()?),
            ])
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("FIO_AIDE", aide().await?)
            .env("FIO_WORK_DIR", tree.path("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", run.fio.display()))?;
        if let Some(cgroup) = options.cgroup {
            cgroup.add(child.id())?;
        }
        let stderr = child.stderr.take().context("standard error")?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&lines);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or_else(|_| json!({"text": line}));
                all.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
        Ok(Self { child, lines })
    }

    /// Its resources, according to the kernel.
    pub(crate) fn sample(&self) -> anyhow::Result<Sample> {
        Sample::of(self.child.id())
    }

    /// Its id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many of its scans are over.
    pub(crate) fn scans(&self) -> usize {
        self.lines().iter().filter(|line| is_scan_end(line)).count()
    }
}

/// Whether a line of its log reports the end of a scan.
pub(crate) fn is_scan_end(line: &Value) -> bool {
    let event = line["event"].as_str().unwrap_or_default();
    event.starts_with("Finished(Scanned")
}

/// Whether a line of its log reports the start of a scan.
pub(crate) fn is_scan_start(line: &Value) -> bool {
    line["action"].as_str() == Some("Scan")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        let errors = self.lines();
        let errors = errors.iter().filter(|line| line["level"] == "ERROR");
        for error in errors {
            progress(&error.to_string());
        }
    }
}

/// Makes what an operator would: the FileIntegrity's objects for the node.
async fn prepare(space: &Space, config: &str) -> anyhow::Result<()> {
    let fi: FileIntegrity = match space.api().get_opt(FILE_INTEGRITY).await? {
        Some(fi) => fi,
        None => space.file_integrity(FILE_INTEGRITY, json!({})).await?,
    };
    let active = ActiveConfig {
        conf: config.to_owned(),
        effective: config.to_owned(),
    };
    let desired = DesiredNodeState {
        config_hash: Some(config_hash(config)),
        ..DesiredNodeState::default()
    };
    let params = PatchParams::apply(names::FIELD_MANAGER_OPERATOR).force();
    let status = Patch::Apply(node_status(&fi, NODE, &desired));
    let name = names::node_status(FILE_INTEGRITY, NODE);
    let statuses = space.api::<FileIntegrityNodeStatus>();
    statuses.patch(&name, &params, &status).await?;
    let active = Patch::Apply(config_map(&fi, &active));
    let maps = space.api::<ConfigMap>();
    maps.patch(FILE_INTEGRITY, &params, &active).await?;
    Ok(())
}

//! The cluster under test, and the scripts in hack/ that know what kind it is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::process::Command;

/// Where hack/ is.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The operator's namespace if NAMESPACE is not set, as in the Makefile.
const NAMESPACE: &str = "openshift-file-integrity";

/// The checkout under test.
pub(crate) fn checkout() -> &'static Path {
    Path::new(ROOT)
}

/// The operator's namespace.
pub(crate) fn namespace() -> String {
    std::env::var("NAMESPACE")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| NAMESPACE.to_owned())
}

/// The kubeconfig of the cluster under test: KUBECONFIG, else that of `hack/cluster up`.
pub(crate) fn kubeconfig() -> PathBuf {
    std::env::var_os("KUBECONFIG")
        .filter(|path| !path.is_empty())
        .map_or_else(
            || Path::new(ROOT).join(".cluster/kubeconfig"),
            PathBuf::from,
        )
}

/// A client with the permissions of the cluster's administrator. Each test has its own, since each has
/// its own runtime.
pub(crate) async fn client() -> Result<Client> {
    let path = kubeconfig();
    let kubeconfig = Kubeconfig::read_from(&path).with_context(|| {
        format!(
            "read {}; `hack/cluster up` starts a cluster",
            path.display()
        )
    })?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Runs `hack/cluster` and returns what it printed, without the last newline.
pub(crate) async fn hack_cluster(args: &[&str]) -> Result<String> {
    hack("cluster", args).await
}

/// Runs a script of hack/ and returns what it printed, without the last newline.
pub(crate) async fn hack(script: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(checkout().join("hack").join(script))
        .args(args)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("run hack/{script}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "hack/{script} {} ended with {}: {}{}",
        args.join(" "),
        output.status,
        stdout,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(stdout.trim_end_matches('\n').to_owned())
}

/// Runs the program under test on this machine against the cluster, and returns what it logged.
pub(crate) async fn fio(args: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_fio"))
        .args(args)
        .env("KUBECONFIG", kubeconfig())
        .kill_on_drop(true)
        .output()
        .await
        .context("run fio")?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        output.status.success(),
        "fio {} ended with {}: {text}",
        args.join(" "),
        output.status
    );
    Ok(text)
}

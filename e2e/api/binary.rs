//! The program with wrong arguments or in a wrong environment: it prints one line with the error and its fix.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fio::testing::api::{FileIntegrityNodeStatus, names};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DeleteParams, PostParams};
use kube::config::Kubeconfig;
use serde_json::json;

use crate::harness::{Space, aide, alone, in_space, reinstall_definitions};
use crate::process::program;

/// How long the program may take to find out what is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with these arguments, and nothing of the tests' environment.
fn fio(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Waits until the program exits: its exit status, and the lines that are not of its log.
fn end(mut child: Child) -> anyhow::Result<(Option<i32>, Vec<String>)> {
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if started.elapsed() > PATIENCE {
            child.kill()?;
            anyhow::bail!("the program still runs, and should have exited");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut text = String::new();
    let stderr = child.stderr.take();
    stderr
        .context("standard error")?
        .read_to_string(&mut text)?;
    // Its log is JSON where it is no terminal.
    let printed = text.lines().filter(|line| !line.starts_with('{'));
    Ok((status.code(), printed.map(str::to_owned).collect()))
}

/// Runs the program, which fails with this one line.
fn fails_with(command: &mut Command, expected: &[&str]) -> anyhow::Result<()> {
    let (code, printed) = end(command.spawn()?)?;
    anyhow::ensure!(code == Some(1), "exit status {code:?}: {printed:?}");
    anyhow::ensure!(printed.len() == 1, "more than a line: {printed:?}");
    anyhow::ensure!(printed[0].starts_with("fio: "), "{printed:?}");
    for part in expected {
        anyhow::ensure!(printed[0].contains(part), "{part:?} is not in {printed:?}");
    }
    Ok(())
}

/// A kubeconfig with the API server's address and another user.
fn kubeconfig(
    dir: &Path,
    server: Option<&str>,
    user: &serde_json::Value,
) -> anyhow::Result<PathBuf> {
    let mut config = serde_json::to_value(Kubeconfig::read()?)?;
    if let Some(server) = server {
        config["clusters"][0]["cluster"]["server"] = json!(server);
    }
    config["users"][0]["user"] = user.clone();
    let path = dir.join("kubeconfig");
    std::fs::write(&path, config.to_string())?;
    Ok(path)
}

/// The administrator's kubeconfig.
fn admins() -> anyhow::Result<std::ffi::OsString> {
    std::env::var_os("KUBECONFIG").context("no KUBECONFIG: run this by hack/with-apiserver")
}

/// A program that prints this version as AIDE does.
fn fake_aide(dir: &Path, version: &str) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = dir.join(format!("aide-{version}"));
    std::fs::write(&path, format!("#!/bin/sh\necho 'AIDE {version}'\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

#[test]
fn unknown_arguments_are_refused() -> anyhow::Result<()> {
    for (args, expected) in [
        (
            &["nonsense"][..],
            "error: unrecognized subcommand 'nonsense'",
        ),
        (
            &["operator", "--nonsense"],
            "error: unexpected argument '--nonsense' found",
        ),
        (
            &["daemon", "--owner=fi", "--interval=soon"],
            "error: invalid value 'soon' for '--interval <SECONDS>'",
        ),
        (
            &["daemon"],
            "error: the following required arguments were not provided",
        ),
        (
            &["reinit-signal"],
            "error: the following required arguments were not provided",
        ),
    ] {
        let (code, printed) = end(fio(args).spawn()?)?;
        assert_eq!(code, Some(2), "{args:?}: {printed:?}");
        assert!(printed[0].starts_with(expected), "{args:?}: {printed:?}");
        let last = printed.last().map(String::as_str).unwrap_or_default();
        assert_eq!(last, "For more information, try '--help'.", "{args:?}");
    }
    Ok(())
}

#[test]
fn no_cluster_to_talk_to() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (nowhere, garbage) = (dir.path().join("nowhere"), dir.path().join("garbage"));
    std::fs::write(&garbage, "clusters: 1\n")?;
    for args in [
        &["operator"][..],
        &["daemon", "--owner=fi", "--node=n"],
        &["reinit-signal", "--node=n"],
    ] {
        let none = "no cluster: found neither a valid kubeconfig (KUBECONFIG, ~/.kube/config) nor the service account of a pod";
        fails_with(fio(args).env("HOME", dir.path()), &[none])?;
        fails_with(fio(args).env("KUBECONFIG", &nowhere), &[none, "nowhere"])?;
        fails_with(fio(args).env("KUBECONFIG", &garbage), &[none])?;
    }
    Ok(())
}

#[test]
fn no_node_name() -> anyhow::Result<()> {
    let expected = "the name of the node is unknown; set NODE_NAME or --node";
    let table: [&[&str]; 2] = [
        &["daemon", "--owner=fi"],
        &["logcollector", "--owner=fi", "--file=x", "--exit-status=0"],
    ];
    for args in table {
        fails_with(&mut fio(args), &[expected])?;
        fails_with(fio(args).env("NODE_NAME", ""), &[expected])?;
    }
    Ok(())
}

#[test]
fn an_unreadable_report_is_refused() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let in_dir = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (report, status) = (in_dir("report"), in_dir("status"));
    let run = |expected: &[&str]| {
        let mut command = fio(&[
            "logcollector",
            "--owner=fi",
            "--node=n",
            "--timeout=0",
            "--file",
            &report,
            "--exit-status-file",
            &status,
        ]);
        command.env("KUBECONFIG", admins()?);
        fails_with(&mut command, expected)
    };
    run(&[&report, "No such file"])?;
    std::fs::write(
        &report,
        "AIDE found NO differences between database and filesystem.\n",
    )?;
    run(&[&status, "No such file"])?;
    std::fs::write(&status, "seven\n")?;
    run(&[&status, "contains \"seven\", which is not an exit status"])
}

/// What a daemon needs around it, each thing missing in its turn.
#[tokio::test]
async fn a_daemon_reports_missing_requirements() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("root");
    std::fs::create_dir_all(root.join("etc/kubernetes"))?;
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty)?;
    let (root, empty) = (root.to_string_lossy(), empty.to_string_lossy());
    let real = aide().await?;
    let (old, new) = (fake_aide(dir.path(), "0.16.2")?, real.to_string_lossy());
    let old = old.to_string_lossy();
    for (aide, host_root, expected) in [
        (
            &*new,
            &*empty,
            [
                &*empty,
                "is not the root of a node; mount the host's / there",
            ],
        ),
        (
            "/nowhere/aide",
            &root,
            [
                "AIDE not found; set --aide or FIO_AIDE: start /nowhere/aide",
                "No such file",
            ],
        ),
        (
            &old,
            &root,
            [&old, "is AIDE 0.16.2; fio needs AIDE 0.19 or later"],
        ),
        ("/bin/true", &root, ["/bin/true", "printed no version"]),
        (
            &new,
            &root,
            [
                "aide.effective.conf",
                "the daemon needs its FileIntegrity's active ConfigMap there",
            ],
        ),
    ] {
        let args = [
            "daemon",
            "--owner=fi",
            "--node=n",
            "--health-address=127.0.0.1:0",
            "--aide",
            aide,
            "--host-root",
            host_root,
            "--aideconfigdir",
            &empty,
            "--work-dir",
            &empty,
        ];
        // The state directory may be anywhere here: a temporary one is in memory on some machines.
        let mut command = fio(&args);
        command.env("KUBECONFIG", admins()?);
        fails_with(&mut command, &expected).with_context(|| format!("{aide} {host_root}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn an_operator_without_aide_reports_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let old = fake_aide(dir.path(), "0.16.2")?;
    for (aide, expected) in [
        (
            Path::new("/nowhere/aide"),
            "start /nowhere/aide: No such file",
        ),
        (&old, "is AIDE 0.16.2; fio needs AIDE 0.19 or later"),
    ] {
        let mut command = fio(&[
            "operator",
            "--health-address=127.0.0.1:0",
            "--namespace=default",
        ]);
        command.env("KUBECONFIG", admins()?).env("FIO_AIDE", aide);
        fails_with(&mut command, &[expected])?;
    }
    Ok(())
}

/// The command line of an operator in this namespace.
async fn operator(namespace: &str, kubeconfig: &Path) -> anyhow::Result<Command> {
    let mut command = fio(&[
        "operator",
        "--health-address=127.0.0.1:0",
        "--namespace",
        namespace,
    ]);
    command
        .env("KUBECONFIG", kubeconfig)
        .env("FIO_AIDE", aide().await?);
    Ok(command)
}

async fn token(space: &Space, account: &str) -> anyhow::Result<serde_json::Value> {
    let accounts = space.api::<ServiceAccount>();
    let new = serde_json::from_value(json!({"metadata": {"name": account}}))?;
    accounts.create(&PostParams::default(), &new).await?;
    let answer = accounts
        .create_token_request(account, &PostParams::default(), &TokenRequest::default())
        .await?;
    Ok(json!({"token": answer.status.context("a token")?.token}))
}

#[tokio::test]
async fn no_permission() -> anyhow::Result<()> {
    in_space("no-permission", async |space| {
        let dir = tempfile::tempdir()?;
        let path = kubeconfig(dir.path(), None, &token(space, "nobody").await?)?;
        let namespace = &space.namespace;
        fails_with(
            &mut operator(namespace, &path).await?,
            &[
                &format!("no permission to list fileintegrities in namespace {namespace}: "),
                &format!("system:serviceaccount:{namespace}:nobody"),
                "apply the manifests' Role and RoleBinding file-integrity-operator",
            ],
        )?;
        fails_with(
            fio(&["reinit-signal", "--node=n", "-n", namespace]).env("KUBECONFIG", &path),
            &[
                &format!("list fileintegritynodestatuses in namespace {namespace}: "),
                "forbidden",
            ],
        )?;
        let path = kubeconfig(dir.path(), None, &json!({"token": "made-up"}))?;
        fails_with(
            &mut operator(namespace, &path).await?,
            &["the API does not accept this operator's credentials"],
        )
    })
    .await
}

#[tokio::test]
async fn a_node_without_a_daemon_is_reported() -> anyhow::Result<()> {
    in_space("nobody-watches", async |space| {
        let namespace = &space.namespace;
        fails_with(
            fio(&["reinit-signal", "--node=n", "-n", namespace]).env("KUBECONFIG", admins()?),
            &[
                &format!("no FileIntegrity in namespace {namespace} watches node n"),
                &format!("kubectl get fileintegritynodestatuses -n {namespace} lists the nodes"),
            ],
        )
    })
    .await
}

#[tokio::test]
async fn the_command_reports_a_node_without_a_daemon_pod() -> anyhow::Result<()> {
    in_space("waits-in-vain", async |space| {
        let _operator = space.operator("op").await?;
        let (nodes, _) = space.active("fi", json!({})).await?;
        space.file_integrity("other", json!({})).await?;
        let other = names::node_status("other", &nodes[0]);
        space
            .until_is(&other, "a second status", |_: &FileIntegrityNodeStatus| {
                true
            })
            .await?;
        let node = format!("--node={}", nodes[0]);
        let namespace = space.namespace.as_str();
        let args = [
            "reinit-signal",
            node.as_str(),
            "--file-integrity=other",
            "-n",
            namespace,
        ];
        fails_with(
            fio(&args)
                .args(["--wait", "--timeout=1"])
                .env("KUBECONFIG", admins()?),
            &[
                &format!("wait for the new baseline of node {}", nodes[0]),
                "not there after 1 s",
            ],
        )?;
        let asked = |status: &FileIntegrityNodeStatus| {
            status
                .annotation(names::Annotation::REINIT_REQUEST)
                .is_some()
        };
        space.until_is(&other, "the request", asked).await?;
        let fi = space
            .api::<FileIntegrityNodeStatus>()
            .get(&names::node_status("fi", &nodes[0]))
            .await?;
        assert!(!asked(&fi), "only the one that was named: {fi:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn no_definitions() -> anyhow::Result<()> {
    alone("no-definitions", async |space| {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
        let definitions = Api::<CustomResourceDefinition>::all(space.client.clone());
        let name = "fileintegrities.fileintegrity.openshift.io";
        definitions.delete(name, &DeleteParams::default()).await?;
        let is_deleted = |definition: Option<&CustomResourceDefinition>| definition.is_none();
        let waited = kube::runtime::wait::await_condition(definitions, name, is_deleted);
        tokio::time::timeout(PATIENCE, waited).await??;
        let result = match operator(&space.namespace, Path::new(&admins()?)).await {
            Ok(mut command) => fails_with(
                &mut command,
                &["the API does not know FileIntegrity (fileintegrity.openshift.io/v1alpha1); install the definitions: fio crd | kubectl apply -f -"],
            ),
            Err(error) => Err(error),
        };
        reinstall_definitions().await?;
        result
    })
    .await
}

/// An operator often starts before the API server, for example after a restart of the machine.
#[tokio::test]
async fn an_operator_waits_for_the_api_server_and_reports_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    // Nothing listens on a port that was just let go.
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let path = kubeconfig(dir.path(), Some(&format!("https://{free}")), &json!({}))?;
    let mut child = operator("default", &path).await?.spawn()?;
    let stderr = child.stderr.take().context("standard error")?;
    let (lines, mut printed) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
    let waiting = async {
        let mut count = 0;
        while let Some(line) = printed.recv().await {
            count += usize::from(line.contains("waiting for the API server"));
            if count == 2 {
                return Ok(());
            }
        }
        anyhow::bail!("it does not report that it waits")
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    let status = tokio::task::spawn_blocking(move || child.wait());
    let status = tokio::time::timeout(PATIENCE, status).await???;
    waited??;
    assert_eq!(status.code(), Some(0), "a stop is no failure");
    Ok(())
}

//! `spec.config.securityProfile`: what the pods on the nodes may do, and that what is seen does not
//! depend on it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use fio::testing::aide::profiles::Profile;
use fio::testing::api::{ChangeKind, Condition, ScanResult, names};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::harness::node::FILES;
use crate::harness::{Fi, Node, Test, on_one_node, until};

/// Sets an extended attribute by its system call: a minimal node has Perl, and no setfattr.
const XATTR: &str = r#"xattr() { perl -e '
  my ($path, $name, $hex) = @ARGV;
  my $call = qx(uname -m) =~ /x86_64/ ? 188 : 5;
  my $value = pack "H*", $hex;
  syscall($call, $path, $name, $value, length $value, 0) == 0 or die "$name: $!\n";
' "$@"; }; "#;

/// An access control list that lets user 1234 read (version 2 of its form in an attribute).
const ACL: &str = concat!(
    "02000000",
    "01000600ffffffff",
    "02000400d2040000",
    "04000400ffffffff",
    "10000400ffffffff",
    "20000400ffffffff"
);

/// The file capability `cap_net_raw` (version 2 of its form in an attribute).
const CAPABILITY: &str = "0100000200200000000000000000000000000000";

/// Files of every relevant kind, including files without read permission.
const BEFORE: &str = "umask 022
    for name in content mode owner acl user capability trusted; do printf one > $name; done
    printf x > removed
    mkdir locked; printf one > locked/hidden; chmod 0 locked/hidden
    chown -R 1234:1234 locked; chmod 700 locked";

/// The built-in rules, and all that AIDE can see of the test's own files.
fn rules() -> String {
    format!(
        "{}\n{FILES}(/|$) ftype+p+u+g+sha256+sha512+acl+selinux+xattrs+caps\n",
        Profile::Generic.text()
    )
}

/// Path below [`FILES`], kind and attributes of each change in a result.
fn changes(result: &ScanResult) -> BTreeMap<&str, (ChangeKind, Vec<&str>)> {
    let mut changes = BTreeMap::new();
    for change in &result.changes {
        let path = change.path.strip_prefix(FILES).unwrap_or(&change.path);
        let attributes = change.attributes.iter().map(String::as_str).collect();
        changes.insert(path, (change.kind, attributes));
    }
    changes
}

/// sha256 of the rows of the database on the node; its head has the time.
async fn rows(node: &Node) -> Result<String> {
    node.sh("zcat /etc/kubernetes/aide.db.gz | grep -v '^#' | sha256sum | cut -d' ' -f1")
        .await
}

/// Writes this into `spec.config`, which rolls the daemons, and returns the new daemon's pod.
async fn switch(fi: &Fi<'_>, node: &str, config: Value) -> Result<Pod> {
    fi.roll(node, json!({"spec": {"config": config}})).await
}

/// The security context of the container, and the directories of the node that it can write.
fn permissions(pod: &Pod, container: &Container) -> Result<(Value, Vec<String>)> {
    let context = serde_json::to_value(&container.security_context)?;
    let volumes = pod.spec.iter().flat_map(|spec| &spec.volumes).flatten();
    let of_node = volumes.filter(|volume| volume.host_path.is_some());
    let of_node: Vec<_> = of_node.map(|volume| volume.name.as_str()).collect();
    let mounts = container.volume_mounts.iter().flatten();
    let writable = mounts
        .filter(|mount| of_node.contains(&mount.name.as_str()) && mount.read_only != Some(true));
    Ok((context, writable.map(|m| m.mount_path.clone()).collect()))
}

/// The security context of restricted containers with these capabilities.
fn restricted(capabilities: &Value) -> Value {
    json!({
        "runAsUser": 0,
        "capabilities": capabilities,
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "seccompProfile": {"type": "RuntimeDefault"},
        "seLinuxOptions": {"type": "spc_t"},
    })
}

fn is_restricted_daemon(pod: &Pod) -> Result<()> {
    let spec = pod.spec.as_ref().context("no spec")?;
    let with_one = json!({"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]});
    assert_eq!(
        permissions(pod, &spec.containers[0])?,
        (
            restricted(&with_one),
            vec!["/hostroot/etc/kubernetes".to_owned()]
        )
    );
    let check_folder = spec.init_containers.iter().flatten().next();
    let check_folder = check_folder.context("no init container")?;
    assert_eq!(
        permissions(pod, check_folder)?,
        (restricted(&json!({"drop": ["ALL"]})), vec![])
    );
    assert_eq!(
        (spec.host_network, spec.host_pid, spec.host_ipc),
        (None, None, None),
        "namespaces of the node"
    );
    Ok(())
}

/// Requests a new baseline, and checks the pod of the re-init DaemonSet before it exists: AIDE waits.
async fn reinit_with_pod(t: &Test, fi: &Fi<'_>, node: &Node) -> Result<()> {
    let before = fi.baseline(&node.name).await?;
    let ask = async || fi.annotate(names::Annotation::REINIT, "").await;
    node.stop_aide("--update", ask).await?;
    let app = format!("aide-ini-{}", fi.name);
    let reinit_pod = until("a pod of the re-init DaemonSet", async || {
        let mut pods = fi.pods().await?.into_iter();
        let pod = pods.find(|pod| pod.labels().get("app") == Some(&app));
        pod.context("none")
    })
    .await?;
    let spec = reinit_pod.spec.as_ref().context("no spec")?;
    assert_eq!(
        permissions(&reinit_pod, &spec.containers[0])?,
        (
            restricted(&json!({"drop": ["ALL"]})),
            vec!["/hostroot/run".to_owned()]
        )
    );
    let request = fi.status(&node.name).await?;
    let request = request
        .annotation(names::Annotation::REINIT_REQUEST)
        .map(str::to_owned);
    until("the signal on the node", async || {
        let signal = node.sh("cat /run/aide.reinit").await?;
        ensure!(Some(&signal) == request.as_ref(), "{signal}, {request:?}");
        Ok(())
    })
    .await?;
    node.continue_aide().await?;
    let baseline = fi.new_baseline(&node.name, &before).await?;
    assert!(baseline.requested, "{baseline:?}");
    node.signal_is_removed().await?;
    until("the re-init DaemonSet's pods are deleted", async || {
        let pods = fi.pods().await?.len();
        ensure!(pods == t.nodes().len(), "{pods} pods");
        Ok(())
    })
    .await
}

/// Changes of every kind, and how they are reported.
async fn changes_are_seen(fi: &Fi<'_>, node: &Node) -> Result<()> {
    node.sh(&format!(
        "{XATTR} umask 022; printf two > content; chmod 4755 mode; chown 1 owner
         xattr acl system.posix_acl_access {ACL}; xattr user user.fio 61
         xattr capability security.capability {CAPABILITY}
         printf two > locked/hidden; rm removed; printf x > added; chmod 0 added; chown 1234 added"
    ))
    .await?;
    let counts = |r: &ScanResult| (r.files_added, r.files_changed, r.files_removed);
    let result = fi
        .result_with(&node.name, "1 added, 7 changed, 1 removed", |r| {
            counts(r) == (1, 7, 1)
        })
        .await?;
    let changed = |attributes: &[&'static str]| (ChangeKind::Changed, attributes.to_vec());
    let digests = ["sha256", "sha512"];
    let expected = BTreeMap::from([
        ("/content", changed(&digests)),
        ("/mode", changed(&["permissions", "acl"])),
        ("/owner", changed(&["owner"])),
        ("/acl", changed(&["acl"])),
        ("/user", changed(&["xattrs"])),
        ("/capability", changed(&["xattrs", "capabilities"])),
        ("/locked/hidden", changed(&digests)),
        ("/removed", (ChangeKind::Removed, vec![])),
        ("/added", (ChangeKind::Added, vec![])),
    ]);
    assert_eq!(changes(&result), expected);
    let log = fi.failure_log(&node.name).await?;
    let text = &log.data.as_ref().context("no data")?["integritylog"];
    for path in expected.keys() {
        let path = format!("/hostroot{FILES}{path}");
        assert!(
            text.contains(&path),
            "{path} is in the failure log:\n{text}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn restricted_and_privileged_daemons_report_the_same_and_a_switch_keeps_the_baseline()
-> Result<()> {
    on_one_node("security-profile", async |t| {
        let node = t.node()?;
        node.files(BEFORE).await?;
        let name = t.config_map(&rules()).await?;
        let config = json!({"name": name, "namespace": t.namespace()});
        let fi = t.create(json!({"config": config})).await?;
        fi.watched().await?;
        let privileged = (fi.baseline(&node.name).await?.entries, rows(node).await?);

        let config = json!({"securityProfile": "restricted", "stateDir": "/etc/kubernetes"});
        is_restricted_daemon(&switch(&fi, &node.name, config).await?)?;
        fi.result(&node.name, Condition::Succeeded).await?;
        reinit_with_pod(t, &fi, node).await?;
        let restricted = (fi.baseline(&node.name).await?.entries, rows(node).await?);
        assert_eq!(restricted, privileged, "entries, and sha256 of the rows");

        let before = fi.baseline(&node.name).await?;
        node.sh("touch /run/aide.reinit").await?;
        let baseline = fi.new_baseline(&node.name, &before).await?;
        assert!(!baseline.requested, "it is unrequested: {baseline:?}");
        node.signal_is_removed().await?;

        changes_are_seen(&fi, node).await?;

        // The one thing that only a privileged daemon sees.
        let privileged = fi.result(&node.name, Condition::Failed).await?;
        let script = format!("{XATTR} xattr trusted trusted.fio 61");
        node.sh(&script).await?;
        let result = fi.scans(&node.name, 2).await?;
        assert_eq!(changes(&result), changes(&privileged));
        let pod = switch(&fi, &node.name, json!({"securityProfile": null})).await?;
        let spec = pod.spec.as_ref().context("no spec")?;
        let (context, _) = permissions(&pod, &spec.containers[0])?;
        assert_eq!(context, json!({"privileged": true, "runAsUser": 0}));
        let result = fi.result(&node.name, Condition::Failed).await?;
        let mut expected = changes(&privileged);
        expected.insert("/trusted", (ChangeKind::Changed, vec!["xattrs"]));
        assert_eq!(changes(&result), expected);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_restricted_daemon_creates_its_state_directory() -> Result<()> {
    on_one_node("restricted-dir", async |t| {
        let node = t.node()?;
        let dir = crate::harness::node::STATE_DIR;
        let config = json!({"securityProfile": "restricted", "stateDir": dir});
        let fi = t.create(json!({"config": config})).await?;
        fi.watched().await?;
        let files = node.sh(&format!("ls {dir}")).await?;
        assert!(files.contains("aide.db.gz"), "{files}");
        let elsewhere = node.sh("ls /etc/kubernetes/ | grep ^aide || true").await?;
        assert_eq!(elsewhere, "", "in the directory that is not configured");
        Ok(())
    })
    .await
}

//! The plugin of kubectl: a real kubectl finds it on the PATH, and asks a real API server about a fleet.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use fio::testing::api::{FileIntegrity, FileIntegrityNodeStatus, names};
use futures::future::try_join_all;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Daemon, Space, alone, checkout, clean, eventually, in_space, kubeconfig_as};
use crate::process::program;

/// The API group of all kinds.
const GROUP: &str = "fileintegrity.openshift.io";
/// Nodes with the changes of an update. One more has another file.
const ALIKE: usize = 46;
/// Nodes of the largest fleet, and those with changes.
const MANY: usize = 5_000;
const CHANGED: usize = 47;
/// What reading it may take.
const MAX_LISTS: usize = 25;
const MAX_MEMORY: u64 = 60_000_000;

/// kubectl with the plugin on its PATH, for a user of its own.
pub(crate) struct Kubectl {
    dir: TempDir,
    namespace: String,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// A user who may read everything.
    pub(crate) fn reader(space: &Space, user: &str) -> anyhow::Result<Self> {
        Self::of_groups(space, user, &["system:masters"])
    }

    /// A user who may do what these `ClusterRoles` allow in the namespace.
    pub(crate) async fn bound(space: &Space, user: &str, roles: &[&str]) -> anyhow::Result<Self> {
        for role in roles {
            let binding: RoleBinding = serde_json::from_value(json!({
                "metadata": {"name": format!("{user}-{role}")},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{
                    "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": space.group(user),
                }],
            }))?;
            let bindings = space.api::<RoleBinding>();
            bindings.create(&PostParams::default(), &binding).await?;
            until_bound(space, user, role).await?;
        }
        Self::of_groups(space, user, &["system:authenticated"])
    }

    pub(crate) fn of_groups(space: &Space, user: &str, groups: &[&str]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        std::os::unix::fs::symlink(program(), dir.path().join("kubectl-file_integrity"))?;
        let group = space.group(user);
        let kubeconfig = kubeconfig_as(dir.path(), user, &[&[group.as_str()], groups].concat())?;
        Ok(Self {
            dir,
            namespace: space.namespace.clone(),
            kubeconfig,
        })
    }

    /// Runs the plugin with these arguments.
    pub(crate) fn run(&self, args: &[&str]) -> anyhow::Result<Output> {
        self.command(args).output().context("start kubectl")
    }

    /// Runs the plugin while the test does other things.
    pub(crate) async fn run_beside(&self, args: &[&str]) -> anyhow::Result<Output> {
        let mut command = tokio::process::Command::from(self.command(args));
        command.output().await.context("start kubectl")
    }

    /// What kubectl itself completes after these words of the plugin.
    pub(crate) fn completes(&self, words: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut command = self.kubectl();
        command.args(["__complete", "file-integrity", "-n", &self.namespace]);
        let output = command.args(words).output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.kubectl();
        command.arg("file-integrity").args(args);
        command.args(["-n", &self.namespace]);
        command
    }

    /// kubectl with the plugin on its PATH.
    fn kubectl(&self) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.dir.path().display());
        let mut command = Command::new(checkout().join(".cluster/bin/kubectl"));
        command
            .env("PATH", path)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::null());
        command
    }

    /// What it prints, with this exit status.
    pub(crate) fn prints(&self, args: &[&str], status: i32) -> anyhow::Result<String> {
        let output = self.run(args)?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8(output.stdout)?;
        anyhow::ensure!(
            output.status.code() == Some(status),
            "{args:?}: {}: {text}{errors}",
            output.status
        );
        anyhow::ensure!(errors.is_empty(), "{args:?}: {errors}");
        let is_harmless = |c: char| !c.is_control() || c == '\n' || c == '\t';
        anyhow::ensure!(text.chars().all(is_harmless), "{text:?}");
        Ok(text)
    }

    pub(crate) fn json(&self, args: &[&str], status: i32) -> anyhow::Result<Value> {
        let args = [args, &["-o", "json"]].concat();
        Ok(serde_json::from_str(&self.prints(&args, status)?)?)
    }

    /// What it prints to standard error, with this exit status.
    pub(crate) fn fails(&self, args: &[&str], status: i32) -> anyhow::Result<String> {
        let output = self.run(args)?;
        let errors = String::from_utf8(output.stderr)?;
        anyhow::ensure!(output.status.code() == Some(status), "{args:?}: {errors}");
        Ok(errors)
    }
}

/// Until the API server has seen the binding to this role.
async fn until_bound(space: &Space, user: &str, role: &str) -> anyhow::Result<()> {
    let (verb, group, resource) = match role {
        "fileintegrity-accepter-role" => ("create", GROUP, "fileintegrityacceptances"),
        "fileintegrity-editor-role" => ("patch", GROUP, "fileintegrities"),
        "fileintegrity-log-reader-role" => ("get", "", "configmaps"),
        _ => ("get", GROUP, "fileintegritynodestatuses"),
    };
    let review: SubjectAccessReview = serde_json::from_value(json!({"metadata": {}, "spec": {
        "user": user, "groups": [space.group(user)], "resourceAttributes": {
            "namespace": space.namespace, "verb": verb, "group": group, "resource": resource,
        },
    }}))?;
    let reviews = Api::<SubjectAccessReview>::all(space.client.clone());
    eventually(&format!("{user} to have {role}"), async || {
        let answer = reviews.create(&PostParams::default(), &review).await?;
        Ok(answer.status.filter(|status| status.allowed).map(|_| ()))
    })
    .await
}

/// AIDE's report of an update of a library, whose new content is this, and of more added files.
fn report(content: &str, more: &[&str]) -> anyhow::Result<String> {
    let digest = |text: &str| {
        let hex = names::sha256_hex(text);
        json!({"old": names::sha256_hex("old"), "new": hex})
    };
    let mut added = json!({"/hostroot/etc/ssl/new.cnf": "f++++++++"});
    let mut details = json!({
        "/hostroot/usr/lib/libcrypto.so.3": {
            "perm": {"old": "-rwxr-xr-x", "new": "-rwsr-xr-x"}, "sha256": digest(content),
        },
        "/hostroot/etc/ssl/new.cnf": {"sha256": {"new": names::sha256_hex("cnf")}},
    });
    for path in more {
        added[format!("/hostroot{path}")] = json!("f++++++++");
        details[format!("/hostroot{path}")] = json!({"sha256": {"new": names::sha256_hex(path)}});
    }
    let report = json!({
        "aide_version": "0.19.1",
        "number_of_entries": {"total": 29446, "added": 1 + more.len(), "removed": 0, "changed": 1},
        "added": added,
        "changed": {"/hostroot/usr/lib/libcrypto.so.3": "f   p..    .H"},
        "details": details,
    });
    Ok(serde_json::to_string(&report)?)
}

#[tokio::test]
async fn the_plugin_shows_what_changed_on_47_of_50_nodes() -> anyhow::Result<()> {
    in_space("plugin", async |space| {
        let operator = space.operator("op").await?;
        let names: Vec<String> = (1..=ALIKE + 4).map(|n| format!("n{n:02}")).collect();
        let nodes = try_join_all(names.iter().map(|name| space.node(name))).await?;
        space.file_integrity("fi", json!({})).await?;
        let daemons = nodes.iter().map(|node| space.daemon("fi", node));
        let mut daemons: Vec<Daemon> = daemons.collect();
        try_join_all(daemons.iter_mut().map(Daemon::handle_request)).await?;
        try_join_all(
            daemons
                .iter_mut()
                .map(|daemon| async { daemon.finds(&clean()).await }),
        )
        .await?;
        space.until_phase("fi", "Active").await?;
        let kubectl = Kubectl::reader(space, "reader")?;
        kubectl.prints(&["status"], 0)?;

        let update = report("new", &[])?;
        try_join_all(
            daemons[..ALIKE]
                .iter_mut()
                .map(|daemon| daemon.reports(&update)),
        )
        .await?;
        let odd = report("other", &["/etc/cron.d/\u{1b}[31m\u{1b}]0;x\u{7}"])?;
        daemons[ALIKE].reports(&odd).await?;
        let has_sets = |fi: &FileIntegrity| {
            let status = fi.status.as_ref();
            status.is_some_and(|status| status.change_sets.len() == 2)
        };
        space.until_is("fi", "two change sets", has_sets).await?;

        let status = kubectl.json(&[], 1)?;
        let fi = &status["fileIntegrities"][0];
        assert_eq!(fi["counts"]["changed"], json!(CHANGED));
        assert_eq!(fi["counts"]["ok"], json!(3));
        let sets = fi["changeSets"].as_array().context("sets")?;
        let sizes = sets.iter().filter_map(|set| set["nodes"].as_array());
        let sizes: Vec<usize> = sizes.map(Vec::len).collect();
        assert_eq!(sizes, [ALIKE, 1]);
        let ids: Vec<&str> = sets.iter().filter_map(|set| set["id"].as_str()).collect();
        let [large, small] = [ids[0], ids[1]];
        assert_eq!(
            sets[1]["examplePath"],
            json!("/etc/cron.d/\\033[31m\\033]0;x\\007")
        );
        let text = kubectl.prints(&["status"], 1)?;
        shown(&text);
        anyhow::ensure!(
            text.contains(&large[..12]) && text.contains(&small[..12]),
            "{text}"
        );
        let names = kubectl.prints(&["status", "-o", "name"], 1)?;
        assert_eq!(names.lines().count(), CHANGED);
        let some = kubectl.json(&["-l", &format!("kubernetes.io/hostname={}", "n01")], 1)?;
        assert_eq!(some["fileIntegrities"][0]["counts"]["nodes"], json!(1));

        changes(space, &kubectl, large, small).await?;
        completion(&kubectl, large, &nodes[1])?;

        // The node of the set's example has other changes meanwhile: the next one is read.
        let other = report("yet another", &[])?;
        daemons[0].reports(&other).await?;
        let statuses = space.api::<FileIntegrityNodeStatus>();
        let name = names::node_status("fi", &nodes[0]);
        let second = statuses.get(&names::node_status("fi", &nodes[1])).await?;
        let mut before = json!({"lastResult": second.last_result});
        before["lastResult"]["resultConfigMapName"] = json!(format!("aide-fi-{}-failed", nodes[0]));
        space
            .merge::<FileIntegrityNodeStatus>(&name, before)
            .await?;
        let found = kubectl.json(&["changes", large], 1)?;
        assert_eq!(found["source"]["node"], json!(nodes[1]));
        assert_eq!(found["complete"], json!(true));
        let note = found["notes"][0].as_str().context("a note")?;
        anyhow::ensure!(note.contains("has other changes meanwhile"), "{note}");

        // Failure logs are ConfigMaps, which viewers may not read.
        let viewer = Kubectl::bound(space, "viewer", &["fileintegrity-viewer-role"]).await?;
        let error = viewer.fails(&["changes", &large[..12]], 2)?;
        anyhow::ensure!(
            error.contains("you may not get configmaps in the namespace")
                && error.contains("fileintegrity-log-reader-role"),
            "{error}"
        );
        let reviewer = ["fileintegrity-log-reader-role"];
        let reviewer = Kubectl::bound(space, "reviewer", &reviewer).await?;
        reviewer.prints(&["changes", &large[..12]], 1)?;
        reviewer.prints(&["status"], 1)?;
        let nobody = Kubectl::of_groups(space, "nobody", &["system:authenticated"])?;
        let error = nobody.fails(&["status"], 2)?;
        anyhow::ensure!(
            error.contains("you may not list fileintegrities in the namespace"),
            "{error}"
        );
        anyhow::ensure!(error.contains("fileintegrity-viewer-role"), "{error}");
        operator.stop().await
    })
    .await
}

/// The commands about these two sets.
async fn changes(space: &Space, kubectl: &Kubectl, large: &str, small: &str) -> anyhow::Result<()> {
    let text = kubectl.prints(&["changes", &large[..12]], 1)?;
    shown(&text);
    let found = kubectl.json(&["changes", &large[..12]], 1)?;
    let of_path = |path: &str| {
        let all = found["changes"].as_array().into_iter().flatten();
        let mut all = all.filter(|change| change["path"] == path);
        all.next().context("the path").cloned()
    };
    let library = of_path("/usr/lib/libcrypto.so.3")?;
    assert_eq!(
        library["attributes"],
        json!({
            "permissions": {"old": "0755", "new": "4755"},
            "sha256": {"old": names::sha256_hex("old"), "new": names::sha256_hex("new")},
        })
    );
    assert_eq!(found["nodes"].as_array().map(Vec::len), Some(ALIKE));
    assert_eq!(found["complete"], json!(true));
    let selected = [
        "changes",
        &large[..12],
        "--path",
        "/etc/**.cnf",
        "--kind",
        "added",
    ];
    let selected = kubectl.json(&selected, 1)?;
    assert_eq!(selected["changes"].as_array().map(Vec::len), Some(1));

    // The set of one ConfigMap was read, by its own identity in the audit log.
    let counter = Kubectl::reader(space, "counter")?;
    counter.prints(&["changes", large], 1)?;
    let requests = until_audited(space, "counter", 3).await?;
    let expected = [
        "list fileintegritynodestatuses",
        "get configmaps",
        "get fileintegritynodestatuses",
    ];
    assert_eq!(requests, expected);

    let odd = space.node_name(&format!("n{}", ALIKE + 1));
    let of_node = kubectl.json(&["changes", &odd], 1)?;
    assert_eq!(of_node["changeSet"], json!(small));
    let clean = space.node_name("n50");
    assert_eq!(kubectl.json(&["changes", &clean], 0)?["changes"], json!([]));

    let text = kubectl.prints(&["diff", &large[..12], &odd], 1)?;
    shown(&text);
    let diff = kubectl.json(&["diff", &large[..12], &odd], 1)?;
    assert_eq!(diff["same"], json!(1));
    assert_eq!(
        diff["otherValues"][0]["path"],
        json!("/usr/lib/libcrypto.so.3")
    );
    assert_eq!(diff["onlyB"].as_array().map(Vec::len), Some(1));
    let first = space.node_name("n01");
    kubectl.prints(&["diff", &first, &space.node_name("n02")], 0)?;

    let log = kubectl.prints(&["logs", &odd], 0)?;
    anyhow::ensure!(log.starts_with("AIDE found differences"), "{log}");
    let error = kubectl.fails(&["logs", &clean], 2)?;
    anyhow::ensure!(error.contains("has no failure log"), "{error}");
    let error = kubectl.fails(&["changes", "0000000000"], 2)?;
    anyhow::ensure!(error.contains("no node shows a change set"), "{error}");

    let text = kubectl.prints(&["explain", "NodesSilent"], 0)?;
    anyhow::ensure!(text.contains("Solution"), "{text}");
    let nowhere = ["status", "--kubeconfig", "/nonexistent"];
    let error = kubectl.fails(&nowhere, 3)?;
    anyhow::ensure!(error.contains("cannot be reached"), "{error}");
    Ok(())
}

/// kubectl completes the commands of the plugin, with the names in the cluster.
fn completion(kubectl: &Kubectl, large: &str, node: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        kubectl
            .completes(&["cha"])?
            .iter()
            .all(|it| !it.starts_with("changes")),
        "not installed yet"
    );
    let text = kubectl.prints(&["completion"], 0)?;
    anyhow::ensure!(
        text.contains("exec kubectl-file_integrity __complete"),
        "{text}"
    );
    let text = kubectl.prints(&["completion", "--install"], 0)?;
    anyhow::ensure!(
        text.contains("kubectl_complete-file_integrity installed"),
        "{text}"
    );
    let commands = kubectl.completes(&["cha"])?;
    anyhow::ensure!(commands[0].starts_with("changes\t"), "{commands:?}");
    let sets = kubectl.completes(&["changes", &large[..4]])?;
    let expected = format!("{}\ta:1,c:1,r:0 on {ALIKE} nodes", &large[..12]);
    anyhow::ensure!(sets.contains(&expected), "{sets:?}");
    let nodes = kubectl.completes(&["logs", node])?;
    anyhow::ensure!(nodes.contains(&format!("{node}\tchanged")), "{nodes:?}");
    let integrities = kubectl.completes(&["changes", "--file-integrity", ""])?;
    anyhow::ensure!(
        integrities.contains(&"fi\tActive".to_owned()),
        "{integrities:?}"
    );
    Ok(())
}

/// The requests of this identity, when there are as many in the audit log.
async fn until_audited(space: &Space, user: &str, number: usize) -> anyhow::Result<Vec<String>> {
    eventually(&format!("{number} requests of {user}"), async || {
        let requests = space.requests(user)?;
        Ok((requests.len() >= number).then_some(requests))
    })
    .await
}

/// For the reader of the test's output.
#[expect(clippy::print_stdout, reason = "libtest shows it with --nocapture")]
pub(crate) fn shown(text: &str) {
    println!("{text}");
}

#[tokio::test]
async fn status_of_5000_nodes_takes_few_requests_and_little_memory() -> anyhow::Result<()> {
    // Its 5,000 objects would slow down the tests beside it.
    alone("plugin-large", async |space| {
        // Without an operator: nothing else changes these objects.
        let fi = space.file_integrity("fi", json!({})).await?;
        let owner = json!([{
            "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrity",
            "name": "fi", "uid": fi.metadata.uid, "controller": true,
        }]);
        let kind = ApiResource::erase::<FileIntegrityNodeStatus>(&());
        let statuses: Api<DynamicObject> =
            Api::namespaced_with(space.client.clone(), &space.namespace, &kind);
        stream::iter(0..MANY)
            .map(|number| {
                let (statuses, owner) = (&statuses, &owner);
                async move {
                    let object = serde_json::from_value(node_status(number, owner))?;
                    statuses.create(&PostParams::default(), &object).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(50)
            .try_collect::<()>()
            .await?;
        let kubectl = Kubectl::reader(space, "large")?;
        let started = Instant::now();
        let status = kubectl.json(&["status"], 1)?;
        let took = started.elapsed();
        let counts = &status["fileIntegrities"][0]["counts"];
        assert_eq!(counts["nodes"], json!(MANY));
        assert_eq!(counts["changed"], json!(CHANGED));
        let requests = until_audited(space, "large", 12).await?;
        let lists = requests.iter().filter(|it| it.starts_with("list")).count();
        assert_eq!(lists, requests.len(), "{requests:?}");
        anyhow::ensure!(lists <= MAX_LISTS, "{lists} lists");
        let memory = peak_memory(&kubectl, space)?;
        shown(&format!(
            "status of {MANY} nodes: {took:.1?}, {lists} lists, {} kB",
            memory / 1000
        ));
        anyhow::ensure!(memory <= MAX_MEMORY, "{memory} bytes");
        Ok(())
    })
    .await
}

/// A node status as a daemon writes it.
fn node_status(number: usize, owner: &Value) -> Value {
    let node = format!("worker-{number:04}");
    let hash = names::sha256_hex(if number == 0 { "odd" } else { "update" });
    let changes: Vec<Value> = (0..20)
        .map(|file| {
            json!({
                "path": format!("/usr/lib/x86_64-linux-gnu/openssl-{file:02}.so.3"),
                "kind": "changed", "attributes": ["size", "sha256"],
            })
        })
        .collect();
    let (at, digest) = ("2026-12-01T00:00:00Z", names::sha256_hex(&node));
    let result = if number < CHANGED {
        json!({
            "condition": "Failed", "lastProbeTime": at, "filesChanged": 20, "changes": changes,
            "changesHash": hash, "changesHashVersion": 2, "changeSet": hash[..12],
            "pathsHash": names::sha256_hex("paths"), "filesScanned": 29446, "durationMilliseconds": 9310,
            "resultConfigMapName": format!("aide-fi-{node}-failed"), "trigger": "Scan",
        })
    } else {
        json!({"condition": "Succeeded", "lastProbeTime": at, "filesScanned": 29446, "trigger": "Scan"})
    };
    json!({
        "apiVersion": "fileintegrity.openshift.io/v1alpha1", "kind": "FileIntegrityNodeStatus",
        "metadata": {
            "name": names::node_status("fi", &node), "ownerReferences": owner,
            "labels": {names::Label::OWNER: "fi", names::Label::NODE: node},
            "annotations": {names::Annotation::DESIRED_CONFIG: digest},
        },
        "nodeName": node, "results": [result], "lastResult": result, "lastFullScan": at,
        "baseline": {"createdAt": at, "configHash": digest, "digest": digest, "entries": 29446,
            "aideVersion": "0.19.1", "stateDir": "/etc/kubernetes", "requested": true},
        "realtime": {"state": "Active", "since": at, "backend": "fanotify", "directories": 1204},
    })
}

/// The most memory that the program has had when it has shown the status.
fn peak_memory(kubectl: &Kubectl, space: &Space) -> anyhow::Result<u64> {
    let mut child = Command::new(program())
        .args(["status", "--watch", "-n", &space.namespace])
        .env("KUBECONFIG", &kubectl.kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = BufReader::new(child.stdout.take().context("standard output")?);
    let mut lines = stdout.lines();
    let last = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("Next")));
    let proc_status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
    child.kill()?;
    child.wait()?;
    last.context("the program ended before it had shown the status")??;
    let proc_status = proc_status?;
    let peak = proc_status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.context("VmHWM")?.parse::<u64>()? * 1024)
}

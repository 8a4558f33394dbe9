//! Acceptances that list their changes, with a real AIDE.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use rustix::fs::{XattrFlags, setxattr};
use sha2::{Digest as _, Sha512};

use super::fault_tests::Restless;
use super::tests::{Node, finding, made, old_baseline};
use super::*;
use crate::aide::report::display_path;
use crate::api::{AnnouncedResult, ApprovedChange, ChangeKind, Condition, names};
use crate::daemon::machine::BaselineReason;
use crate::scan::approved_changes::ApprovedChanges;
use crate::scan::evidence;
use crate::testing::mount_namespace::names_in;

/// All attributes that the profiles watch. Runs change the times of the state directory.
const RULE: &str = "!/etc/kubernetes\n/etc p+u+g+ftype+l+s+n+i+m+c+b+acl+xattrs+caps+sha512\n";
/// Maximum number of changes in a node status.
const LISTED: usize = 20;

/// A change as it is on the node: with all values that must be listed.
pub(super) fn listed(node: &Node, path: &[u8], kind: ChangeKind) -> ApprovedChange {
    let mut change = ApprovedChange::new(display_path(path), kind);
    if kind == ChangeKind::Removed {
        return change;
    }
    let file = node.on_node(path);
    let meta = fs::symlink_metadata(&file).unwrap();
    change.mode = Some(format!("{:04o}", meta.permissions().mode() & 0o7777));
    (change.uid, change.gid) = (Some(meta.uid().into()), Some(meta.gid().into()));
    if meta.is_symlink() {
        let target = fs::read_link(&file).unwrap();
        change.link_target = Some(display_path(target.as_os_str().as_bytes()));
    } else if meta.is_file() {
        let digest = names::hex(&Sha512::digest(fs::read(&file).unwrap()));
        change.digests.insert("sha512".to_owned(), digest);
    }
    change
}

/// One acceptance of these changes.
pub(super) fn announced(runner: &Runner, changes: &[ApprovedChange]) -> Announced {
    let old = old_baseline(runner).unwrap();
    let acceptance = AnnouncedAcceptance {
        name: "deploy".to_owned(),
        uid: "u1".to_owned(),
        until: "2100-01-01T00:00:00Z".parse().unwrap(),
        config_hash: old.config_hash.clone(),
        changes: Arc::new(ApprovedChanges::new(changes).unwrap()),
    };
    Announced {
        acceptances: vec![acceptance],
        config_hash: old.config_hash.clone(),
        old: Some(old),
        is_current: Arc::new(|_| true),
    }
}

async fn accept(node: &Node, announced: &Announced) -> Option<Completed> {
    let runner = node.runner();
    let cancel = CancellationToken::new();
    let completed = runner
        .accept_announced(&node.config(), announced, &cancel)
        .await;
    assert_eq!(runner.interruptions(), 0);
    assert_eq!(left_behind(&runner), [""; 0]);
    completed
}

/// Accepts exactly these changes, and returns the result of the run.
async fn accept_listed(node: &Node, changes: &[ApprovedChange]) -> Completed {
    let completed = accept(node, &announced(&node.runner(), changes)).await;
    let completed = completed.expect("the run decides");
    let Finished::AcceptedPart(known) = &completed.finished else {
        panic!("nothing was accepted: {completed:?}");
    };
    let runner = node.runner();
    assert_eq!(runner.read_disk().unwrap(), Disk::Baseline(known.clone()));
    completed
}

/// Files that no run may leave.
fn left_behind(runner: &Runner) -> Vec<String> {
    let mut names = names_in(runner.state.path());
    names.retain(|name| name.contains(".new") || name.contains(".merged"));
    names.extend(
        names_in(&runner.work_dir)
            .into_iter()
            .filter(|name| name == "compare"),
    );
    names
}

type Found = BTreeMap<String, ChangeKind>;

/// What a run has found, by the path as text.
fn found(completed: &Completed) -> Found {
    let result = &finding(completed).result;
    let report = completed.report.as_ref().expect("a report");
    let listed = report.changes.iter().map(|change| {
        let kind = match change.kind {
            crate::aide::report::ChangeKind::Added => ChangeKind::Added,
            crate::aide::report::ChangeKind::Changed => ChangeKind::Changed,
            crate::aide::report::ChangeKind::Removed => ChangeKind::Removed,
        };
        (display_path(&change.path), kind)
    });
    let found: Found = listed.collect();
    assert_eq!(result.changes.len(), found.len().min(LISTED));
    found
}

/// What a later check finds, which must be what the run has left.
async fn checked(node: &Node, accepted: &Completed) -> Found {
    let scan = node.scan().await;
    let (result, left) = (&finding(&scan).result, &finding(accepted).result);
    assert_eq!(result.condition, left.condition, "{scan:?}");
    assert_eq!(result.changes_hash, left.changes_hash);
    assert_eq!(result.files_scanned, left.files_scanned);
    assert_eq!(scan.log.is_some(), accepted.log.is_some());
    let found = found(&scan);
    assert_eq!(found, self::found(accepted));
    found
}

fn progress(completed: &Completed) -> &AnnouncedResult {
    let results = completed.announced.as_ref().expect("the progress");
    assert_eq!(results.len(), 1);
    &results[0]
}

fn paths(found: &Found) -> Vec<&str> {
    found.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn after_one_change_of_ten_a_check_finds_exactly_nine() {
    let node = Node::with(RULE);
    for n in 0..10 {
        fs::write(node.etc(format!("file{n}")), "old").unwrap();
    }
    let old = made(&node.initialize(BaselineReason::First).await).clone();
    for n in 0..10 {
        fs::write(node.etc(format!("file{n}")), "new content").unwrap();
    }
    let change = listed(&node, b"/etc/file4", ChangeKind::Changed);
    let completed = accept_listed(&node, &[change]).await;
    assert_eq!(finding(&completed).result.condition, Condition::Failed);
    let left = checked(&node, &completed).await;
    let expected = (0..10).filter(|n| *n != 4).map(|n| format!("/etc/file{n}"));
    assert_eq!(paths(&left), expected.collect::<Vec<_>>());

    let baseline = completed.baseline.as_ref().unwrap();
    let accepted = baseline.accepted.clone().unwrap();
    assert_eq!(accepted.reason, "AnnouncedChanges");
    assert_eq!(accepted.request.as_deref(), Some("u1"));
    assert_eq!(accepted.acceptance.as_deref(), Some("deploy"));
    assert_eq!(accepted.old_digest, Some(old.digest.clone()));
    assert_eq!(accepted.differences.files_changed, 1);
    assert_eq!(accepted.differences.changes[0].path, "/etc/file4");
    let progress = progress(&completed);
    assert_eq!((progress.accepted, progress.remaining), (1, 0));
    assert_eq!(progress.old_digest, Some(old.digest));
    assert_eq!(progress.new_digest.as_ref(), Some(&baseline.digest));
    let log = completed.log.as_ref().unwrap()["data"]["integritylog"].to_string();
    assert!(log.contains("file3") && !log.contains("file4"), "{log}");
    let plain = fs::read_to_string(node.etc("kubernetes/aide.log")).unwrap();
    assert!(
        plain.contains("file3") && !plain.contains("file4"),
        "{plain}"
    );
}

#[tokio::test]
async fn the_report_of_the_baseline_proves_what_was_accepted() {
    let node = Node::with(RULE);
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    fs::write(node.etc("group"), "other").unwrap();
    let change = listed(&node, b"/etc/passwd", ChangeKind::Changed);
    let completed = accept_listed(&node, &[change]).await;
    let runner = node.runner();
    let reports = runner.state.accepted_reports();
    let [report] = &reports[..] else {
        panic!("{reports:?}");
    };
    let report: ConfigMap = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let record = evidence::record_of(&report).unwrap();
    assert_eq!(Some(&record.baseline), completed.baseline.as_ref());
    assert!(evidence::is_verified(&report, &record));
}

#[tokio::test]
async fn an_announced_change_that_arrives_exactly_is_no_failure() {
    let node = Node::with(RULE);
    made(&node.initialize(BaselineReason::First).await);
    // A new file in a new directory, as a deployment creates them. The time of /etc changes as well.
    fs::create_dir(node.etc("app")).unwrap();
    fs::write(node.etc("app/config"), "v2").unwrap();
    fs::remove_file(node.etc("group")).unwrap();
    let changes = [
        listed(&node, b"/etc/app", ChangeKind::Added),
        listed(&node, b"/etc/app/config", ChangeKind::Added),
        listed(&node, b"/etc/group", ChangeKind::Removed),
    ];
    let completed = accept_listed(&node, &changes).await;
    assert_eq!(finding(&completed).result.condition, Condition::Succeeded);
    assert!(completed.log.is_none());
    assert_eq!(checked(&node, &completed).await, Found::new());
    assert_eq!(
        (
            progress(&completed).accepted,
            progress(&completed).remaining
        ),
        (3, 0)
    );
    // Anything else is a failure.
    fs::write(node.etc("app/config"), "v3").unwrap();
    let again = accept(&node, &announced(&node.runner(), &changes))
        .await
        .unwrap();
    assert!(matches!(again.finished, Finished::Scanned { .. }));
    assert_eq!(paths(&found(&again)), ["/etc/app/config"]);
    // The baseline still has the listed content.
    assert_eq!(
        (progress(&again).accepted, progress(&again).remaining),
        (3, 0)
    );
    let message = progress(&again).message.as_deref();
    assert_eq!(message, Some("/etc/app/config: it was changed"));
}

#[tokio::test]
async fn other_values_than_the_listed_ones_are_not_accepted() {
    let node = Node::with(RULE);
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let right = listed(&node, b"/etc/passwd", ChangeKind::Changed);
    let with = |change: &dyn Fn(&mut ApprovedChange)| {
        let mut other = right.clone();
        change(&mut other);
        other
    };
    let wrong = [
        with(&|it| *it.digests.get_mut("sha512").unwrap() = "0".repeat(128)),
        with(&|it| {
            // The rule does not have it.
            it.digests = [("sha256".to_owned(), "0".repeat(64))].into();
        }),
        with(&|it| it.digests.clear()),
        with(&|it| it.mode = Some("4755".to_owned())),
        with(&|it| it.uid = Some(12345)),
        with(&|it| it.gid = Some(12345)),
        with(&|it| it.size = Some(1)),
        with(&|it| it.capabilities = Some("cap_net_raw=ep".to_owned())),
        with(&|it| it.acl = Some(vec!["user:1:r--".to_owned()])),
        with(&|it| it.xattrs = Some([("user.a".to_owned(), String::new())].into())),
        with(&|it| it.kind = ChangeKind::Added),
        listed(&node, b"/etc/passwd", ChangeKind::Removed),
        listed(&node, b"/etc/group", ChangeKind::Changed),
    ];
    let before = fs::read(node.runner().state.database()).unwrap();
    for change in wrong {
        let completed = accept(
            &node,
            &announced(&node.runner(), std::slice::from_ref(&change)),
        )
        .await;
        let completed = completed.unwrap();
        assert!(
            matches!(completed.finished, Finished::Scanned { .. }),
            "{change:?}"
        );
        assert_eq!(paths(&found(&completed)), ["/etc/passwd"], "{change:?}");
        let after = fs::read(node.runner().state.database()).unwrap();
        assert!(after == before, "{change:?}");
    }
    // What is not listed must be as before.
    let only_content = with(&|it| (it.mode, it.uid, it.gid) = (None, None, None));
    let mode = fs::Permissions::from_mode(0o4755);
    fs::set_permissions(node.etc("passwd"), mode).unwrap();
    let completed = accept(
        &node,
        &announced(&node.runner(), std::slice::from_ref(&only_content)),
    )
    .await;
    let completed = completed.unwrap();
    assert!(matches!(completed.finished, Finished::Scanned { .. }));
    let message = progress(&completed).message.as_deref();
    assert_eq!(
        message,
        Some("/etc/passwd: the mode has changed, and is not listed")
    );
    fs::set_permissions(node.etc("passwd"), fs::Permissions::from_mode(0o644)).unwrap();
    accept_listed(&node, &[only_content]).await;
}

#[tokio::test]
async fn odd_names_and_all_types_are_accepted_alone() {
    let node = Node::with(RULE);
    let mut all: Vec<Vec<u8>> = [
        &b"with space"[..],
        b"at@sign:",
        b"percent%41%",
        b"#hash",
        b"new\nline",
        b"no\xffutf8",
        b"back\\slash\\012",
        b"\x01\x7f",
    ]
    .map(<[u8]>::to_vec)
    .into();
    all.push(vec![b'n'; 255]);
    fs::create_dir(node.etc("odd")).unwrap();
    let path = |name: &[u8]| node.etc("odd").join(OsStr::from_bytes(name));
    for name in &all {
        fs::write(path(name), "old").unwrap();
    }
    symlink("0 target", path(b"link")).unwrap();
    fs::hard_link(path(b"#hash"), path(b"hard")).unwrap();
    made(&node.initialize(BaselineReason::First).await);
    for name in &all {
        fs::write(path(name), "new").unwrap();
    }
    fs::remove_file(path(b"link")).unwrap();
    symlink("00 other\n", path(b"link")).unwrap();
    fs::create_dir(path(b"directory")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path(b"pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    all.extend([b"link".to_vec(), b"hard".to_vec()]);
    let on_node = |name: &[u8]| [b"/etc/odd/", name].concat();
    let mut open: Vec<(Vec<u8>, ChangeKind)> = Vec::new();
    open.extend(all.iter().map(|name| (on_node(name), ChangeKind::Changed)));
    let added = [&b"directory"[..], b"pipe"];
    open.extend(added.map(|name| (on_node(name), ChangeKind::Added)));
    while let Some((path, kind)) = open.pop() {
        let completed = accept_listed(&node, &[listed(&node, &path, kind)]).await;
        let mut left = checked(&node, &completed).await;
        // Its time has changed until something was accepted that it contains.
        left.remove("/etc/odd");
        let expected = open.iter().map(|(path, kind)| (display_path(path), *kind));
        assert_eq!(left, expected.collect(), "{}", display_path(&path));
    }
    assert_eq!(
        finding(&node.scan().await).result.condition,
        Condition::Succeeded
    );
}

/// An ACL as the kernel stores it: a named user, and a mask.
fn acl_of_user(permissions: u8) -> Vec<u8> {
    let mut acl = vec![2, 0, 0, 0];
    let none = u32::MAX;
    for (tag, permissions, id) in [
        (1_u16, 6_u8, none),
        (2, permissions, 12345),
        (4, 4, none),
        (0x10, 6, none),
        (0x20, 4, none),
    ] {
        acl.extend(tag.to_le_bytes());
        acl.extend(u16::from(permissions).to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    acl
}

#[tokio::test]
async fn acls_xattrs_and_capabilities_must_be_listed() {
    let node = Node::with(RULE);
    for name in ["acl", "xattr", "caps"] {
        fs::write(node.etc(name), "").unwrap();
    }
    made(&node.initialize(BaselineReason::First).await);
    let set = |name: &str, attribute: &str, value: &[u8]| {
        setxattr(node.etc(name), attribute, value, XattrFlags::empty()).unwrap();
    };
    // CAP_NET_RAW, effective and permitted (linux/capability.h).
    let net_raw = [1_u32 | 0x0200_0000, 1 << 13, 0, 0, 0];
    let net_raw: Vec<u8> = net_raw.iter().flat_map(|it| it.to_le_bytes()).collect();
    for prefix in ["", "new-"] {
        if !prefix.is_empty() {
            for name in ["acl", "xattr", "caps"] {
                fs::write(node.etc(format!("{prefix}{name}")), "").unwrap();
            }
        }
        set(
            &format!("{prefix}acl"),
            "system.posix_acl_access",
            &acl_of_user(4),
        );
        set(&format!("{prefix}xattr"), "user.test", b"value\0");
        set(&format!("{prefix}caps"), "security.capability", &net_raw);
    }
    let acl = vec!["user:12345:r--".to_owned(), "group::r--".to_owned()];
    let xattrs = [("user.test".to_owned(), STANDARD.encode(b"value\0"))];
    let capabilities = "cap_net_raw=ep".to_owned();
    for prefix in ["", "new-"] {
        let kind = if prefix.is_empty() {
            ChangeKind::Changed
        } else {
            ChangeKind::Added
        };
        let of = |name: &str| listed(&node, format!("/etc/{prefix}{name}").as_bytes(), kind);
        let (with_acl, with_xattrs, with_capabilities) = (
            ApprovedChange {
                acl: Some(acl.clone()),
                ..of("acl")
            },
            ApprovedChange {
                xattrs: Some(xattrs.clone().into()),
                ..of("xattr")
            },
            ApprovedChange {
                capabilities: Some(capabilities.clone()),
                ..of("caps")
            },
        );
        for (name, right) in [
            ("acl", with_acl),
            ("xattr", with_xattrs),
            ("caps", with_capabilities),
        ] {
            let without = announced(&node.runner(), &[of(name)]);
            let completed = accept(&node, &without).await.unwrap();
            assert!(
                matches!(completed.finished, Finished::Scanned { .. }),
                "{prefix}{name}"
            );
            let completed = accept_listed(&node, &[right]).await;
            let left = checked(&node, &completed).await;
            assert!(
                !left.contains_key(&format!("/etc/{prefix}{name}")),
                "{left:?}"
            );
        }
    }
    assert_eq!(
        finding(&node.scan().await).result.condition,
        Condition::Succeeded
    );
}

#[tokio::test]
async fn a_file_that_is_written_meanwhile_is_not_accepted_and_others_are() {
    let node = Node::with("/etc p+u+g+ftype+sha512\n");
    fs::write(node.etc("restless"), "").unwrap();
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let restless = Restless::file(node.etc("restless"));
    // The content at some time is listed, and AIDE may or may not see it.
    let changes = [
        listed(&node, b"/etc/passwd", ChangeKind::Changed),
        listed(&node, b"/etc/restless", ChangeKind::Changed),
    ];
    let completed = accept_listed(&node, &changes).await;
    drop(restless);
    let scan = node.scan().await;
    assert!(!found(&scan).contains_key("/etc/passwd"));
    assert!(
        finding(&completed).result.condition != Condition::Succeeded,
        "{completed:?}"
    );
}

#[tokio::test]
async fn a_withdrawn_acceptance_changes_nothing() {
    let node = Node::with(RULE);
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    let change = listed(&node, b"/etc/passwd", ChangeKind::Changed);
    let right = announced(&node.runner(), &[change]);
    let before = fs::read(node.runner().state.database()).unwrap();
    let assert_unchanged = |completed: Option<Completed>| {
        assert!(completed.is_none(), "{completed:?}");
        let after = fs::read(node.runner().state.database()).unwrap();
        assert!(after == before);
        assert!(node.runner().state.accepted_reports().is_empty());
    };
    // Before the run, and at the last moment.
    for times in 0..3 {
        let asked = Arc::new(AtomicU32::new(0));
        let mut withdrawn = right.clone();
        withdrawn.is_current = Arc::new(move |_| asked.fetch_add(1, Ordering::SeqCst) < times);
        let completed = accept(&node, &withdrawn).await;
        // What is withdrawn before the decision is not approved: then the run is a scan.
        if let Some(completed) = completed {
            assert!(
                matches!(completed.finished, Finished::Scanned { .. }),
                "{times}"
            );
            assert_eq!(times, 1);
        } else {
            assert_unchanged(None);
        }
    }
    let mut over = right.clone();
    over.acceptances[0].until = jiff::Timestamp::now();
    assert_unchanged(accept(&node, &over).await);
    let mut other = right.clone();
    other.acceptances[0].config_hash = "other".to_owned();
    assert_unchanged(accept(&node, &other).await);
    let mut unrecorded = right.clone();
    unrecorded.old.as_mut().unwrap().digest = "other".to_owned();
    assert_unchanged(accept(&node, &unrecorded).await);
    unrecorded.old = None;
    assert_unchanged(accept(&node, &unrecorded).await);
    accept(&node, &right).await.unwrap();
}

#[tokio::test]
async fn several_acceptances_are_executed_in_one_run() {
    let node = Node::with(RULE);
    made(&node.initialize(BaselineReason::First).await);
    fs::write(node.etc("passwd"), "toor").unwrap();
    fs::write(node.etc("group"), "other").unwrap();
    let runner = node.runner();
    let of = |path: &[u8], uid: &str| {
        let change = listed(&node, path, ChangeKind::Changed);
        let mut announced = announced(&runner, &[change]);
        let mut acceptance = announced.acceptances.remove(0);
        acceptance.uid = uid.to_owned();
        acceptance.name = format!("deploy-{uid}");
        (announced, acceptance)
    };
    let (mut both, first) = of(b"/etc/passwd", "u1");
    both.acceptances = vec![
        of(b"/etc/kubernetes", "u0").1,
        first,
        of(b"/etc/group", "u2").1,
    ];
    let completed = accept(&node, &both).await.unwrap();
    assert!(matches!(completed.finished, Finished::AcceptedPart(_)));
    assert_eq!(finding(&completed).result.condition, Condition::Succeeded);
    let accepted = completed.baseline.unwrap().accepted.unwrap();
    assert_eq!(accepted.request.as_deref(), Some("u1,u2"));
    assert_eq!(accepted.acceptance.as_deref(), Some("deploy-u1,deploy-u2"));
    let results = completed.announced.unwrap();
    let accepted: Vec<bool> = results.iter().map(|it| it.accepted_at.is_some()).collect();
    assert_eq!(accepted, [false, true, true]);
}

#[tokio::test]
async fn a_thousand_changes_are_accepted_in_one_run() {
    let node = Node::with(RULE);
    let name = |n: usize| format!("many/{n:04}");
    fs::create_dir(node.etc("many")).unwrap();
    for n in 0..1500 {
        fs::write(node.etc(name(n)), "old").unwrap();
    }
    made(&node.initialize(BaselineReason::First).await);
    for n in 0..1500 {
        fs::write(node.etc(name(n)), "new").unwrap();
    }
    let path = |n: usize| format!("/etc/{}", name(n)).into_bytes();
    let changes: Vec<_> = (0..1000)
        .map(|n| listed(&node, &path(n), ChangeKind::Changed))
        .collect();
    let completed = accept_listed(&node, &changes).await;
    assert_eq!(progress(&completed).accepted, 1000);
    let left = checked(&node, &completed).await;
    assert_eq!(left.len(), 500);
    assert!(left.contains_key("/etc/many/1000") && !left.contains_key("/etc/many/0999"));
}

/// A random state of the files of a node.
fn change_randomly(node: &Node, random: &mut fastrand::Rng) {
    for n in 0..12 {
        let file = node.etc(format!("random/{}/{n}", n % 3));
        match random.u8(0..6) {
            0 => drop(fs::remove_file(&file)),
            1 => {
                fs::remove_file(&file).ok();
                symlink(format!("target{}", random.u8(0..3)), &file).unwrap();
            }
            2 if file.is_file() && !file.is_symlink() => {
                let mode = [0o600, 0o644, 0o755, 0o4755][random.usize(0..4)];
                fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            }
            3 | 4 => {
                if file.is_symlink() {
                    fs::remove_file(&file).unwrap();
                }
                fs::write(&file, vec![random.u8(0..4); random.usize(0..5)]).unwrap();
            }
            _ => {}
        }
    }
}

/// For random changes, and any part of them: a later check finds exactly the remainder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_check_finds_exactly_the_remainder() {
    let mut random = fastrand::Rng::with_seed(19);
    let (mut parts, mut remainders) = (0, 0);
    for _ in 0..3 {
        let node = Node::with(RULE);
        for directory in 0..3 {
            fs::create_dir_all(node.etc(format!("random/{directory}"))).unwrap();
        }
        change_randomly(&node, &mut random);
        made(&node.initialize(BaselineReason::First).await);
        for round in 0..12 {
            change_randomly(&node, &mut random);
            let all = found(&node.scan().await);
            // A file that has become a link, or a link that has become a file, cannot be listed.
            let part: BTreeMap<&String, ChangeKind> = all
                .iter()
                .filter(|(path, _)| path.len() > "/etc/random/0".len() && random.bool())
                .map(|(path, kind)| (path, *kind))
                .collect();
            let changes: Vec<_> = part
                .iter()
                .map(|(path, kind)| listed(&node, path.as_bytes(), *kind))
                .collect();
            let completed = accept(&node, &announced(&node.runner(), &changes)).await;
            let completed = completed.unwrap();
            let left = checked(&node, &completed).await;
            let mismatched: Vec<&String> = part
                .keys()
                .filter(|path| left.contains_key(**path))
                .copied()
                .collect();
            let others = all.iter().filter(|(path, _)| !part.contains_key(path));
            for (path, kind) in others {
                let is_directory =
                    !path.contains("/random/") || path.len() == "/etc/random/0".len();
                assert!(
                    is_directory || left.get(path) == Some(kind),
                    "{round} {path}"
                );
            }
            for path in mismatched {
                // Only another type is not accepted.
                let message = progress(&completed).message.as_deref().unwrap_or_default();
                assert!(
                    message.ends_with("another type than before"),
                    "{path} {message}"
                );
            }
            assert!(left.keys().all(|path| all.contains_key(path)), "{left:?}");
            parts += usize::from(matches!(completed.finished, Finished::AcceptedPart(_)));
            remainders += usize::from(!left.is_empty());
        }
    }
    assert!(parts > 20 && remainders > 20, "{parts} {remainders}");
}

/// Each acceptance is exact, whatever somebody changes meanwhile: the new baseline has the listed content or the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_acceptance_is_exact_whatever_happens_meanwhile() {
    let node = Node::with("/etc p+u+g+ftype+sha512\n");
    for n in 0..4 {
        fs::write(node.etc(format!("race{n}")), "old").unwrap();
    }
    made(&node.initialize(BaselineReason::First).await);
    let root: PathBuf = node.etc("");
    let (mut accepted, mut missed) = (0, 0);
    // The file is written at any time of an acceptance, however fast the machine is.
    let mut latest = Duration::from_millis(60);
    for race in 0..400_u32 {
        if race >= 60 && accepted >= 10 && missed >= 10 {
            break;
        }
        fs::write(root.join("race0"), format!("listed {race}")).unwrap();
        fs::write(root.join("race1"), format!("open {race}")).unwrap();
        let change = listed(&node, b"/etc/race0", ChangeKind::Changed);
        let digest = change.digests["sha512"].clone();
        let directory = root.clone();
        let writing = std::thread::spawn(move || {
            let mut random = fastrand::Rng::with_seed(race.into());
            std::thread::sleep(latest.mul_f64(random.f64()));
            if random.bool() {
                fs::write(directory.join("race0"), format!("unlisted {race}")).unwrap();
            }
        });
        let before = entry_digest(&node, "race0");
        let started = Instant::now();
        let completed = accept(&node, &announced(&node.runner(), &[change])).await;
        latest = started.elapsed();
        writing.join().unwrap();
        let after = entry_digest(&node, "race0");
        match completed.map(|it| it.finished) {
            Some(Finished::AcceptedPart(_)) => {
                accepted += 1;
                assert_eq!(after, digest, "{race}");
            }
            Some(Finished::Scanned { .. }) | None => {
                missed += 1;
                assert_eq!(after, before, "{race}");
            }
            other => panic!("{race}: {other:?}"),
        }
        // What was not listed is found.
        let content = fs::read(root.join("race0")).unwrap();
        let is_other = names::hex(&Sha512::digest(content)) != after;
        let scan = found(&node.scan().await);
        assert_eq!(scan.contains_key("/etc/race0"), is_other, "{race}");
        assert!(scan.contains_key("/etc/race1"), "{race}");
    }
    assert!(accepted >= 10 && missed >= 10, "{accepted} {missed}");
}

/// The digest that the baseline has of a file.
fn entry_digest(node: &Node, name: &str) -> String {
    let path = node.etc(name);
    let database = node.runner().state.database();
    let is_file = |it: &[u8]| it == path.as_os_str().as_bytes();
    let found = crate::aide::database_entries::find(&database, &is_file).unwrap();
    let entry = found.values().next().unwrap();
    names::hex(&entry.digest("sha512").unwrap())
}

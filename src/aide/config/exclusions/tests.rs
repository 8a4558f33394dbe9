use super::*;
use crate::aide::config::{prepare, reach::Reach};
use crate::testing::aide_binary::Node;

/// Files of a node, and the directories above them.
const FILES: [&str; 12] = [
    "etc/a",
    "etc/ab",
    "etc/a.b/c",
    "etc/log/x",
    "etc/log/sub/y",
    "etc/logs/z",
    "etc/keep/a.tmp",
    "etc/keep/a.tmp.d/file",
    "etc/keep/b c",
    "etc/keep/\u{e9}",
    "etc/new\nline/file",
    "etc/log/sub/deep/file",
];

/// Rules of which fio knows that they are written for AIDE 0.19.
const NEW: &str = "/etc 0 p\n-/never$\n";

fn exclusions(rules: &str, host_root: &str) -> Exclusions {
    let effective = prepare(rules, "/etc/kubernetes", host_root)
        .unwrap()
        .effective;
    Exclusions::of(&Configuration::parse(&effective))
}

/// The paths of all files and directories.
fn paths() -> Vec<String> {
    let mut paths = Vec::new();
    for file in FILES {
        let ends = file.match_indices('/').map(|(at, _)| at);
        let ends = ends.chain([file.len()]);
        paths.extend(ends.map(|end| format!("/{}", &file[..end])));
    }
    paths.sort();
    paths.dedup();
    paths
}

/// The excluded entries and trees of the node.
fn excluded(rules: &str) -> (Vec<String>, Vec<String>) {
    let mut exclusions = exclusions(rules, "/hostroot");
    let on_host = |path: &str| format!("/hostroot{path}").into_bytes();
    let of = |is_excluded: &mut dyn FnMut(&[u8]) -> bool| {
        let all = paths().into_iter();
        all.filter(|path| is_excluded(&on_host(path))).collect()
    };
    let entries = of(&mut |path| exclusions.has_entry(path));
    let trees = of(&mut |path| exclusions.has_tree(path));
    (entries, trees)
}

#[test]
fn what_a_rule_certainly_excludes() {
    let all_logs = [
        "/etc/log",
        "/etc/log/sub",
        "/etc/log/sub/deep",
        "/etc/log/sub/deep/file",
        "/etc/log/sub/y",
        "/etc/log/x",
        "/etc/logs",
        "/etc/logs/z",
    ];
    let below_log = &all_logs[1..6];
    let only_log = &all_logs[..6];
    for (rule, entries, trees) in [
        ("!/etc/log", &all_logs[..], &all_logs[..]),
        ("!/etc/log/", below_log, below_log),
        ("!/etc/log$", &["/etc/log"], &[]),
        ("-/etc/log$", only_log, only_log),
        ("!/etc/log(/|$)", only_log, only_log),
        ("!/etc/[^/]*/a\\.tmp$", &["/etc/keep/a.tmp"], &[]),
        ("!/etc/a$ 0", &["/etc/a"], &[]),
    ] {
        let (excluded_entries, excluded_trees) = excluded(&format!("{NEW}{rule}\n"));
        assert_eq!(excluded_entries, entries, "entries by {rule}");
        assert_eq!(excluded_trees, trees, "trees by {rule}");
    }
}

#[test]
fn a_doubtful_rule_excludes_nothing() {
    for rule in [
        "!/etc/log d",
        "!/etc/(?:log)",
        "!/etc/[[:alpha:]]",
        "!/etc/log|/etc/keep",
        "@@if hostname n1\n!/etc/log\n@@endif",
        "@@ifndef A\n@@define A a\n@@else\n@@define A b\n@@endif\n!/etc/@@{A}",
    ] {
        let excluded = excluded(&format!("{NEW}{rule}\n"));
        assert_eq!(excluded, Default::default(), "{rule}");
    }
}

#[test]
fn aide_selects_nothing_that_is_excluded() {
    let node = Node::new();
    for file in FILES {
        node.write(file, "");
    }
    for rules in [
        "!/etc/log",
        "!/etc/log$",
        "-/etc/log$",
        "-/etc/log",
        "!/etc/log/",
        "!/etc/log\n/etc/log/sub 0 p\n=/etc/log/x 0 p",
        "-/etc/log$\n/etc/log/sub 0 p",
        "!/etc/a.b",
        "!/etc/a|/etc/log",
        "!/etc/(a|log)",
        "!/etc/.*\\.tmp",
        "!/etc/keep/..$",
        "!/etc/new.line",
        "!/etc/keep/b\\ c",
        "!/etc/lo{1}g",
        "!/etc/log+",
        "!/etc/(logs?|a)$ d",
        "!/etc/a b",
        "!/etc/log/sub/?$",
        "!/etc/[a-k]+$",
        "!/",
    ] {
        let rules = format!("{NEW}{rules}\n");
        let effective = node.prepare(&rules).effective;
        let mut reach = Reach::of(&Configuration::parse(&effective));
        for path in node.selected(&rules) {
            let on_host = format!("{}{path}", node.root()).into_bytes();
            assert!(!reach.excludes(&on_host), "{path} by {rules}");
            let directories = crate::aide::coverage::ancestors(path.as_bytes());
            for directory in directories.filter(|it| *it != b"/") {
                let on_host = [node.root().as_bytes(), directory].concat();
                assert!(reach.includes(&on_host), "directory of {path} by {rules}");
            }
        }
    }
}

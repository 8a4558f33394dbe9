//! Tests of the check itself, with small pages.

use std::path::PathBuf;

use super::super::pages::{Page, words};
use super::super::runnable::{filters, harmless};
use super::*;

/// The problems of the only block of a page.
fn problems_of(marker: &str, commands: &str) -> Vec<String> {
    let page = Page {
        path: PathBuf::from("docs/x.md"),
        text: format!("Text.\n\n{marker}\n```\n{commands}\n```\n"),
    };
    let blocks = page.blocks();
    assert_eq!(blocks.len(), 1);
    problems(&blocks[0])
}

#[test]
fn a_marker_must_be_true() {
    let runner = "<!-- run by e2e/api/docs.rs -->";
    let none: [&str; 0] = [];
    for (marker, commands, expected) in [
        (runner, "kubectl get nodes", &none[..]),
        (
            runner,
            "kubectl get nodes -o json |\n  jq '.items[]'",
            &none,
        ),
        (runner, "fio config default > aide.conf", &none),
        (
            "<!-- run by e2e/baseline.rs -->",
            "touch /run/aide.reinit",
            &none,
        ),
        ("<!-- not run: needs a node -->", "rm -f /etc/x", &none),
        (
            "<!-- run by e2e/api/docs.rs; not run: a file of the reader's -->",
            "kubectl get nodes\nkubectl apply -f x.yaml",
            &none,
        ),
        (
            "<!-- run by e2e/api/docs.rs, e2e/docs.rs -->",
            "kubectl get nodes\nkubectl logs POD",
            &none,
        ),
        (
            "Text.",
            "kubectl get nodes",
            &["no comment before the block; give output and configuration a language"],
        ),
        (
            "<!-- tested -->",
            "kubectl get nodes",
            &["`tested` is neither `run by` nor `not run:`"],
        ),
        (
            "<!-- not run: -->",
            "rm -f /etc/x",
            &["`not run:` is neither `run by` nor `not run:`"],
        ),
        (
            "<!-- not run: needs a node -->",
            "kubectl get nodes",
            &["e2e/api/docs.rs runs a command of the block"],
        ),
        (
            runner,
            "kubectl get nodes\nrm -f /etc/x",
            &["no reason why none runs docs/x.md:6: rm -f /etc/x"],
        ),
        (
            "<!-- run by e2e/api/docs.rs; not run: needs a node -->",
            "kubectl get nodes",
            &["all commands are run"],
        ),
        (
            "<!-- run by e2e/baseline.rs; not run: needs a node -->",
            "touch /run/another.file",
            &["e2e/baseline.rs does not run any command of the block"],
        ),
        (
            "<!-- run by e2e/absent.rs; not run: needs a node -->",
            "rm -f /etc/x",
            &["e2e/absent.rs does not run any command of the block"],
        ),
    ] {
        assert_eq!(
            problems_of(marker, commands),
            expected,
            "{marker} {commands}"
        );
    }
}

#[test]
fn only_lines_after_a_prompt_are_commands_if_there_is_one() {
    let marker = "<!-- run by e2e/api/docs.rs -->";
    let none: [&str; 0] = [];
    assert_eq!(
        problems_of(marker, "$ kubectl get nodes\nNAME   STATUS"),
        none
    );
}

#[test]
fn pipelines_are_run_if_all_of_their_commands_can_be() {
    for (text, expected, piped) in [
        ("kubectl get pods", true, None),
        (
            "kubectl get pods -o json | jq -r '.x | .y' | sort > z",
            true,
            Some("'jq' '-r' '.x | .y' | 'sort'"),
        ),
        ("kubectl get cm x | fio config check -", true, None),
        ("kubectl get pods | less", false, None),
        ("kubectl logs x | jq .", false, Some("'jq' '.'")),
        ("fio reinit-signal --node x", false, None),
        ("kubectl get pods; kubectl get nodes", false, None),
        ("CLUSTER=kind make e2e", false, None),
    ] {
        let command = Shown {
            place: String::new(),
            words: words(text),
            in_sentence: false,
        };
        assert_eq!(is_run(&command), expected, "{text}");
        assert_eq!(filters(&command).as_deref(), piped, "{text}");
    }
}

#[test]
fn changes_are_dry_runs() {
    let arguments = |text: &str| harmless(words(text), "ns").map(|words| words.join(" "));
    assert_eq!(
        arguments("delete pod x").as_deref(),
        Some("-n ns delete pod x --dry-run=server --ignore-not-found")
    );
    assert_eq!(
        arguments("-n a get pods -w").as_deref(),
        Some("-n a get pods")
    );
    assert_eq!(
        arguments("apply -k manifests/x").as_deref(),
        Some("kustomize manifests/x")
    );
    assert_eq!(arguments("apply -f x.yaml"), None);
}

#[test]
fn a_cluster_runs_what_needs_a_kubelet() {
    for (text, expected) in [
        ("kubectl -n x logs POD | grep y", true),
        ("kubectl exec -i d -- fio config check - < aide.conf", true),
        ("kubectl rollout status deployment/x", true),
        ("kubectl logs POD --previous", false),
        ("kubectl logs POD | less", false),
        ("kubectl get pods", false),
        ("docker logs x", false),
    ] {
        let command = Shown {
            place: String::new(),
            words: words(text),
            in_sentence: false,
        };
        assert_eq!(is_run_on_a_cluster(&command), expected, "{text}");
    }
}

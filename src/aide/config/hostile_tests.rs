//! Hostile texts of about a megabyte: each is converted or rejected with limited work, memory and diagnostics.
//!
//! The kernel limits the memory (`RLIMIT_AS`), so the conversion runs in a separate process: this test program with only
//! the ignored test.

use std::fmt::Write as _;
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustix::process::{Resource, Rlimit, setrlimit};

use super::budget::{
    Budget, MAX_DIAGNOSTIC_BYTES, MAX_DIAGNOSTICS, MAX_LINE, MAX_LINES, MAX_TEXT, MAX_WORK,
};
use super::prepare::{Prepared, Refused, prepare_within};

/// Memory limit of a conversion in bytes.
const MEMORY: u64 = 64 << 20;
/// Limit of the CPU time of all conversions in a build without optimization, in seconds.
const CPU: u64 = 300;
/// Maximum steps of a conversion: the limit, and the steps after it was exceeded.
const STEPS: usize = MAX_WORK + (8 << 20);

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", line(number));
        text
    })
}

/// A name of a group: these letters, with an underscore after each one whose bit is set in `number`.
fn with_underscores(number: usize) -> String {
    ('a'..='q')
        .enumerate()
        .fold(String::new(), |mut name, (bit, letter)| {
            name.push(letter);
            if number >> bit & 1 == 1 && letter != 'q' {
                name.push('_');
            }
            name
        })
}

fn names_alike(count: usize) -> String {
    lines(count, |n| {
        format!("{} = p+u+g+sha256+acl", with_underscores(n + 1))
    })
}

fn defines_that_multiply(count: usize) -> String {
    let long = format!("@@define A {}\n", "a".repeat(32_000));
    long + &lines(count, |n| format!("@@define B{n} @@{{A}}"))
}

fn filled_with(line: &str) -> String {
    line.repeat(MAX_TEXT / line.len())
}

/// Descriptions and texts.
fn texts() -> Vec<(&'static str, String)> {
    [texts_of_lines(), texts_of_macros(), texts_of_rules()].concat()
}

/// Many names, lines, and conditions.
fn texts_of_lines() -> Vec<(&'static str, String)> {
    vec![
        ("8,000 names alike", names_alike(8_000)),
        ("names alike", names_alike(20_000)),
        ("includes", filled_with("@@include /\n")),
        ("as many lines as are read", "# c\n".repeat(MAX_LINES)),
        ("short lines", "/a p\n".repeat(MAX_LINES)),
        ("empty lines", "\n".repeat(MAX_TEXT)),
        ("marks", "\u{feff}".repeat(MAX_TEXT / 3)),
        (
            "one line",
            format!("a_b = {}\n", "p+".repeat(MAX_TEXT / 2 - 10)),
        ),
        (
            "conditions in conditions",
            format!(
                "@@ifdef A\n{}{}",
                "@@ifdef A\n".repeat(49_000),
                "@@endif\n".repeat(49_000)
            ),
        ),
        ("conditions that stay open", filled_with("@@if exists /a\n")),
        ("options", filled_with("report_url=syslog:x\n")),
        ("comments behind rules", filled_with("/etc p # c\n")),
    ]
}

/// Macros with many, long, or nested values.
fn texts_of_macros() -> Vec<(&'static str, String)> {
    let line = MAX_LINE - 100;
    let values = |n: usize| format!("@@define A {n}");
    vec![
        ("185 kB of defines", defines_that_multiply(7_200)),
        ("471 kB of defines", defines_that_multiply(19_000)),
        (
            "macros without end",
            format!("/{}\n", "@@{E}".repeat(line / 5)).repeat(15),
        ),
        (
            "macros in macros",
            format!(
                "@@define A {}\n{}",
                "a".repeat(30_000),
                format!("/@@{{A}}{}\n", "@@{E}".repeat(line / 5)).repeat(15)
            ),
        ),
        (
            "long macros in many rules",
            format!(
                "@@define A {}\n{}",
                "a".repeat(30_000),
                lines(19_000, |n| format!("!/@@{{A}}{n}$"))
            ),
        ),
        (
            "values of one macro",
            format!("@@ifdef X\n{}@@endif\n", lines(19_000, values)),
        ),
        (
            "readings",
            lines(9, |n| {
                format!("@@define A{n} a\n@@ifdef X\n@@define A{n} b\n@@endif")
            }) + &format!(
                "/@@{{A0}}@@{{A1}}@@{{A2}}@@{{A3}}@@{{A4}}{} p\n",
                "x".repeat(line)
            )
            .repeat(14),
        ),
        (
            "names that do not end",
            format!("/@@{{{}\n", "a".repeat(line)).repeat(15),
        ),
        (
            "attributes written out",
            format!(
                "@@define A {}p\n{}",
                "p+".repeat(15_000),
                "/etc @@{A}\n".repeat(19_000)
            ),
        ),
        (
            "macros with alternatives",
            format!(
                "@@define A /a{}\n{}",
                "|/b".repeat(10_000),
                "@@{A} p\n".repeat(19_000)
            ),
        ),
    ]
}

/// Rules with long paths and expressions.
fn texts_of_rules() -> Vec<(&'static str, String)> {
    let line = MAX_LINE - 100;
    vec![
        (
            "long rules with a name to change",
            format!(
                "a_b = p\n{}",
                format!("/etc {}p\n", "a_b+".repeat(line / 4)).repeat(15)
            ),
        ),
        (
            "digests that are removed",
            format!("/etc {}p\n", "tiger+".repeat(line / 6)).repeat(15),
        ),
        (
            "many rules with removed digests",
            filled_with("/etc tiger+haval+crc32\n"),
        ),
        ("slashes", format!("/{} p\n", "/".repeat(line)).repeat(15)),
        (
            "backslashes",
            format!("!/{}$ p\n", "\\".repeat(line)).repeat(15),
        ),
        (
            "exclusions with attributes",
            format!("!/a {}\n", "p ".repeat(line / 2)).repeat(15),
        ),
        (
            "groups in groups",
            format!("/{}a{} p\n", "(".repeat(line / 2), ")".repeat(line / 2)).repeat(15),
        ),
        (
            "groups behind each other",
            format!("/{} p\n", "(a?)".repeat(line / 4)).repeat(15),
        ),
        (
            "alternatives",
            format!("{} p\n", "/|".repeat(line / 2)).repeat(15),
        ),
        (
            "directories in directories",
            format!(
                "verbose=5\n{}",
                format!("{} p\n", "/d".repeat(line / 2)).repeat(15)
            ),
        ),
        (
            "directories of exclusions",
            format!(
                "verbose=5\n{}{}",
                lines(9_000, |n| format!("/d/d{n}/e p")),
                lines(9_000, |n| format!("!/d/.*{n}$"))
            ),
        ),
        (
            "characters as numbers",
            format!(
                "verbose=5\n{}",
                format!("/{} p\n", "%7C".repeat(line / 3)).repeat(15)
            ),
        ),
    ]
}

/// Converts a text and checks the result.
fn convert(what: &str, text: &str) {
    let budget = Budget::default();
    let diagnostics = match prepare_within(text, "/etc/kubernetes", "/hostroot", &budget) {
        Ok(Prepared {
            conf,
            effective,
            warnings,
        }) => {
            assert!(conf.len() <= MAX_TEXT, "{what}: {}", conf.len());
            assert!(
                effective.len() <= 3 * MAX_TEXT,
                "{what}: {}",
                effective.len()
            );
            warnings
        }
        Err(Refused { diagnostics }) => {
            assert!(!diagnostics.is_empty(), "{what}");
            diagnostics
        }
    };
    assert!(budget.steps() <= STEPS, "{what}: {} steps", budget.steps());
    assert!(
        diagnostics.len() <= MAX_DIAGNOSTICS + 1,
        "{what}: {}",
        diagnostics.len()
    );
    let bytes: usize = diagnostics.iter().map(|one| one.to_string().len()).sum();
    assert!(bytes <= 2 * MAX_DIAGNOSTIC_BYTES, "{what}: {bytes}");
}

/// Pieces of configurations, some of them expensive.
const PIECES: [&str; 24] = [
    "/etc p+sha256\n",
    "!/a$\n",
    "-/a ",
    "=/",
    "@@define A ",
    "@@{A}",
    "@@{",
    "}",
    "@@define B @@{A}@@{A}\n",
    "@@ifdef X\n",
    "@@endif\n",
    "@@else\n",
    "a_b = p\n",
    "a_b+",
    "tiger",
    "+",
    "-",
    " ",
    "\n",
    "\\",
    "$",
    "//",
    "report_url=file:@@{A}\n",
    "# ",
];

/// About a megabyte of repeated pieces.
fn pieces() -> impl Strategy<Value = String> {
    let piece = (prop::sample::select(&PIECES[..]), 1_usize..3_000);
    prop::collection::vec(piece, 1..60).prop_map(|pieces| {
        let once: String = pieces
            .iter()
            .map(|(piece, count)| piece.repeat(*count))
            .collect();
        let mut text = once.repeat(1 + MAX_TEXT / once.len());
        text.truncate(MAX_TEXT);
        text
    })
}

/// The mapped memory of this process in bytes.
fn mapped() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kilobytes = size.and_then(|size| size.split_whitespace().next());
    kilobytes.unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "started by the test below, in a process of its own"]
fn with_limited_memory() {
    let texts = texts();
    for (resource, most) in [(Resource::As, mapped() + MEMORY), (Resource::Cpu, CPU)] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit).unwrap();
    }
    for (what, text) in &texts {
        convert(what, text);
    }
    let config = ProptestConfig {
        cases: 4,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&pieces(), |text| {
            convert("pieces", &text);
            Ok(())
        })
        .unwrap();
}

#[test]
fn hostile_texts_are_converted_within_limits() {
    let name = "aide::config::hostile_tests::with_limited_memory";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--test-threads=1"])
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {stdout}{errors}",
        output.status
    );
    assert!(stdout.contains("1 passed"), "{stdout}");
}

fn refused(text: &str) -> Vec<String> {
    let refused = super::prepare(text, "/etc/kubernetes", "/hostroot").unwrap_err();
    refused
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn a_rejection_names_the_limit_and_the_line() {
    let long = "x".repeat(MAX_LINE + 1);
    let table = [
        (
            "x".repeat(MAX_TEXT + 1),
            "line 1: the configuration has 1048577 bytes, more than 1048576: ",
        ),
        (
            "# c\n".repeat(MAX_LINES + 1),
            "line 100001: the configuration has more than 100000 lines: ",
        ),
        (
            format!("/etc p\n/{long} p\n"),
            "line 2: the line has 65540 bytes, more than 65536: ",
        ),
        (
            defines_that_multiply(7_200),
            "line 132: the values of all macros have more than 4194304 bytes: ",
        ),
        (
            format!(
                "@@define A {}\n{}",
                "a".repeat(30_000),
                lines(19_000, |n| format!("!/@@{{A}}{n}$"))
            ),
            ": converting the configuration takes more than 33554432 steps: use fewer macros",
        ),
    ];
    for (text, expected) in table {
        let messages = refused(&text);
        assert_eq!(messages.len(), 1, "{messages:?}");
        let names_line = messages[0].starts_with("line ") && messages[0].contains(expected);
        assert!(names_line, "{}", messages[0]);
    }
    // The ending of the last line does not start another line.
    let most = format!("/etc p\n{}", "# c\n".repeat(MAX_LINES - 1));
    assert!(super::prepare(&most, "/etc/kubernetes", "/hostroot").is_ok());
}

#[test]
fn many_diagnostics_are_counted_but_not_listed() {
    let messages = refused(&"@@include /\n".repeat(1_000));
    let listed = messages.len() - 1;
    assert!((50..=MAX_DIAGNOSTICS).contains(&listed), "{listed}");
    assert!(
        messages[0].starts_with("line 1: @@include is not allowed"),
        "{}",
        messages[0]
    );
    let more = format!(
        "line {}: {} more diagnostics are not listed",
        listed + 1,
        1_000 - listed
    );
    assert!(messages[listed].starts_with(&more), "{}", messages[listed]);
}

#[test]
fn similar_names_get_different_new_names() {
    let text = "a_b = p\nab = u\na_b_x = g\nabx2 = p\n/etc a_b+ab+a_b_x+abx2\n";
    let prepared = super::prepare(text, "/etc/kubernetes", "/hostroot").unwrap();
    let expected = "abx = p\nab = u\nabxx = g\nabx2 = p\n/hostroot/etc abx+ab+abxx+abx2\n";
    assert_eq!(prepared.effective, expected);
    let prepared = super::prepare(&names_alike(2_000), "/etc/kubernetes", "/hostroot").unwrap();
    let names = prepared
        .effective
        .lines()
        .filter_map(|line| line.split(' ').next());
    let names: std::collections::BTreeSet<&str> = names.collect();
    assert_eq!(names.len(), 2_000);
}

/// Texts with costs proportional to their size are accepted up to the size of a `ConfigMap`.
#[test]
fn large_texts_with_proportional_costs_are_accepted() {
    let path = "x".repeat(150);
    let comment = format!("# {}\n", "why ".repeat(20_000));
    let table = [
        (
            "long rules",
            lines(4_900, |n| format!("/{path}/{n} p+u+g+sha256")),
        ),
        ("exclusions of 0.16", {
            let rules = lines(4_900, |n| format!("!/{path}/(a|b)/{n}$"));
            format!("verbose=5\n/etc p\n{rules}")
        }),
        ("a long comment for each rule", {
            let text = "word ".repeat(35);
            lines(4_900, |n| format!("# {text}\n/etc/{n} p+sha256"))
        }),
        (
            "short comments",
            format!("/etc p\n{}", "#\n".repeat(MAX_LINES - 1)),
        ),
        (
            "very long comments",
            format!("/etc p\n{}", comment.repeat(10)),
        ),
        ("macros in each rule", {
            let days = (0..90).map(|day| format!("2026-{day:02}|"));
            let days = days.collect::<String>();
            format!(
                "@@define DAYS ({days}x)\n{}",
                lines(1_000, |n| format!("!/var/log/{n}/@@{{DAYS}}\\.log$"))
            ) + "/etc p\n"
        }),
    ];
    for (what, text) in table {
        assert!(text.len() <= MAX_TEXT, "{what}: {}", text.len());
        let taken = super::prepare(&text, "/etc/kubernetes", "/hostroot");
        assert!(
            taken.is_ok(),
            "{what}: {:.400}",
            taken.unwrap_err().to_string()
        );
    }
}

#[test]
fn typical_texts_need_a_small_part_of_the_budget() {
    for (name, text) in super::tests::TEXTS {
        let budget = Budget::default();
        prepare_within(text, "/etc/kubernetes", "/hostroot", &budget).unwrap();
        let steps = budget.steps();
        assert!(
            steps > text.len() && steps < MAX_WORK / 20,
            "{name}: {steps}"
        );
    }
}

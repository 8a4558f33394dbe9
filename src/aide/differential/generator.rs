//! Random rule sets, reproducible by their seed.

use std::fmt::Write as _;

use fastrand::Rng;

/// The version of AIDE that a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V0_17,
    V0_18,
    V0_19,
}

/// Directories and files of the tree, and one that does not exist.
const PLACES: [&str; 24] = [
    "/",
    "/",
    "/",
    "/etc",
    "/etc/app",
    "/etc/app/sub",
    "/etc/app/sub/deep",
    "/etc/app/a.conf",
    "/etc/app/sub/b.conf",
    "/etc/passwd",
    "/etc/foo",
    "/etc/foo.d",
    "/usr",
    "/usr/bin",
    "/usr/local",
    "/usr/lib",
    "/var",
    "/var/log",
    "/boot",
    "/root",
    "/root/.ssh",
    "/srv/My App",
    "/srv/c@d",
    "/none",
];

/// Suffixes of paths in rules.
const TAILS: [&str; 22] = [
    "",
    "",
    "",
    "",
    "$",
    "$",
    "/",
    "(/|$)",
    "/.*",
    ".*",
    "/[^/]*$",
    "/[^/]+$",
    "/.*\\.conf$",
    ".*~$",
    "/?$",
    "[^/]*$",
    "/(sub|log)",
    "/\\..*",
    "(\\.d)?$",
    "/.",
    "/.*/",
    "/(.*/)?deep",
];

/// Special paths.
const WHOLE: [&str; 18] = [
    "/.*",
    "/*",
    "/[^/]*$",
    "/(etc)?$",
    "/(etc|usr)(/|$)",
    "/(etc|var)/.*",
    "/[a-r]+",
    "/e.c/app",
    "/etc/pass.*$|/etc/shadow$",
    "/etc/app/.*~$|/etc/app/sub/.*\\.conf$",
    "/etc/[af].*",
    "/(.*/)?sub$",
    "/[^e]",
    "/(|etc/app)$",
    "/e*",
    "/etc/app|/usr",
    "/.*\\.log$",
    "/etc/app/(?!sub)",
];

const ATTRIBUTES: [&str; 7] = ["N", "M", "N+M", "p", "n+i", "N-u", "sha256"];
const TYPES: [&str; 6] = ["f", "d", "l", "f,d", "d,l", "f,l,p"];

/// The rule set of a seed.
pub(super) fn rule_set(seed: u64, version: Version) -> String {
    let mut rng = Rng::with_seed(seed);
    let mut text = String::from("N = p+u+g\nM = n+sha256\n");
    if rng.u8(..4) == 0 {
        text += "@@define D /etc/app\n@@define X (foo|sub)\n";
    }
    let rules = rng.usize(1..8);
    for _ in 0..rules {
        let condition = rng.u8(..12) == 0;
        if condition {
            text += condition_line(&mut rng, version);
        }
        rule(&mut text, &mut rng, version);
        if condition {
            text += "@@endif\n";
        }
    }
    // Identifies a text for 0.19.
    if version == Version::V0_19 {
        text += "-/none/at/all$\n";
    }
    text
}

fn condition_line(rng: &mut Rng, version: Version) -> &'static str {
    let lines: &[&str] = if version == Version::V0_17 {
        &["@@ifdef D\n", "@@ifndef D\n"]
    } else {
        &[
            "@@ifdef D\n",
            "@@if not defined D\n",
            "@@if exists /etc/foo\n",
            "@@if not exists /none\n",
            "@@if exists @@{D}\n",
            "@@if exists @@{D}/none\n",
        ]
    };
    lines[rng.usize(..lines.len())]
}

fn rule(text: &mut String, rng: &mut Rng, version: Version) {
    let marker = match rng.u8(..20) {
        0..=1 => "=",
        2..=6 => "!",
        7..=8 if version == Version::V0_19 => "-",
        _ => "",
    };
    let mut path = path(rng);
    if rng.u8(..12) == 0 {
        path = format!("{path}|{}", self::path(rng));
    }
    let _ = write!(text, "{marker}{path}");
    if rng.u8(..4) == 0 {
        let _ = write!(text, " {}", TYPES[rng.usize(..TYPES.len())]);
    }
    if !matches!(marker, "!" | "-") {
        let _ = write!(text, " {}", ATTRIBUTES[rng.usize(..ATTRIBUTES.len())]);
    }
    text.push('\n');
}

fn path(rng: &mut Rng) -> String {
    match rng.u8(..10) {
        0..=2 => WHOLE[rng.usize(..WHOLE.len())].to_owned(),
        3 => [
            "/etc/@@{X}",
            "/@@{X}",
            "/etc/app@@{NONE}/sub",
            "/etc/app/@@{X}$",
        ][rng.usize(..4)]
        .to_owned(),
        _ => {
            let place = PLACES[rng.usize(..PLACES.len())].replace('.', "\\.");
            let tail = TAILS[rng.usize(..TAILS.len())];
            // No double slash, which AIDE 0.17 and later reject.
            let tail = if place == "/" {
                tail.strip_prefix('/').unwrap_or(tail)
            } else {
                tail
            };
            format!("{place}{tail}")
                .replace(' ', "\\ ")
                .replace('@', "\\@")
        }
    }
}

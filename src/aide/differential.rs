//! Differential tests of the conversion: a user's text with the version of AIDE that it was written for, on a tree as `/`,
//! and the converted text with AIDE 0.19, on the same tree as `/hostroot`, must select the same entries
//! with the same attributes.
//!
//! `hack/aide SUITE` provides AIDE of Debian's releases. The variables `FIO_AIDE_BULLSEYE`, `FIO_AIDE_BOOKWORM` and
//! `FIO_AIDE_TRIXIE` have paths of others. Generated rule sets are compared for `FIO_DIFFER_SECONDS` per
//! version, starting with seed 0. `make differ` takes minutes.

mod generator;
mod pair;

use std::time::{Duration, Instant};

use super::config::tests::TEXTS;
use generator::{Version, rule_set};
use pair::{Outcome, Pair};

/// Seconds per version in `make test-unit`.
const SECONDS: u64 = 8;

const VERSIONS: [Version; 3] = [Version::V0_17, Version::V0_18, Version::V0_19];

fn seconds() -> Duration {
    let seconds = std::env::var("FIO_DIFFER_SECONDS")
        .ok()
        .map_or(SECONDS, |text| {
            text.parse().expect("FIO_DIFFER_SECONDS is a number")
        });
    Duration::from_secs(seconds)
}

/// Compares rule sets until the time is over.
fn compare_generated(version: Version) {
    let pair = Pair::new(version);
    let started = Instant::now();
    let (mut seed, mut compared, mut explained) = (0_u64, 0_u64, 0_u64);
    let mut failures = Vec::new();
    while (started.elapsed() < seconds() || compared < 20) && failures.len() < 20 {
        let text = rule_set(seed, version);
        match pair.compare(&text) {
            Outcome::Same => compared += 1,
            Outcome::Explained => {
                compared += 1;
                explained += 1;
            }
            Outcome::RefusedByOld => {}
            Outcome::Differs(how) => failures.push(format!("seed {seed}:\n{text}{how}")),
        }
        seed += 1;
    }
    println!(
        "{version:?}: {seed} rule sets, {compared} compared, {explained} differ as a warning says, \
         {} differ",
        failures.len()
    );
    assert!(failures.is_empty(), "{version:?}:\n{}", failures.join("\n"));
    assert!(
        compared * 2 > seed,
        "most rule sets are to be compared: {compared} of {seed}"
    );
}

#[test]
fn rule_sets_for_0_17_keep_their_meaning() {
    compare_generated(Version::V0_17);
}

#[test]
fn rule_sets_for_0_18_keep_their_meaning() {
    compare_generated(Version::V0_18);
}

#[test]
fn rule_sets_for_0_19_keep_their_meaning() {
    compare_generated(Version::V0_19);
}

/// Each text is for some versions: at least one must accept it.
#[test]
fn typical_texts_keep_their_meaning() {
    let pairs = VERSIONS.map(Pair::new);
    let mut taken = Vec::new();
    for (name, text) in TEXTS {
        for pair in &pairs {
            match pair.compare(text) {
                Outcome::Differs(how) => panic!("{name}, {:?}: {how}", pair.version()),
                Outcome::RefusedByOld => {}
                Outcome::Same | Outcome::Explained => taken.push(name),
            }
        }
    }
    taken.dedup();
    assert!(taken.len() >= 3, "{taken:?}");
}

/// The comparison detects a missing host root in one alternative.
#[test]
fn a_lost_alternative_is_a_difference() {
    let pair = Pair::new(Version::V0_18);
    let text = "N = p+u\n/etc/pass.*$|/etc/shadow$ N\n";
    assert_eq!(pair.compare(text), Outcome::Same);
    let converted = "N = p+u\n/hostroot/etc/pass.*$|/etc/shadow$ N\n";
    assert!(matches!(
        pair.compare_with(text, converted, &[]),
        Outcome::Differs(_)
    ));
}

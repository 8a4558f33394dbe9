use super::*;

const DELAY: Duration = Duration::from_millis(500);

fn dirty_paths() -> DirtyPaths {
    DirtyPaths::new(DELAY, "/hostroot".to_owned())
}

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn announce(dirty: &mut DirtyPaths, count: usize, path: impl Fn(usize) -> String) {
    for number in 0..count {
        dirty.announce(path(number).as_bytes(), Extent::Own, ms(0));
    }
}

/// Number and greatest extent of the paths to check; none for everything, or nothing.
fn part(scope: Option<Scope>) -> Option<(usize, Extent)> {
    match scope? {
        Scope::Part(coverage) => {
            let greatest = coverage.iter().map(|(_, extent)| extent).max()?;
            Some((coverage.len(), greatest))
        }
        Scope::Everything => None,
    }
}

/// Whether an entry with this path waits for a check.
fn is_dirty(dirty: &DirtyPaths, path: &[u8]) -> bool {
    dirty.announced.is_some()
        && match &dirty.scope {
            Scope::Part(coverage) => coverage.contains(path),
            Scope::Everything => true,
        }
}

#[test]
fn a_check_is_due_when_nothing_was_announced_for_the_delay() {
    let mut dirty = dirty_paths();
    assert_eq!(dirty.due(), None);
    for (now, due) in [
        (0, 500),
        (300, 800),
        (900, 1400),
        (1700, 2000),
        (1990, 2000),
    ] {
        dirty.announce(b"/etc/a", Extent::Own, ms(now));
        assert_eq!(dirty.due(), Some(ms(due)), "after {now} ms");
    }
    assert!(is_dirty(&dirty, b"/etc/a"));
    assert!(!is_dirty(&dirty, b"/etc/b"));
    assert_eq!(part(dirty.take()), Some((1, Extent::Own)));
    assert!(!is_dirty(&dirty, b"/etc/a"));
    assert_eq!(dirty.due(), None);
    assert_eq!(dirty.take(), None);
}

#[test]
fn the_pause_after_a_check_is_four_times_as_long() {
    let mut dirty = dirty_paths();
    dirty.checked(ms(1000), ms(1300));
    dirty.announce(b"/etc/a", Extent::Own, ms(1300));
    assert_eq!(dirty.due(), Some(ms(2500)));
    dirty.announce(b"/etc/a", Extent::Own, ms(2400));
    assert_eq!(dirty.due(), Some(ms(2900)));
}

#[test]
fn what_does_not_fit_is_checked_by_directory_or_completely() {
    type Path = fn(usize) -> String;
    let in_one_directory: Path = |n| format!("/etc/{n}");
    let in_a_directory_each: Path = |n| format!("/etc/{n}/file");
    let long: Path = |n| format!("/etc/dir/{}-{n}", "x".repeat(200));
    for (count, path, expected) in [
        (300, in_one_directory, Some((300, Extent::Own))),
        (301, in_one_directory, Some((1, Extent::Entries))),
        (5000, in_one_directory, Some((1, Extent::Entries))),
        (301, in_a_directory_each, None),
        (5000, in_a_directory_each, None),
        (200, long, Some((1, Extent::Entries))),
    ] {
        let mut dirty = dirty_paths();
        announce(&mut dirty, count, path);
        assert_eq!(part(dirty.take()), expected, "{count} as {}", path(1));
    }
}

#[test]
fn after_an_overflow_everything_is_checked() {
    let mut dirty = dirty_paths();
    dirty.announce(b"/etc/a", Extent::Own, ms(0));
    dirty.announce_everything(ms(100));
    dirty.announce(b"/etc/b", Extent::Own, ms(200));
    assert!(is_dirty(&dirty, b"/any"));
    assert_eq!(dirty.due(), Some(ms(700)));
    assert_eq!(dirty.take(), Some(Scope::Everything));
    dirty.announce(b"/etc/b", Extent::Own, ms(300));
    assert_eq!(part(dirty.take()), Some((1, Extent::Own)));
}

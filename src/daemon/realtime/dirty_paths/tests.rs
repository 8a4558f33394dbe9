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
    assert!(dirty.contains(b"/etc/a"));
    assert!(!dirty.contains(b"/etc/b"));
    assert_eq!(part(dirty.take()), Some((1, Extent::Own)));
    assert!(!dirty.contains(b"/etc/a"));
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

/// Checks until nothing is announced, and returns the parts.
fn parts(dirty: &mut DirtyPaths) -> Vec<Option<(usize, Extent)>> {
    let mut parts = Vec::new();
    while dirty.due().is_some() {
        parts.push(part(dirty.take()));
    }
    parts
}

#[test]
fn what_does_not_fit_is_checked_in_parts_or_completely_after_its_first_paths() {
    type Path = fn(usize) -> String;
    let in_one_directory: Path = |n| format!("/etc/{n}");
    let in_a_directory_each: Path = |n| format!("/etc/{n}/file");
    let long: Path = |n| format!("/etc/dir/{}-{n}", "x".repeat(200));
    let few = Some((MAX_FIRST, Extent::Own));
    let directories = |count| Some((count, Extent::Entries));
    for (count, path, expected) in [
        (300, in_one_directory, vec![Some((300, Extent::Own))]),
        (301, in_one_directory, vec![few, directories(1)]),
        (5000, in_one_directory, vec![few, directories(1)]),
        (
            301,
            in_a_directory_each,
            vec![few, directories(300), directories(1)],
        ),
        (
            1000,
            in_a_directory_each,
            vec![
                few,
                directories(300),
                directories(300),
                directories(300),
                directories(100),
            ],
        ),
        (1001, in_a_directory_each, vec![few, None]),
        (5000, in_a_directory_each, vec![few, None]),
        (200, long, vec![few, directories(1)]),
    ] {
        let mut dirty = dirty_paths();
        announce(&mut dirty, count, path);
        assert_eq!(parts(&mut dirty), expected, "{count} as {}", path(1));
    }
}

#[test]
fn no_path_is_left_out_of_the_parts_of_a_burst() {
    let mut dirty = dirty_paths();
    let path = |number: usize| format!("/etc/{}/{number}", number % 700);
    announce(&mut dirty, 1500, path);
    let mut checked = Coverage::default();
    for number in 0.. {
        let Some(scope) = dirty.take() else { break };
        let Scope::Part(part) = scope else {
            panic!("a scan");
        };
        checked.extend(&part);
        if number < 3 {
            // Meanwhile more is announced, in a directory that may have been checked.
            dirty.announce(path(0).as_bytes(), Extent::Own, ms(1));
        }
    }
    let left_out = (0..1500).find(|number| !checked.contains(path(*number).as_bytes()));
    assert_eq!(left_out, None);
}

#[test]
fn a_scan_while_a_burst_is_checked_in_parts_knows_the_rest_as_dirty() {
    let mut dirty = dirty_paths();
    announce(&mut dirty, 700, |number| format!("/etc/{number}/file"));
    assert_eq!(part(dirty.take()), Some((MAX_FIRST, Extent::Own)));
    assert_eq!(part(dirty.take()), Some((300, Extent::Entries)));
    dirty.scan_started(None);
    assert_eq!(part(Some(dirty.scan_ended())), Some((400, Extent::Entries)));
    assert_eq!(part(dirty.take()), Some((300, Extent::Entries)));
    dirty.clear();
    assert_eq!(dirty.due(), None);
}

#[test]
fn the_first_paths_of_each_burst_are_checked_first() {
    let mut dirty = dirty_paths();
    for _ in 0..2 {
        announce(&mut dirty, 400, |number| format!("/etc/{number}"));
        assert!(dirty.has_first());
        assert_eq!(part(dirty.take()), Some((MAX_FIRST, Extent::Own)));
        assert!(!dirty.has_first());
        dirty.announce(b"/etc/another", Extent::Own, ms(10));
        assert!(!dirty.has_first());
        assert!(dirty.is_burst());
        assert_eq!(part(dirty.take()), Some((1, Extent::Entries)));
        assert!(dirty.is_burst(), "its last part is being checked");
        assert_eq!(dirty.take(), None);
        dirty.checked(ms(20), ms(20));
        assert!(!dirty.is_burst());
    }
}

#[test]
fn a_burst_ends_with_the_check_of_its_last_part() {
    let mut dirty = dirty_paths();
    announce(&mut dirty, 200, |number| format!("/etc/{number}"));
    assert!(!dirty.is_burst());
    announce(&mut dirty, 700, |number| format!("/etc/{number}/file"));
    let mut states = Vec::new();
    while dirty.take().is_some() {
        let while_checking = dirty.is_burst();
        dirty.checked(ms(20), ms(20));
        states.push((while_checking, dirty.is_burst()));
    }
    let (more, last) = ((true, true), (true, false));
    assert_eq!(states, [more, more, more, last]);
}

#[test]
fn after_an_overflow_everything_is_checked() {
    let mut dirty = dirty_paths();
    dirty.announce(b"/etc/a", Extent::Own, ms(0));
    dirty.announce_everything(ms(100));
    dirty.announce(b"/etc/b", Extent::Own, ms(200));
    assert!(!dirty.has_first());
    assert!(dirty.contains(b"/any"));
    assert_eq!(dirty.due(), Some(ms(700)));
    assert_eq!(dirty.take(), Some(Scope::Everything));
    dirty.announce(b"/etc/b", Extent::Own, ms(300));
    assert_eq!(part(dirty.take()), Some((1, Extent::Own)));
}

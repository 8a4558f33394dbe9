use super::*;

fn handle(number: u8) -> Handle {
    Handle {
        fsid: [0; 8],
        handle_type: 1,
        bytes: vec![number],
    }
}

/// `/`, `/etc` (1), `/etc/ssh` (2), `/etc/ssh/keys` (3), `/opt` (4).
fn watched() -> WatchedDirectories {
    let mut watched = WatchedDirectories::default();
    watched.add_root(handle(0));
    for (parent, name, number) in [(0, "etc", 1), (1, "ssh", 2), (2, "keys", 3), (0, "opt", 4)] {
        let forgotten = watched.add(&handle(parent), name.as_bytes(), handle(number));
        assert_eq!(forgotten, []);
    }
    watched
}

fn path(watched: &WatchedDirectories, number: u8) -> Option<String> {
    let path = watched.path(&handle(number))?;
    Some(String::from_utf8(path).unwrap())
}

#[test]
fn each_handle_has_its_path() {
    let watched = watched();
    let paths = (0..6).map(|number| path(&watched, number));
    let expected = [
        Some("/"),
        Some("/etc"),
        Some("/etc/ssh"),
        Some("/etc/ssh/keys"),
        Some("/opt"),
        None,
    ];
    assert_eq!(
        paths.collect::<Vec<_>>(),
        expected.map(|path| path.map(str::to_owned))
    );
    assert_eq!(watched.len(), 5);
}

#[test]
fn a_directory_that_is_moved_takes_its_entries_with_it() {
    let mut watched = watched();
    assert_eq!(watched.add(&handle(4), b"moved", handle(2)), []);
    assert_eq!(path(&watched, 3).as_deref(), Some("/opt/moved/keys"));
    assert_eq!(watched.forget(&handle(1), b"ssh"), []);
    assert_eq!(path(&watched, 2).as_deref(), Some("/opt/moved"));
}

#[test]
fn a_forgotten_directory_is_forgotten_with_all_below_it() {
    let mut watched = watched();
    let mut forgotten = watched.forget(&handle(1), b"ssh");
    forgotten.sort_by(|a, b| a.bytes.cmp(&b.bytes));
    assert_eq!(forgotten, [handle(2), handle(3)]);
    assert_eq!((path(&watched, 3), watched.len()), (None, 3));
    assert_eq!(watched.forget(&handle(1), b"ssh"), []);
}

#[test]
fn another_directory_of_the_same_name_replaces_the_old_one() {
    let mut watched = watched();
    assert_eq!(watched.add(&handle(2), b"keys", handle(5)), [handle(3)]);
    assert_eq!(path(&watched, 5).as_deref(), Some("/etc/ssh/keys"));
    assert_eq!(watched.add(&handle(2), b"keys", handle(5)), []);
}

#[test]
fn an_entry_of_an_unknown_directory_is_not_watched() {
    let mut watched = watched();
    assert_eq!(watched.add(&handle(9), b"a", handle(5)), [handle(5)]);
    assert_eq!(watched.len(), 5);
}

use super::*;

fn id(number: i32) -> WatchId {
    WatchId::Watch(number)
}

/// `/` and `/etc`.
fn watched() -> WatchedDirectories {
    let mut watched = WatchedDirectories::default();
    let root = watched.add_root(id(0));
    watched.add(root, b"etc", id(1));
    watched
}

fn announced(mask: Mask, directory: i32, name: &str) -> Vec<Announcement> {
    let event = KernelEvent::Entry {
        mask,
        directory: id(directory),
        name: name.as_bytes().to_vec(),
        pid: None,
    };
    of(event, &watched())
}

fn dirty(path: &str, extent: Extent) -> Announcement {
    Announcement::Dirty(path.as_bytes().to_vec(), extent)
}

#[test]
fn files() {
    let own = |path| dirty(path, Extent::Own);
    for (mask, expected) in [
        (Mask::MODIFY, vec![own("/etc/a")]),
        (Mask::CLOSE_WRITE, vec![own("/etc/a")]),
        (Mask::ATTRIB, vec![own("/etc/a")]),
        (
            Mask::CREATE | Mask::CLOSE_WRITE,
            vec![own("/etc"), own("/etc/a")],
        ),
        (Mask::DELETE, vec![own("/etc"), own("/etc/a")]),
        (Mask::MOVED_FROM, vec![own("/etc"), own("/etc/a")]),
        (Mask::MOVED_TO, vec![own("/etc"), own("/etc/a")]),
    ] {
        assert_eq!(announced(mask, 1, "a"), expected, "{mask:?}");
    }
    assert_eq!(announced(Mask::ATTRIB, 1, "."), [own("/etc")]);
    assert_eq!(announced(Mask::ATTRIB, 0, "."), [own("/")]);
    assert_eq!(announced(Mask::CREATE, 0, "a"), [own("/"), own("/a")]);
    assert_eq!(announced(Mask::CREATE, 9, "a"), []);
}

#[test]
fn directories() {
    let of = |mask| announced(mask | Mask::ON_DIRECTORY, 1, "d");
    let appeared = || Announcement::Appeared {
        parent: id(1),
        name: b"d".to_vec(),
        path: b"/etc/d".to_vec(),
    };
    let disappeared = || Announcement::Disappeared {
        parent: id(1),
        name: b"d".to_vec(),
    };
    let parent = || dirty("/etc", Extent::Own);
    let below = || dirty("/etc/d", Extent::Subtree);
    assert_eq!(of(Mask::ATTRIB), [dirty("/etc/d", Extent::Own)]);
    assert_eq!(of(Mask::CREATE), [parent(), appeared()]);
    assert_eq!(of(Mask::MOVED_TO), [parent(), appeared()]);
    assert_eq!(of(Mask::DELETE), [disappeared(), parent(), below()]);
    assert_eq!(of(Mask::MOVED_FROM), [disappeared(), parent(), below()]);
    let both = of(Mask::DELETE | Mask::CREATE);
    assert_eq!(both, [disappeared(), parent(), below(), appeared()]);
}

#[test]
fn a_directory_at_several_paths() {
    let mut watched = watched();
    let root = watched.at(b"/").unwrap();
    watched.add(root, b"srv", id(1));
    let event = KernelEvent::Entry {
        mask: Mask::CREATE | Mask::DELETE | Mask::ON_DIRECTORY,
        directory: id(1),
        pid: None,
        name: b"d".to_vec(),
    };
    let announced = of(event, &watched);
    // Once, and before the directory is marked at any of the paths.
    let disappeared = Announcement::Disappeared {
        parent: id(1),
        name: b"d".to_vec(),
    };
    assert_eq!(announced[0], disappeared);
    let appeared = announced[1..]
        .iter()
        .filter_map(|announced| match announced {
            Announcement::Appeared { path, .. } => Some(path.as_slice()),
            Announcement::Disappeared { .. } => panic!("twice"),
            _ => None,
        });
    assert_eq!(appeared.collect::<Vec<_>>(), [b"/srv/d", b"/etc/d"]);
}

#[test]
fn an_unmounted_file_system_is_compared_completely() {
    let unmounted = of(KernelEvent::Unmounted(id(1)), &watched());
    assert_eq!(unmounted, [dirty("/etc", Extent::Subtree)]);
    assert_eq!(of(KernelEvent::Unmounted(id(9)), &watched()), []);
    assert_eq!(of(KernelEvent::Unwatched(id(1)), &watched()), []);
}

#[test]
fn an_overflow_announces_everything() {
    assert_eq!(
        of(KernelEvent::Overflow, &watched()),
        [Announcement::Everything]
    );
}

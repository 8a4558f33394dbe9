use super::*;

fn handle(number: u8) -> Handle {
    Handle {
        fsid: [0; 8],
        handle_type: 1,
        bytes: vec![number],
    }
}

/// `/` and `/etc`.
fn watched() -> WatchedDirectories {
    let mut watched = WatchedDirectories::default();
    watched.add_root(handle(0));
    watched.add(&handle(0), b"etc", handle(1));
    watched
}

fn announced(mask: Mask, directory: u8, name: &str) -> Vec<Announcement> {
    let event = KernelEvent::Entry {
        mask,
        pid: 0,
        directory: handle(directory),
        name: name.as_bytes().to_vec(),
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
        parent: handle(1),
        name: b"d".to_vec(),
        path: b"/etc/d".to_vec(),
    };
    let disappeared = || Announcement::Disappeared {
        parent: handle(1),
        name: b"d".to_vec(),
    };
    let parent = || dirty("/etc", Extent::Own);
    let below = || dirty("/etc/d", Extent::Subtree);
    assert_eq!(of(Mask::ATTRIB), [dirty("/etc/d", Extent::Own)]);
    assert_eq!(of(Mask::CREATE), [parent(), appeared()]);
    assert_eq!(of(Mask::MOVED_TO), [parent(), appeared()]);
    assert_eq!(of(Mask::DELETE), [parent(), disappeared(), below()]);
    assert_eq!(of(Mask::MOVED_FROM), [parent(), disappeared(), below()]);
    let both = of(Mask::DELETE | Mask::CREATE);
    assert_eq!(both, [parent(), disappeared(), below(), appeared()]);
}

#[test]
fn an_overflow_announces_everything() {
    assert_eq!(
        of(KernelEvent::Overflow, &watched()),
        [Announcement::Everything]
    );
}

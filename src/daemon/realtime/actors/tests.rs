use super::*;
use crate::daemon::realtime::kernel_event::Opened;

const COMPLETE: Read = Read {
    started: Duration::ZERO,
    has_more: false,
};

/// A change by this process.
fn change(path: &str) -> Announced {
    Announced {
        announcement: Announcement::Dirty(path.as_bytes().to_vec(), Extent::Own),
        pid: Pid::new(std::process::id()),
    }
}

/// A process has opened a program to run it.
fn execution(pid: u32) -> Announced {
    let opened = Opened {
        name: b"program".to_vec(),
        program: None,
        file_system: None,
    };
    Announced {
        announcement: Announcement::Execution(opened),
        pid: Pid::new(pid),
    }
}

/// The paths about which a read decides, with whether the actor is known.
fn take(actors: &mut Actors, announced: &[Announced], read: Read) -> Vec<(String, bool)> {
    let decided = actors.take(announced, read, Duration::ZERO).into_iter();
    let path = |decision: &Decision| String::from_utf8(decision.path.clone()).unwrap();
    decided
        .map(|decision| (path(&decision), decision.actor.is_some()))
        .collect()
}

fn known(path: &str) -> (String, bool) {
    (path.to_owned(), true)
}

fn unknown(path: &str) -> (String, bool) {
    (path.to_owned(), false)
}

#[test]
fn an_empty_queue_is_not_waited_for() {
    let mut actors = Actors::default();
    let (a, b) = (change("/a"), change("/b"));
    assert_eq!(take(&mut actors, &[a], COMPLETE), [unknown("/a")]);
    // On a node where programs are started all the time, each read returns something.
    let other = execution(u32::MAX >> 1);
    let decided = take(&mut actors, &[other.clone(), b], COMPLETE);
    assert_eq!(decided, [known("/a"), unknown("/b")]);
    // More of what had happened before is still in the queue.
    let partly = Read {
        has_more: true,
        ..COMPLETE
    };
    assert_eq!(take(&mut actors, &[other], partly), []);
    assert!(actors.has_pending());
    assert_eq!(take(&mut actors, &[], COMPLETE), [known("/b")]);
    assert!(!actors.has_pending());
}

#[test]
fn a_program_in_the_next_read_may_be_the_one_that_was_shown() {
    let mut actors = Actors::default();
    take(&mut actors, &[change("/a")], COMPLETE);
    let own = execution(std::process::id());
    assert_eq!(take(&mut actors, &[own], COMPLETE), [unknown("/a")]);
}

#[test]
fn a_mount_has_no_actor() {
    let mut actors = Actors::default();
    take(&mut actors, &[change("/a/b")], COMPLETE);
    let unknown_tree = Decision::unknown(b"/a", Extent::Subtree);
    let decided = actors.mounted(b"/a");
    assert_eq!(decided.last(), Some(&unknown_tree));
    let decided = actors.take(&[], COMPLETE, Duration::ZERO);
    assert_eq!(
        decided.last(),
        Some(&unknown_tree),
        "after the change below it"
    );
}

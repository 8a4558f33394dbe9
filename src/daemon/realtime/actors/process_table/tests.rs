use super::*;

const PID: u32 = 77;

fn pid() -> Pid {
    Pid::new(PID).unwrap()
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A process that started at this time and runs this program.
fn shown(start: u64, exe: &str) -> Snapshot {
    let actor = Actor {
        exe: exe.to_owned(),
        comm: Some("shown".to_owned()),
        pid: PID.into(),
        login_uid: Some(1000),
        unit: None,
        pod_uid: None,
        container_id: None,
    };
    Snapshot {
        start,
        exe: exe.as_bytes().to_vec(),
        actor: Arc::new(actor),
    }
}

/// A step of a process with the id.
enum Step {
    /// It opens a program, and `/proc` shows this.
    Opens(&'static str, Option<Snapshot>),
    OpensScript(&'static str, Option<Snapshot>),
    OpensBelowOverlay(&'static str, Option<Snapshot>),
    Writes(Option<Snapshot>),
    /// The queue is empty.
    Decide,
    Wait(u64),
}
use Step::{Decide, Opens, OpensBelowOverlay, OpensScript, Wait, Writes};

fn opened(path: &str, is_program: bool) -> Opened {
    let path = path.as_bytes().to_vec();
    Opened {
        name: file_name(&path).to_vec(),
        program: is_program.then_some(path),
        file_system: Some(*b"overlay "),
    }
}

/// The same file, as it is reported of the file system below the overlay.
fn below_overlay(path: &str) -> Opened {
    Opened {
        program: None,
        file_system: Some(*b"ext4    "),
        ..opened(path, false)
    }
}

fn change() -> (Vec<u8>, Extent) {
    (b"/etc/f".to_vec(), Extent::Own)
}

/// Decides about all changes: the next read has returned nothing.
fn decide(table: &mut ProcessTable, now: Duration) -> Vec<Decision> {
    table.begin_read();
    table.decide(now)
}

/// The programs that have made the changes.
fn decided(steps: Vec<Step>) -> Vec<Option<String>> {
    let (mut table, mut now, mut decided) = (ProcessTable::default(), at(0), Vec::new());
    for step in steps.into_iter().chain([Decide]) {
        match step {
            Opens(path, shown) => table.opened(pid(), opened(path, true), || shown, now),
            OpensScript(path, shown) => {
                table.opened(pid(), opened(path, false), || shown, now);
            }
            OpensBelowOverlay(path, shown) => {
                table.opened(pid(), below_overlay(path), || shown, now);
            }
            Writes(shown) => table.changed(pid(), change(), shown, now, now),
            Decide => decided.extend(decide(&mut table, now)),
            Wait(seconds) => now += at(seconds),
        }
    }
    let exe = |decision: Decision| decision.actor.map(|actor| actor.exe.clone());
    decided.into_iter().map(exe).collect()
}

const SH: &str = "/usr/bin/sh";
const TOUCH: &str = "/usr/bin/touch";
const LOADER: &str = "/usr/lib/ld-linux-x86-64.so.2";

fn is(exe: &str) -> Vec<Option<String>> {
    vec![Some(exe.to_owned())]
}

fn unknown() -> Vec<Option<String>> {
    vec![None]
}

fn sh() -> Snapshot {
    shown(1, SH)
}

fn touch() -> Snapshot {
    shown(1, TOUCH)
}

#[test]
fn processes_that_still_run() {
    assert_eq!(decided(vec![Writes(Some(sh()))]), is(SH));
    let steps = vec![
        Opens(TOUCH, Some(sh())),
        Opens(LOADER, Some(touch())),
        Writes(Some(touch())),
    ];
    assert_eq!(decided(steps), is(TOUCH));
}

#[test]
fn processes_that_have_ended() {
    assert_eq!(decided(vec![Writes(None)]), unknown());
    // It still had the program before when it was seen, or was not seen at all.
    for shown in [Some(sh()), Some(touch()), None] {
        let steps = vec![Opens(TOUCH, shown), Opens(LOADER, None), Writes(None)];
        assert_eq!(decided(steps), is(TOUCH));
    }
    // The interpreter of a script.
    let steps = vec![
        OpensScript("/a/script", Some(sh())),
        Opens(SH, Some(sh())),
        Opens(LOADER, None),
        Writes(None),
    ];
    assert_eq!(decided(steps), is(SH));
}

#[test]
fn a_later_program_of_the_process_did_not_do_it() {
    let steps = vec![
        Opens(SH, Some(sh())),
        Writes(Some(touch())),
        Opens(TOUCH, Some(touch())),
    ];
    assert_eq!(decided(steps), is(SH));
    // Nothing is known of the one before.
    assert_eq!(
        decided(vec![Writes(Some(touch())), Opens(TOUCH, Some(touch()))]),
        unknown()
    );
    // One that was on a file system without reports, or the program before it. Later it is certain.
    let steps = vec![
        Opens(SH, Some(sh())),
        Writes(Some(touch())),
        Decide,
        Writes(Some(touch())),
    ];
    assert_eq!(decided(steps), [unknown(), is(TOUCH)].concat());
}

#[test]
fn a_program_that_was_not_run_did_not_do_it() {
    // It is neither machine code nor a script with an interpreter: the shell runs it itself.
    let steps = vec![
        Opens(SH, Some(sh())),
        OpensScript("/a/text", Some(sh())),
        Writes(None),
    ];
    assert_eq!(decided(steps), unknown());
    let steps = vec![
        Opens(SH, Some(sh())),
        OpensScript("/a/text", Some(sh())),
        Writes(Some(sh())),
    ];
    assert_eq!(decided(steps), unknown());
}

#[test]
fn the_loader_is_a_program_if_it_is_run_as_one() {
    let steps = vec![
        Opens(SH, Some(sh())),
        Opens(LOADER, Some(sh())),
        Writes(Some(sh())),
        Opens(LOADER, None),
        Writes(None),
    ];
    assert_eq!(decided(steps), [is(SH), is(LOADER)].concat());
}

#[test]
fn a_program_of_an_overlay_is_reported_twice() {
    for (shown, after) in [
        (Some(sh()), Some(touch())),
        (Some(touch()), Some(touch())),
        (Some(sh()), None),
        (None, None),
    ] {
        let steps = vec![
            OpensBelowOverlay(TOUCH, shown.clone()),
            Opens(TOUCH, shown),
            OpensBelowOverlay(LOADER, after.clone()),
            Opens(LOADER, after.clone()),
            Writes(after),
        ];
        assert_eq!(decided(steps), is(TOUCH));
    }
    // The events of the overlay are not reported: it was mounted a moment ago.
    let below = |after: Option<Snapshot>| {
        vec![
            OpensBelowOverlay(TOUCH, Some(sh())),
            OpensBelowOverlay(LOADER, Some(touch())),
            Writes(after),
        ]
    };
    assert_eq!(decided(below(Some(touch()))), is(TOUCH));
    assert_eq!(decided(below(None)), unknown());
    // The loader is run as a program.
    let steps = vec![
        OpensBelowOverlay(SH, Some(sh())),
        Opens(SH, Some(sh())),
        OpensBelowOverlay(LOADER, Some(sh())),
        Opens(LOADER, Some(sh())),
        OpensBelowOverlay(LOADER, Some(sh())),
        Opens(LOADER, None),
        Writes(None),
    ];
    assert_eq!(decided(steps), is(LOADER));
}

#[test]
fn an_id_that_is_used_again() {
    let other = Some(shown(2, TOUCH));
    let steps = vec![Opens(SH, Some(sh())), Writes(other.clone())];
    assert_eq!(decided(steps), is(TOUCH));
    // The process that is shown did not make the change if the event was in the queue for long.
    let mut table = ProcessTable::default();
    table.changed(pid(), change(), other, at(0), at(4));
    assert_eq!(
        decide(&mut table, at(4)),
        [Decision::unknown(b"/etc/f", Extent::Own)]
    );
    // Another process may have had the id since.
    let steps = vec![Opens(SH, Some(sh())), Wait(4), Writes(None)];
    assert_eq!(decided(steps), unknown());
    let steps = vec![
        Opens(SH, Some(sh())),
        Wait(4),
        Writes(Some(sh())),
        Wait(3),
        Writes(None),
    ];
    assert_eq!(decided(steps), [is(SH), is(SH)].concat());
}

#[test]
fn what_is_known_of_a_process_that_has_ended() {
    let mut table = ProcessTable::default();
    table.opened(pid(), opened(TOUCH, true), || Some(sh()), at(0));
    table.changed(pid(), change(), None, at(0), at(0));
    let actor = decide(&mut table, at(0)).remove(0).actor.unwrap();
    assert_eq!((actor.comm.as_deref(), actor.login_uid), (None, Some(1000)));
}

#[test]
fn the_number_of_processes_and_changes_is_limited() {
    let mut table = ProcessTable::default();
    for number in 1..10_000 {
        let pid = Pid::new(number).unwrap();
        table.opened(pid, opened(SH, true), || None, at(0));
        table.changed(pid, change(), None, at(0), at(0));
    }
    assert_eq!(table.processes.len(), MAX_PROCESSES);
    assert!(table.order.len() <= MAX_PROCESSES);
    assert!(table.pending.len() <= MAX_PENDING);
    // The earliest are forgotten, with all that was known before them.
    let first = decide(&mut table, at(0)).remove(0);
    assert_eq!(first, Decision::unknown(b"/", Extent::Subtree));
}

#[test]
fn an_overflow_leaves_nothing_known() {
    // An event that was dropped may be about another program of the process.
    let mut table = ProcessTable::default();
    table.opened(pid(), opened(SH, true), || Some(sh()), at(0));
    table.changed(pid(), change(), Some(sh()), at(0), at(0));
    table.overflowed();
    table.changed(pid(), change(), None, at(0), at(0));
    let everything = Decision::unknown(b"/", Extent::Subtree);
    let file = Decision::unknown(b"/etc/f", Extent::Own);
    assert_eq!(decide(&mut table, at(0)), [everything, file]);
}

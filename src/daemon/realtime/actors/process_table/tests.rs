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
    Writes(Option<Snapshot>),
    /// The queue is empty.
    Decide,
    Wait(u64),
}
use Step::{Decide, Opens, OpensScript, Wait, Writes};

fn opened(path: &str, is_program: bool) -> Opened {
    let path = path.as_bytes().to_vec();
    Opened {
        name: file_name(&path).to_vec(),
        program: is_program.then_some(path),
    }
}

/// The programs that have made the changes.
fn decided(steps: Vec<Step>) -> Vec<Option<String>> {
    let (mut table, mut now, mut decided) = (ProcessTable::default(), at(0), Vec::new());
    for step in steps.into_iter().chain([Decide]) {
        match step {
            Opens(path, shown) => table.opened(pid(), opened(path, true), shown.as_ref(), now),
            OpensScript(path, shown) => {
                table.opened(pid(), opened(path, false), shown.as_ref(), now);
            }
            Writes(shown) => table.changed(pid(), b"/etc/f".to_vec(), shown, now),
            Decide => decided.extend(table.decide(at(0), now)),
            Wait(seconds) => now += at(seconds),
        }
    }
    let exe = |(_, actor): Decision| actor.map(|actor| actor.exe.clone());
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
fn an_id_that_is_used_again() {
    let other = Some(shown(2, TOUCH));
    let steps = vec![Opens(SH, Some(sh())), Writes(other.clone())];
    assert_eq!(decided(steps), is(TOUCH));
    // The process that is shown did not make the change if the event was in the queue for long.
    let mut table = ProcessTable::default();
    table.changed(pid(), b"/etc/f".to_vec(), other, at(0));
    assert_eq!(table.decide(at(4), at(4)), [(b"/etc/f".to_vec(), None)]);
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
    table.opened(pid(), opened(TOUCH, true), Some(&sh()), at(0));
    table.changed(pid(), b"/etc/f".to_vec(), None, at(0));
    let actor = table.decide(at(0), at(0)).remove(0).1.unwrap();
    assert_eq!((actor.comm.as_deref(), actor.login_uid), (None, Some(1000)));
}

#[test]
fn the_number_of_processes_and_changes_is_limited() {
    let mut table = ProcessTable::default();
    for number in 1..10_000 {
        let pid = Pid::new(number).unwrap();
        table.opened(pid, opened(SH, true), None, at(0));
        table.changed(pid, b"/etc/f".to_vec(), None, at(0));
    }
    assert_eq!(table.processes.len(), MAX_PROCESSES);
    assert!(table.order.len() <= MAX_PROCESSES);
    assert_eq!(table.decide(at(0), at(0)).len(), MAX_PENDING);
}

use super::*;
use crate::api::RealtimeBackend;
use crate::daemon::realtime::marks::Unmarked;
use crate::daemon::realtime::watch_state::{Remote, WatchError};

fn watching() -> WatchState {
    WatchState {
        backend: Some(RealtimeBackend::Fanotify),
        directories: 12,
        ..WatchState::default()
    }
}

fn facts() -> Facts {
    Facts {
        scans: Scans::Compared,
        ..Facts::default()
    }
}

fn at(second: i64) -> Time {
    Time(jiff::Timestamp::from_second(second).unwrap())
}

fn state_of(watch: &WatchState, facts: &Facts) -> (RealtimeState, Option<RealtimeReason>) {
    let status = status(watch, facts, None, &at(0));
    (status.state, status.reason)
}

#[test]
fn each_problem_has_a_state_and_a_reason() {
    use RealtimeReason as Reason;
    use RealtimeState::{Active, Degraded, Starting, Unsupported};
    let with = |unmarked| WatchState {
        unmarked,
        ..watching()
    };
    let refused = with(Unmarked {
        refused: 1,
        first_refused: Some("/mnt: no".to_owned()),
        ..Unmarked::default()
    });
    let beyond_limit = with(Unmarked {
        beyond_limit: 1,
        ..Unmarked::default()
    });
    let beyond_kernel_limit = with(Unmarked {
        beyond_kernel_limit: 1,
        ..Unmarked::default()
    });
    let remote = WatchState {
        remote: Remote {
            count: 1,
            first: Some("/data (nfs4)".to_owned()),
        },
        ..watching()
    };
    let marked_late = WatchState {
        marked_late: beyond_limit.unmarked.clone(),
        ..watching()
    };
    let unsupported = WatchState {
        error: Some(WatchError {
            reason: Reason::NotPermitted,
            message: "no".to_owned(),
        }),
        ..WatchState::default()
    };
    let overflow = Facts {
        has_overflowed: true,
        check_error: Some("error".to_owned()),
        ..facts()
    };
    let check_failed = Facts {
        check_error: Some("error".to_owned()),
        ..facts()
    };
    let not_compared = Facts {
        scans: Scans::NotCompared,
        ..facts()
    };
    let busy = Facts {
        busy_path: Some("/var/log".to_owned()),
        ..facts()
    };
    for (watch, facts, expected) in [
        (WatchState::default(), facts(), (Starting, None)),
        (watching(), Facts::default(), (Starting, None)),
        (watching(), facts(), (Active, None)),
        (
            unsupported,
            facts(),
            (Unsupported, Some(Reason::NotPermitted)),
        ),
        (watching(), overflow, (Degraded, Some(Reason::Overflow))),
        (
            watching(),
            check_failed,
            (Degraded, Some(Reason::CheckFailed)),
        ),
        (
            watching(),
            not_compared,
            (Degraded, Some(Reason::CheckFailed)),
        ),
        (beyond_limit, facts(), (Degraded, Some(Reason::WatchLimit))),
        (
            beyond_kernel_limit,
            facts(),
            (Degraded, Some(Reason::WatchLimit)),
        ),
        (refused, facts(), (Degraded, Some(Reason::PartlyWatched))),
        (marked_late, facts(), (Degraded, Some(Reason::WatchLimit))),
        (remote, facts(), (Degraded, Some(Reason::PartlyWatched))),
        (watching(), busy, (Degraded, Some(Reason::Busy))),
    ] {
        assert_eq!(state_of(&watch, &facts), expected, "{watch:?} {facts:?}");
    }
}

#[test]
fn a_limit_names_what_is_not_watched() {
    let watch = WatchState {
        unmarked: Unmarked {
            beyond_limit: 3,
            first_beyond_limit: Some("/usr/share/a".to_owned()),
            ..Unmarked::default()
        },
        ..watching()
    };
    let message = status(&watch, &facts(), None, &at(0)).message.unwrap();
    assert_eq!(
        message,
        "12 directories are watched, and fio watches no more; at least 3 are not watched, such as /usr/share/a"
    );
}

#[test]
fn the_time_is_that_of_the_last_transition() {
    let first = status(&watching(), &facts(), None, &at(10));
    let more = Facts {
        checks: 5,
        ..facts()
    };
    let same = status(&watching(), &more, Some(&first), &at(20));
    assert_eq!((same.since.clone(), same.checks), (at(10), 5));
    assert!(!is_transition(&first, &same));
    let overflow = Facts {
        has_overflowed: true,
        ..facts()
    };
    let other = status(&watching(), &overflow, Some(&same), &at(30));
    assert_eq!(other.since, at(30));
    assert!(is_transition(&same, &other));
}

#[test]
fn a_long_message_is_shortened() {
    let busy = Facts {
        busy_path: Some("x".repeat(5000)),
        ..facts()
    };
    let message = status(&watching(), &busy, None, &at(0)).message.unwrap();
    assert!(message.len() <= MAX_MESSAGE, "{} bytes", message.len());
}

use super::*;

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The state with differences of this hash.
#[expect(clippy::unnecessary_wraps, reason = "it is the type of a state")]
fn failed(hash: &str) -> StateHash {
    Some(hash.to_owned())
}

/// Publishes the known state when it is due, as the event loop does. Returns when, and what.
fn publish(pacing: &mut Pacing, known: StateHash) -> (Duration, bool) {
    let due = pacing.due(false).expect("nothing to publish");
    let publication = pacing.publication(due, false).expect("it is due");
    pacing.published(known, publication.with_log, due);
    (due, publication.with_log)
}

fn clean() -> Pacing {
    let mut pacing = Pacing::new(Duration::ZERO);
    pacing.published(None, true, s(0));
    pacing
}

#[test]
fn the_first_difference_is_published_at_once_with_its_log() {
    let mut pacing = clean();
    assert_eq!(pacing.due(false), None);
    pacing.known(failed("a"), s(100));
    assert_eq!(publish(&mut pacing, failed("a")), (s(100), true));
    assert_eq!(pacing.due(false), None);
}

#[test]
fn the_first_difference_may_have_to_wait() {
    let mut pacing = Pacing::new(s(12));
    pacing.published(None, true, s(0));
    pacing.known(failed("a"), s(100));
    pacing.known(failed("b"), s(105));
    assert_eq!(publish(&mut pacing, failed("b")), (s(112), true));
}

#[test]
fn more_differences_are_published_when_no_more_come_or_after_a_minute() {
    let mut pacing = clean();
    pacing.known(failed("a"), s(100));
    publish(&mut pacing, failed("a"));
    pacing.known(failed("b"), s(103));
    assert_eq!(pacing.due(false), Some(s(113)));
    assert_eq!(pacing.publication(s(112), false), None);
    assert_eq!(publish(&mut pacing, failed("b")), (s(113), true));
    for at in 120..180 {
        pacing.known(failed(&at.to_string()), s(at));
    }
    assert_eq!(publish(&mut pacing, failed("179")), (s(180), false));
}

#[test]
fn a_burst_is_two_logs_however_long_its_checks_take() {
    let mut pacing = clean();
    pacing.known(failed("first"), s(100));
    publish(&mut pacing, failed("first"));
    pacing.known(failed("part"), s(105));
    assert_eq!(pacing.due(true), Some(s(165)));
    let without_log = pacing.publication(s(165), true).unwrap();
    assert!(!without_log.with_log);
    pacing.published(failed("part"), false, s(165));
    assert_eq!(pacing.due(true), None);
    pacing.known(failed("all"), s(170));
    assert_eq!(publish(&mut pacing, failed("all")), (s(180), true));
}

#[test]
fn a_log_that_was_left_out_follows_when_the_state_is_quiet() {
    let mut pacing = clean();
    pacing.known(failed("a"), s(100));
    publish(&mut pacing, failed("a"));
    for at in 101..161 {
        pacing.known(failed(&at.to_string()), s(at));
    }
    assert_eq!(publish(&mut pacing, failed("160")), (s(161), false));
    assert_eq!(publish(&mut pacing, failed("160")), (s(170), true));
    assert_eq!(pacing.due(false), None);
}

#[test]
fn a_failure_stays_for_a_minute_and_until_the_state_is_quiet() {
    let mut pacing = clean();
    pacing.known(failed("a"), s(100));
    publish(&mut pacing, failed("a"));
    pacing.known(None, s(101));
    assert_eq!(pacing.due(false), Some(s(160)));
    // A file that toggles.
    for at in 150..200 {
        let state = if at % 2 == 0 { failed("a") } else { None };
        pacing.known(state, s(at));
    }
    assert_eq!(publish(&mut pacing, None), (s(209), true));
}

#[test]
fn a_failure_soon_after_another_one_stays_longer() {
    let mut pacing = clean();
    pacing.known(failed("a"), s(100));
    publish(&mut pacing, failed("a"));
    pacing.known(None, s(110));
    assert_eq!(publish(&mut pacing, None).0, s(160));
    pacing.known(failed("a"), s(200));
    assert_eq!(publish(&mut pacing, failed("a")).0, s(200));
    pacing.known(None, s(210));
    assert_eq!(publish(&mut pacing, None).0, s(800));
    pacing.known(failed("a"), s(1500));
    publish(&mut pacing, failed("a"));
    pacing.known(None, s(1510));
    assert_eq!(pacing.due(false), Some(s(1560)));
}

#[test]
fn a_state_that_was_published_before_is_not_published_again() {
    let mut pacing = clean();
    pacing.known(failed("a"), s(100));
    pacing.known(None, s(100));
    assert_eq!(pacing.due(false), None);
    pacing.known(failed("a"), s(110));
    publish(&mut pacing, failed("a"));
    pacing.known(failed("b"), s(120));
    pacing.known(failed("a"), s(121));
    assert_eq!(pacing.due(false), None);
}

#[test]
fn a_scan_ends_a_failure_when_the_state_is_quiet() {
    let mut pacing = clean();
    pacing.known(failed("a"), s(100));
    publish(&mut pacing, failed("a"));
    pacing.known(None, s(101));
    assert!(!pacing.may_recover(s(105)));
    assert!(pacing.may_recover(s(111)));
    pacing.published(None, true, s(111));
    assert_eq!(pacing.due(false), None);
}

#[test]
fn differences_after_an_error_are_published_at_once_and_their_end_is_no_success() {
    let mut pacing = clean();
    pacing.published_error();
    pacing.known(None, s(90));
    assert_eq!(pacing.due(false), None);
    pacing.known(failed("a"), s(100));
    assert_eq!(publish(&mut pacing, failed("a")).0, s(100));
}

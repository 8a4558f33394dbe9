//! Tests of the backoff and the cool-down.

use super::*;

#[test]
fn the_backoff_grows_and_does_not_delay_a_status() {
    let seconds = Duration::from_secs;
    for (failures, due, pause) in [
        (1, None, FIRST_BACKOFF),
        (2, None, seconds(1)),
        (7, None, seconds(32)),
        (8, None, MAX_BACKOFF),
        (u32::MAX, None, MAX_BACKOFF),
        (1, Some(seconds(4)), FIRST_BACKOFF),
        (8, Some(seconds(4)), seconds(4)),
    ] {
        assert_eq!(backoff(failures, due), pause, "{failures} {due:?}");
    }
}

#[test]
fn planning_takes_at_most_a_tenth_of_a_cpu() {
    let ms = Duration::from_millis;
    for (planning, expected) in [
        (ms(0), ms(0)),
        (ms(1), ms(9)),
        (ms(26), ms(234)),
        (ms(900), MAX_COOL_DOWN),
    ] {
        assert_eq!(cool_down(planning), expected, "{planning:?}");
    }
}

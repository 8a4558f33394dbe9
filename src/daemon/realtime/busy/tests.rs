use super::*;
use crate::aide::coverage::Extent;

fn part(paths: &[&str]) -> Coverage {
    let mut part = Coverage::default();
    for path in paths {
        part.add(path.as_bytes(), Extent::Own);
    }
    part
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_path_in_all_checks_of_a_minute_is_busy() {
    let mut busy = Busy::default();
    for at in (100..170).step_by(3) {
        let other = format!("/etc/{at}");
        busy.checked(&part(&["/var/log", &other]), s(at), s(at + 1));
        let is_long = at >= 160;
        let expected = is_long.then_some(&b"/var/log"[..]);
        assert_eq!(busy.path(s(at)), expected, "after {at} s");
    }
    assert_eq!(busy.path(s(180)), None, "the checks have ended");
}

#[test]
fn different_paths_and_checks_with_breaks_are_not_busy() {
    let mut busy = Busy::default();
    for at in (100..300).step_by(3) {
        busy.checked(&part(&[&format!("/etc/{at}")]), s(at), s(at));
        assert_eq!(busy.path(s(at)), None);
    }
    for at in (300..900).step_by(10) {
        busy.checked(&part(&["/etc/a"]), s(at), s(at));
        assert_eq!(busy.path(s(at)), None);
    }
}

//! Tables of Leases, and what a candidate does.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::*;

fn lease(holder: &str, version: &str, seconds: i32) -> Lease {
    Lease {
        metadata: ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(seconds),
            ..LeaseSpec::default()
        }),
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn missing_released_and_own_leases_are_taken_at_once() {
    let mut election = Election::new("me");
    assert_eq!(election.step(None, s(0)), Step::Create);
    assert_eq!(election.step(Some(&lease("", "1", 1)), s(0)), Step::Take);
    assert_eq!(election.step(Some(&lease("me", "2", 15)), s(0)), Step::Take);
}

#[test]
fn a_lease_is_taken_when_it_has_not_changed_for_its_duration() {
    let mut election = Election::new("me");
    assert_eq!(
        election.step(Some(&lease("you", "1", 15)), s(100)),
        Step::Wait(s(15))
    );
    assert_eq!(
        election.step(Some(&lease("you", "1", 15)), s(114)),
        Step::Wait(s(1))
    );
    assert_eq!(
        election.step(Some(&lease("you", "2", 15)), s(114)),
        Step::Wait(s(15))
    );
    assert_eq!(
        election.step(Some(&lease("you", "2", 15)), s(129)),
        Step::Take
    );
}

/// The holder's clock is a minute fast or slow. The times that it writes are ignored.
#[test]
fn clocks_that_differ_do_not_matter() {
    for seconds in [-60, 0, 60] {
        let renewed = |version: &str| {
            let mut lease = lease("you", version, 15);
            let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
            if let Some(spec) = &mut lease.spec {
                spec.renew_time = Some(MicroTime(at));
                spec.acquire_time = Some(MicroTime(at));
            }
            lease
        };
        let mut election = Election::new("me");
        let mut step =
            |version: &str, second: u64| election.step(Some(&renewed(version)), s(second));
        assert_eq!(step("1", 0), Step::Wait(s(15)), "{seconds} s off");
        assert_eq!(step("2", 14), Step::Wait(s(15)), "{seconds} s off");
        assert_eq!(step("2", 28), Step::Wait(s(1)), "{seconds} s off");
        assert_eq!(step("2", 29), Step::Take, "{seconds} s off");
    }
}

#[test]
fn transitions_are_counted_and_the_time_of_acquisition_is_kept() {
    let election = Election::new("me");
    let taken = election.held(Some(&lease("you", "1", 15)));
    let spec = taken.spec.clone().unwrap();
    assert_eq!(spec.lease_transitions, Some(1));
    let renewed = election.held(Some(&taken)).spec.unwrap();
    assert_eq!(renewed.lease_transitions, Some(1));
    assert_eq!(renewed.acquire_time, spec.acquire_time);
    assert_eq!(taken.metadata.resource_version.as_deref(), Some("1"));
}

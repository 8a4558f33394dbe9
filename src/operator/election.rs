//! Leader election by a Lease, so that one operator acts at a time.
//!
//! [`Election`] decides (pure); the rest does the requests. The rules are those of the Lease's other
//! users, the original among them: the holder renews it; a standby takes it over when it was
//! released, or when it has not seen it change for as long as the Lease says. That is measured on
//! the standby's own monotonic clock, so clocks that differ do no harm. Every update carries the
//! resource version, so of two that try at once one fails. [`term`] keeps a holder that was stopped
//! and continued from writing.

pub mod term;

use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use kube::core::ObjectMeta;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::term::Term;
use crate::api::{names, time};
use crate::k8s::{RequestError, raw, request_within};

/// How long others wait after the last renewal that they saw.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long the leader goes on acting without having renewed: less than the others wait.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often it renews.
const RENEW_EVERY: Duration = Duration::from_secs(4);
/// Pause after a request that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// What a candidate does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is no Lease: make it.
    Create,
    /// It is free: take it over.
    Take,
    /// Somebody holds it: look again after this long, or when it changes.
    Wait(Duration),
}

/// What a candidate has seen of the Lease.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    seen: Option<(String, Duration)>,
}

impl Election {
    /// A candidate with this identity.
    pub fn new(identity: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            seen: None,
        }
    }

    /// Takes in the Lease as it is `now` (since any fixed moment, on a monotonic clock).
    pub fn look(&mut self, lease: Option<&Lease>, now: Duration) -> Step {
        let Some(lease) = lease else {
            return Step::Create;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        if holder.is_empty() || holder == self.identity {
            return Step::Take;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let seconds = spec
            .lease_duration_seconds
            .and_then(|s| u64::try_from(s).ok());
        let duration = seconds.map_or(LEASE_DURATION, Duration::from_secs);
        match (since + duration).checked_sub(now) {
            Some(left) if !left.is_zero() => Step::Wait(left),
            _ => Step::Take,
        }
    }

    /// The Lease as this candidate holds it, made from the one before.
    fn held(&self, before: Option<&Lease>) -> Lease {
        let now = time::now_micro();
        let old = before.and_then(|l| l.spec.clone()).unwrap_or_default();
        let is_mine = old.holder_identity.as_deref() == Some(self.identity.as_str());
        let transitions = old.lease_transitions.unwrap_or(0);
        Lease {
            metadata: before.map_or_else(
                || ObjectMeta {
                    name: Some(names::LEASE_NAME.to_owned()),
                    ..ObjectMeta::default()
                },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
                acquire_time: if is_mine {
                    old.acquire_time
                } else {
                    Some(now.clone())
                },
                renew_time: Some(now),
                lease_transitions: Some(if is_mine || before.is_none() {
                    transitions
                } else {
                    transitions + 1
                }),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// Requests about the Lease.
#[derive(Clone)]
pub struct Candidate {
    api: Api<Lease>,
    identity: String,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// The Lease is held: `lost` is cancelled when that ends.
#[derive(Debug)]
pub struct Leadership {
    /// Cancelled when another may act.
    pub lost: CancellationToken,
    /// Until when it may act, as it stands.
    pub term: Term,
    renewing: tokio::task::JoinHandle<Option<Lease>>,
    stop: CancellationToken,
    candidate: Candidate,
}

impl Candidate {
    /// A candidate for the Lease in the namespace of `api`.
    pub fn new(api: Api<Lease>, identity: String) -> Self {
        Self { api, identity }
    }

    /// Waits until the Lease is held.
    pub async fn acquire(&self) -> Leadership {
        let start = Instant::now();
        let mut election = Election::new(&self.identity);
        let mut waiting_for = String::new();
        loop {
            match self.try_acquire(&mut election, start).await {
                Ok(Attempt::Held { lease, since }) => return self.lead(*lease, since),
                Ok(Attempt::Wait { lease, left }) => {
                    let holder = lease.spec.as_ref().and_then(|s| s.holder_identity.clone());
                    let holder = holder.unwrap_or_default();
                    if holder != waiting_for {
                        tracing::info!(holder, "another operator acts; standing by");
                        waiting_for = holder;
                    }
                    self.wait_for_change(&lease, left).await;
                }
                Err(error) => {
                    tracing::warn!(
                        error = crate::error_chain(&error),
                        "the lease cannot be had; trying again"
                    );
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn try_acquire(
        &self,
        election: &mut Election,
        start: Instant,
    ) -> Result<Attempt, RequestError> {
        let lease = within(self.read()).await?;
        let params = PostParams::default();
        // Before the request: the answer may be read long after the others have begun to wait.
        let since = Instant::now();
        let written = match election.look(lease.as_ref(), start.elapsed()) {
            Step::Create => within(self.api.create(&params, &election.held(None))).await,
            Step::Take => within(self.replace(&election.held(lease.as_ref()))).await,
            Step::Wait(left) => {
                let lease = Box::new(lease.unwrap_or_default());
                return Ok(Attempt::Wait { lease, left });
            }
        };
        written.map(|lease| Attempt::Held {
            lease: Box::new(lease),
            since,
        })
    }

    /// The Lease, if there is one. Whatever is odd about it: nobody else may act while it cannot be read.
    async fn read(&self) -> kube::Result<Option<Lease>> {
        let lease = raw::get_opt(&self.api, names::LEASE_NAME).await?;
        lease.transpose().map_err(raw::failed)
    }

    async fn replace(&self, lease: &Lease) -> kube::Result<Lease> {
        let params = PostParams::default();
        let replaced = raw::replace(&self.api, names::LEASE_NAME, &params, lease).await?;
        replaced.map_err(raw::failed)
    }

    /// Returns when the Lease has changed, or after `left`.
    async fn wait_for_change(&self, lease: &Lease, left: Duration) {
        let version = lease.metadata.resource_version.as_deref().unwrap_or("0");
        let params = WatchParams::default()
            .fields(&format!("metadata.name={}", names::LEASE_NAME))
            .timeout(u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX));
        let change = async {
            let stream = self.api.watch(&params, version).await?;
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = stream.try_next().await? {
                match event {
                    WatchEvent::Bookmark(_) => {}
                    WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
                    _ => return Ok(()),
                }
            }
            Ok(())
        };
        if let Ok(Err(_)) = tokio::time::timeout(left, change).await {
            tokio::time::sleep(RETRY.min(left)).await;
        }
    }

    fn lead(&self, lease: Lease, since: Instant) -> Leadership {
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let (end, term) = Term::new(since + RENEW_DEADLINE);
        let renewing = self.clone().renew(lease, end, lost.clone(), stop.clone());
        let renewing = tokio::spawn(renewing);
        Leadership {
            lost,
            term,
            renewing,
            stop,
            candidate: self.clone(),
        }
    }

    /// Renews until told to stop, and returns the Lease as it is then; or until the deadline has
    /// passed without success.
    async fn renew(
        self,
        mut lease: Lease,
        end: watch::Sender<Instant>,
        lost: CancellationToken,
        stop: CancellationToken,
    ) -> Option<Lease> {
        let election = Election::new(&self.identity);
        let mut pause = RENEW_EVERY;
        loop {
            let deadline = *end.borrow();
            let next = (Instant::now() + pause).min(deadline);
            tokio::select! {
                () = stop.cancelled() => return Some(lease),
                () = tokio::time::sleep_until(next) => {}
            }
            let started = Instant::now();
            let held = election.held(Some(&lease));
            let attempt = within(self.replace(&held));
            match tokio::time::timeout_at(deadline, attempt).await {
                Ok(Ok(held)) => {
                    lease = held;
                    end.send_replace(started + RENEW_DEADLINE);
                    pause = RENEW_EVERY;
                }
                Ok(Err(error)) if Instant::now() < deadline => {
                    tracing::warn!(
                        error = crate::error_chain(&error),
                        "the lease was not renewed"
                    );
                    pause = RETRY;
                    if error.code() == Some(409) {
                        match tokio::time::timeout_at(deadline, self.still_held()).await {
                            Ok(Ok(Some(held))) => lease = held,
                            // The next renewal finds out.
                            Ok(Err(_)) => {}
                            Ok(Ok(None)) | Err(_) => {
                                lost.cancel();
                                return None;
                            }
                        }
                    }
                }
                _ => {
                    lost.cancel();
                    return None;
                }
            }
        }
    }

    /// The Lease as it is now, if this candidate still holds it. A conflict need not mean that another
    /// one took it: an own renewal whose answer was lost has changed it as well. Nothing is acted upon
    /// by that alone: the term is extended by a renewal that is answered.
    async fn still_held(&self) -> Result<Option<Lease>, RequestError> {
        let lease = within(self.read()).await?;
        let holder = |lease: &Lease| lease.spec.as_ref()?.holder_identity.clone();
        Ok(lease.filter(|lease| holder(lease).as_deref() == Some(self.identity.as_str())))
    }
}

impl Leadership {
    /// Gives the Lease up, so that another can act at once. The caller must have stopped acting.
    pub async fn release(self) {
        self.stop.cancel();
        let Ok(Some(mut lease)) = self.renewing.await else {
            return;
        };
        let mut released = self.candidate.write_released(&mut lease).await;
        if matches!(&released, Err(error) if error.code() == Some(409)) {
            // The answer to the last renewal was lost.
            released = match self.candidate.still_held().await {
                Ok(Some(mut held)) => self.candidate.write_released(&mut held).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
        }
        if let Err(error) = released {
            tracing::warn!(
                error = crate::error_chain(&error),
                "the lease was not released"
            );
        }
    }
}

impl Candidate {
    async fn write_released(&self, lease: &mut Lease) -> Result<(), RequestError> {
        if let Some(spec) = &mut lease.spec {
            // As other users of Leases release them: no holder, and a duration that is over soon.
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(time::now_micro());
        }
        within(self.replace(lease)).await.map(|_| ())
    }
}

enum Attempt {
    Held { lease: Box<Lease>, since: Instant },
    Wait { lease: Box<Lease>, left: Duration },
}

async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, RequestError> {
    request_within(
        REQUEST_TIMEOUT,
        format!("ask for the lease {}", names::LEASE_NAME),
        call,
    )
    .await
}

#[cfg(test)]
mod tests {
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
    fn a_missing_a_released_and_an_own_lease_are_taken_at_once() {
        let mut election = Election::new("me");
        assert_eq!(election.look(None, s(0)), Step::Create);
        assert_eq!(election.look(Some(&lease("", "1", 1)), s(0)), Step::Take);
        assert_eq!(election.look(Some(&lease("me", "2", 15)), s(0)), Step::Take);
    }

    #[test]
    fn a_lease_is_taken_when_it_has_not_changed_for_its_duration() {
        let mut election = Election::new("me");
        assert_eq!(
            election.look(Some(&lease("you", "1", 15)), s(100)),
            Step::Wait(s(15))
        );
        assert_eq!(
            election.look(Some(&lease("you", "1", 15)), s(114)),
            Step::Wait(s(1))
        );
        assert_eq!(
            election.look(Some(&lease("you", "2", 15)), s(114)),
            Step::Wait(s(15))
        );
        assert_eq!(
            election.look(Some(&lease("you", "2", 15)), s(129)),
            Step::Take
        );
    }

    /// The holder's clock is a minute off, either way: what it writes down of the time is not looked
    /// at, so it is given as long as a holder whose clock is right.
    #[test]
    fn clocks_that_differ_do_no_harm() {
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
            let mut look =
                |version: &str, second: u64| election.look(Some(&renewed(version)), s(second));
            assert_eq!(look("1", 0), Step::Wait(s(15)), "{seconds} s off");
            assert_eq!(look("2", 14), Step::Wait(s(15)), "{seconds} s off");
            assert_eq!(look("2", 28), Step::Wait(s(1)), "{seconds} s off");
            assert_eq!(look("2", 29), Step::Take, "{seconds} s off");
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
}

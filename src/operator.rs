//! The operator: from a FileIntegrity to daemons on its nodes, and back to a status.
//!
//! One controller, level-triggered. A pass is [`observe`] (all reads), [`plan`] (all decisions,
//! pure), [`apply`] (all writes). What is to be made comes from [`build`], the status from
//! [`status`], the bookkeeping of re-initialisations from [`reinit`], what goes on running from
//! [`running`], the choice of nodes from
//! [`nodes`]; [`triggers`] says when a pass is due, [`judge`] whether a configuration is fit to be used;
//! [`election`] sees to it that one operator acts at a time; [`freshness`] knows since when nothing
//! was heard of a node; [`statuses`] and [`pool`] keep that of thousands of nodes small;
//! [`tally`] counts what happens, [`serving`] lets that be read, [`monitoring`] tells Prometheus where
//! and what to alert on, [`policy`] keeps daemons to their own nodes.
//!
//! A pass may be killed anywhere: what it knows is in the API, and the next pass goes on.

pub mod apply;
pub mod build;
pub mod certificate;
pub mod election;
pub mod freshness;
pub mod judge;
mod kinds;
pub mod monitoring;
pub mod nodes;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod pool;
pub mod reinit;
pub mod running;
pub mod serving;
pub mod status;
pub mod statuses;
pub mod tally;
pub mod triggers;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use kube::api::ListParams;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::apply::{Applier, ApplyError};
use self::election::Candidate;
use self::judge::Judge;
use self::observe::{ObserveError, Observer};
use self::plan::{Observed, Plan, Wanted};
use self::serving::{Scrapes, Serving};
use self::tally::Tally;
use crate::aide::check::Checker;
use crate::aide::command::{Aide, NO_AIDE};
use crate::api::{FileIntegrity, FileIntegrityStatus, Phase};
use crate::scan::event::{Saying, Severity};
use crate::telemetry::health::{self, Readiness};
use crate::telemetry::metrics::Metrics;

/// Counts in a status are written at most this often; a change of the phase at once.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// Pause before a failed pass is tried again; it doubles up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// Longest pause before a failed pass is tried again.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// An object in the way of one of ours is looked for again after this long: it need not be one that
/// is watched.
const COLLISION_RETRY: Duration = Duration::from_secs(15);
/// As many statuses of nodes are written at once: a fleet of thousands is not to wait for one answer
/// after the other, nor the API server for more than it answers at a time.
const APPLIED_AT_ONCE: usize = 8;
/// A FileIntegrity rests so many times as long as a pass over it thought. So passes take a tenth of a
/// core at most where a large fleet's nodes change one after the other; what comes meanwhile is seen
/// to in one pass. With a small fleet it is a matter of milliseconds.
const REST: u32 = 9;
/// Longest rest.
const MAX_REST: Duration = Duration::from_secs(2);
/// As many events are remembered as said, so that a pass does not ask the API again.
const MAX_SAID: usize = 1000;

/// What an operator is told when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its namespace.
    pub namespace: String,
    /// Its identity among operators: the pod's name.
    pub identity: String,
    /// Image of the pods where no Deployment says it.
    pub fallback_image: Option<String>,
    /// The AIDE program.
    pub aide: PathBuf,
    /// A directory that it may write to.
    pub work_dir: PathBuf,
    /// Where health checks are served.
    pub health: Option<SocketAddr>,
    /// Where and how metrics are served.
    pub scrapes: Scrapes,
    /// The metrics.
    pub metrics: Metrics,
}

/// Runs the operator until `stop` says so.
pub async fn run(
    settings: Settings,
    client: Client,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let aide = Aide::new(&settings.aide);
    aide.supported_version().await.context(NO_AIDE)?;
    let readiness = Readiness::default();
    if let Some(address) = settings.health {
        health::serve(address, readiness.clone()).await?;
    }
    // Dropping it ends what is served.
    let serving = Serving::start(&settings, &client);
    tokio::select! {
        ready = wait_for_api(&client, &settings.namespace) => ready?,
        () = stop.cancelled() => return Ok(()),
    }
    readiness.set(true);
    let leases = Api::namespaced(client.clone(), &settings.namespace);
    let candidate = Candidate::new(leases, settings.identity.clone());
    loop {
        let leadership = tokio::select! {
            leadership = candidate.acquire() => leadership,
            () = stop.cancelled() => return Ok(()),
        };
        tracing::info!(identity = settings.identity, "leading");
        let tally = Arc::new(Tally::new(settings.metrics.lead()));
        let writer = leadership.term.client(&client);
        let result = tokio::select! {
            result = lead(&settings, writer, tally, &serving) => Some(result),
            () = leadership.lost.cancelled() => None,
            () = stop.cancelled() => {
                settings.metrics.stand_by();
                leadership.release().await;
                return Ok(());
            }
        };
        settings.metrics.stand_by();
        if let Some(result) = result {
            leadership.release().await;
            return result.context("the operator's watches");
        }
        tracing::warn!("the lease is lost; standing by");
    }
}

/// Waits for the API server to answer, saying so; then checks that it knows FileIntegrity and lets
/// this operator read it.
async fn wait_for_api(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let api = Api::<FileIntegrity>::namespaced(client.clone(), namespace);
    let mut pause = FIRST_RETRY;
    loop {
        match api.list(&ListParams::default().limit(1)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => anyhow::bail!(
                "the API does not know FileIntegrity (fileintegrity.openshift.io/v1alpha1); \
                 install the definitions: fio crd | kubectl apply -f -"
            ),
            Err(kube::Error::Api(status)) if status.code == 403 => anyhow::bail!(
                "no permission to list fileintegrities in namespace {namespace}: {}; \
                 apply the manifests' Role and RoleBinding file-integrity-operator",
                status.message
            ),
            Err(kube::Error::Api(status)) if status.code == 401 => anyhow::bail!(
                "the API does not accept this operator's credentials: {}",
                status.message
            ),
            Err(error) => {
                tracing::warn!(
                    error = crate::error_chain(&error),
                    retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                    "waiting for the API server"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_RETRY / 2);
            }
        }
    }
}

/// What passes share.
struct Context {
    observer: Arc<Observer>,
    applier: Applier,
    tally: Arc<Tally>,
    memory: Mutex<Memory>,
}

/// What is remembered between passes. Losing it costs some requests, nothing else.
#[derive(Default)]
struct Memory {
    failures: HashMap<String, u32>,
    status_written: HashMap<String, StatusWritten>,
    /// FileIntegrities as our own writes returned them: the watch may be behind that, and who acts
    /// on what it showed last says a phase twice.
    written: HashMap<String, Arc<FileIntegrity>>,
    said: HashSet<(String, String)>,
}

/// When a status was written last.
#[derive(Clone, Copy, Debug)]
struct StatusWritten {
    at: Instant,
    /// Another one was planned since, and held back.
    is_old: bool,
}

impl StatusWritten {
    /// How long the next one is to wait.
    fn left(&self) -> Option<Duration> {
        STATUS_EVERY
            .checked_sub(self.at.elapsed())
            .filter(|left| !left.is_zero())
    }
}

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
enum PassError {
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl PassError {
    fn step(&self) -> &'static str {
        match self {
            Self::Observe(_) => "observe",
            Self::Apply(_) => "apply",
        }
    }
}

async fn lead(
    settings: &Settings,
    client: Client,
    tally: Arc<Tally>,
    serving: &Serving,
) -> Result<(), ObserveError> {
    let (triggers, triggered) = mpsc::unbounded_channel();
    // Dropping the set ends the watches.
    let mut watches = tokio::task::JoinSet::new();
    let observer = Observer::start(
        client.clone(),
        &settings.namespace,
        settings.fallback_image.clone(),
        Judge::new(Checker::new(
            Aide::new(&settings.aide),
            settings.work_dir.clone(),
        )),
        triggers,
        &tally,
        &mut watches,
    )
    .await?;
    watches.spawn(policy::keep(client.clone(), settings.namespace.clone()));
    watches.spawn(serving.keep_certificate(&client));
    watches.spawn(serving.keep_monitoring(&client, observer.is_openshift()));
    let applier = Applier::new(&client, &settings.namespace, &settings.identity);
    if let Err(error) = applier.remove_legacy().await {
        tracing::warn!(
            error = crate::error_chain(&error),
            "legacy objects are left"
        );
    }
    let store = observer.file_integrities.clone();
    let context = Arc::new(Context {
        observer,
        applier,
        tally,
        memory: Mutex::default(),
    });
    let triggered = futures::stream::unfold(triggered, |mut triggered| async move {
        triggered.recv().await.map(|trigger| (trigger, triggered))
    });
    // The objects themselves come through the observer's own watch, and as triggers.
    let none = futures::stream::pending::<Result<FileIntegrity, watcher::Error>>();
    Controller::for_stream(none, store)
        .reconcile_on(triggered)
        .run(pass, on_error, context)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(error = crate::error_chain(&error), "pass");
            }
        })
        .await;
    Err(ObserveError::Ended)
}

/// One pass over one FileIntegrity.
async fn pass(fi: Arc<FileIntegrity>, context: Arc<Context>) -> Result<Action, PassError> {
    let (started, mut thought) = (Instant::now(), Duration::ZERO);
    let result = try_pass(fi, &context, &mut thought).await;
    context.tally.passed(started.elapsed());
    if let Err(error) = &result {
        context.tally.failed(error.step());
    }
    // Meanwhile the controller takes no other pass over it.
    tokio::time::sleep(rest_after(thought)).await;
    result
}

/// `thought` becomes how long it took to see and to decide.
async fn try_pass(
    fi: Arc<FileIntegrity>,
    context: &Context,
    thought: &mut Duration,
) -> Result<Action, PassError> {
    if fi.metadata.deletion_timestamp.is_some() {
        context.observer.forget(&fi.name_any());
        return Ok(Action::await_change());
    }
    let fi = context.newest(fi);
    let started = Instant::now();
    let observed = context.observer.observe(Arc::clone(&fi)).await?;
    let plan = plan::plan(&observed);
    *thought = started.elapsed();
    context.carry_out(&observed, &plan).await
}

/// How long a FileIntegrity rests after a pass that has thought for so long.
fn rest_after(thought: Duration) -> Duration {
    thought.saturating_mul(REST).min(MAX_REST)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature is the controller's"
)]
fn on_error(fi: Arc<FileIntegrity>, error: &PassError, context: Arc<Context>) -> Action {
    let name = fi.name_any();
    let (failures, written) = context.remember(|memory| {
        let failures = memory.failures.entry(name.clone()).or_default();
        *failures = failures.saturating_add(1);
        (*failures, memory.status_written.get(&name).copied())
    });
    let held_back = written.filter(|written| written.is_old);
    let pause = pause_after(failures, held_back.and_then(|written| written.left()));
    tracing::warn!(
        file_integrity = name,
        error = crate::error_chain(error),
        retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        "a pass failed"
    );
    Action::requeue(pause)
}

/// The pause after so many failed passes in a row. Where a status was held back, as another one had just
/// been written, it is no longer than that has to wait: what came in the way is not to be told a minute
/// late.
fn pause_after(failures: u32, held_back: Option<Duration>) -> Duration {
    let pause = FIRST_RETRY
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(MAX_RETRY);
    held_back.map_or(pause, |left| left.min(pause))
}

impl Context {
    /// Whatever cannot be written: what is known of the nodes is counted and is in the status, with
    /// what came in the way.
    async fn carry_out(&self, observed: &Observed, plan: &Plan) -> Result<Action, PassError> {
        let fi = &observed.file_integrity;
        let mut status = plan.status.clone();
        let mut collisions = Vec::new();
        let made = self.make(observed, plan, &mut collisions).await;
        let told = self.tell(fi, &plan.sayings, &mut status).await;
        let done = made.and(told);
        self.degrade(observed, &mut status, &collisions, done.as_ref().err());
        self.tally.found(&fi.name_any(), &status, &plan.stale);
        let written = self.write_status(fi, status).await;
        // What is asked for by annotation is recorded when all this is done.
        let wait = done.and(written)?;
        if let Some(patch) = &plan.metadata
            && self.write_metadata(fi, patch).await?
        {
            self.tally.annotated(patch);
        }
        self.remember(|memory| memory.failures.remove(&fi.name_any()));
        self.forget_the_gone();
        let retry = (!collisions.is_empty()).then_some(COLLISION_RETRY);
        let again = [plan.again, wait, retry].into_iter().flatten().min();
        Ok(again.map_or_else(Action::await_change, Action::requeue))
    }

    /// Makes and removes what the plan says. An object of somebody else's in the way of one of ours
    /// does not keep the rest from being done.
    async fn make(
        &self,
        observed: &Observed,
        plan: &Plan,
        collisions: &mut Vec<String>,
    ) -> Result<(), ApplyError> {
        // In the order of the plan, but for the statuses of nodes: these are many, and none waits for
        // another.
        let is_status = |wanted: &Wanted| matches!(wanted, Wanted::NodeStatus(..));
        let groups = plan.wanted.chunk_by(|a, b| is_status(a) && is_status(b));
        for group in groups.flat_map(|group| group.chunks(APPLIED_AT_ONCE)) {
            let writes = group
                .iter()
                .map(|wanted| self.applier.apply(observed, wanted));
            let results = futures::future::join_all(writes).await;
            for (wanted, result) in group.iter().zip(results) {
                match result {
                    Ok(Some(applied)) => self.tally.applied(observed, wanted, &applied),
                    Ok(None) => {}
                    Err(error @ ApplyError::NameCollision { .. }) => {
                        collisions.push(error.to_string());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        for unwanted in &plan.unwanted {
            if self.applier.remove(unwanted).await? {
                self.tally.removed(observed, unwanted);
            }
        }
        Ok(())
    }

    /// Says what is to be said, and the phase where it is another one than before. One event that the
    /// API does not take keeps no other back; the first error is returned.
    async fn tell(
        &self,
        fi: &FileIntegrity,
        sayings: &[Saying],
        status: &mut FileIntegrityStatus,
    ) -> Result<(), ApplyError> {
        let generation = fi.metadata.generation.unwrap_or_default().to_string();
        let mut told = Ok(());
        for saying in sayings {
            told = told.and(self.say(fi, saying, &generation).await);
        }
        told.and(self.tell_phase(fi, status).await)
    }

    /// A phase that could not be said stays out of the status: it is by the stored phase that the
    /// next pass, be it another operator's, knows what is still to be said.
    async fn tell_phase(
        &self,
        fi: &FileIntegrity,
        status: &mut FileIntegrityStatus,
    ) -> Result<(), ApplyError> {
        let before = fi.status.as_ref();
        let Some(phase) = status::new_phase(before, status) else {
            return Ok(());
        };
        // By what is stored: whoever says it again, after a failure or as the next operator, says
        // the same.
        let changes = before.and_then(|before| before.phase_changes);
        let transition = changes.unwrap_or(0).to_string();
        let told = self.say(fi, &phase_saying(phase), &transition).await;
        if told.is_err() {
            status::keep_phase(status, before);
        }
        told
    }

    /// Says in the status what came in the way of the plan: otherwise that would say that all is well.
    fn degrade(
        &self,
        observed: &Observed,
        status: &mut FileIntegrityStatus,
        collisions: &[String],
        failed: Option<&ApplyError>,
    ) {
        let fi = &observed.file_integrity;
        let mut say = |reason, message: &str| {
            status::degrade(status, fi.status.as_ref(), reason, message, &observed.now);
        };
        if !collisions.is_empty() {
            say("NameCollision", &collisions.join("; "));
        }
        let failures = self.remember(|memory| memory.failures.get(&fi.name_any()).copied());
        if let Some(error) = failed
            && let Some(reason) = status::failed(error.is_refusal(), failures.unwrap_or(0))
        {
            say(reason, &crate::error_chain(error));
        }
    }

    /// Writes the status if it differs; returns how long to wait where it was written too lately.
    async fn write_status(
        &self,
        fi: &FileIntegrity,
        status: FileIntegrityStatus,
    ) -> Result<Option<Duration>, ApplyError> {
        let before = fi.status.clone().unwrap_or_default();
        let name = fi.name_any();
        let is_old = before != status;
        let left = self.status_is_old(&name, is_old);
        if !is_old {
            return Ok(None);
        }
        let new_phase = status::new_phase(Some(&before), &status);
        if new_phase.is_none() && left.is_some() {
            return Ok(left);
        }
        let written = self.applier.write_status(fi, &status).await?;
        if let Some(phase) = new_phase {
            tracing::info!(file_integrity = name, %phase, "phase");
            self.tally.phase(phase, &status);
        }
        self.remember(|memory| {
            let (at, is_old) = (Instant::now(), false);
            let status_written = StatusWritten { at, is_old };
            memory.status_written.insert(name.clone(), status_written);
            memory.written.insert(name, Arc::new(written));
        });
        Ok(None)
    }

    /// Changes the annotations, on top of our own write of the status. Where that has shown that
    /// somebody else changed them meanwhile, the next pass sees to it. Returns whether it did.
    async fn write_metadata(
        &self,
        observed: &Arc<FileIntegrity>,
        patch: &serde_json::Value,
    ) -> Result<bool, ApplyError> {
        let fi = self.newest(Arc::clone(observed));
        if fi.annotations() != observed.annotations() {
            return Ok(false);
        }
        let mut patch = patch.clone();
        if let Some(version) = patch.pointer_mut("/metadata/resourceVersion") {
            *version = serde_json::json!(fi.resource_version());
        }
        let metadata = self.applier.patch_metadata(&fi, &patch).await?;
        let mut written = FileIntegrity::clone(&fi);
        written.metadata = metadata;
        self.remember(|memory| memory.written.insert(written.name_any(), Arc::new(written)));
        Ok(true)
    }

    /// This FileIntegrity, or what our own write made of it.
    fn newest(&self, seen: Arc<FileIntegrity>) -> Arc<FileIntegrity> {
        let version = |fi: &FileIntegrity| fi.resource_version()?.parse::<u128>().ok();
        self.remember(|memory| match memory.written.get(&seen.name_any()) {
            // Resource versions of one object can be compared as numbers (Kubernetes
            // documentation, API concepts).
            Some(written) if written.uid() == seen.uid() && version(written) > version(&seen) => {
                Arc::clone(written)
            }
            _ => seen,
        })
    }

    /// Remembers whether another status than the one that was written is planned; returns how long
    /// that is to wait, if the last one was written too lately.
    fn status_is_old(&self, name: &str, is_old: bool) -> Option<Duration> {
        self.remember(|memory| {
            let written = memory.status_written.get_mut(name)?;
            written.is_old = is_old;
            written.left()
        })
    }

    async fn say(
        &self,
        fi: &FileIntegrity,
        saying: &Saying,
        transition: &str,
    ) -> Result<(), ApplyError> {
        let uid = fi.uid().unwrap_or_default();
        let key = (format!("{uid}/{transition}"), saying.message.clone());
        if self.remember(|memory| memory.said.contains(&key)) {
            return Ok(());
        }
        if saying.severity == Severity::Warning {
            let name = fi.name_any();
            tracing::warn!(
                file_integrity = name,
                reason = saying.reason,
                "{}",
                saying.message
            );
        }
        self.applier.say(fi, saying, transition).await?;
        self.remember(|memory| {
            if memory.said.len() >= MAX_SAID {
                memory.said.clear();
            }
            memory.said.insert(key);
        });
        Ok(())
    }

    /// What is remembered of FileIntegrities that are gone would be kept for ever.
    fn forget_the_gone(&self) {
        let all = &self.observer.file_integrities;
        self.remember(|memory| {
            if memory.written.len() <= all.len() {
                return;
            }
            let there: HashSet<String> = all.state().iter().map(|fi| fi.name_any()).collect();
            memory.failures.retain(|name, _| there.contains(name));
            memory.status_written.retain(|name, _| there.contains(name));
            memory.written.retain(|name, _| there.contains(name));
        });
    }

    fn remember<T>(&self, with: impl FnOnce(&mut Memory) -> T) -> T {
        // What a panic left behind is as good as what was there before.
        let mut memory = self
            .memory
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        with(&mut memory)
    }
}

fn phase_saying(phase: Phase) -> Saying {
    Saying {
        severity: if phase == Phase::Error {
            Severity::Warning
        } else {
            Severity::Normal
        },
        reason: "FileIntegrityStatus",
        message: phase.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_take_a_tenth_of_a_core_at_most() {
        let ms = Duration::from_millis;
        for (thought, rest) in [
            (ms(0), ms(0)),
            (ms(1), ms(9)),
            (ms(26), ms(234)),
            (ms(900), MAX_REST),
        ] {
            assert_eq!(rest_after(thought), rest, "{thought:?}");
        }
    }

    #[test]
    fn a_status_that_was_held_back_does_not_wait_for_the_next_failure() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        for (failures, held_back, pause) in [
            (1, None, FIRST_RETRY),
            (1, Some(s(4)), FIRST_RETRY),
            (5, None, s(8)),
            (5, Some(ms(300)), ms(300)),
            (100, None, MAX_RETRY),
            (100, Some(s(4)), s(4)),
        ] {
            assert_eq!(pause_after(failures, held_back), pause, "{failures}");
        }
    }
}

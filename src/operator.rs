//! The operator: from a FileIntegrity to daemons on its nodes, and back to a status.
//!
//! One controller, level-triggered. A pass is [`observe`] (all reads), [`plan`] (all decisions,
//! pure), [`apply`] (all writes). What is to be made comes from [`build`], the status from
//! [`status`], the bookkeeping of re-initialisations from [`reinit`], what goes on running from
//! [`running`], the choice of nodes from
//! [`nodes`], whom taints leave out [`excluded`]; [`triggers`] says when a pass is due, [`judge`] whether a configuration is fit to be used, [`quoting`] what of it is shown;
//! [`election`] sees to it that one operator acts at a time; [`freshness`] knows since when nothing
//! was heard of a node; [`statuses`] and [`pool`] keep that of thousands of nodes small;
//! [`unreadable`] reports what cannot be read,
//! [`tally`] counts what happens, [`serving`] lets that be read, [`monitoring`] tells Prometheus where
//! and what to alert on, [`policy`] keeps daemons to their own nodes.
//!
//! A pass may be killed anywhere: what it knows is in the API, and the next pass goes on.

pub mod apply;
pub mod build;
pub mod certificate;
pub mod election;
pub mod excluded;
pub mod freshness;
pub mod judge;
mod kinds;
pub mod monitoring;
pub mod nodes;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod pool;
pub mod quoting;
pub mod reinit;
pub mod running;
pub mod serving;
pub mod status;
pub mod statuses;
pub mod tally;
pub mod triggers;
pub mod unreadable;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use kube::runtime::Controller;
use kube::runtime::controller::Action;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::apply::{Applied, Applier, ApplyError};
use self::election::Candidate;
use self::judge::Judge;
use self::observe::{ObserveError, Observer};
use self::plan::{Observed, Plan, Wanted};
use self::serving::{Scrapes, Serving};
use self::tally::{ApplyOutcome, Tally};
use crate::aide::check::Checker;
use crate::aide::command::{Aide, NO_AIDE};
use crate::api::object_name::NamespaceName;
use crate::api::{EventReason, FileIntegrity, FileIntegrityStatus, Phase, time};
use crate::k8s::{self, watch::Source};
use crate::scan::event::{EventMessage, Severity};
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
    let namespace =
        NamespaceName::parse(&settings.namespace).context("the operator's namespace")?;
    // Before all that takes time: probes come as soon as the container runs.
    let readiness = Readiness::default();
    if let Some(address) = settings.health {
        health::serve(address, readiness.clone()).await?;
    }
    let aide = Aide::new(&settings.aide);
    aide.supported_version().await.context(NO_AIDE)?;
    // Dropping it ends what is served.
    let serving = Serving::start(&settings, &namespace, &client)?;
    tokio::select! {
        ready = wait_for_api(&client, &namespace) => ready?,
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
            result = lead(&settings, &namespace, writer, tally, &serving) => Some(result),
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
async fn wait_for_api(client: &Client, namespace: &NamespaceName) -> anyhow::Result<()> {
    let source = Source::<FileIntegrity>::namespaced(client, namespace);
    let mut pause = FIRST_RETRY;
    loop {
        match k8s::watch::probe(&source).await {
            Ok(()) => return Ok(()),
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
    /// Of the FileIntegrities, by their names.
    passed: HashMap<String, Passed>,
    said: HashSet<(String, String)>,
}

/// What is remembered of the passes over one FileIntegrity.
#[derive(Default)]
struct Passed {
    /// As many in a row have failed.
    failures: u32,
    /// When its status was written last.
    status_written: Option<Instant>,
    /// When it is to be written again, where the last pass had another one too soon after that.
    status_due: Option<Instant>,
    /// It as our own last write returned it: the watch may be behind that, and who acts on what it
    /// showed last says a phase twice.
    written: Option<Arc<FileIntegrity>>,
    /// The nodes that can have no status: its name is another object's.
    nameless: HashSet<Arc<str>>,
    /// Why its annotations could not be changed. That is tried after its status is written, so the next
    /// pass says it there.
    unrecorded: Option<Failure>,
}

/// Something that could not be written.
#[derive(Clone, Debug, PartialEq)]
struct Failure {
    /// Somebody has to change something.
    is_refusal: bool,
    /// What it was, and why it could not be.
    message: String,
}

impl From<&ApplyError> for Failure {
    fn from(error: &ApplyError) -> Self {
        Self {
            is_refusal: error.is_refusal(),
            message: crate::error_chain(error),
        }
    }
}

/// Objects of others that have names which ours need.
#[derive(Default)]
struct Collisions {
    /// What is to be said of them.
    sentences: Vec<String>,
    /// The nodes whose statuses they keep away.
    nodes: HashSet<Arc<str>>,
}

impl Collisions {
    fn add(&mut self, wanted: &Wanted, sentence: String) {
        self.sentences.push(sentence);
        if let Wanted::NodeStatus(status) = wanted {
            self.nodes.insert(Arc::clone(&status.node));
        }
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
    namespace: &NamespaceName,
    client: Client,
    tally: Arc<Tally>,
    serving: &Serving,
) -> Result<(), ObserveError> {
    let (triggers, triggered) = mpsc::unbounded_channel();
    // Dropping the set ends the watches.
    let mut watches = tokio::task::JoinSet::new();
    let observer = Observer::start(
        client.clone(),
        namespace,
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
    watches.spawn(unreadable::keep(Arc::clone(&observer), applier.clone()));
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
    let nameless = context.passed(&fi.name_any(), |passed| passed.nameless.clone());
    let observed = match context.observer.observe(Arc::clone(&fi), nameless).await {
        Ok(observed) => observed,
        Err(error) => {
            context.report_unobserved(&fi, &error).await;
            return Err(error.into());
        }
    };
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
    let (failures, due) = context.passed(&name, |passed| {
        passed.failures = passed.failures.saturating_add(1);
        (passed.failures, passed.status_due.take())
    });
    let due = due.and_then(|due| due.checked_duration_since(Instant::now()));
    let pause = pause_after(failures, due);
    tracing::warn!(
        file_integrity = name,
        error = crate::error_chain(error),
        retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
        "a pass failed"
    );
    Action::requeue(pause)
}

/// How long to wait after so many failed passes in a row. What is known of the nodes does not wait so
/// long: its status is due sooner where that can be written.
fn pause_after(failures: u32, due: Option<Duration>) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let pause = FIRST_RETRY.saturating_mul(1 << doublings);
    pause.min(due.unwrap_or(MAX_RETRY)).min(MAX_RETRY)
}

impl Context {
    /// Whatever cannot be written: what is known of the nodes is counted and is in the status, with
    /// what came in the way.
    async fn carry_out(&self, observed: &Observed, plan: &Plan) -> Result<Action, PassError> {
        let fi = &observed.file_integrity;
        let mut status = plan.status.clone();
        let mut collisions = Collisions::default();
        let made = self.make(observed, plan, &mut collisions).await;
        let told = self.tell(fi, &plan.sayings, &mut status).await;
        let done = made.and(told);
        let Collisions { sentences, nodes } = collisions;
        let unrecorded = self.passed(&fi.name_any(), |passed| {
            passed.nameless = nodes;
            if plan.metadata.is_none() {
                passed.unrecorded = None;
            }
            passed.unrecorded.clone()
        });
        let failed = done.as_ref().err().map(Failure::from).or(unrecorded);
        self.degrade(observed, &mut status, &sentences, failed.as_ref());
        self.tally.found(&fi.name_any(), &status, &plan.stale);
        let written = self.write_status(fi, status).await;
        let left = written.as_ref().ok().copied().flatten();
        let due = left.map(|left| Instant::now() + left);
        self.passed(&fi.name_any(), |passed| passed.status_due = due);
        // What is asked for by annotation is recorded when all this is done.
        let wait = done.and(written)?;
        if let Some(patch) = &plan.metadata {
            let recorded = self.write_metadata(fi, patch).await;
            let failed = recorded.as_ref().err().map(Failure::from);
            self.passed(&fi.name_any(), |passed| passed.unrecorded = failed);
            recorded?;
        }
        self.passed(&fi.name_any(), |passed| passed.failures = 0);
        self.forget_the_gone();
        let retry = (!sentences.is_empty()).then_some(COLLISION_RETRY);
        let again = [plan.again, wait, retry].into_iter().flatten().min();
        Ok(again.map_or_else(Action::await_change, Action::requeue))
    }

    /// Makes and removes what the plan says. An object of somebody else's in the way of one of ours
    /// does not keep the rest from being done.
    async fn make(
        &self,
        observed: &Observed,
        plan: &Plan,
        collisions: &mut Collisions,
    ) -> Result<(), ApplyError> {
        self.tally.settle_removals(observed);
        // In the order of the plan, but for the statuses of nodes: these are many, and none waits for
        // another.
        let is_status = |wanted: &Wanted| matches!(wanted, Wanted::NodeStatus(..));
        let groups = plan.wanted.chunk_by(|a, b| is_status(a) && is_status(b));
        for group in groups.flat_map(|group| group.chunks(APPLIED_AT_ONCE)) {
            let writes = group
                .iter()
                .map(|wanted| self.applier.apply(observed, wanted));
            let results = futures::future::join_all(writes).await;
            take_in(group.iter().zip(results), collisions, |wanted, outcome| {
                self.tally.applied(observed, wanted, outcome);
            })?;
        }
        for unwanted in &plan.unwanted {
            match self.applier.remove(unwanted).await {
                Ok(true) => self.tally.removed(observed, unwanted),
                Ok(false) => {}
                Err(error) => {
                    self.tally.unremoved(observed, unwanted);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Says what is to be said, and the phase where it is another one than before. One event that the
    /// API does not take keeps no other back; the first error is returned.
    async fn tell(
        &self,
        fi: &FileIntegrity,
        sayings: &[EventMessage],
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
        let changes = before.and_then(|before| before.phase_transitions);
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
        failed: Option<&Failure>,
    ) {
        let fi = &observed.file_integrity;
        let mut say = |reason, message: &str| {
            status::degrade(status, fi.status.as_ref(), reason, message, &observed.now);
        };
        if !collisions.is_empty() {
            say("NameCollision", &collisions.join("; "));
        }
        let failures = self.passed(&fi.name_any(), |passed| passed.failures);
        if let Some(failed) = failed
            && let Some(reason) = status::failed(failed.is_refusal, failures)
        {
            say(reason, &failed.message);
        }
    }

    /// Reports in the status what could not be read. Nothing else in it is known better than before.
    async fn report_unobserved(&self, fi: &FileIntegrity, error: &ObserveError) {
        let failures = self.passed(&fi.name_any(), |passed| passed.failures);
        let Some(reason) = unobserved_reason(error, failures) else {
            return;
        };
        let message = crate::error_chain(error);
        let status = status::unobserved(fi, reason, &message, &time::now());
        self.tally.degraded(&fi.name_any());
        if let Err(error) = self.write_status(fi, status).await {
            tracing::warn!(
                file_integrity = fi.name_any(),
                error = crate::error_chain(&error),
                "the status was not written"
            );
        }
    }

    /// Writes the status if it differs; returns how long to wait where it was written too lately.
    async fn write_status(
        &self,
        fi: &FileIntegrity,
        status: FileIntegrityStatus,
    ) -> Result<Option<Duration>, ApplyError> {
        let before = fi.status.clone().unwrap_or_default();
        if before == status {
            return Ok(None);
        }
        let name = fi.name_any();
        let new_phase = status::new_phase(Some(&before), &status);
        if new_phase.is_none()
            && let Some(left) = self.status_written_lately(&name)
        {
            return Ok(Some(left));
        }
        let written = self.applier.write_status(fi, &status).await?;
        if let Some(phase) = new_phase {
            tracing::info!(file_integrity = name, %phase, "phase");
        }
        self.passed(&name, |passed| {
            passed.status_written = Some(Instant::now());
            passed.written = Some(Arc::new(written));
        });
        Ok(None)
    }

    /// Changes the annotations, on top of our own write of the status. Where that has shown that
    /// somebody else changed them meanwhile, the next pass sees to it.
    async fn write_metadata(
        &self,
        observed: &Arc<FileIntegrity>,
        patch: &serde_json::Value,
    ) -> Result<(), ApplyError> {
        let fi = self.newest(Arc::clone(observed));
        if fi.annotations() != observed.annotations() {
            return Ok(());
        }
        let mut patch = patch.clone();
        if let Some(version) = patch.pointer_mut("/metadata/resourceVersion") {
            *version = serde_json::json!(fi.resource_version());
        }
        let metadata = self.applier.patch_metadata(&fi, &patch).await?;
        let mut written = FileIntegrity::clone(&fi);
        written.metadata = metadata;
        let name = written.name_any();
        self.passed(&name, |passed| passed.written = Some(Arc::new(written)));
        Ok(())
    }

    /// This FileIntegrity, or what our own write made of it.
    fn newest(&self, seen: Arc<FileIntegrity>) -> Arc<FileIntegrity> {
        let version = |fi: &FileIntegrity| fi.resource_version()?.parse::<u128>().ok();
        self.passed(&seen.name_any(), |passed| match &passed.written {
            // Resource versions of one object can be compared as numbers (Kubernetes
            // documentation, API concepts).
            Some(written) if written.uid() == seen.uid() && version(written) > version(&seen) => {
                Arc::clone(written)
            }
            _ => seen,
        })
    }

    fn status_written_lately(&self, name: &str) -> Option<Duration> {
        let written = self.passed(name, |passed| passed.status_written)?;
        STATUS_EVERY
            .checked_sub(written.elapsed())
            .filter(|left| !left.is_zero())
    }

    async fn say(
        &self,
        fi: &FileIntegrity,
        saying: &EventMessage,
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
                reason = %saying.reason,
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
            if memory.passed.len() <= all.len() {
                return;
            }
            let there: HashSet<String> = all.state().iter().map(|fi| fi.name_any()).collect();
            memory.passed.retain(|name, _| there.contains(name));
        });
    }

    /// What is remembered of this FileIntegrity.
    fn passed<T>(&self, name: &str, with: impl FnOnce(&mut Passed) -> T) -> T {
        self.remember(|memory| with(memory.passed.entry(name.to_owned()).or_default()))
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

/// The reason of Degraded for what could not be read, when `failures` reconciles in a row failed before.
fn unobserved_reason(error: &ObserveError, failures: u32) -> Option<&'static str> {
    match error {
        ObserveError::Request(error) => status::failed(error.is_refusal(), failures),
        ObserveError::NoImage => Some("NoImage"),
        ObserveError::Check(_) => Some("CheckFailing"),
        // The operator begins again.
        ObserveError::Ended | ObserveError::Name(_) => None,
    }
}

/// What came of writes that were made at once. Each one is passed to `tell`, also beside one that failed:
/// the next pass finds it done, and nobody would count it any more. The first error is returned.
fn take_in<'a>(
    results: impl Iterator<Item = (&'a Wanted, Result<Option<Applied>, ApplyError>)>,
    collisions: &mut Collisions,
    mut tell: impl FnMut(&Wanted, ApplyOutcome<'_>),
) -> Result<(), ApplyError> {
    let mut done = Ok(());
    for (wanted, result) in results {
        match result {
            Ok(Some(applied)) => tell(wanted, ApplyOutcome::Applied(&applied)),
            Ok(None) => tell(wanted, ApplyOutcome::Unchanged),
            Err(error @ ApplyError::NameCollision { .. }) => {
                collisions.add(wanted, error.to_string());
            }
            Err(error) => {
                tell(wanted, ApplyOutcome::Failed);
                done = done.and(Err(error));
            }
        }
    }
    done
}

fn phase_saying(phase: Phase) -> EventMessage {
    EventMessage {
        severity: if phase == Phase::Error {
            Severity::Warning
        } else {
            Severity::Normal
        },
        reason: EventReason::FileIntegrityStatus,
        message: phase.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::DesiredNodeState;
    use crate::k8s::RequestError;
    use crate::operator::plan::WantedStatus;

    fn status_of(node: &str) -> Wanted {
        Wanted::NodeStatus(WantedStatus {
            node: node.into(),
            desired: DesiredNodeState::default(),
            there: None,
        })
    }

    fn node_of(wanted: &Wanted) -> &str {
        match wanted {
            Wanted::NodeStatus(status) => &status.node,
            _ => "",
        }
    }

    fn no_answer(action: &str) -> ApplyError {
        ApplyError::Request(RequestError::Timeout {
            action: action.to_owned(),
            timeout: Duration::from_secs(30),
        })
    }

    fn taken(status: &str) -> ApplyError {
        ApplyError::NameCollision {
            kind: "FileIntegrityNodeStatus",
            name: status.to_owned(),
            owner: "FileIntegrity x".to_owned(),
        }
    }

    #[test]
    fn what_was_written_beside_what_was_not_is_told() {
        let wanted = ["n1", "n2", "n3", "n4", "n5", "n6"].map(status_of);
        let applied = || Ok(Some(Applied::default()));
        let results = [
            applied(),
            Err(no_answer("apply fi-n2")),
            Err(taken("fi-n3")),
            Ok(None),
            Err(no_answer("apply fi-n5")),
            applied(),
        ];
        let (mut collisions, mut told) = (Collisions::default(), Vec::new());
        let done = take_in(
            wanted.iter().zip(results),
            &mut collisions,
            |wanted, outcome| {
                told.push(match outcome {
                    ApplyOutcome::Applied(_) => format!("{} applied", node_of(wanted)),
                    ApplyOutcome::Unchanged => format!("{} unchanged", node_of(wanted)),
                    ApplyOutcome::Failed => format!("{} failed", node_of(wanted)),
                });
            },
        );
        let expected = [
            "n1 applied",
            "n2 failed",
            "n4 unchanged",
            "n5 failed",
            "n6 applied",
        ];
        assert_eq!(told, expected);
        let error = done.unwrap_err().to_string();
        assert_eq!(error, "apply fi-n2: no response within 30 s");
        assert_eq!(collisions.sentences, [taken("fi-n3").to_string()]);
        assert_eq!(collisions.nodes, ["n3".into()].into());
    }

    #[test]
    fn what_cannot_be_read_has_a_reason() {
        let failed = |code| {
            let status = kube::core::Status::failure("no", "Reason").with_code(code);
            ObserveError::Request(RequestError::Failed {
                action: "read the PriorityClass x".to_owned(),
                source: Box::new(kube::Error::Api(status.boxed())),
            })
        };
        for (error, failures, reason) in [
            (ObserveError::NoImage, 0, Some("NoImage")),
            (failed(403), 0, Some("ApiRefused")),
            (failed(500), 0, None),
            (failed(500), 2, Some("ApiFailing")),
            (ObserveError::Ended, 9, None),
        ] {
            assert_eq!(unobserved_reason(&error, failures), reason, "{error:?}");
        }
    }

    #[test]
    fn pauses_after_failures_grow_and_a_status_that_is_due_is_not_kept_back() {
        let seconds = Duration::from_secs;
        for (failures, due, pause) in [
            (1, None, FIRST_RETRY),
            (2, None, seconds(1)),
            (7, None, seconds(32)),
            (8, None, MAX_RETRY),
            (u32::MAX, None, MAX_RETRY),
            (1, Some(seconds(4)), FIRST_RETRY),
            (8, Some(seconds(4)), seconds(4)),
        ] {
            assert_eq!(pause_after(failures, due), pause, "{failures} {due:?}");
        }
    }

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
}

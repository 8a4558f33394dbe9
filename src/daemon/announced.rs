//! The changes of announced acceptances: they are read once, and accepted in the scan that finds them. I/O.
//!
//! The node status names the acceptances, the objects have their changes. The node status decides when an acceptance
//! begins and ends; the object limits it: an annotation that somebody else has written makes nothing valid.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use k8s_openapi::jiff::Timestamp;
use kube::Api;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::known_status::KnownStatus;
use super::machine::{Finished, OldBaseline};
use super::runner::{Announced, AnnouncedAcceptance, Completed, Runner};
use crate::aide::report::Report;
use crate::api::{AnnouncedChanges, FileIntegrityAcceptance, FileIntegrityNodeStatus};
use crate::k8s::{RequestError, request};
use crate::locks::lock;
use crate::scan::approved_changes::ApprovedChanges;

/// The acceptances with lists of changes that are announced to this node.
#[derive(Clone)]
pub(super) struct Announcements {
    api: Api<FileIntegrityAcceptance>,
    file_integrity: String,
    /// The newest known node status.
    status: watch::Receiver<KnownStatus>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What was read, by UID. None if there is nothing to accept.
    objects: HashMap<String, Option<ListedChanges>>,
    /// The last state that was compared, and of which nothing was approved.
    fruitless: Option<Comparison>,
    /// The baseline and the acceptances of which it was published what the baseline has.
    published: Option<(String, Vec<String>)>,
}

/// The content of an acceptance.
#[derive(Clone, Debug)]
struct ListedChanges {
    until: Timestamp,
    changes: Arc<ApprovedChanges>,
}

/// The changes of a node, and the acceptances that they were compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    changes_hash: Option<String>,
    uids: Vec<String>,
}

/// What a scan runs with.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScanInputs<'a> {
    pub(super) runner: &'a Runner,
    pub(super) config: &'a Path,
    /// Hash of that configuration.
    pub(super) config_hash: &'a str,
    pub(super) old: Option<&'a OldBaseline>,
    /// Whether announced changes were found, so that they can be accepted in the same run.
    pub(super) expects_approval: bool,
    pub(super) cancel: &'a CancellationToken,
}

impl Announcements {
    pub(super) fn new(
        api: Api<FileIntegrityAcceptance>,
        file_integrity: String,
        status: watch::Receiver<KnownStatus>,
    ) -> Self {
        Self {
            api,
            file_integrity,
            status,
            shared: Arc::default(),
        }
    }

    /// Scans the node, and accepts the changes that are announced. What is left is the result.
    pub(super) async fn scan(&self, inputs: ScanInputs<'_>) -> Completed {
        if inputs.expects_approval {
            let announced = self.load(inputs).await;
            if let Some(accepted) = self.accept(inputs, &announced).await {
                return accepted;
            }
        }
        let mut completed = inputs.runner.scan(inputs.config, inputs.cancel).await;
        if !is_with_baseline(&completed, inputs.old) {
            return completed;
        }
        let announced = self.load(inputs).await;
        let report = completed.report.as_deref();
        if report.is_some_and(|report| announced.may_approve(report))
            && !self.is_fruitless(&completed, &announced)
            && let Some(accepted) = self.accept(inputs, &announced).await
        {
            return accepted;
        }
        self.add_progress(inputs, &announced, &mut completed).await;
        completed
    }

    async fn accept(&self, inputs: ScanInputs<'_>, announced: &Announced) -> Option<Completed> {
        if announced.acceptances.is_empty() {
            return None;
        }
        let ScanInputs { runner, config, .. } = inputs;
        let accepted = runner.accept_announced(config, announced, inputs.cancel);
        let completed = accepted.await?;
        let mut shared = lock(&self.shared);
        shared.published = None;
        if let Finished::Scanned { .. } = completed.finished {
            shared.fruitless = Some(comparison(&completed, announced));
        }
        Some(completed)
    }

    /// Adds what the baseline has of the announced changes, unless that was published.
    async fn add_progress(
        &self,
        inputs: ScanInputs<'_>,
        announced: &Announced,
        completed: &mut Completed,
    ) {
        let digest = inputs.old.map(|old| old.digest.clone());
        let key = digest.map(|digest| (digest, uids(announced)));
        if key.is_none() || lock(&self.shared).published == key {
            return;
        }
        completed.announced = inputs.runner.progress(announced).await;
        if completed.announced.is_some() {
            lock(&self.shared).published = key;
        }
    }

    fn is_fruitless(&self, completed: &Completed, announced: &Announced) -> bool {
        lock(&self.shared).fruitless.as_ref() == Some(&comparison(completed, announced))
    }

    /// Whether announced acceptances may approve some of these changes, as far as they were read. `hash` is that of the
    /// changes.
    pub(super) fn may_approve(&self, report: &Report, hash: Option<String>) -> bool {
        let announced = self.announced();
        let shared = lock(&self.shared);
        let read = announced.iter().filter_map(|it| {
            let listed = shared.objects.get(&it.uid)?.as_ref()?;
            (listed.until.min(it.until) > Timestamp::now()).then_some((it, listed))
        });
        let read: Vec<_> = read.collect();
        let comparison = Comparison {
            changes_hash: hash,
            uids: read.iter().map(|(it, _)| it.uid.clone()).collect(),
        };
        shared.fruitless.as_ref() != Some(&comparison)
            && read
                .iter()
                .any(|(_, listed)| listed.changes.may_approve(report))
    }

    /// What is announced now.
    fn announced(&self) -> Vec<AnnouncedChanges> {
        announced_in(&self.status)
    }

    /// Reads the announced acceptances that were not read yet. One that cannot be read is left out until the next scan.
    async fn load(&self, inputs: ScanInputs<'_>) -> Announced {
        let announced = self.announced();
        let mut acceptances = Vec::new();
        for announced in &announced {
            match self.listed(announced).await {
                Ok(Some(listed)) => acceptances.push(AnnouncedAcceptance {
                    name: announced.name.clone(),
                    uid: announced.uid.clone(),
                    until: announced.until.min(listed.until),
                    config_hash: announced.config_hash.clone(),
                    changes: listed.changes,
                }),
                Ok(None) => {}
                Err(error) => {
                    let error = crate::error_chain(&error);
                    tracing::warn!(
                        acceptance = announced.name,
                        error,
                        "failed to read an acceptance; trying again with the next scan"
                    );
                }
            }
        }
        let is_known = |uid: &String| announced.iter().any(|it| it.uid == *uid);
        lock(&self.shared).objects.retain(|uid, _| is_known(uid));
        let status = self.status.clone();
        Announced {
            acceptances,
            config_hash: inputs.config_hash.to_owned(),
            old: inputs.old.cloned(),
            is_current: Arc::new(move |uid| announced_in(&status).iter().any(|it| it.uid == uid)),
        }
    }

    async fn listed(
        &self,
        announced: &AnnouncedChanges,
    ) -> Result<Option<ListedChanges>, RequestError> {
        if let Some(known) = lock(&self.shared).objects.get(&announced.uid) {
            return Ok(known.clone());
        }
        let name = &announced.name;
        let read = self.api.get_opt(name);
        let object = request(format!("read the acceptance {name}"), read).await?;
        let listed = object.and_then(|object| self.content(announced, &object));
        let mut shared = lock(&self.shared);
        let uid = announced.uid.clone();
        shared.objects.insert(uid, listed.clone());
        Ok(listed)
    }

    /// The changes of an acceptance, if it is the announced one and has any.
    fn content(
        &self,
        announced: &AnnouncedChanges,
        object: &FileIntegrityAcceptance,
    ) -> Option<ListedChanges> {
        let (metadata, spec) = (&object.metadata, &object.spec);
        let is_announced = metadata.uid.as_ref() == Some(&announced.uid)
            && spec.file_integrity == self.file_integrity
            && !spec.revoked;
        if !is_announced {
            return None;
        }
        let created = metadata.creation_timestamp.as_ref()?.0;
        let until = spec.accepts_until(created);
        match ApprovedChanges::new(spec.changes.as_deref()?) {
            Ok(changes) => Some(ListedChanges {
                until,
                changes: Arc::new(changes),
            }),
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(acceptance = announced.name, error, "invalid acceptance");
                None
            }
        }
    }
}

fn announced_in(status: &watch::Receiver<KnownStatus>) -> Vec<AnnouncedChanges> {
    let known = status.borrow();
    let desired = known.status.as_ref().map(FileIntegrityNodeStatus::desired);
    desired.map(|desired| desired.announced).unwrap_or_default()
}

/// Whether a scan has compared the node with the recorded baseline.
fn is_with_baseline(completed: &Completed, old: Option<&OldBaseline>) -> bool {
    let Finished::Scanned {
        digest: Some(digest),
    } = &completed.finished
    else {
        return false;
    };
    old.is_some_and(|old| old.digest == *digest)
}

fn comparison(completed: &Completed, announced: &Announced) -> Comparison {
    let finding = completed.finding.as_ref();
    Comparison {
        changes_hash: finding.and_then(|finding| finding.result.changes_hash.clone()),
        uids: uids(announced),
    }
}

fn uids(announced: &Announced) -> Vec<String> {
    let acceptances = announced.acceptances.iter();
    acceptances.map(|it| it.uid.clone()).collect()
}

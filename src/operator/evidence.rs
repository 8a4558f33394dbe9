//! Keeps evidence of what new baselines accepted. I/O; [`promotion`] decides.
//!
//! A daemon creates a ConfigMap with the report of its new baseline. This task of the leader promotes it: one immutable
//! ConfigMap for each set of changes and request, with the nodes that have reported it, whose report it has verified.
//! Then it deletes the node's one. Each step can be repeated, so if the operator is killed, the next leader continues.
//!
//! Evidence has no owner, so it survives its FileIntegrity. Only this task deletes it, when its retention ends.

pub(crate) mod index;
mod promotion;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ObjectMeta, PartialObjectMeta};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client};

use self::index::EvidenceIndex;
use self::promotion::{
    Evidence, Existing, MAX_PER_NODE, MAX_TOTAL, Reported, group, is_evidence, is_expired,
};
use crate::api::{EventReason, FileIntegrity, FileIntegritySpec, names, time};
use crate::k8s::{RequestError, raw, request};
use crate::scan::event::{EventMessage, Severity, Subject};
use crate::scan::publish;

/// Pause between two looks for new reports.
const INTERVAL: Duration = Duration::from_secs(15);

/// The pause while an acceptance waits for evidence.
const AWAITED_INTERVAL: Duration = Duration::from_secs(1);

/// A task of the leader: promotes the reports of daemons, and deletes evidence whose retention has ended.
/// `file_integrities` are the existing ones, `reporter` is the reporting instance of events, and `index`
/// has the evidence that exists.
pub async fn keep(
    client: Client,
    namespace: String,
    reporter: String,
    file_integrities: Store<FileIntegrity>,
    index: Arc<EvidenceIndex>,
) {
    let keeper = Keeper {
        api: Api::namespaced(client.clone(), &namespace),
        events: Api::namespaced(client, &namespace),
        namespace,
        reporter,
        file_integrities,
        index,
    };
    let mut has_warned = false;
    loop {
        if let Some(existing) = keeper.promote_all().await {
            has_warned = existing.is_nearly_full() && (has_warned || keeper.warn(&existing).await);
        }
        let pause = if keeper.is_awaited() {
            AWAITED_INTERVAL
        } else {
            INTERVAL
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = keeper.index.awaited() => {}
        }
    }
}

struct Keeper {
    api: Api<ConfigMap>,
    events: Api<Event>,
    namespace: String,
    reporter: String,
    file_integrities: Store<FileIntegrity>,
    index: Arc<EvidenceIndex>,
}

impl Keeper {
    /// What fails for one object does not stop the others, and is tried again the next time. Returns the evidence, if
    /// it could be listed.
    async fn promote_all(&self) -> Option<Existing> {
        let (reported, evidence) = match self.read_all().await {
            Ok(listed) => listed,
            Err(error) => {
                log_failure(&error);
                return None;
            }
        };
        let now = time::now().0;
        let (mut existing, mut failures) = (Existing::default(), Vec::new());
        for object in evidence {
            if is_expired(&object, now) {
                failures.extend(self.delete(&object).await.err());
            } else {
                existing.add(object);
            }
        }
        let reported = reported.into_iter().filter_map(Reported::new);
        for (_, group) in group(reported) {
            failures.extend(self.promote(group, &mut existing).await);
        }
        self.index.set(existing.states());
        failures.iter().for_each(log_failure);
        Some(existing)
    }

    /// Warns on the FileIntegrities that have evidence, and in the log, because there may be none. Returns whether all
    /// events were created.
    async fn warn(&self, existing: &Existing) -> bool {
        let event = EventMessage {
            severity: Severity::Warning,
            reason: EventReason::EvidenceNearLimit,
            message: format!(
                "the evidence of accepted changes takes 80 percent of its limit of {} MiB; beyond the limit, new \
                 evidence is kept without its reports. A smaller spec.evidence.retentionDays shortens the retention of \
                 new evidence",
                MAX_TOTAL >> 20
            ),
        };
        tracing::warn!(
            size = existing.size(),
            limit = MAX_TOTAL,
            "evidence of accepted changes takes more than 80 percent of its limit"
        );
        let mut is_done = true;
        for name in existing.file_integrities() {
            let Some(fi) = self.file_integrity(&name) else {
                continue;
            };
            let subject = Subject {
                namespace: &self.namespace,
                name: &name,
                uid: fi.metadata.uid.as_deref().unwrap_or_default(),
                node: None,
                reporter: &self.reporter,
            };
            let created = publish::create_event(&self.events, &subject, &event, "evidence").await;
            if let Err(error) = created {
                let error = crate::error_chain(&error);
                tracing::warn!(
                    error,
                    "failed to create an event about the evidence; retrying"
                );
                is_done = false;
            }
        }
        is_done
    }

    /// Whether a FileIntegrity waits for evidence. A deleted one is not reconciled any more, so it stays in the index.
    fn is_awaited(&self) -> bool {
        let waiting = self.index.waiting();
        let mut exist = waiting.iter().map(|name| self.file_integrity(name));
        exist.any(|fi| fi.is_some())
    }

    fn file_integrity(&self, name: &str) -> Option<Arc<FileIntegrity>> {
        let reference = ObjectRef::new(name).within(&self.namespace);
        self.file_integrities.get(&reference)
    }

    /// How long evidence of this report is kept. The FileIntegrity may be gone.
    fn retention(&self, report: &Reported) -> SignedDuration {
        match self.file_integrity(&report.file_integrity) {
            Some(fi) => fi.spec.evidence_retention(),
            None => FileIntegritySpec::default().evidence_retention(),
        }
    }

    /// The reports, and the evidence.
    async fn read_all(&self) -> Result<(Vec<ObjectMeta>, Vec<ObjectMeta>), RequestError> {
        let reported = self.list(names::Label::ACCEPTED).await?;
        Ok((reported, self.list(names::Label::EVIDENCE).await?))
    }

    /// Promotes the reports of the same set. What fails for one of them does not stop the others.
    async fn promote(&self, reported: Vec<Reported>, existing: &mut Existing) -> Vec<RequestError> {
        let (mut verified, mut failures) = (Vec::new(), Vec::new());
        for report in reported {
            match self.promote_one(&report, existing).await {
                Ok(true) => verified.push(report),
                Ok(false) => {}
                Err(error) => failures.push(error),
            }
        }
        if let Some(first) = verified.first() {
            let name = first.evidence_name();
            failures.extend(self.finish(&name, &verified, existing).await.err());
        }
        failures
    }

    /// Promotes one report. Returns whether there is verified evidence of its set.
    async fn promote_one(
        &self,
        report: &Reported,
        existing: &mut Existing,
    ) -> Result<bool, RequestError> {
        // Once one report is verified, the others only add their nodes.
        if existing.has_verified(report) {
            return Ok(true);
        }
        if existing.has_too_many_of(report, time::now().0) {
            // It stays: nothing is lost, and the daemon creates no other one.
            tracing::warn!(
                node = report.node(),
                limit = MAX_PER_NODE,
                "a node has reported too many sets of changes in a day; its report waits"
            );
            return Ok(false);
        }
        let Some(object) = self.read(report).await? else {
            return Ok(false);
        };
        let retention = self.retention(report);
        let mut evidence = Evidence::of(&object, report, existing.size(), retention);
        let mut created = self.create(&evidence, existing).await;
        // It would be refused again each time.
        if let Some(error) = created.as_ref().err().filter(|error| error.is_refusal()) {
            let error = crate::error_chain(error);
            tracing::warn!(
                node = report.node(),
                error,
                "the API server refuses a report as evidence; only its record is kept"
            );
            evidence = Evidence::refused(&object, report, &error, retention);
            created = self.create(&evidence, existing).await;
        }
        if !created? {
            return Ok(false);
        }
        if !evidence.is_verified() {
            let name = evidence.name();
            self.finish(&name, std::slice::from_ref(report), existing)
                .await?;
        }
        Ok(evidence.is_verified())
    }

    /// Adds the nodes of the reports to the evidence with this name, and deletes the reports.
    async fn finish(
        &self,
        name: &str,
        reported: &[Reported],
        existing: &mut Existing,
    ) -> Result<(), RequestError> {
        self.add_nodes(name, reported, existing).await?;
        for report in reported {
            self.delete(&report.metadata).await?;
        }
        Ok(())
    }

    /// Returns false if another object has the name: it is left alone, and the report stays.
    async fn create(
        &self,
        evidence: &Evidence,
        existing: &mut Existing,
    ) -> Result<bool, RequestError> {
        let object = evidence.object();
        let name = evidence.name();
        let params = PostParams::default();
        let created = self.api.create(&params, object);
        match request(format!("create the ConfigMap {name}"), created).await {
            // The list was older.
            Err(error) if error.already_exists() => {
                let read = raw::metadata_opt(&self.api, &name);
                let read = request(format!("read the ConfigMap {name}"), read).await?;
                let Some(metadata) = read.filter(is_evidence) else {
                    tracing::warn!(name, "another object has the name of evidence");
                    return Ok(false);
                };
                existing.add(metadata);
            }
            created => {
                existing.add(created?.metadata);
                if evidence.is_over_limit {
                    tracing::warn!(
                        name,
                        limit = MAX_TOTAL,
                        "evidence takes too much space; the report is not kept"
                    );
                }
                tracing::info!(
                    name,
                    verified = evidence.is_verified(),
                    "evidence of accepted changes"
                );
            }
        }
        Ok(true)
    }

    /// Adds the nodes to the evidence with this name.
    async fn add_nodes(
        &self,
        name: &str,
        reported: &[Reported],
        existing: &mut Existing,
    ) -> Result<(), RequestError> {
        let Some(annotations) = existing.with_nodes(name, reported) else {
            return Ok(());
        };
        // Fails if there are other nodes meanwhile: the list may be older.
        let version = existing.version_of(name);
        let patch = serde_json::json!({
            "metadata": {"annotations": annotations, "resourceVersion": version},
        });
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let patched = self.api.patch_metadata(name, &params, &patch);
        let patched = request(format!("add nodes to the ConfigMap {name}"), patched).await?;
        existing.add(patched.metadata);
        Ok(())
    }

    /// None if it was deleted or replaced meanwhile.
    async fn read(&self, report: &Reported) -> Result<Option<ConfigMap>, RequestError> {
        let name = report.metadata.name.as_deref().unwrap_or_default();
        let read = request(format!("read the ConfigMap {name}"), self.api.get_opt(name)).await?;
        Ok(read.filter(|object| object.metadata.uid == report.metadata.uid))
    }

    async fn delete(&self, metadata: &ObjectMeta) -> Result<(), RequestError> {
        let name = metadata.name.as_deref().unwrap_or_default();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let deleted = self.api.delete(name, &params);
        match request(format!("delete the ConfigMap {name}"), deleted).await {
            Err(error) if matches!(error.code(), Some(404 | 409)) => Ok(()),
            deleted => deleted.map(drop),
        }
    }

    /// The metadata of all ConfigMaps with this label, from the API server's cache: reading the others from etcd, such
    /// as the failure logs of all nodes, would cost far more.
    async fn list(&self, label: &str) -> Result<Vec<ObjectMeta>, RequestError> {
        let params = ListParams::default().labels(label).match_any();
        let listed = self.api.list_metadata(&params);
        let listed = request(format!("list ConfigMaps with {label}"), listed).await?;
        let items = listed.items.into_iter();
        Ok(items
            .map(|object: PartialObjectMeta<ConfigMap>| object.metadata)
            .collect())
    }
}

fn log_failure(error: &RequestError) {
    let error = crate::error_chain(error);
    tracing::warn!(
        error,
        "failed to keep evidence of accepted changes; retrying"
    );
}

/// Annotations of a ConfigMap.
type Annotations = BTreeMap<String, String>;

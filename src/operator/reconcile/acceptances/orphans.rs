//! Acceptances that no reconcile handles: those of missing FileIntegrities, and those whose retention has ended. I/O.
//!
//! An acceptance of a FileIntegrity that does not exist is Failed, and stays so: its author has reviewed the changes of
//! another one.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use super::super::apply::Applier;
use super::super::apply::error::ApplyError;
use super::super::observe::Observer;
use super::refusal::Refusal;
use super::status::{Phase, with_phase};
use crate::api::{FileIntegrityAcceptance, FileIntegritySpec, time};

/// Pause between two looks.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long the FileIntegrity may be missing: both may be created together.
const MISSING_DELAY: SignedDuration = SignedDuration::from_secs(10);

/// What to do with an acceptance.
#[derive(Debug, PartialEq, Eq)]
enum Action {
    Delete,
    Fail,
}

/// A task of the leader.
pub(crate) async fn handle(observer: Arc<Observer>, applier: Applier) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let now = time::now();
        for acceptance in observer.acceptances() {
            let exists = || observer.has_file_integrity(&acceptance.spec.file_integrity);
            let handled = match action(&acceptance, &now, exists) {
                None => continue,
                Some(Action::Delete) => delete(&applier, &acceptance).await,
                Some(Action::Fail) => fail(&applier, &acceptance, &now).await,
            };
            if let Err(error) = handled {
                tracing::warn!(
                    acceptance = acceptance.name_any(),
                    error = crate::error_chain(&error),
                    "failed to handle an acceptance; trying again"
                );
            }
        }
    }
}

fn action(
    acceptance: &FileIntegrityAcceptance,
    now: &Time,
    exists: impl FnOnce() -> bool,
) -> Option<Action> {
    if acceptance.metadata.deletion_timestamp.is_some() {
        return None;
    }
    if acceptance.is_finished() {
        let until = acceptance.status.as_ref()?.retain_until.as_ref()?;
        return (until.0 < now.0).then_some(Action::Delete);
    }
    let created = acceptance.metadata.creation_timestamp.as_ref()?;
    let is_old = now.0.duration_since(created.0) > MISSING_DELAY;
    (is_old && !exists()).then_some(Action::Fail)
}

async fn delete(applier: &Applier, acceptance: &FileIntegrityAcceptance) -> Result<(), ApplyError> {
    applier.delete_acceptance(acceptance).await?;
    tracing::info!(
        acceptance = acceptance.name_any(),
        "the retention of an acceptance has ended"
    );
    Ok(())
}

async fn fail(
    applier: &Applier,
    acceptance: &FileIntegrityAcceptance,
    now: &Time,
) -> Result<(), ApplyError> {
    let phase = Phase::Failed(Refusal::not_found(acceptance));
    let before = acceptance.status.clone().unwrap_or_default();
    let retention = FileIntegritySpec::default().evidence_retention();
    let status = with_phase(before, acceptance, &phase, retention, now);
    match applier.write_acceptance_status(acceptance, &status).await {
        // Somebody has changed or deleted it.
        Err(ApplyError::Request(error)) if matches!(error.code(), Some(404 | 409)) => Ok(()),
        written => written.map(|_| {
            tracing::info!(
                acceptance = acceptance.name_any(),
                reason = %phase.reason(),
                "acceptance"
            );
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn acceptance(status: &Value) -> FileIntegrityAcceptance {
        serde_json::from_value(json!({
            "apiVersion": "fileintegrity.openshift.io/v1alpha1",
            "kind": "FileIntegrityAcceptance",
            "metadata": {"name": "a", "creationTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"fileIntegrity": "fi", "changeSet": "", "reason": "r", "approvedBy": {"username": "u"}},
            "status": status,
        }))
        .unwrap()
    }

    fn at(text: &str) -> Time {
        Time(text.parse().unwrap())
    }

    #[test]
    fn acceptances_of_missing_file_integrities_fail_after_a_while() {
        let open = acceptance(&json!({}));
        let (early, late) = (at("2026-01-02T03:04:15Z"), at("2026-01-02T03:04:16Z"));
        assert_eq!(action(&open, &early, || false), None);
        assert_eq!(action(&open, &late, || false), Some(Action::Fail));
        assert_eq!(action(&open, &late, || true), None);
        let mut deleted = open;
        deleted.metadata.deletion_timestamp = Some(late.clone());
        assert_eq!(action(&deleted, &late, || false), None);
    }

    #[test]
    fn finished_acceptances_are_deleted_when_their_retention_has_ended() {
        let condition = |kind: &str| {
            json!([{
                "type": kind, "status": "True", "reason": "r", "message": "",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }])
        };
        let (before, after) = (at("2027-02-06T03:04:05Z"), at("2027-02-06T03:04:06Z"));
        for kind in ["Complete", "Failed"] {
            let status =
                json!({"conditions": condition(kind), "retainUntil": "2027-02-06T03:04:05Z"});
            let finished = acceptance(&status);
            assert_eq!(action(&finished, &before, || false), None);
            assert_eq!(action(&finished, &after, || false), Some(Action::Delete));
        }
        // Nothing else is deleted, whatever its status has.
        let open = acceptance(&json!({"retainUntil": "2026-01-02T03:04:05Z"}));
        assert_eq!(action(&open, &after, || true), None);
        let unlimited = acceptance(&json!({"conditions": condition("Complete")}));
        assert_eq!(action(&unlimited, &after, || true), None);
    }
}

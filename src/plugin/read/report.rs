//! Reads what a report is about. I/O.

use k8s_openapi::api::core::v1::ConfigMap;

use super::{Page, Reader, VIEWER};
use crate::api::names::Label;
use crate::plugin::failure::Failure;
use crate::plugin::report::records::{
    AcceptanceRecord, BaselineRecord, IntegrityRecord, NodeRecord, Records,
};

/// Evidence per page of a list: each is up to a megabyte.
const EVIDENCE_PAGE: u32 = 20;
const EVIDENCE: &str =
    "A Role with the verb list on configmaps in the namespace of the FileIntegrity has this right";

impl Reader {
    /// Everything that a report is about. What the user may not read is missing, and named.
    pub(crate) async fn records(&self) -> Result<Records, Failure> {
        let mut records = Records {
            cluster: self.cluster.clone(),
            namespace: self.namespace.as_ref().map(|it| it.as_str().to_owned()),
            ..Records::default()
        };
        let (integrities, unread) = self
            .list("fileintegrities", VIEWER, |object| {
                Some(IntegrityRecord::of(object))
            })
            .await?;
        records.integrities = integrities;
        records.unread.extend(unread);
        let (nodes, unread) = self
            .list("fileintegritynodestatuses", VIEWER, NodeRecord::of)
            .await?;
        records.nodes = nodes;
        records.unread.extend(unread);
        let acceptances = self
            .list("fileintegrityacceptances", VIEWER, AcceptanceRecord::of)
            .await;
        records.acceptances = optional(acceptances, &mut records.unread)?;
        let evidence = Page {
            size: EVIDENCE_PAGE,
            label: Some(Label::EVIDENCE),
        };
        let baselines = self
            .list_pages("configmaps", EVIDENCE, evidence, |object: &ConfigMap| {
                BaselineRecord::of(object)
            })
            .await;
        records.baselines = optional(baselines, &mut records.unread)?;
        records.sort();
        Ok(records)
    }
}

type Listed<T> = Result<(Vec<T>, Vec<String>), Failure>;

fn optional<T>(listed: Listed<T>, unread: &mut Vec<String>) -> Result<Option<Vec<T>>, Failure> {
    match listed {
        Ok((all, sentences)) => {
            unread.extend(sentences);
            Ok(Some(all))
        }
        Err(failure) if failure.is_optional() => {
            unread.push(failure.to_string());
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

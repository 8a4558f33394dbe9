//! Reads the objects of a fleet, and what differs on nodes. I/O.

mod changes;
mod report;

use std::collections::HashSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node as KubernetesNode;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::exclude::Known;
use super::failure::{Failure, Wanted};
use super::fleet::{Fleet, Integrity, Node, OpenAcceptance};
use crate::api::object_name::NamespaceName;
use crate::api::{FileIntegrity, FileIntegrityAcceptance, FileIntegrityNodeStatus};
use crate::k8s::watch::{self, Read, Source};
use crate::k8s::{RequestError, request_within};

/// Small objects per page of a list.
const PAGE: u32 = 500;
/// How often a list is started again because its pages have expired.
const MAX_RESTARTS: u32 = 2;
/// Who may read what a command needs.
pub(crate) const VIEWER: &str =
    "The ClusterRole fileintegrity-viewer-role has this right: ask for a binding to it";
const NODES: &str = "Only -l needs this right";

/// Which objects a list has, and how many at once.
struct Page {
    size: u32,
    /// A label that the objects have.
    label: Option<&'static str>,
}

/// Whose objects are read.
#[derive(Clone)]
pub(crate) struct Reader {
    pub(crate) client: Client,
    /// The address of the API server.
    pub(crate) cluster: String,
    /// None for all namespaces.
    pub(crate) namespace: Option<NamespaceName>,
    /// The nodes with these labels, if there are any.
    pub(crate) selector: Option<String>,
    /// Maximum duration of a request.
    pub(crate) timeout: Duration,
}

impl Reader {
    /// The FileIntegrities, their nodes, and the acceptances that have not ended.
    pub(crate) async fn fleet(&self) -> Result<Fleet, Failure> {
        let mut fleet = self.integrities_and_nodes().await?;
        match self.open_acceptances().await {
            Ok((acceptances, unread)) => {
                fleet.acceptances = Some(acceptances);
                fleet.unread.extend(unread);
            }
            Err(failure) if failure.is_optional() => fleet.unread.push(failure.to_string()),
            Err(failure) => return Err(failure),
        }
        fleet.sort();
        Ok(fleet)
    }

    /// The acceptances that have not ended, and sentences about those that cannot be decoded.
    pub(crate) async fn open_acceptances(
        &self,
    ) -> Result<(Vec<OpenAcceptance>, Vec<String>), Failure> {
        let reduce = |object: &FileIntegrityAcceptance| OpenAcceptance::of(object);
        self.list("fileintegrityacceptances", VIEWER, reduce).await
    }

    /// The FileIntegrities and their nodes.
    pub(crate) async fn integrities_and_nodes(&self) -> Result<Fleet, Failure> {
        let mut fleet = Fleet::default();
        let (integrities, unread) = self
            .list("fileintegrities", VIEWER, |object: &FileIntegrity| {
                Some(Integrity::of(object))
            })
            .await?;
        fleet.integrities = integrities;
        fleet.unread.extend(unread);
        let (nodes, unread) = self.node_statuses().await?;
        fleet.nodes = nodes;
        fleet.unread.extend(unread);
        if let Some(selector) = &self.selector {
            let selected = self.selected_nodes(selector).await?;
            fleet.nodes.retain(|node| selected.contains(&node.name));
        }
        fleet.sort();
        Ok(fleet)
    }

    /// The nodes only.
    pub(crate) async fn nodes(&self) -> Result<Fleet, Failure> {
        let (nodes, unread) = self.node_statuses().await?;
        let mut fleet = Fleet {
            nodes,
            unread,
            ..Fleet::default()
        };
        fleet.sort();
        Ok(fleet)
    }

    async fn node_statuses(&self) -> Result<(Vec<Node>, Vec<String>), Failure> {
        let reduce = |object: &FileIntegrityNodeStatus| Node::of(object);
        self.list("fileintegritynodestatuses", VIEWER, reduce).await
    }

    /// What the nodes are known to have changed at these paths.
    pub(crate) async fn known_changes(&self, paths: &[String]) -> Result<Vec<Known>, Failure> {
        let reduce = |object: &FileIntegrityNodeStatus| Known::of(object, paths);
        let listed = self.list("fileintegritynodestatuses", VIEWER, reduce);
        Ok(listed.await?.0)
    }

    /// What `reduce` keeps of all objects of a kind, and sentences about those that cannot be decoded.
    async fn list<K, T>(
        &self,
        resource: &'static str,
        hint: &'static str,
        reduce: impl Fn(&K) -> Option<T>,
    ) -> Result<(Vec<T>, Vec<String>), Failure>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let page = Page {
            size: PAGE,
            label: None,
        };
        self.list_pages(resource, hint, page, reduce).await
    }

    async fn list_pages<K, T>(
        &self,
        resource: &'static str,
        hint: &'static str,
        page: Page,
        reduce: impl Fn(&K) -> Option<T>,
    ) -> Result<(Vec<T>, Vec<String>), Failure>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let source = match &self.namespace {
            Some(namespace) => Source::<K>::namespaced(&self.client, namespace),
            None => Source::<K>::all(&self.client),
        };
        let source = source.paged(page.size);
        let source = match page.label {
            Some(label) => source.labelled(label),
            None => source,
        };
        let wanted = Wanted {
            verb: "list",
            resource,
            namespace: self.namespace.as_ref().map(NamespaceName::as_str),
            hint,
        };
        let (mut restarts, mut after) = (0..MAX_RESTARTS, None);
        let (mut kept, mut unread) = (Vec::new(), Vec::new());
        loop {
            let page = watch::list_page(&source, after.as_deref());
            let page = request_within(self.timeout, format!("list {resource}"), page).await;
            let (objects, next) = match page {
                Ok(page) => page,
                // The rest of the list is no longer available: it took too long.
                Err(error) if error.code() == Some(410) && restarts.next().is_some() => {
                    (kept, unread, after) = (Vec::new(), Vec::new(), None);
                    continue;
                }
                Err(error) => return Err(Failure::of(&error, wanted)),
            };
            for object in objects {
                match object {
                    Read::Ok(object) => kept.extend(reduce(&object)),
                    Read::Err(unreadable) => unread.push(unreadable.to_string()),
                }
            }
            if next.is_none() {
                return Ok((kept, unread));
            }
            after = next;
        }
    }

    /// The names of the nodes with these labels.
    pub(crate) async fn selected_nodes(&self, selector: &str) -> Result<HashSet<String>, Failure> {
        let api = Api::<KubernetesNode>::all(self.client.clone());
        let (mut names, mut after) = (HashSet::new(), None::<String>);
        let failed = |error: &RequestError| {
            let wanted = Wanted {
                verb: "list",
                resource: "nodes",
                namespace: None,
                hint: NODES,
            };
            Failure::of(error, wanted)
        };
        loop {
            let mut params = ListParams::default().labels(selector).limit(PAGE);
            params.continue_token = after;
            let page = request_within(self.timeout, "list nodes", api.list_metadata(&params)).await;
            let page = page.map_err(|error| failed(&error))?;
            names.extend(page.items.into_iter().filter_map(|it| it.metadata.name));
            after = page.metadata.continue_.filter(|after| !after.is_empty());
            if after.is_none() {
                return Ok(names);
            }
        }
    }
}

//! The objects to watch: kind, namespace and selectors. Pure.

use std::marker::PhantomData;

use kube::api::{ListParams, WatchParams};
use kube::{Client, Resource};

use crate::api::object_name::{NamespaceName, ObjectName};

/// Default number of objects per page of a list.
const PAGE: u32 = 500;

/// The objects to watch.
pub(crate) struct Source<W> {
    pub(super) client: Client,
    pub(super) path: String,
    fields: Option<String>,
    labels: Option<&'static str>,
    page: u32,
    kind: PhantomData<fn() -> W>,
}

impl<W> Clone for Source<W> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            path: self.path.clone(),
            fields: self.fields.clone(),
            labels: self.labels,
            page: self.page,
            kind: PhantomData,
        }
    }
}

impl<W> std::fmt::Debug for Source<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source")
            .field("path", &self.path)
            .field("fields", &self.fields)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

impl<W: Resource<DynamicType = ()>> Source<W> {
    /// All objects of the kind.
    pub(crate) fn all(client: &Client) -> Self {
        Self::at(client, W::url_path(&(), None))
    }

    /// All objects of the kind in a namespace.
    pub(crate) fn namespaced(client: &Client, namespace: &NamespaceName) -> Self {
        Self::at(client, W::url_path(&(), Some(namespace.as_str())))
    }

    fn at(client: &Client, path: String) -> Self {
        Self {
            client: client.clone(),
            path,
            fields: None,
            labels: None,
            page: PAGE,
            kind: PhantomData,
        }
    }

    /// Selects the object with this name.
    #[must_use]
    pub(crate) fn named(mut self, name: &ObjectName) -> Self {
        self.fields = Some(format!("metadata.name={name}"));
        self
    }

    /// Selects the objects with this label.
    #[must_use]
    pub(crate) fn labelled(mut self, label: &'static str) -> Self {
        self.labels = Some(label);
        self
    }

    /// Sets the number of objects per page.
    #[must_use]
    pub(crate) fn paged(mut self, page: u32) -> Self {
        self.page = page;
        self
    }

    pub(super) fn list_params(&self, after: Option<&str>) -> ListParams {
        ListParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.map(str::to_owned),
            limit: Some(self.page),
            continue_token: after.map(str::to_owned),
            ..ListParams::default()
        }
    }

    pub(super) fn watch_params(&self) -> WatchParams {
        WatchParams {
            field_selector: self.fields.clone(),
            label_selector: self.labels.map(str::to_owned),
            ..WatchParams::default()
        }
    }
}

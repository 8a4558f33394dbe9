//! Pages of lists. I/O.

use kube::Resource;
use kube::core::{ListMeta, Request};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::source::Source;
use crate::k8s::decode::{self, Unreadable};

/// A decoded object, or the name of one that cannot be decoded.
pub(crate) type Read<W> = Result<W, Unreadable>;

/// A page of a list with raw elements.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

/// Requests the page after the continue token `after`, or the first one.
pub(super) async fn request_page<W>(
    source: &Source<W>,
    after: Option<&str>,
) -> kube::Result<(ListMeta, Vec<Read<W>>)>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let request = Request::new(&source.path).list(&source.list_params(after));
    let request = request.map_err(kube::Error::BuildRequest)?;
    page(&source.client.request_text(request).await?)
}

/// Decodes a page. Objects that cannot be decoded do not affect the others.
pub(super) fn page<W>(text: &str) -> kube::Result<(ListMeta, Vec<Read<W>>)>
where
    W: Resource<DynamicType = ()> + DeserializeOwned,
{
    let kind = format!("{}List", W::kind(&()));
    decode::verify_types::<W>(text, &kind).map_err(|error| kube::Error::Service(error.into()))?;
    let page: Page<'_> = serde_json::from_str(text).map_err(kube::Error::SerdeError)?;
    let items = page.items.iter().flatten();
    let objects = items.map(|item| decode::object(item.get())).collect();
    Ok((page.metadata, objects))
}

//! Requests about one object, whose answer is read by [`decode`]. I/O.
//!
//! kube reads an answer whole or not at all, so an odd value somewhere in an object would make a
//! failure of a write that was done. Each of these returns what the API server said about the request
//! and, inside, what could be read of the object.

use std::fmt::Debug;

use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::core::{ObjectMeta, Request};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decode::{self, Unreadable};

/// Reads an object, if there is one.
pub async fn get_opt<K>(api: &Api<K>, name: &str) -> kube::Result<Option<Result<K, Unreadable>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    let json = json_opt(api, name).await?;
    Ok(json.map(|json| decode::object(&json)))
}

/// Reads an object that is needed.
pub async fn get<K>(api: &Api<K>, name: &str) -> kube::Result<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    let json = send_get(api, name).await?;
    decode::object(&json).map_err(failed)
}

/// Reads the metadata of an object, if there is one.
pub async fn metadata_opt<K>(api: &Api<K>, name: &str) -> kube::Result<Option<ObjectMeta>>
where
    K: Resource<DynamicType = ()> + Clone,
{
    let json = json_opt(api, name).await?;
    let metadata = json.map(|json| decode::metadata::<K>(&json));
    metadata.transpose().map_err(failed)
}

/// Changes an object.
pub async fn patch<K, P>(
    api: &Api<K>,
    name: &str,
    params: &PatchParams,
    patch: &Patch<P>,
) -> kube::Result<Result<K, Unreadable>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
    P: Serialize + Debug,
{
    let json = send_patch(api, name, params, patch).await?;
    Ok(decode::object(&json))
}

/// Changes an object. Returns its metadata.
pub async fn patch_metadata<K, P>(
    api: &Api<K>,
    name: &str,
    params: &PatchParams,
    patch: &Patch<P>,
) -> kube::Result<ObjectMeta>
where
    K: Resource<DynamicType = ()> + Clone,
    P: Serialize + Debug,
{
    let json = send_patch(api, name, params, patch).await?;
    decode::metadata::<K>(&json).map_err(failed)
}

/// Changes the status of an object.
pub async fn patch_status<K, P>(
    api: &Api<K>,
    name: &str,
    params: &PatchParams,
    patch: &Patch<P>,
) -> kube::Result<Result<K, Unreadable>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
    P: Serialize + Debug,
{
    let request = Request::new(api.resource_url()).patch_subresource("status", name, params, patch);
    let json = send(api, request).await?;
    Ok(decode::object(&json))
}

/// Replaces an object.
pub async fn replace<K>(
    api: &Api<K>,
    name: &str,
    params: &PostParams,
    object: &K,
) -> kube::Result<Result<K, Unreadable>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize,
{
    let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
    let request = Request::new(api.resource_url()).replace(name, params, body);
    let json = send(api, request).await?;
    Ok(decode::object(&json))
}

/// An object that cannot be read, where it is needed, as the error of the request for it.
pub fn failed(unreadable: Unreadable) -> kube::Error {
    kube::Error::Service(Box::new(unreadable))
}

async fn json_opt<K>(api: &Api<K>, name: &str) -> kube::Result<Option<String>>
where
    K: Resource<DynamicType = ()> + Clone,
{
    match send_get(api, name).await {
        Ok(json) => Ok(Some(json)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn send_get<K>(api: &Api<K>, name: &str) -> kube::Result<String>
where
    K: Resource<DynamicType = ()> + Clone,
{
    let request = Request::new(api.resource_url()).get(name, &GetParams::default());
    send(api, request).await
}

async fn send_patch<K, P>(
    api: &Api<K>,
    name: &str,
    params: &PatchParams,
    patch: &Patch<P>,
) -> kube::Result<String>
where
    K: Resource<DynamicType = ()> + Clone,
    P: Serialize + Debug,
{
    let request = Request::new(api.resource_url()).patch(name, params, patch);
    send(api, request).await
}

async fn send<K>(
    api: &Api<K>,
    request: Result<axum::http::Request<Vec<u8>>, kube::core::request::Error>,
) -> kube::Result<String>
where
    K: Resource<DynamicType = ()> + Clone,
{
    let request = request.map_err(kube::Error::BuildRequest)?;
    api.clone().into_client().request_text(request).await
}

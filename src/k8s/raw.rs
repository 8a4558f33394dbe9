//! Requests for one object whose response is decoded by [`decode`]. I/O.
//!
//! kube-rs fails if it cannot decode the whole response, so an invalid value in an object would make a successful write
//! look like a failure. These functions return the result of the request, with the result of decoding
//! inside.

use std::fmt::Debug;

use kube::api::{GetParams, Patch, PatchParams, PostParams};
use kube::core::{ObjectMeta, Request};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decode::{self, Unreadable};

/// Gets an object if it exists.
pub(crate) async fn get_opt<K>(
    api: &Api<K>,
    name: &str,
) -> kube::Result<Option<Result<K, Unreadable>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    let json = json_opt(api, name).await?;
    Ok(json.map(|json| decode::object(&json)))
}

/// Gets an object. An object that cannot be decoded is an error.
pub(crate) async fn get<K>(api: &Api<K>, name: &str) -> kube::Result<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    let json = send_get(api, name).await?;
    decode::object(&json).map_err(failed)
}

/// Gets the metadata of an object if it exists.
pub(crate) async fn metadata_opt<K>(api: &Api<K>, name: &str) -> kube::Result<Option<ObjectMeta>>
where
    K: Resource<DynamicType = ()> + Clone,
{
    let json = json_opt(api, name).await?;
    let metadata = json.map(|json| decode::metadata::<K>(&json));
    metadata.transpose().map_err(failed)
}

/// Patches an object and decodes it.
pub(crate) async fn patch<K, P>(
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

/// Patches an object and returns its metadata.
pub(crate) async fn patch_metadata<K, P>(
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

/// Patches the status of an object.
pub(crate) async fn patch_status<K, P>(
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

/// Patches the status of an object and returns the object's metadata.
pub(crate) async fn patch_status_metadata<K, P>(
    api: &Api<K>,
    name: &str,
    params: &PatchParams,
    patch: &Patch<P>,
) -> kube::Result<ObjectMeta>
where
    K: Resource<DynamicType = ()> + Clone,
    P: Serialize + Debug,
{
    let request = Request::new(api.resource_url()).patch_subresource("status", name, params, patch);
    let json = send(api, request).await?;
    decode::metadata::<K>(&json).map_err(failed)
}

/// Replaces an object and decodes it.
pub(crate) async fn replace<K>(
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

/// The error of a request whose object cannot be decoded.
pub(crate) fn failed(unreadable: Unreadable) -> kube::Error {
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

//! Authenticates and authorizes scrapes with the API server. I/O.
//!
//! A token is accepted if it belongs to a ServiceAccount of the operator's namespace, or to a user who has the
//! permission to GET the path. Verdicts are cached for a short time under the sha256 of the token; tokens
//! are never stored or logged. While the API server is unreachable, recently accepted tokens remain
//! valid, so that an outage does not hide the alerts about it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::k8s::{RequestError, request_within};
use crate::locks::lock;

/// How long a result is valid.
const CACHE_TTL: Duration = Duration::from_secs(60);
/// How long a result is valid while the API server is unreachable.
const CACHE_TTL_UNREACHABLE: Duration = Duration::from_secs(600);
/// Maximum number of cached results.
const MAX_CACHED: usize = 256;
/// Maximum number of concurrent reviews.
const MAX_REVIEWS: usize = 4;
/// Timeout of a review. Prometheus waits ten seconds by default.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Maximum length of a token, in bytes.
const MAX_TOKEN: usize = 8192;

/// Whether a request is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The request is allowed.
    Allowed,
    /// It has no valid token.
    Unauthenticated,
    /// The token's user has no permission to read the metrics.
    Forbidden,
}

/// Authorizes scrapes with the API server.
pub(crate) struct ScrapeAuth {
    client: Client,
    group: String,
    path: &'static str,
    results: Mutex<HashMap<[u8; 32], (Instant, Access)>>,
    reviews: Semaphore,
}

impl std::fmt::Debug for ScrapeAuth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScrapeAuth")
            .field("group", &self.group)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl ScrapeAuth {
    /// Allows the ServiceAccounts of `namespace`, and users with the permission to GET `path`.
    pub(crate) fn new(client: Client, namespace: &str, path: &'static str) -> Self {
        Self {
            client,
            group: format!("system:serviceaccounts:{namespace}"),
            path,
            results: Mutex::default(),
            reviews: Semaphore::new(MAX_REVIEWS),
        }
    }

    /// Checks the Authorization header of a request.
    pub(crate) async fn check(&self, authorization: Option<&str>) -> Result<Access, RequestError> {
        let Some(token) = authorization.and_then(bearer) else {
            return Ok(Access::Unauthenticated);
        };
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(access) = self.cached(&key, CACHE_TTL) {
            return Ok(access);
        }
        match self.review(token).await {
            Ok(access) => {
                self.cache(key, access);
                Ok(access)
            }
            Err(error) => self
                .cached(&key, CACHE_TTL_UNREACHABLE)
                .filter(|access| *access == Access::Allowed)
                .ok_or(error),
        }
    }

    async fn review(&self, token: &str) -> Result<Access, RequestError> {
        // The semaphore is never closed.
        let _permit = self.reviews.acquire().await.ok();
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: None,
            },
            ..TokenReview::default()
        };
        let review = self.create("review the token of a scrape", &review).await?;
        let status = review.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Access::Unauthenticated);
        };
        let groups = user.groups.as_deref().unwrap_or_default();
        if groups.contains(&self.group) {
            return Ok(Access::Allowed);
        }
        let review = self
            .create("review the access of a scrape", &self.access_review(user))
            .await?;
        let allowed = review.status.is_some_and(|status| status.allowed);
        Ok(if allowed {
            Access::Allowed
        } else {
            Access::Forbidden
        })
    }

    fn access_review(&self, user: UserInfo) -> SubjectAccessReview {
        SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                groups: user.groups,
                uid: user.uid,
                extra: user.extra,
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some(self.path.to_owned()),
                    verb: Some("get".to_owned()),
                }),
                resource_attributes: None,
            },
            ..SubjectAccessReview::default()
        }
    }

    async fn create<K>(&self, action: &'static str, review: &K) -> Result<K, RequestError>
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let (api, params) = (Api::<K>::all(self.client.clone()), PostParams::default());
        request_within(TIMEOUT, action, api.create(&params, review)).await
    }

    fn cached(&self, key: &[u8; 32], max_age: Duration) -> Option<Access> {
        let results = lock(&self.results);
        let (at, access) = results.get(key)?;
        (at.elapsed() < max_age).then_some(*access)
    }

    /// If the cache is full, removes the oldest rejection, or else the oldest entry: guessed tokens do not
    /// displace accepted ones.
    fn cache(&self, key: [u8; 32], access: Access) {
        let mut results = lock(&self.results);
        if results.len() >= MAX_CACHED && !results.contains_key(&key) {
            results.retain(|_, (at, _)| at.elapsed() < CACHE_TTL_UNREACHABLE);
            let rejected_first = |(_, (at, access)): &(&[u8; 32], &(Instant, Access))| {
                (*access == Access::Allowed, *at)
            };
            let oldest = results
                .iter()
                .min_by_key(rejected_first)
                .map(|(key, _)| *key);
            if let Some(oldest) = oldest.filter(|_| results.len() >= MAX_CACHED) {
                results.remove(&oldest);
            }
        }
        results.insert(key, (Instant::now(), access));
    }
}

/// The token of an Authorization header (RFC 6750, section 2.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    let fits = (1..=MAX_TOKEN).contains(&token.len());
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(token)
}

#[cfg(test)]
mod tests;

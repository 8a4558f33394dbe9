//! Who may read metrics: asked of the API server for the token that a request brings. I/O.
//!
//! A token is let in when it belongs to a ServiceAccount of the operator's namespace, or to somebody
//! who may GET the path. Answers are remembered for a short time under the token's sha256; the
//! token itself is never kept or logged. While the API server is away, who was let in lately is let
//! in still, so that an outage does not blind its own alarms.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
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

/// How long an answer holds.
const FRESH: Duration = Duration::from_secs(60);
/// How long it holds while the API server cannot be asked.
const STALE: Duration = Duration::from_secs(600);
/// As many answers are remembered.
const MAX_ANSWERS: usize = 256;
/// As many tokens are asked about at a time.
const MAX_REVIEWS: usize = 4;
/// How long one question may take; Prometheus waits for ten seconds.
const TIMEOUT: Duration = Duration::from_secs(4);
/// A longer one is no token.
const MAX_TOKEN: usize = 8192;

/// Whether somebody is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allowed,
    /// There is no token, or nobody knows it.
    Unauthenticated,
    /// Its owner may not.
    Forbidden,
}

/// Lets in and keeps out.
pub struct Access {
    client: Client,
    group: String,
    path: &'static str,
    answers: Mutex<HashMap<[u8; 32], (Instant, Verdict)>>,
    reviews: Semaphore,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("group", &self.group)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Guards `path` for the ServiceAccounts of `namespace` and whoever has the right to GET it.
    pub fn new(client: Client, namespace: &str, path: &'static str) -> Self {
        Self {
            client,
            group: format!("system:serviceaccounts:{namespace}"),
            path,
            answers: Mutex::default(),
            reviews: Semaphore::new(MAX_REVIEWS),
        }
    }

    /// Whether a request with this Authorization header is let in.
    pub async fn check(&self, authorization: Option<&str>) -> Result<Verdict, RequestError> {
        let Some(token) = authorization.and_then(bearer) else {
            return Ok(Verdict::Unauthenticated);
        };
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(verdict) = self.remembered(&key, FRESH) {
            return Ok(verdict);
        }
        let answer = self.ask(token).await;
        match answer {
            Ok(verdict) => {
                self.remember(key, verdict);
                Ok(verdict)
            }
            Err(error) => self
                .remembered(&key, STALE)
                .filter(|verdict| *verdict == Verdict::Allowed)
                .ok_or(error),
        }
    }

    async fn ask(&self, token: &str) -> Result<Verdict, RequestError> {
        // The semaphore is never closed.
        let _permit = self.reviews.acquire().await.ok();
        let review = TokenReview {
            spec: TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: None,
            },
            ..TokenReview::default()
        };
        let review = self.create("ask who a token belongs to", &review).await?;
        let status = review.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(Verdict::Unauthenticated);
        };
        let groups = user.groups.as_deref().unwrap_or_default();
        if groups.contains(&self.group) {
            return Ok(Verdict::Allowed);
        }
        let review = self
            .create("ask what a user may do", &self.access_review(user))
            .await?;
        let allowed = review.status.is_some_and(|status| status.allowed);
        Ok(if allowed {
            Verdict::Allowed
        } else {
            Verdict::Forbidden
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

    fn remembered(&self, key: &[u8; 32], for_: Duration) -> Option<Verdict> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, verdict) = answers.get(key)?;
        (at.elapsed() < for_).then_some(*verdict)
    }

    /// Where there are too many, the oldest goes: somebody who tries one token after the other does
    /// not push out more than that.
    fn remember(&self, key: [u8; 32], verdict: Verdict) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= MAX_ANSWERS && !answers.contains_key(&key) {
            answers.retain(|_, (at, _)| at.elapsed() < STALE);
            let refused = |(_, (at, verdict)): &(&[u8; 32], &(Instant, Verdict))| {
                (*verdict == Verdict::Allowed, *at)
            };
            let oldest = answers.iter().min_by_key(refused).map(|(key, _)| *key);
            if let Some(oldest) = oldest.filter(|_| answers.len() >= MAX_ANSWERS) {
                answers.remove(&oldest);
            }
        }
        answers.insert(key, (Instant::now(), verdict));
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
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use axum::http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// An API server that knows three tokens, and counts questions; it fails from `fails_from` on.
    fn access(asked: &Arc<AtomicU32>, fails_from: u32) -> Access {
        let asked = Arc::clone(asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            async move {
                if n >= fails_from {
                    return Err(std::io::Error::other("away"));
                }
                let body = request.into_body().collect_bytes().await.unwrap();
                let answer = answer(serde_json::from_slice(&body).unwrap());
                Ok(Response::new(Body::from(
                    serde_json::to_vec(&answer).unwrap(),
                )))
            }
        });
        Access::new(Client::new(service, "ns"), "ns", "/metrics-fio")
    }

    fn answer(mut review: Value) -> Value {
        let user = |name: &str, group: &str| json!({"authenticated": true, "user": {"username": name, "groups": [group]}});
        review["status"] = match review["spec"]["token"].as_str() {
            Some("ours") => user("sa", "system:serviceaccounts:ns"),
            Some("prometheus") => user("prometheus", "x"),
            Some("other") => user("other", "system:serviceaccounts:other"),
            Some(_) => json!({"authenticated": false}),
            None => {
                assert_eq!(
                    review["spec"]["nonResourceAttributes"],
                    json!({"path": "/metrics-fio", "verb": "get"})
                );
                json!({"allowed": review["spec"]["user"] == "prometheus"})
            }
        };
        review["metadata"] = json!({});
        review
    }

    #[tokio::test]
    async fn tokens_are_looked_at_once() {
        let asked = Arc::new(AtomicU32::new(0));
        let access = access(&asked, 100);
        let table = [
            (None, Verdict::Unauthenticated, 0),
            (Some("Basic eDp5"), Verdict::Unauthenticated, 0),
            (Some("Bearer "), Verdict::Unauthenticated, 0),
            (Some("Bearer ours"), Verdict::Allowed, 1),
            (Some("bearer ours"), Verdict::Allowed, 0),
            (Some("Bearer prometheus"), Verdict::Allowed, 2),
            (Some("Bearer prometheus"), Verdict::Allowed, 0),
            (Some("Bearer other"), Verdict::Forbidden, 2),
            (Some("Bearer other"), Verdict::Forbidden, 0),
            (Some("Bearer nonsense"), Verdict::Unauthenticated, 1),
        ];
        for (header, expected, questions) in table {
            let before = asked.load(Ordering::Relaxed);
            assert_eq!(access.check(header).await.unwrap(), expected, "{header:?}");
            assert_eq!(
                asked.load(Ordering::Relaxed) - before,
                questions,
                "{header:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_api_server_is_away_who_was_let_in_is_let_in() {
        let access = access(&Arc::default(), 2);
        access.check(Some("Bearer ours")).await.unwrap();
        access.check(Some("Bearer nonsense")).await.unwrap();
        tokio::time::advance(FRESH).await;
        assert_eq!(
            access.check(Some("Bearer ours")).await.unwrap(),
            Verdict::Allowed
        );
        access.check(Some("Bearer nonsense")).await.unwrap_err();
        tokio::time::advance(STALE).await;
        access.check(Some("Bearer ours")).await.unwrap_err();
    }

    #[tokio::test]
    async fn guesses_do_not_push_out_who_is_let_in() {
        let access = access(&Arc::default(), u32::MAX);
        access.check(Some("Bearer ours")).await.unwrap();
        for n in 0..2 * MAX_ANSWERS {
            access.check(Some(&format!("Bearer {n}"))).await.unwrap();
        }
        assert!(access.answers.lock().unwrap().len() <= MAX_ANSWERS);
        let key: [u8; 32] = Sha256::digest("ours").into();
        assert_eq!(access.remembered(&key, FRESH), Some(Verdict::Allowed));
    }
}

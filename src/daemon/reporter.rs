//! The task that publishes what waits in the outbox, however long the API is away. I/O.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::outbox::{Item, Outbox};
use super::seen::Seen;
use crate::api::FileIntegrityNodeStatus;
use crate::k8s::{FIRST_BACKOFF, backoff};
use crate::scan::publish::{PublishError, Publisher};

/// Longest pause between two tries.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// The reporter's side of its channels.
#[derive(Debug)]
pub struct Reporter {
    publisher: Publisher,
    items: mpsc::UnboundedReceiver<Item>,
    seen: watch::Sender<Seen>,
    outbox: Outbox,
}

impl Reporter {
    /// A reporter that takes `items`, and keeps what its writes return in `seen`.
    pub fn new(
        publisher: Publisher,
        items: mpsc::UnboundedReceiver<Item>,
        seen: watch::Sender<Seen>,
    ) -> Self {
        Self {
            publisher,
            items,
            seen,
            outbox: Outbox::default(),
        }
    }

    /// Publishes until the sender of items is gone and nothing waits. Calls `published` after each.
    pub async fn run(mut self, published: impl Fn()) {
        let mut pauses = backoff(MAX_BACKOFF);
        while self.fill().await {
            let current = self.current().await;
            match self.publish_front(&current).await {
                Ok(()) => {
                    self.outbox.pop();
                    pauses = backoff(MAX_BACKOFF);
                    published();
                }
                Err(error) => {
                    if let PublishError::Unreadable(_) = error {
                        // Until the watch shows one that can be read, each try would write again.
                        self.seen.send_modify(|seen| seen.status = None);
                    }
                    let pause = pauses.next().unwrap_or(MAX_BACKOFF);
                    tracing::warn!(
                        error = crate::error_chain(&error),
                        retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                        "the result is kept and published later"
                    );
                    self.wait(pause).await;
                }
            }
        }
    }

    /// Waits for so long, or until the status object shows that the API is back.
    async fn wait(&self, pause: Duration) {
        let mut seen = self.seen.subscribe();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = seen.changed() => tokio::time::sleep(pause.min(FIRST_BACKOFF)).await,
        }
    }

    /// Takes in all that has arrived; waits for something if nothing is there. False at the end.
    async fn fill(&mut self) -> bool {
        if self.outbox.is_empty() {
            match self.items.recv().await {
                Some(item) => self.outbox.push(item),
                None => return false,
            }
        }
        while let Ok(item) = self.items.try_recv() {
            self.outbox.push(item);
        }
        true
    }

    /// The status object, as soon as there is one. That there is none is no error: the operator may
    /// be about to make it, or the node is not selected any more and this pod about to end. What
    /// arrives meanwhile goes into the outbox, which keeps no more than is needed.
    async fn current(&mut self) -> FileIntegrityNodeStatus {
        let mut seen = self.seen.subscribe();
        let mut more = true;
        loop {
            if let Some(status) = &seen.borrow_and_update().status {
                return status.clone();
            }
            tokio::select! {
                // This task holds a sender, so the channel stays open.
                _ = seen.changed() => {}
                item = self.items.recv(), if more => match item {
                    Some(item) => self.outbox.push(item),
                    None => more = false,
                },
            }
        }
    }

    async fn publish_front(
        &mut self,
        current: &FileIntegrityNodeStatus,
    ) -> Result<(), PublishError> {
        let Some(item) = self.outbox.front() else {
            return Ok(());
        };
        let written = self
            .publisher
            .publish(current, &item.update, item.log.as_ref())
            .await?;
        // The machine looks at what the operator wishes, and that did not change by this write.
        self.seen.send_if_modified(|seen| {
            seen.keep_written(written);
            false
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use hyper::{Request, Response};
    use kube::Client;
    use kube::client::Body;

    use super::*;
    use crate::api::Condition;
    use crate::daemon::outbox::tests::result;
    use crate::scan::identity;

    #[tokio::test]
    async fn while_there_is_no_status_old_results_make_room_for_new_ones() {
        let nobody = tower::service_fn(async |_: Request<Body>| {
            Err::<Response<Body>, _>(std::io::Error::other("away"))
        });
        let client = Client::new(nobody, "ns");
        let publisher = Publisher::new(&client, identity(), "pod".to_owned());
        let (items, outgoing) = mpsc::unbounded_channel();
        let (seen, _) = watch::channel(Seen::default());
        let mut reporter = Reporter::new(publisher, outgoing, seen.clone());
        for _ in 0..100 {
            items.send(result(Condition::Succeeded, 0)).unwrap();
            items.send(result(Condition::Failed, 0)).unwrap();
        }
        let last = result(Condition::Failed, 1);
        items.send(last.clone()).unwrap();
        drop(items);
        {
            let waiting = reporter.current();
            tokio::pin!(waiting);
            for _ in 0..10 {
                assert!(futures::poll!(&mut waiting).is_pending());
                tokio::task::yield_now().await;
            }
            seen.send_modify(|seen| seen.status = Some(FileIntegrityNodeStatus::default()));
            waiting.await;
        }
        assert!(reporter.items.is_closed() && reporter.items.is_empty());
        let succeeded = reporter.outbox.front().cloned().unwrap();
        assert_eq!(
            succeeded.update.finding.unwrap().result.condition,
            Condition::Succeeded
        );
        reporter.outbox.pop();
        assert_eq!(reporter.outbox.front(), Some(&last));
        reporter.outbox.pop();
        assert!(reporter.outbox.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_status_that_cannot_be_read_is_not_written_again_and_again() {
        let writes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&writes);
        let server = tower::service_fn(move |_: Request<Body>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let odd = r#"{"metadata": {"name": "fi-n"}, "nodeName": "n", "lastResult": "none"}"#;
            async move {
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(
                    odd.as_bytes().to_vec(),
                )))
            }
        });
        let publisher = Publisher::new(&Client::new(server, "ns"), identity(), "pod".to_owned());
        let (items, outgoing) = mpsc::unbounded_channel();
        let (seen, _) = watch::channel(Seen::default());
        seen.send_modify(|seen| seen.status = Some(FileIntegrityNodeStatus::default()));
        items.send(result(Condition::Succeeded, 1)).unwrap();
        let reporter = Reporter::new(publisher, outgoing, seen.clone());
        let running = tokio::spawn(reporter.run(|| ()));
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(writes.load(Ordering::Relaxed), 1);
        // One that can be read is written to.
        seen.send_modify(|seen| seen.status = Some(FileIntegrityNodeStatus::default()));
        tokio::time::sleep(Duration::from_secs(60)).await;
        running.abort();
        assert_eq!(writes.load(Ordering::Relaxed), 2);
    }
}

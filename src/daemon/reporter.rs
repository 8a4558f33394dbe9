//! The task that publishes what is in the outbox, however long the API server is unreachable. I/O.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::known_status::KnownStatus;
use super::outbox::{Item, Outbox};
use crate::api::FileIntegrityNodeStatus;
use crate::k8s::{FIRST_BACKOFF, backoff};
use crate::scan::publish::{PublishError, Publisher};

/// Maximum pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Publishes updates one after the other.
#[derive(Debug)]
pub(crate) struct Reporter {
    publisher: Publisher,
    items: mpsc::UnboundedReceiver<Item>,
    known: watch::Sender<KnownStatus>,
    outbox: Outbox,
}

impl Reporter {
    /// A reporter that publishes `items`, and keeps what its writes return in `known`.
    pub(crate) fn new(
        publisher: Publisher,
        items: mpsc::UnboundedReceiver<Item>,
        known: watch::Sender<KnownStatus>,
    ) -> Self {
        Self {
            publisher,
            items,
            known,
            outbox: Outbox::default(),
        }
    }

    /// Publishes until the sender of items is dropped and the outbox is empty. Calls `published` after each
    /// item.
    pub(crate) async fn run(mut self, published: impl Fn()) {
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
                        // Each attempt would write again, so it waits for a readable object in the watch.
                        self.known.send_modify(|known| known.status = None);
                    }
                    let pause = pauses.next().unwrap_or(MAX_BACKOFF);
                    tracing::warn!(
                        error = crate::error_chain(&error),
                        retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                        "failed to publish a result; retrying"
                    );
                    self.wait(pause).await;
                }
            }
        }
    }

    /// Waits this long, or until a new state of the node status shows that the API server is reachable.
    async fn wait(&self, pause: Duration) {
        let mut known = self.known.subscribe();
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = known.changed() => tokio::time::sleep(pause.min(FIRST_BACKOFF)).await,
        }
    }

    /// Takes all items that have arrived, or waits for one. Returns false at the end.
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

    /// The node status, as soon as it exists. Without one there is no error: the operator may be about to
    /// create it, or the node is no longer selected and this pod will be terminated. Items that arrive
    /// meanwhile go into the outbox, which keeps no more than is needed.
    async fn current(&mut self) -> FileIntegrityNodeStatus {
        let mut known = self.known.subscribe();
        let mut more = true;
        loop {
            if let Some(status) = &known.borrow_and_update().status {
                return status.clone();
            }
            tokio::select! {
                // This task has a sender, so the channel stays open.
                _ = known.changed() => {}
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
        // No event for the state machine: the write has not changed what the operator requests.
        self.known.send_if_modified(|known| {
            known.keep_written(written);
            false
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Turns what is known of the node status into events of the state machine. I/O: a timer.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::known_status::KnownStatus;
use super::machine::Event;
use super::node_state::ObservedStatus;

/// How long a starting daemon waits for the API server before it goes on without it.
const API_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends an event for each change that matters to the state machine.
pub(super) async fn run(
    mut status: watch::Receiver<KnownStatus>,
    events: mpsc::UnboundedSender<Event>,
) {
    let timeout = tokio::time::sleep(API_TIMEOUT);
    tokio::pin!(timeout);
    let (mut is_waiting, mut last, mut unreachable_sent) = (true, None, false);
    loop {
        tokio::select! {
            changed = status.changed() => if changed.is_err() { return },
            () = &mut timeout, if is_waiting => is_waiting = false,
        }
        let (observed, is_unreachable) = {
            let known = status.borrow_and_update();
            let observed = known.status.as_ref().map(ObservedStatus::from);
            (observed, known.is_unreachable)
        };
        if let Some(observed) = observed
            && last.as_ref() != Some(&observed)
        {
            last = Some(observed.clone());
            events.send(Event::observed(observed)).ok();
        }
        if is_unreachable && last.is_none() && !is_waiting && !unreachable_sent {
            unreachable_sent = true;
            events.send(Event::ApiUnreachable).ok();
        }
    }
}

#[cfg(test)]
mod tests;

//! Reports FileIntegrities that cannot be decoded. They are not reconciled, so their daemons continue
//! unchanged. I/O.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::apply::Applier;
use super::observe::Observer;

/// Pause before a report is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Reports each of them once, with an event and in its status, as long as this operator leads.
pub(crate) async fn report(observer: Arc<Observer>, applier: Applier) {
    let mut changes = observer.unreadable_changes();
    // Reasons by names.
    let mut reported: HashMap<String, String> = HashMap::new();
    loop {
        changes.borrow_and_update();
        let unreadable = observer.unreadable_file_integrities();
        reported.retain(|name, _| unreadable.iter().any(|fi| fi.name == *name));
        let mut pause = Duration::MAX;
        for fi in unreadable {
            if reported.get(&fi.name) == Some(&fi.reason) {
                continue;
            }
            match applier.report_unreadable(&fi).await {
                Ok(()) => {
                    reported.insert(fi.name, fi.reason);
                }
                Err(error) => {
                    tracing::warn!(
                        file_integrity = fi.name,
                        error = crate::error_chain(&error),
                        "failed to report that the FileIntegrity cannot be read; trying again"
                    );
                    pause = RETRY;
                }
            }
        }
        // The task ends together with the sender.
        if let Ok(Err(_)) = tokio::time::timeout(pause, changes.changed()).await {
            return;
        }
    }
}

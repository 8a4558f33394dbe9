//! Reports FileIntegrities that cannot be read. There is no reconcile of such an object: what runs for
//! it goes on as it is. I/O.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::apply::Applier;
use super::observe::Observer;

/// Pause before what could not be reported is reported again.
const RETRY: Duration = Duration::from_secs(30);

/// Reports each of them in an event and in its status, once, as long as this operator leads.
pub async fn keep(observer: Arc<Observer>, applier: Applier) {
    let mut changes = observer.unreadable_changes();
    // Reason by name.
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
                        "that it cannot be read is not reported yet"
                    );
                    pause = RETRY;
                }
            }
        }
        // Where the sender is dropped, so is this task.
        if let Ok(Err(_)) = tokio::time::timeout(pause, changes.changed()).await {
            return;
        }
    }
}

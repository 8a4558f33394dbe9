//! Whether the database on the disk is that of the recorded baseline. I/O.

use super::context::Runner;
use super::error::RunnerError;
use crate::aide::database::{Found, Record};
use crate::daemon::machine::{Finished, NO_DATABASE, OldBaseline};

/// The baseline on the disk, compared with the recorded one.
#[derive(Debug)]
pub(super) enum RecordedBaseline {
    Usable(Option<Box<Record>>),
    /// It is missing, or another one. The run ends so before it begins, and the state machine decides about it.
    Unusable(Finished),
}

impl Runner {
    /// Reads the whole database.
    pub(super) async fn recorded_baseline(
        &self,
        recorded: &OldBaseline,
    ) -> Result<RecordedBaseline, RunnerError> {
        let (runner, recorded) = (self.clone(), recorded.digest.clone());
        let read = move || {
            let other = |digest| Finished::Scanned {
                digest: Some(digest),
            };
            let finished = match runner.state.load()? {
                Found::Database { digest, record } if digest == recorded => {
                    return Ok(RecordedBaseline::Usable(record.map(Box::new)));
                }
                Found::Nothing { .. } => Finished::BaselineMissing,
                Found::Unreadable { .. } => other(NO_DATABASE.to_owned()),
                Found::Database { digest, .. } => other(digest),
            };
            Ok(RecordedBaseline::Unusable(finished))
        };
        tokio::task::spawn_blocking(read).await?
    }
}

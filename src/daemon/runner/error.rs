//! Why a run failed, and how that is published. Pure.

use crate::aide::command::RunError;
use crate::aide::database::DatabaseError;
use crate::aide::database_entries::EntriesError;
use crate::aide::report;
use crate::api::ErrorClass;
use crate::daemon::node_config::NodeConfigError;
use crate::file_error::FileError;
use crate::scan::outcome::ScanError;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunnerError {
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    AccessFile(#[from] FileError),
    #[error(transparent)]
    NodeConfig(#[from] NodeConfigError),
    #[error("read AIDE's report")]
    ReadReport(#[from] report::ReportError),
    #[error(transparent)]
    Entries(#[from] EntriesError),
    #[error("wait for a file operation")]
    AwaitFileOperation(#[from] tokio::task::JoinError),
    #[error("{}", .0.message)]
    Scan(ScanError),
}

impl RunnerError {
    /// The error as it is published.
    pub(super) fn scan_error(&self) -> ScanError {
        if let Self::Scan(error) = self {
            return error.clone();
        }
        ScanError::new(self.class(), crate::error_chain(self))
    }

    /// The error of an initialization as it is published.
    pub(super) fn of_initialization(&self) -> ScanError {
        let error = self.scan_error();
        let message = format!("Error initializing the AIDE DB: {}", error.message);
        ScanError::new(error.class, message)
    }

    fn class(&self) -> ErrorClass {
        match self {
            Self::Scan(error) => error.class,
            Self::Run(RunError::Hung(_) | RunError::Stuck { .. })
            | Self::NodeConfig(NodeConfigError::Hung(_)) => ErrorClass::Hung,
            Self::Run(_) | Self::NodeConfig(NodeConfigError::Run(_)) => ErrorClass::Start,
            Self::Database(DatabaseError::Replaced { .. } | DatabaseError::Unsafe { .. }) => {
                ErrorClass::State
            }
            Self::Database(_)
            | Self::AccessFile(_)
            | Self::NodeConfig(NodeConfigError::File { .. }) => ErrorClass::File,
            Self::ReadReport(_) => ErrorClass::Report,
            Self::Entries(_) => ErrorClass::Database,
            Self::AwaitFileOperation(_) => ErrorClass::Internal,
        }
    }
}

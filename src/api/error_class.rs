//! Classes of scan errors: `errorClass` in a node status, and a label of the operator's metrics. Pure.

use super::named_enum::named_enum;

named_enum! {
    list: cfg(all());
    /// Why a scan or an initialization failed, as one of a small fixed set for metrics and alerts.
    pub enum ErrorClass {
        /// AIDE got an invalid argument.
        Argument = "argument",
        /// The configuration is invalid or could not be loaded.
        Configuration = "configuration",
        /// AIDE's exit status and its report disagree.
        Contradiction = "contradiction",
        /// AIDE cannot read the database.
        Database = "database",
        /// The configuration watches no file on the node.
        Empty = "empty",
        /// AIDE could not execute a program.
        Exec = "exec",
        /// A file operation of fio failed.
        File = "file",
        /// AIDE does not finish.
        Hung = "hung",
        /// AIDE skipped files.
        Incomplete = "incomplete",
        /// A failure inside of fio.
        Internal = "internal",
        /// AIDE and the daemon were killed during a scan.
        Interrupted = "interrupted",
        /// AIDE failed to read or write.
        Io = "io",
        /// AIDE could not get a lock.
        Lock = "lock",
        /// The baseline was deleted, and `onBaselineLoss` is `error`.
        Lost = "lost",
        /// AIDE ran out of memory.
        Memory = "memory",
        /// AIDE's report is invalid or truncated.
        Report = "report",
        /// AIDE was terminated by a signal.
        Signal = "signal",
        /// AIDE could not be started.
        Start = "start",
        /// The state directory cannot be used.
        State = "state",
        /// The database is not the recorded one.
        Tampered = "tampered",
        /// AIDE could not create a thread.
        Thread = "thread",
        /// A new baseline is needed, and `requireAcceptance` does not allow to create it.
        Unaccepted = "unaccepted",
        /// An exit status that AIDE does not document.
        Unexpected = "unexpected",
        /// AIDE does not implement a function.
        Unimplemented = "unimplemented",
        /// AIDE found a version mismatch.
        Version = "version",
        /// AIDE could not write an error message.
        Write = "write",
    }
}

/// The error class that a node status reports, as the operator counts it. The status object may come
/// from another version of the daemon, or have been edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ReportedErrorClass {
    /// One of the classes of this version.
    Known(ErrorClass),
    /// An unknown class, or none.
    Other,
}

impl ReportedErrorClass {
    /// The class with this name.
    pub(crate) fn parse(name: Option<&str>) -> Self {
        let mut all = ErrorClass::ALL.iter();
        all.find(|class| Some(class.as_str()) == name)
            .map_or(Self::Other, |class| Self::Known(*class))
    }

    /// All values: those of [`ErrorClass`], then [`Other`](Self::Other).
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let known = ErrorClass::ALL.iter().copied().map(Self::Known);
        known.chain([Self::Other])
    }

    /// The value of the metrics' label `error`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Known(class) => class.as_str(),
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests;

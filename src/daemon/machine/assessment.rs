//! What is known of the baseline on the node, and whether a new one is needed. Pure.

use super::baseline::{BaselineReason, Disk, KnownBaseline, OldBaseline};
use super::messages;
use super::timed_holds::EndedHold;
use crate::api::state_dir;
use crate::daemon::node_state::ReportedBaseline;
use crate::scan::outcome::ScanError;

/// Whether the baseline can be used.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Assessment {
    Usable,
    Needed(BaselineReason),
    Untrusted(ScanError),
}

/// What an assessment depends on besides the baseline itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs<'a> {
    /// Hash of the loaded configuration.
    pub(super) config: Option<&'a str>,
    /// A request that is not done.
    pub(super) request: Option<&'a str>,
    /// Holds that have ended, whose changes are to be accepted.
    pub(super) ended_hold: Option<&'a EndedHold>,
    /// The failure that is reported now.
    pub(super) open_failure: Option<&'a str>,
    /// The signal file requests a baseline.
    pub(super) has_signal: bool,
    /// Only an acceptance may replace a baseline. Then there is no request and no signal.
    pub(super) requires_acceptance: bool,
}

/// What is known of the baseline.
#[derive(Clone, Debug)]
pub(super) struct BaselineState {
    /// `spec.config.onBaselineLoss` is `error`.
    pub(super) error_on_loss: bool,
    /// The state directory in the spec.
    state_dir: Option<String>,
    pub(super) disk: Option<Disk>,
    /// The baseline that the API has, or will have.
    pub(super) recorded: Option<ReportedBaseline>,
    /// Why the baseline is untrusted.
    pub(super) error: Option<ScanError>,
    /// Version of the AIDE that created the database, if this one cannot read it.
    outdated: Option<String>,
}

impl BaselineState {
    pub(super) fn new(error_on_loss: bool, state_dir: Option<String>) -> Self {
        Self {
            error_on_loss,
            state_dir,
            disk: None,
            recorded: None,
            error: None,
            outdated: None,
        }
    }

    pub(super) fn known(&self) -> Option<&KnownBaseline> {
        match &self.disk {
            Some(Disk::Baseline(known)) => Some(known),
            _ => None,
        }
    }

    /// A new baseline is in place.
    pub(super) fn initialized(&mut self, created: KnownBaseline) {
        self.record(&created);
        self.disk = Some(Disk::Baseline(created));
        self.error = None;
        self.outdated = None;
    }

    /// The baseline will be published. If it is deleted later, it counts as one that the API knows.
    pub(super) fn record(&mut self, known: &KnownBaseline) {
        self.recorded = Some(ReportedBaseline {
            digest: known.digest.clone(),
            config_hash: known.config_hash.clone(),
            state_dir: None,
            requested: known.requested,
        });
    }

    /// The database is missing. While the API server is unreachable only this shows that there was one.
    pub(super) fn missing(&mut self) {
        self.disk = Some(match self.disk.take() {
            Some(Disk::Baseline(known) | Disk::Missing(known)) => Disk::Missing(known),
            _ => Disk::Nothing,
        });
    }

    /// This AIDE cannot read the database, and according to its record another version created it. The
    /// record proves nothing if the database is not the known one.
    pub(super) fn outdated(&mut self, made_by: String, digest: &str) {
        match self.tampered_with(digest) {
            Some(error) => self.error = Some(error),
            None => self.outdated = Some(made_by),
        }
    }

    /// The error if the database with this digest is not the known one.
    pub(super) fn tampered_with(&self, found: &str) -> Option<ScanError> {
        let known = self.known()?;
        (known.digest != found).then(|| messages::tampered(&known.digest, found))
    }

    /// The baseline that a new one replaces, if it was recorded.
    pub(super) fn old(&self) -> Option<OldBaseline> {
        let (config_hash, digest) = match (&self.recorded, &self.disk) {
            (Some(recorded), _) => (&recorded.config_hash, &recorded.digest),
            (None, Some(Disk::Baseline(known) | Disk::Missing(known))) => {
                (&known.config_hash, &known.digest)
            }
            _ => return None,
        };
        Some(OldBaseline {
            config_hash: config_hash.clone(),
            digest: digest.clone(),
        })
    }

    /// Digest of the database that a new baseline replaces.
    pub(super) fn old_digest(&self) -> Option<&str> {
        match (&self.recorded, &self.disk) {
            (Some(ReportedBaseline { digest, .. }), _) | (None, Some(Disk::Foreign { digest })) => {
                Some(digest)
            }
            (None, Some(Disk::Baseline(known) | Disk::Missing(known))) => Some(&known.digest),
            _ => None,
        }
    }

    /// Whether the baseline can be used.
    pub(super) fn assess(&self, inputs: &Inputs<'_>) -> Assessment {
        match self.assess_freely(inputs) {
            Assessment::Needed(reason) if inputs.requires_acceptance => self.allowed(reason),
            found => found,
        }
    }

    /// A first baseline accepts nothing, and for a new configuration the node is compared with the old one before. Any
    /// other baseline would accept what nobody has reviewed.
    fn allowed(&self, reason: BaselineReason) -> Assessment {
        let error = match (reason, &self.error) {
            (BaselineReason::First, _) => return Assessment::Needed(BaselineReason::First),
            (_, Some(error)) => error.clone(),
            (BaselineReason::Config, None) if self.known().is_some() => {
                return Assessment::Needed(BaselineReason::Config);
            }
            // A hold accepts changes only if a user with the right to accept has written it.
            (BaselineReason::HoldEnded(hold), None) if self.known().is_some() => {
                return Assessment::Needed(BaselineReason::HoldEnded(hold));
            }
            (BaselineReason::Foreign { .. }, None) => messages::unaccepted(
                "the database on the node was not created by this FileIntegrity's daemon",
            ),
            (BaselineReason::Outdated { made_by, .. }, None) => messages::unaccepted(&format!(
                "the database on the node was created by AIDE {made_by}, and this version cannot read it"
            )),
            (BaselineReason::Moved(from), None) => messages::unaccepted(&format!(
                "the database is in {from}, and spec.config.stateDir is another directory"
            )),
            (
                BaselineReason::Config
                | BaselineReason::HoldEnded(_)
                | BaselineReason::Lost
                | BaselineReason::Requested(_)
                | BaselineReason::Signal,
                None,
            ) => messages::lost(messages::REQUIRES_ACCEPTANCE),
        };
        Assessment::Untrusted(error)
    }

    /// Whether the baseline can be used, if a new one needs no acceptance.
    fn assess_freely(&self, inputs: &Inputs<'_>) -> Assessment {
        if let Some(id) = inputs.request {
            return Assessment::Needed(BaselineReason::Requested(id.to_owned()));
        }
        let found = match (&self.disk, inputs.config) {
            (Some(disk), Some(config)) => self.assess_disk(disk, config, inputs),
            _ => Assessment::Usable,
        };
        match (found, &self.error) {
            (Assessment::Usable, Some(error)) => Assessment::Untrusted(error.clone()),
            (Assessment::Usable, None) => inputs.ended_hold.map_or(Assessment::Usable, |ended| {
                Assessment::Needed(BaselineReason::HoldEnded(ended.clone()))
            }),
            (found, _) => found,
        }
    }

    fn assess_disk(&self, disk: &Disk, config: &str, inputs: &Inputs<'_>) -> Assessment {
        let open_failure = inputs.open_failure.map(str::to_owned);
        let reason = match disk {
            Disk::Nothing | Disk::Missing(_) => return self.assess_missing(config, inputs),
            Disk::Baseline(known) if known.config_hash != config => Some(BaselineReason::Config),
            Disk::Baseline(_) => {
                let made_by = self.outdated.clone();
                made_by.map(|made_by| BaselineReason::Outdated {
                    made_by,
                    open_failure,
                })
            }
            Disk::Foreign { .. } | Disk::Unreadable if self.error.is_none() => {
                Some(BaselineReason::Foreign { open_failure })
            }
            Disk::Foreign { .. } | Disk::Unreadable => {
                let recorded = self.recorded.as_ref();
                let is_other = recorded.is_some_and(|recorded| recorded.config_hash != config);
                is_other.then_some(BaselineReason::Config)
            }
        };
        let signal = inputs.has_signal.then_some(BaselineReason::Signal);
        reason
            .or(signal)
            .map_or(Assessment::Usable, Assessment::Needed)
    }

    fn assess_missing(&self, config: &str, inputs: &Inputs<'_>) -> Assessment {
        let before = match (&self.recorded, &self.disk) {
            (Some(recorded), _) => recorded.config_hash.as_str(),
            (None, Some(Disk::Missing(known))) => known.config_hash.as_str(),
            // A result shows that there was one, although it was not recorded.
            (None, _) if inputs.open_failure.is_some() => config,
            (None, _) => return Assessment::Needed(BaselineReason::First),
        };
        if before != config {
            return Assessment::Needed(BaselineReason::Config);
        }
        if let Some(from) = self.moved_from() {
            return Assessment::Needed(BaselineReason::Moved(from));
        }
        if self.error_on_loss && !inputs.has_signal {
            return Assessment::Untrusted(messages::lost(messages::ERROR_ON_LOSS));
        }
        Assessment::Needed(BaselineReason::Lost)
    }

    /// The state directory before, if the spec has another one now. A node that falls back to another
    /// default directory has not moved: somebody may have caused that.
    pub(super) fn moved_from(&self) -> Option<String> {
        let recorded = self.recorded.as_ref()?.state_dir.as_ref()?;
        let from = state_dir::normalized(recorded);
        let is_moved = match &self.state_dir {
            Some(in_spec) => *in_spec != from,
            None => !state_dir::DEFAULT_DIRS.contains(&from.as_str()),
        };
        is_moved.then_some(from)
    }
}

//! Support for tests: for those in this library, and, by the feature `testing`, the items that the
//! tests in e2e/, the benchmarks and the fuzz targets use. Nothing else is public.

#[cfg(test)]
pub(crate) mod aide_binary;
#[cfg(test)]
pub(crate) mod chaos;
#[cfg(test)]
pub(crate) mod mount_namespace;

#[cfg(feature = "testing")]
pub mod aide {
    pub use crate::aide::{exit, profiles, stderr};
    pub mod command {
        pub use crate::aide::command::ExtraConfig;
    }
    pub mod config {
        pub use crate::aide::config::{
            Configuration, ExcludedPaths, RunOptions, config_hash, prepare,
        };
    }
    pub mod database {
        pub use crate::aide::database::digest_of_gzip;
    }
    pub mod report {
        pub use crate::aide::report::{Change, ChangeKind, Report, parse_json, parse_plain};
    }
}

#[cfg(feature = "testing")]
pub mod api {
    pub use crate::api::{
        AcceptanceRequest, AcceptanceResult, AcceptanceState, Actor, AnnouncedChanges, Baseline,
        ChangeKind, CompletedRequest, Condition, DesiredNodeState, ErrorClass, FileIntegrity,
        FileIntegrityAcceptance, FileIntegrityNodeStatus, FileIntegrityStatus, HoldEnd, NodeCounts,
        NodeHold, Phase, RealtimeBackend, RealtimeReason, RealtimeState, RealtimeStatus,
        ScanResult, TimedHold, Trigger,
    };
    pub mod crd {
        pub use crate::api::crd::{all, yaml};
    }
    pub mod names {
        pub use crate::api::names::{
            Annotation, DAEMON_SERVICE_ACCOUNT, FIELD_MANAGER_DAEMON, FIELD_MANAGER_OPERATOR,
            HOLDOFF_NODE_UPDATE, KEY_AIDE_CONF, KEY_EFFECTIVE_CONF, KEY_INTEGRITY_LOG, LEASE_NAME,
            LEGACY_CONFIG_MAPS, Label, METRICS_TOKEN_SECRET, OPERATOR_NAME, OWN_CERT_SECRET,
            SIGNAL_FILE, daemon_set, failure_log, label_value, node_status, reinit_daemon_set,
            sha256_hex,
        };
    }
    pub mod time {
        pub use crate::api::time::{now, now_micro};
    }
}

#[cfg(feature = "testing")]
pub mod daemon {
    pub mod known_status {
        pub use crate::daemon::known_status::KnownStatus;
    }
    pub mod machine {
        pub use crate::daemon::machine::{
            Action, Disk, Event, Finished, KnownBaseline, Machine, Settings,
        };
    }
    pub mod node_state {
        pub use crate::daemon::node_state::{ObservedStatus, ReportedBaseline};
    }
    pub mod realtime {
        pub use crate::daemon::realtime::kernel_event::{
            Handle, InvalidRecord, KernelEvent, Mask, Pid, WatchId,
        };
        pub mod process_files {
            pub use crate::daemon::realtime::actors::process_files::{
                Origin, command_name, login_uid, origin, program, start_time,
            };
        }
        pub mod fanotify_records {
            pub use crate::daemon::realtime::fanotify_records::parse;
        }
        pub mod inotify_records {
            pub use crate::daemon::realtime::inotify_records::parse;
        }
    }
    pub mod start_jitter {
        pub use crate::daemon::start_jitter::start_jitter;
    }
    pub mod watch {
        pub use crate::daemon::watch::run;
    }
}

#[cfg(feature = "testing")]
pub mod k8s {
    pub use crate::k8s::builder;
    pub mod client_layer {
        pub use crate::k8s::client_layer::{Sender, client_layer};
    }
    pub mod watch_throttle {
        pub use crate::k8s::watch_throttle::is_watch;
    }
}

#[cfg(feature = "testing")]
pub mod operator {
    pub use crate::operator::{ScrapeSettings, Settings, run};
    pub mod admission_policy {
        pub use crate::operator::admission_policy::{Policy, PolicyState, acceptance_policy};
    }
    pub mod build {
        pub use crate::operator::build::{ActiveConfig, config_map, node_status};
    }
    pub mod evidence {
        pub use crate::operator::evidence::index::EvidenceIndex;
        pub use crate::operator::evidence::keep;
    }
    pub mod monitoring_objects {
        pub use crate::operator::monitoring_objects::alerts;
    }
}

#[cfg(feature = "testing")]
pub mod scan {
    pub use crate::scan::Identity;
    pub mod change_set {
        pub use crate::scan::change_set::ChangeSet;
    }
    pub mod evidence {
        pub use crate::scan::evidence::acceptance_set;
    }
    pub mod failure_log {
        pub use crate::scan::failure_log::{FailureLog, Reports, config_map, fit};
    }
    pub mod outcome {
        pub use crate::scan::outcome::{Finding, Outcome, ScanError};
    }
    pub mod publish {
        pub use crate::scan::publish::Publisher;
    }
    pub mod reporting {
        pub use crate::scan::reporting::NodeUpdate;
    }
}

#[cfg(feature = "testing")]
pub mod telemetry {
    pub mod metrics {
        pub use crate::telemetry::metrics::Metrics;
    }
}

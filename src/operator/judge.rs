//! Judges a configuration before it goes anywhere: conversion, migration and security rules (pure,
//! in [`crate::aide::config`]), then AIDE itself with `--config-check`. I/O.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::build::ActiveConfig;
use super::plan::Configured;
use crate::aide::command::{Aide, Around, Mode};
use crate::aide::config::{self, Prepared, RunOptions, config_hash};
use crate::aide::exit;
use crate::api::names;

/// How long `--config-check` may take; it takes some milliseconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(20);
/// As many verdicts are remembered.
const MAX_VERDICTS: usize = 64;

/// Why AIDE gave no verdict.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The text could not be put where AIDE reads it.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// AIDE could not be run.
    #[error("run AIDE to check a configuration")]
    Run(#[from] crate::aide::command::RunError),
}

/// Judges configurations, and remembers the verdicts.
#[derive(Debug)]
pub struct Judge {
    aide: Aide,
    /// A directory that this process may write to.
    work_dir: PathBuf,
    /// What AIDE said, by the hash of what it was given: empty where it had nothing against it.
    verdicts: Mutex<Vec<(String, String)>>,
}

impl Judge {
    /// A judge that asks this AIDE.
    pub fn new(aide: Aide, work_dir: PathBuf) -> Self {
        Self {
            aide,
            work_dir,
            verdicts: Mutex::new(Vec::new()),
        }
    }

    /// Judges a user's or a profile's text.
    pub async fn judge(&self, text: &str, state_dir: &str) -> Result<Configured, JudgeError> {
        let prepared = match config::prepare(text, state_dir, names::HOST_ROOT) {
            Ok(prepared) => prepared,
            Err(refused) => {
                let lines: Vec<String> = refused
                    .diagnostics
                    .iter()
                    .map(ToString::to_string)
                    .collect();
                return Ok(Configured::Refused {
                    message: lines.join("; "),
                });
            }
        };
        let complaint = self.ask_aide(&prepared, state_dir).await?;
        if !complaint.is_empty() {
            return Ok(Configured::Refused { message: complaint });
        }
        Ok(Configured::Good {
            warnings: prepared.warnings.iter().map(ToString::to_string).collect(),
            config: ActiveConfig {
                conf: prepared.conf,
                effective: prepared.effective,
            },
        })
    }

    async fn ask_aide(&self, prepared: &Prepared, state_dir: &str) -> Result<String, JudgeError> {
        let hash = config_hash(&prepared.effective);
        if let Some(verdict) = self.remembered(&hash) {
            return Ok(verdict);
        }
        let verdict = self
            .config_check(&prepared.effective, &hash, state_dir)
            .await?;
        if let Ok(mut verdicts) = self.verdicts.lock() {
            if verdicts.len() >= MAX_VERDICTS {
                verdicts.remove(0);
            }
            verdicts.push((hash, verdict.clone()));
        }
        Ok(verdict)
    }

    fn remembered(&self, hash: &str) -> Option<String> {
        let verdicts = self.verdicts.lock().ok()?;
        verdicts
            .iter()
            .find(|(known, _)| known == hash)
            .map(|(_, verdict)| verdict.clone())
    }

    /// Checks the text with just the lines around it with which the daemons run it.
    async fn config_check(
        &self,
        effective: &str,
        hash: &str,
        state_dir: &str,
    ) -> Result<String, JudgeError> {
        let path = self.work_dir.join(format!("aide.check.{hash}.conf"));
        std::fs::write(&path, effective).map_err(|source| JudgeError::Write {
            path: path.clone(),
            source,
        })?;
        let state = format!("{}{state_dir}", names::HOST_ROOT);
        let options = RunOptions {
            workers: 1,
            database_in: format!("{state}/aide.db.gz"),
            database_out: format!("{state}/aide.db.gz.new"),
            json_report: "/tmp/aide.report.json".to_owned(),
            plain_report: format!("{state}/aide.log.new"),
        };
        let around = Around {
            before: config::run_options_before(&options),
            after: config::run_options(&options),
        };
        let cancel = CancellationToken::new();
        let run = self.aide.run(Mode::ConfigCheck, &path, &around, &cancel);
        let finished = tokio::time::timeout(CHECK_TIMEOUT, run).await;
        std::fs::remove_file(&path).ok();
        let Ok(finished) = finished else {
            return Ok(format!(
                "AIDE did not finish --config-check in {} s",
                CHECK_TIMEOUT.as_secs()
            ));
        };
        let finished = finished?;
        let Err(error) = exit::decode_plain(finished.code, finished.signal) else {
            return Ok(String::new());
        };
        let detail = config::aide_error(&finished.stderr, effective, &path.to_string_lossy());
        Ok(format!("{}: {detail}", error.message()))
    }
}

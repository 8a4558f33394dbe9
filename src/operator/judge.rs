//! Judges a configuration before it goes anywhere, and remembers the verdict: the same text comes
//! by at every pass. I/O.

use std::sync::Mutex;

use super::build::ActiveConfig;
use super::plan::Configured;
use crate::aide::check::{CheckError, Checker, Verdict};
use crate::api::names;

/// As many verdicts are remembered.
const MAX_VERDICTS: usize = 64;

/// Judges configurations.
#[derive(Debug)]
pub struct Judge {
    checker: Checker,
    /// By the hash of the text and of the state directory.
    verdicts: Mutex<Vec<(String, Configured)>>,
}

impl Judge {
    /// A judge that asks this checker.
    pub fn new(checker: Checker) -> Self {
        Self {
            checker,
            verdicts: Mutex::new(Vec::new()),
        }
    }

    /// Judges a user's or a profile's text.
    pub async fn judge(&self, text: &str, state_dir: &str) -> Result<Configured, CheckError> {
        let key = names::sha256_hex(format!("{state_dir}\0{text}"));
        if let Some(known) = self.remembered(&key) {
            return Ok(known);
        }
        let configured = configured(self.checker.check(text, state_dir).await?);
        self.remember(key, configured.clone());
        Ok(configured)
    }

    fn remembered(&self, key: &str) -> Option<Configured> {
        let verdicts = self.verdicts.lock().ok()?;
        verdicts
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, verdict)| verdict.clone())
    }

    fn remember(&self, key: String, configured: Configured) {
        if let Ok(mut verdicts) = self.verdicts.lock() {
            if verdicts.len() >= MAX_VERDICTS {
                verdicts.remove(0);
            }
            verdicts.push((key, configured));
        }
    }
}

fn configured(verdict: Verdict) -> Configured {
    match verdict {
        Verdict::Good(prepared) => Configured::Good {
            warnings: prepared.warnings.iter().map(ToString::to_string).collect(),
            config: ActiveConfig {
                conf: prepared.conf,
                effective: prepared.effective,
            },
        },
        Verdict::Refused(diagnostics) => {
            let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
            Configured::Refused {
                message: lines.join("; "),
            }
        }
        Verdict::RefusedByAide(message) => Configured::Refused { message },
    }
}

//! Judges a configuration before it goes anywhere, and remembers the verdict: the same text comes
//! by at every pass. I/O.

use std::sync::Mutex;

use super::build::ActiveConfig;
use super::plan::Configured;
use crate::aide::check::{CheckError, Checker, Verdict};
use crate::api::names;

/// As many verdicts are remembered.
const MAX_VERDICTS: usize = 64;

/// As many bytes of configuration fit into the active ConfigMap; the API server takes 1,048,576
/// with keys and all.
const MAX_ACTIVE: usize = 1_000_000;

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

/// What a verdict means for the active configuration.
fn configured(verdict: Verdict) -> Configured {
    match verdict {
        Verdict::Good(prepared) if prepared.conf.len() + prepared.effective.len() > MAX_ACTIVE => {
            Configured::Refused {
                message: format!(
                    "the configuration is too large: {} bytes as relocated and {} as AIDE gets it, and the \
                     active ConfigMap, which holds both, takes {MAX_ACTIVE}; use fewer lines, such as regular expressions",
                    prepared.conf.len(),
                    prepared.effective.len()
                ),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aide::config::prepare;

    #[test]
    fn what_does_not_fit_into_a_config_map_is_refused() {
        let text = |lines: usize| "/etc/some/file/of/a/long/list p+sha256\n".repeat(lines);
        let judged = |lines| {
            let prepared = prepare(&text(lines), "/etc/kubernetes", "/hostroot").unwrap();
            configured(Verdict::Good(prepared))
        };
        assert!(matches!(judged(1_000), Configured::Good { .. }));
        let Configured::Refused { message } = judged(11_000) else {
            panic!("too large")
        };
        assert!(
            message.starts_with("the configuration is too large: "),
            "{message}"
        );
    }
}

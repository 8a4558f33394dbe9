//! Validates configurations before they are deployed, and caches the verdicts, because every reconcile
//! checks the same text. I/O.

pub(crate) mod exclusions;
pub(crate) mod redaction;

use std::sync::Mutex;
use std::time::{Duration, Instant};

use self::redaction::Quoting;
use super::build::ActiveConfig;
use super::observed::ConfigVerdict;
use crate::aide::check::{CheckError, Checker, Verdict};
use crate::api::names;
use crate::locks::lock;

/// Maximum number of cached verdicts.
const MAX_VERDICTS: usize = 64;

/// Maximum size in bytes of all cached verdicts. A configuration may have a megabyte.
const MAX_CACHE: usize = 8 * 1024 * 1024;

/// Maximum size in bytes of an active configuration. The API server accepts ConfigMaps of 1,048,576
/// bytes, including the keys.
const MAX_ACTIVE: usize = 1_000_000;

/// How long a text is not checked again after AIDE gave no answer. AIDE may take as long again, and
/// meanwhile nothing else is done for that FileIntegrity.
const RECHECK_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct ConfigValidator {
    checker: Checker,
    cache: Mutex<Vec<CachedVerdict>>,
}

#[derive(Debug)]
struct CachedVerdict {
    /// Hash of the text and everything else that the verdict depends on.
    key: String,
    verdict: ConfigVerdict,
    at: Instant,
}

impl CachedVerdict {
    /// Whether it can still be used. An answer of AIDE's does not expire.
    fn is_valid(&self, now: Instant) -> bool {
        !matches!(self.verdict, ConfigVerdict::Unchecked { .. })
            || now.duration_since(self.at) < RECHECK_AFTER
    }

    /// The size in bytes, as far as it depends on the text.
    fn size(&self) -> usize {
        match &self.verdict {
            ConfigVerdict::Good { config, warnings } => {
                let warnings: usize = warnings.iter().map(String::len).sum();
                config.conf.len() + config.effective.len() + warnings
            }
            ConfigVerdict::Unavailable { message, .. }
            | ConfigVerdict::Refused { message }
            | ConfigVerdict::Unchecked { message } => message.len(),
            ConfigVerdict::Unknown => 0,
        }
    }
}

impl ConfigValidator {
    pub(crate) fn new(checker: Checker) -> Self {
        Self {
            checker,
            cache: Mutex::new(Vec::new()),
        }
    }

    /// Validates the text of a user or of a profile.
    pub(crate) async fn validate(
        &self,
        text: &str,
        state_dir: &str,
        quoting: Quoting,
    ) -> Result<ConfigVerdict, CheckError> {
        let key = names::sha256_hex(format!("{quoting:?}\0{state_dir}\0{text}"));
        if let Some(verdict) = self.cached(&key, Instant::now()) {
            return Ok(verdict);
        }
        let checked = self.checker.check(text, state_dir).await?;
        let redacted = (quoting == Quoting::Redacted).then(|| redaction::redact(&checked));
        let is_good = matches!(checked, Verdict::Good(_));
        let mut verdict = verdict(checked);
        if let Some(redacted) = redacted {
            redaction::replace(&mut verdict, is_good, redacted);
        }
        self.cache(key, verdict.clone());
        Ok(verdict)
    }

    fn cached(&self, key: &str, now: Instant) -> Option<ConfigVerdict> {
        let cache = lock(&self.cache);
        cache
            .iter()
            .find(|cached| cached.key == key && cached.is_valid(now))
            .map(|cached| cached.verdict.clone())
    }

    fn cache(&self, key: String, verdict: ConfigVerdict) {
        let mut cache = lock(&self.cache);
        cache.retain(|cached| cached.key != key);
        cache.push(CachedVerdict {
            key,
            verdict,
            at: Instant::now(),
        });
        let mut size: usize = cache.iter().map(CachedVerdict::size).sum();
        while cache.len() > MAX_VERDICTS || (cache.len() > 1 && size > MAX_CACHE) {
            size -= cache.remove(0).size();
        }
    }
}

/// The verdict about a configuration that is valid unless it is too large.
fn good(config: ActiveConfig, warnings: Vec<String>) -> ConfigVerdict {
    let (conf, effective) = (config.conf.len(), config.effective.len());
    if conf + effective > MAX_ACTIVE {
        return ConfigVerdict::Refused {
            message: format!(
                "the configuration is too large: {conf} bytes after relocation and {effective} after conversion; the \
                 active ConfigMap holds both and can have {MAX_ACTIVE}; use fewer lines, for example regular \
                 expressions"
            ),
        };
    }
    ConfigVerdict::Good { config, warnings }
}

fn verdict(checked: Verdict) -> ConfigVerdict {
    match checked {
        Verdict::Good(prepared) => good(
            ActiveConfig {
                conf: prepared.conf,
                effective: prepared.effective,
            },
            prepared.warnings.iter().map(ToString::to_string).collect(),
        ),
        Verdict::Refused(diagnostics) => {
            let lines: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
            ConfigVerdict::Refused {
                message: lines.join("; "),
            }
        }
        Verdict::RefusedByAide(message) => ConfigVerdict::Refused { message },
        Verdict::Unanswered(message) => ConfigVerdict::Unchecked { message },
    }
}

#[cfg(test)]
mod tests;

//! Judges a configuration before it goes anywhere, and remembers the verdict: the same text comes
//! by at every pass. I/O.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::build::ActiveConfig;
use super::plan::Configured;
use super::quoting::{self, Quotes};
use crate::aide::check::{CheckError, Checker, Verdict};
use crate::api::names;

/// As many verdicts are remembered.
const MAX_VERDICTS: usize = 64;

/// Maximum size in bytes of all remembered verdicts; a configuration may have a megabyte.
const MAX_REMEMBERED: usize = 8 * 1024 * 1024;

/// As many bytes of configuration fit into the active ConfigMap; the API server takes 1,048,576
/// with keys and all.
const MAX_ACTIVE: usize = 1_000_000;

/// So long AIDE is not asked again about a text that it gave no answer to: it may take as long again,
/// and meanwhile nothing else is done for that FileIntegrity.
const UNANSWERED_FOR: Duration = Duration::from_secs(60);

/// Judges configurations.
#[derive(Debug)]
pub struct Judge {
    checker: Checker,
    /// By the hash of the text and of the state directory.
    verdicts: Mutex<Vec<Judged>>,
}

/// What came of a text.
#[derive(Debug)]
struct Judged {
    key: String,
    configured: Configured,
    at: Instant,
}

impl Judged {
    /// Whether it still holds: an answer does for good.
    fn holds(&self, now: Instant) -> bool {
        !matches!(self.configured, Configured::Unchecked { .. })
            || now.duration_since(self.at) < UNANSWERED_FOR
    }

    /// Its size in bytes, as far as that depends on the text.
    fn size(&self) -> usize {
        match &self.configured {
            Configured::Good { config, warnings } => {
                let warnings: usize = warnings.iter().map(String::len).sum();
                config.conf.len() + config.effective.len() + warnings
            }
            Configured::Unavailable { message, .. }
            | Configured::Refused { message }
            | Configured::Unchecked { message } => message.len(),
            Configured::Unknown => 0,
        }
    }
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
    pub async fn judge(
        &self,
        text: &str,
        state_dir: &str,
        quotes: Quotes,
    ) -> Result<Configured, CheckError> {
        let key = names::sha256_hex(format!("{quotes:?}\0{state_dir}\0{text}"));
        if let Some(known) = self.remembered(&key, Instant::now()) {
            return Ok(known);
        }
        let verdict = self.checker.check(text, state_dir).await?;
        let unquoted = (quotes == Quotes::None).then(|| quoting::unquoted(&verdict));
        let is_good = matches!(verdict, Verdict::Good(_));
        let mut configured = configured(verdict);
        if let Some(unquoted) = unquoted {
            quoting::replace(&mut configured, is_good, unquoted);
        }
        self.remember(key, configured.clone());
        Ok(configured)
    }

    fn remembered(&self, key: &str, now: Instant) -> Option<Configured> {
        let verdicts = self.verdicts.lock().ok()?;
        verdicts
            .iter()
            .find(|known| known.key == key && known.holds(now))
            .map(|known| known.configured.clone())
    }

    fn remember(&self, key: String, configured: Configured) {
        if let Ok(mut verdicts) = self.verdicts.lock() {
            verdicts.retain(|known| known.key != key);
            verdicts.push(Judged {
                key,
                configured,
                at: Instant::now(),
            });
            let mut size: usize = verdicts.iter().map(Judged::size).sum();
            while verdicts.len() > MAX_VERDICTS || (verdicts.len() > 1 && size > MAX_REMEMBERED) {
                size -= verdicts.remove(0).size();
            }
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
        Verdict::Unanswered(message) => Configured::Unchecked { message },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aide::config::prepare;
    use crate::testing::aide::{AIDE, script};

    const STATE: &str = "/etc/kubernetes";

    /// A judge that asks this program, which has `$ONCE` for a file of its own.
    fn judge(dir: &std::path::Path, program: &str) -> Judge {
        let once = dir.join("once");
        let aide = script(dir, &format!("ONCE={}\n{program}", once.display()));
        Judge::new(Checker::new(aide, dir.to_owned()))
    }

    #[tokio::test]
    async fn an_aide_that_was_killed_is_asked_again_after_a_minute() {
        let dir = tempfile::tempdir().unwrap();
        let program = format!(
            "[ -e $ONCE ] || {{ : > $ONCE; kill -9 $$; }}\nexec {} \"$@\"",
            AIDE.display()
        );
        let judge = judge(dir.path(), &program);
        let text = "/etc p+sha256\n";
        let Configured::Unchecked { message } =
            judge.judge(text, STATE, Quotes::All).await.unwrap()
        else {
            panic!("no answer")
        };
        assert!(message.starts_with("AIDE error: killed by signal 9"));
        // Not at every pass.
        let first = judge.judge(text, STATE, Quotes::All).await.unwrap();
        assert!(matches!(first, Configured::Unchecked { .. }));
        if let Some(known) = judge.verdicts.lock().unwrap().first_mut() {
            known.at -= UNANSWERED_FOR;
        }
        let second = judge.judge(text, STATE, Quotes::All).await.unwrap();
        assert!(matches!(second, Configured::Good { .. }), "{second:?}");
        assert_eq!(judge.verdicts.lock().unwrap().len(), 1);
    }

    #[test]
    fn answers_hold_and_their_lack_does_for_a_minute() {
        let message = || "m".to_owned();
        let at = Instant::now();
        for (configured, expected) in [
            (Configured::Refused { message: message() }, true),
            (Configured::Unchecked { message: message() }, false),
        ] {
            let judged = Judged {
                key: String::new(),
                configured,
                at,
            };
            assert!(judged.holds(at + Duration::from_secs(59)));
            assert_eq!(judged.holds(at + Duration::from_secs(60)), expected);
        }
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let judge = judge(dir.path(), "exit 0");
        let large = |byte: &str| Configured::Good {
            config: ActiveConfig {
                conf: byte.repeat(450_000),
                effective: byte.repeat(450_000),
            },
            warnings: Vec::new(),
        };
        for number in 0..40 {
            judge.remember(number.to_string(), large("x"));
        }
        let size: usize = judge
            .verdicts
            .lock()
            .unwrap()
            .iter()
            .map(Judged::size)
            .sum();
        assert!(
            (MAX_REMEMBERED - 900_000..=MAX_REMEMBERED).contains(&size),
            "{size}"
        );
        assert!(judge.remembered("39", Instant::now()).is_some());
        assert!(judge.remembered("0", Instant::now()).is_none());
        let message = "m".to_owned();
        (40..200).for_each(|number| {
            let message = message.clone();
            judge.remember(number.to_string(), Configured::Refused { message });
        });
        assert_eq!(judge.verdicts.lock().unwrap().len(), MAX_VERDICTS);
    }

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

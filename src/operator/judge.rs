//! Judges a configuration before it goes anywhere, and remembers the verdict: the same text comes
//! by at every pass. I/O.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::build::ActiveConfig;
use super::plan::Configured;
use crate::aide::check::{CheckError, Checker, Verdict};
use crate::aide::config::Diagnostic;
use crate::api::names;

/// As many verdicts are remembered.
const MAX_VERDICTS: usize = 64;

/// As many bytes of configuration fit into the active ConfigMap; the API server takes 1,048,576
/// with keys and all.
const MAX_ACTIVE: usize = 1_000_000;

/// Maximum number of line numbers in a message that does not quote.
const MAX_LINES: usize = 20;

/// So long AIDE is not asked again about a text that it gave no answer to: it may take as long again,
/// and meanwhile nothing else is done for that FileIntegrity.
const UNANSWERED_FOR: Duration = Duration::from_secs(60);

/// Whether messages quote the text that they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// They do: whoever reads them may read the text.
    All,
    /// They have line numbers and the kind of error only. The text is from another namespace, which
    /// those who read conditions, events and logs in this one need not be allowed to read.
    None,
}

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
        let configured = configured(self.checker.check(text, state_dir).await?, quotes);
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
            if verdicts.len() >= MAX_VERDICTS {
                verdicts.remove(0);
            }
            verdicts.push(Judged {
                key,
                configured,
                at: Instant::now(),
            });
        }
    }
}

/// What a verdict means for the active configuration.
fn configured(verdict: Verdict, quotes: Quotes) -> Configured {
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
            warnings: match quotes {
                Quotes::All => prepared.warnings.iter().map(ToString::to_string).collect(),
                Quotes::None => unquoted("there are warnings about", &prepared.warnings),
            },
            config: ActiveConfig {
                conf: prepared.conf,
                effective: prepared.effective,
            },
        },
        Verdict::Refused(diagnostics) => {
            let lines: Vec<String> = match quotes {
                Quotes::All => diagnostics.iter().map(ToString::to_string).collect(),
                Quotes::None => unquoted("fio does not allow", &diagnostics),
            };
            Configured::Refused {
                message: lines.join("; "),
            }
        }
        Verdict::RefusedByAide(message) => Configured::Refused {
            message: match quotes {
                Quotes::All => message,
                Quotes::None => format!("{}; {NOT_QUOTED}", without_text(&message)),
            },
        },
        Verdict::Unanswered(message) => Configured::Unchecked {
            message: match quotes {
                Quotes::All => message,
                Quotes::None => without_text(&message),
            },
        },
    }
}

/// Where the text is to be found that a message does not quote.
const NOT_QUOTED: &str = "the text is in another namespace and is not quoted here, \
                          `fio config check FILE` shows the messages in full";

/// Which lines diagnostics are about.
fn unquoted(what: &str, diagnostics: &[Diagnostic]) -> Vec<String> {
    let mut lines: Vec<usize> = diagnostics.iter().map(|one| one.line).collect();
    lines.dedup();
    let Some(first) = lines.first() else {
        return Vec::new();
    };
    let numbers: Vec<String> = lines.iter().take(MAX_LINES).map(usize::to_string).collect();
    let more = match lines.len().saturating_sub(MAX_LINES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let plural = if lines == [*first] { "" } else { "s" };
    vec![format!(
        "{what} line{plural} {}{more}; {NOT_QUOTED}",
        numbers.join(", ")
    )]
}

/// AIDE's message without what may come from the text: the kind of error, which is ours, and the line.
fn without_text(message: &str) -> String {
    let mut parts = message.split(": ");
    let mut kept: Vec<&str> = parts.by_ref().take(2).collect();
    let is_line = |part: &&str| {
        let number = part.strip_prefix("line ");
        number.is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
    };
    kept.extend(parts.next().filter(is_line));
    kept.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aide::aide_tests::{AIDE, script};
    use crate::aide::config::prepare;

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
    fn what_does_not_fit_into_a_config_map_is_refused() {
        let text = |lines: usize| "/etc/some/file/of/a/long/list p+sha256\n".repeat(lines);
        let judged = |lines| {
            let prepared = prepare(&text(lines), "/etc/kubernetes", "/hostroot").unwrap();
            configured(Verdict::Good(prepared), Quotes::All)
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

    #[tokio::test]
    async fn a_text_of_another_namespace_is_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let aide = crate::aide::command::Aide::new(&*AIDE);
        let judge = Judge::new(Checker::new(aide, dir.path().to_owned()));
        let table = [
            (
                "@@include /secret/file\n/etc secretgroup\n",
                "fio does not allow line 1",
            ),
            (
                "/etc p\n/usr secretgroup\n",
                "AIDE error: 17 Invalid configureline error: line 2; ",
            ),
            (
                "secret=x\nroot_prefix=/secret\n/etc p\n",
                "there are warnings about line 2; ",
            ),
        ];
        for (text, expected) in table {
            let message = |configured| match configured {
                Configured::Refused { message } => message,
                Configured::Good { warnings, .. } => warnings.join("; "),
                other => panic!("{text}: {other:?}"),
            };
            // First the one, then the other, as two FileIntegrities may name the same text.
            for (quotes, is_quoted) in [(Quotes::All, true), (Quotes::None, false)] {
                let judged = judge.judge(text, STATE, quotes).await.unwrap();
                let message = message(judged);
                assert_eq!(message.contains("secret"), is_quoted, "{message}");
                let is_short = message.starts_with(expected);
                assert!(is_quoted || is_short, "{message}");
            }
        }
    }

    #[test]
    fn of_aides_message_the_kind_and_the_line_are_kept() {
        for (message, expected) in [
            (
                "AIDE error: 17 Invalid x error: line 2: a: b",
                "AIDE error: 17 Invalid x error: line 2",
            ),
            (
                "AIDE error: 17 Invalid x error: line 2 s: b",
                "AIDE error: 17 Invalid x error",
            ),
            (
                "AIDE error: killed by signal 9: s",
                "AIDE error: killed by signal 9",
            ),
            ("AIDE did not finish in 20 s", "AIDE did not finish in 20 s"),
        ] {
            assert_eq!(without_text(message), expected);
        }
    }
}

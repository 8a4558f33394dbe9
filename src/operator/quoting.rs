//! Messages about a configuration that do not quote it. Pure.
//!
//! Conditions, events and logs are shown to those who may read them in the operator's namespace. A
//! configuration may come from another namespace, whose ConfigMaps they need not be allowed to read. So
//! of such a text they are shown which lines are meant and what kind of error it is, and how to see the
//! rest.

use super::plan::Configured;
use crate::aide::check::Verdict;
use crate::aide::config::Diagnostic;

/// Maximum number of line numbers in a message.
const MAX_LINES: usize = 20;
/// How to see what is not quoted.
const NOT_QUOTED: &str = "the ConfigMap is in another namespace, so its text is not quoted here; \
                          `fio config check FILE` shows the messages in full";

/// Whether messages quote the text that they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// They do: whoever reads them may read the text.
    All,
    /// They do not.
    None,
}

/// What is shown of a verdict without the text; empty where there is nothing to show.
pub fn unquoted(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Good(prepared) => lines("there are warnings about", &prepared.warnings),
        Verdict::Refused(diagnostics) => lines("fio does not allow", diagnostics),
        Verdict::RefusedByAide(message) => format!("{}; {NOT_QUOTED}", without_text(message)),
        Verdict::Unanswered(message) => without_text(message),
    }
}

/// Puts this in the place of the messages that quote.
pub fn replace(configured: &mut Configured, verdict_is_good: bool, shown: String) {
    match configured {
        Configured::Good { warnings, .. } if !warnings.is_empty() => *warnings = vec![shown],
        // It is too large, and the message has nothing but sizes.
        Configured::Refused { .. } if verdict_is_good => {}
        Configured::Refused { message } | Configured::Unchecked { message } => *message = shown,
        _ => {}
    }
}

/// Which lines diagnostics are about.
fn lines(what: &str, diagnostics: &[Diagnostic]) -> String {
    let mut lines: Vec<usize> = diagnostics.iter().map(|one| one.line).collect();
    lines.sort_unstable();
    lines.dedup();
    let numbers: Vec<String> = lines.iter().take(MAX_LINES).map(usize::to_string).collect();
    let more = match lines.len().saturating_sub(MAX_LINES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let plural = if lines.len() == 1 { "" } else { "s" };
    format!(
        "{what} line{plural} {}{more}; {NOT_QUOTED}",
        numbers.join(", ")
    )
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
    use crate::aide::check::Checker;
    use crate::aide::command::Aide;
    use crate::operator::judge::Judge;
    use crate::testing::aide::AIDE;

    #[tokio::test]
    async fn a_text_of_another_namespace_is_not_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let judge = Judge::new(Checker::new(Aide::new(&*AIDE), dir.path().to_owned()));
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
                "secret=p\nroot_prefix=/secret\n/etc secret\n",
                "there are warnings about line",
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
                let judged = judge.judge(text, "/etc/kubernetes", quotes).await.unwrap();
                let message = message(judged);
                assert_eq!(message.contains("secret"), is_quoted, "{message}");
                assert!(is_quoted || message.starts_with(expected), "{message}");
                assert_eq!(
                    message.contains("fio config check"),
                    !is_quoted,
                    "{message}"
                );
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

//! Writes the configuration with additional rules for real paths. Pure.

use super::addition::{Addition, Additions};
use super::followed::{Followed, Redirected, Unwatched};
use super::rules::{LinkedRule, Rules};
use crate::aide::config::Configuration;
use crate::aide::config::line::{Line, Statement};
use crate::aide::config::paths::{escape, escape_regex};

/// Maximum number of statements: with 5,000 lines of rules, the stack of AIDE's parser overflows (AIDE 0.19.1).
pub(super) const MAX_STATEMENTS: usize = 4_900;
/// Maximum size of all additional rules in bytes. AIDE needs about thirty times as much memory.
const MAX_ADDED: usize = 256 * 1024;
/// Maximum number of exceptions that are added to a negative rule.
const MAX_EXCEPTIONS: usize = 32;

pub(super) fn write(rules: &Rules, conf: &Configuration, host_root: &str) -> Followed {
    let is_statement =
        |line: &&Line| !matches!(line.statement(), Statement::Blank | Statement::Comment);
    let statements = conf.lines().iter().filter(is_statement).count();
    let mut writer = Writer {
        statements_left: MAX_STATEMENTS.saturating_sub(statements),
        bytes_left: MAX_ADDED,
        ..Writer::default()
    };
    let additions = Additions::new(rules);
    let (mut last, mut linked) = (Vec::new(), rules.linked.iter().peekable());
    for (index, line) in conf.lines().iter().enumerate() {
        let text = with_exceptions(rules, index, line, host_root);
        let text = text.as_deref().unwrap_or_else(|| line.text());
        writer.line(text, line.ending(), index + 1);
        while let Some(rule) = linked.next_if(|one| one.index() == index) {
            let text = |addition| rule.text(line, host_root, addition);
            match additions.of(rule) {
                Addition::Equal => writer.add(rule, &text(Addition::Equal)),
                Addition::Weakest if rule.is_conditional => {
                    writer.add(rule, &text(Addition::Weakest));
                }
                Addition::Weakest => last.push((rule, text(Addition::Weakest))),
                Addition::None => writer.skip(rule),
            }
        }
    }
    for (rule, text) in last {
        writer.add(rule, &text);
    }
    writer.finish(rules)
}

/// Adds exceptions to a negative rule that excludes a directory with real paths in it: under the name of the
/// link they were not excluded.
fn with_exceptions(rules: &Rules, index: usize, line: &Line, host_root: &str) -> Option<String> {
    let rule = line.rule().filter(|rule| rule.kind.is_negative())?;
    let first = rules.excluding.partition_point(|one| one.index < index);
    let mut patterns = rules.excluding[first..].iter();
    let pattern = patterns.next().filter(|one| one.index == index)?;
    if patterns.next().is_some_and(|next| next.index == index) {
        return None;
    }
    if !matches!(pattern.rest.as_str(), "" | "(/|$)" | ".*") {
        return None;
    }
    let selecting = rules.linked.iter().filter(|one| !one.kind.is_negative());
    let excluded = selecting.filter_map(|one| {
        let inside = one.redirected.real.strip_prefix(&pattern.literal)?;
        let is_below = pattern.rest != "(/|$)" || inside.starts_with('/');
        (is_below && !inside.is_empty()).then_some(inside)
    });
    let mut exceptions = String::new();
    for inside in excluded.take(MAX_EXCEPTIONS) {
        exceptions.extend(["(?!", &escape_regex(inside), ")"]);
    }
    if exceptions.is_empty() {
        return None;
    }
    let literal = escape_regex(&format!("{host_root}{}", pattern.literal));
    let regex = escape(&format!("{literal}{exceptions}{}", pattern.rest));
    // `!` and not `-`: with `-`, AIDE would not descend into the directory.
    Some(format!("!{regex}{}", &line.text()[rule.path.end..]))
}

impl LinkedRule {
    /// The rule for the real path.
    fn text(&self, line: &Line, host_root: &str, addition: Addition) -> String {
        let mut regex = escape_regex(&format!("{host_root}{}", self.redirected.real));
        if addition == Addition::Weakest {
            // `/[v]ar` matches `/var`, but the directory of the rule is `/`.
            let first = regex.chars().nth(1).filter(char::is_ascii_alphanumeric);
            if let Some(first) = first {
                regex.replace_range(1..2, &format!("[{first}]"));
            }
        }
        let marker = line.rule().map_or("", |rule| line.get(&rule.marker));
        let path_end = line.rule().map_or(0, |rule| rule.path.end);
        format!(
            "{marker}{}{}",
            escape(&(regex + &self.rest)),
            &line.text()[path_end..]
        )
    }
}

#[derive(Debug, Default)]
struct Writer {
    text: String,
    lines: Vec<usize>,
    statements_left: usize,
    bytes_left: usize,
    redirected: Vec<Redirected>,
    unwatched: Vec<Unwatched>,
}

impl Writer {
    fn line(&mut self, text: &str, ending: &str, number: usize) {
        self.text += text;
        self.text += if ending.is_empty() { "\n" } else { ending };
        self.lines.push(number);
    }

    /// Records a rule that is not added.
    fn skip(&mut self, rule: &LinkedRule) {
        if !rule.kind.is_negative() {
            self.redirected.push(rule.redirected.clone());
        }
    }

    fn add(&mut self, rule: &LinkedRule, text: &str) {
        let Redirected {
            line, link, real, ..
        } = &rule.redirected;
        if self.statements_left > 0 && text.len() <= self.bytes_left {
            self.statements_left -= 1;
            self.bytes_left -= text.len();
            self.line(text, "\n", *line);
            if !rule.kind.is_negative() {
                self.redirected.push(Redirected {
                    is_added: true,
                    ..rule.redirected.clone()
                });
            }
        } else if !rule.kind.is_negative() {
            self.unwatched.push(Unwatched {
                line: *line,
                link: link.clone(),
                reason: format!(
                    "leads to {real}, and the configuration is too long for more rules; use the real path"
                ),
            });
        }
    }

    fn finish(mut self, rules: &Rules) -> Followed {
        self.unwatched.extend(rules.unwatched.iter().cloned());
        self.unwatched.sort();
        self.unwatched.dedup();
        Followed {
            is_changed: !rules.linked.is_empty(),
            text: self.text,
            lines: self.lines,
            redirected: self.redirected,
            unwatched: self.unwatched,
        }
    }
}

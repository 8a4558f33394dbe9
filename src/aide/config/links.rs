//! Rules whose directory lies behind a symbolic link on the node.
//!
//! Pure. AIDE 0.18 and later do not follow links: a rule for `/root/\.ssh` selects nothing where `/root`
//! is a link to `/var/roothome`, and AIDE reports nothing about it. (AIDE up to 0.17 opened the
//! directory of a rule and so followed the link.) [`follow`] puts the same rule for the real place
//! behind each such rule, so it acts as if the user had written it there.

use super::Configuration;
use super::budget::Budget;
use super::line::{Line, Rule, RuleKind, Statement};
use super::macros::{Macros, Readings};
use super::paths::{escape, escape_regex};
use super::rule_path::{group_alternatives, regex_alternatives, split_literal};

/// AIDE reads no more statements: with 5,000 lines of rules its parser runs out of memory (AIDE 0.19.1).
const MAX_STATEMENTS: usize = 4_900;

/// Where a path of the node really is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// No directory of the path is a link, or the path leads nowhere.
    Same,
    /// Behind a link.
    Behind {
        /// The first link on the way, such as `/root`.
        link: String,
        /// The real path, such as `/var/roothome/.ssh`.
        real: String,
        /// The last name of the path is itself a link to a directory, and was followed.
        is_link: bool,
    },
    /// Behind a link that is not followed.
    Refused {
        /// The link.
        link: String,
        /// Why not, as the end of a sentence about the link.
        reason: String,
    },
}

/// A rule that watches nothing because of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unwatched {
    /// The line of the configuration, from 1.
    pub line: usize,
    /// The link, as it is called on the node.
    pub link: String,
    /// Why the rule cannot watch what the link points to.
    pub reason: String,
}

/// A rule that watches the real place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// The line of the user's rule, from 1.
    pub line: usize,
    /// The link, as it is called on the node.
    pub link: String,
    /// What the rule's path begins with at the real place, as it is called on the node.
    pub real: String,
}

/// A configuration for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The text with the additional rules.
    pub text: String,
    /// For each additional rule, the number of the line that it follows, from 1. Sorted.
    added: Vec<usize>,
    /// The rules that watch a real place.
    pub redirected: Vec<Redirected>,
    /// The rules that watch nothing.
    pub unwatched: Vec<Unwatched>,
}

impl Followed {
    /// Whether the text is another one than the user's.
    pub fn is_changed(&self) -> bool {
        !self.added.is_empty()
    }

    /// The line of the user's configuration for a line of [`Self::text`], both from 1.
    pub fn users_line(&self, line: usize) -> usize {
        let mut users = line;
        for (index, after) in self.added.iter().enumerate() {
            // This rule stands in the line `after + index + 1`.
            if after + index + 1 > line {
                break;
            }
            users = line - index - 1;
        }
        users
    }
}

/// Adds the rules for the real places to `effective`, which points below `host_root`. `look_up` gets
/// absolute paths of the node.
pub fn follow(
    effective: &str,
    host_root: &str,
    look_up: &mut dyn FnMut(&str) -> Place,
) -> Followed {
    let conf = Configuration::parse(effective);
    let selected = selected(&conf, host_root);
    let is_statement =
        |line: &&Line| !matches!(line.statement(), Statement::Blank | Statement::Comment);
    let statements = conf.lines().iter().filter(is_statement).count();
    let mut followed = Followed {
        text: String::with_capacity(effective.len()),
        added: Vec::new(),
        redirected: Vec::new(),
        unwatched: Vec::new(),
    };
    let mut room = MAX_STATEMENTS.saturating_sub(statements);
    let mut macros = Macros::new(&Budget::default());
    for (index, line) in conf.lines().iter().enumerate() {
        followed.text += line.text();
        followed.text += line.ending();
        if let Some(rule) = line.rule() {
            let outcome = Rewriter {
                host_root,
                selected: &selected,
                line,
                rule,
                number: index + 1,
            }
            .rewrite(&macros.read(line.get(&rule.path)), look_up);
            followed.take(outcome, index + 1, line, &mut room);
        }
        macros.pass(line);
    }
    followed
}

impl Followed {
    fn take(&mut self, outcome: Outcome, number: usize, line: &Line, room: &mut usize) {
        self.unwatched.extend(outcome.unwatched);
        for (text, redirected) in outcome.rules {
            if *room == 0 {
                self.unwatched
                    .extend(redirected.map(|redirected| Unwatched {
                        line: number,
                        link: redirected.link,
                        reason: format!(
                            "leads to {}, and AIDE reads no more than about {MAX_STATEMENTS} lines",
                            redirected.real
                        ),
                    }));
                continue;
            }
            *room -= 1;
            if !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            self.text += &text;
            self.text += if line.ending().is_empty() {
                "\n"
            } else {
                line.ending()
            };
            self.added.push(number);
            self.redirected.extend(redirected);
        }
    }
}

/// What the paths begin with that rules select.
fn selected(conf: &Configuration, host_root: &str) -> Vec<String> {
    let mut macros = Macros::new(&Budget::default());
    let mut selected = Vec::new();
    for line in conf.lines() {
        if let Some(rule) = line.rule()
            && !rule.kind.is_negative()
            && let Readings::Known(readings) = macros.read(line.get(&rule.path))
        {
            let regexes = readings.iter().flat_map(|regex| regex_alternatives(regex));
            selected.extend(regexes.filter_map(|regex| {
                let (literal, _) = split_literal(regex.trim_start_matches('^'));
                literal.strip_prefix(host_root).map(str::to_owned)
            }));
        }
        macros.pass(line);
    }
    selected.sort_unstable();
    selected.dedup();
    selected
}

/// What is made of one rule.
#[derive(Debug, Default)]
struct Outcome {
    /// Additional lines; of a rule that selects something, where it does.
    rules: Vec<(String, Option<Redirected>)>,
    unwatched: Vec<Unwatched>,
}

/// The rule at one line.
struct Rewriter<'a> {
    host_root: &'a str,
    selected: &'a [String],
    line: &'a Line,
    rule: &'a Rule,
    number: usize,
}

impl Rewriter<'_> {
    fn rewrite(&self, readings: &Readings, look_up: &mut dyn FnMut(&str) -> Place) -> Outcome {
        let mut outcome = Outcome::default();
        let Readings::Known(readings) = readings else {
            return outcome;
        };
        let is_ambiguous = readings.len() > 1;
        let regexes = readings.iter().flat_map(|regex| regex_alternatives(regex));
        let regexes = regexes.map(|regex| regex.trim_start_matches('^'));
        for regex in regexes.flat_map(group_alternatives) {
            let (literal, rest) = split_literal(&regex);
            let Some(path) = literal.strip_prefix(self.host_root) else {
                continue;
            };
            let (path, slash) = match path.strip_suffix('/') {
                Some(path) => (path, "/"),
                None => (path, ""),
            };
            match look_up(path) {
                Place::Same => {}
                Place::Behind { link, .. } if is_ambiguous => {
                    let reason = "is a symbolic link, and the path holds a macro that has several values; \
                                  write the path out";
                    outcome
                        .unwatched
                        .extend(self.unwatched(link, reason.to_owned()));
                }
                Place::Behind {
                    link,
                    real,
                    is_link,
                } => {
                    // What follows the name of a link to a directory lies in that directory:
                    // `/root.*` does not mean `/var/roothome2`.
                    let end = if is_link && slash.is_empty() {
                        "(?=/|$)"
                    } else {
                        slash
                    };
                    outcome
                        .rules
                        .extend(self.redirect(link, &real, &format!("{end}{rest}")));
                }
                Place::Refused { link, reason } => {
                    outcome.unwatched.extend(self.unwatched(link, reason));
                }
            }
        }
        outcome
    }

    /// The same rule for the real place.
    fn redirect(
        &self,
        link: String,
        real: &str,
        rest: &str,
    ) -> Option<(String, Option<Redirected>)> {
        // A regular rule adds to what others select. Any other kind can take something away, which
        // somebody may want to have watched under its real name.
        if self.rule.kind != RuleKind::Regular && self.is_selected(real) {
            return None;
        }
        let regex = escape_regex(&format!("{}{real}", self.host_root)) + rest;
        let marker = self.line.get(&self.rule.marker);
        let behind = &self.line.text()[self.rule.path.end..];
        let redirected = (!self.rule.kind.is_negative()).then(|| Redirected {
            line: self.number,
            link,
            real: real.to_owned(),
        });
        Some((format!("{marker}{}{behind}", escape(&regex)), redirected))
    }

    /// Does a rule of the configuration select something there?
    fn is_selected(&self, real: &str) -> bool {
        let overlaps = |one: &String| real.starts_with(one.as_str()) || one.starts_with(real);
        self.selected.iter().any(overlaps)
    }

    /// A rule that leaves something out does no harm where it does not reach.
    fn unwatched(&self, link: String, reason: String) -> Option<Unwatched> {
        (!self.rule.kind.is_negative()).then_some(Unwatched {
            line: self.number,
            link,
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/root`, `/sbin` and `/odd` are links.
    fn look_up(path: &str) -> Place {
        for (link, target) in [("/root", "/var/roothome"), ("/sbin", "/usr/sbin")] {
            if let Some(rest) = path.strip_prefix(link)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return Place::Behind {
                    link: link.to_owned(),
                    real: format!("{target}{rest}"),
                    is_link: rest.is_empty(),
                };
            }
        }
        if path.starts_with("/odd/") {
            return Place::Refused {
                link: "/odd".to_owned(),
                reason: "is odd".to_owned(),
            };
        }
        Place::Same
    }

    fn followed(text: &str) -> Followed {
        follow(text, "/h", &mut look_up)
    }

    /// The lines that are added to a text.
    fn added(text: &str) -> Vec<String> {
        let users: Vec<&str> = text.lines().collect();
        let text = followed(text).text;
        let mut users = users.into_iter().peekable();
        let is_added = |line: &&str| users.next_if(|users| users == line).is_none();
        text.lines().filter(is_added).map(str::to_owned).collect()
    }

    #[test]
    fn a_rule_behind_a_link_is_there_for_the_real_place_as_well() {
        for (rule, expected) in [
            ("/h/root/\\.ssh p", &["/h/var/roothome/\\\\.ssh p"][..]),
            ("/h/root/\\..* f p+u", &["/h/var/roothome/\\\\..* f p+u"]),
            ("/h/root p", &["/h/var/roothome(?=/|$) p"]),
            ("/h/root(/|$) p", &["/h/var/roothome(?=/|$)(/|$) p"]),
            ("/h/root.* p", &["/h/var/roothome(?=/|$).* p"]),
            ("/h/root/.* p", &["/h/var/roothome/.* p"]),
            ("/h/root$ p", &["/h/var/roothome(?=/|$)$ p"]),
            ("=/h/root p", &["=/h/var/roothome(?=/|$) p"]),
            ("^/h/root/a p", &[]),
            ("/h/sbin/auditctl p", &["/h/usr/sbin/auditctl p"]),
            ("/h/sbin/a+ p", &["/h/usr/sbin/a+ p"]),
            ("/h/sbin/a\\ b\\@c p", &["/h/usr/sbin/a\\ b\\@c p"]),
            (
                "/h/root/a|/h/sbin/b p",
                &["/h/var/roothome/a p", "/h/usr/sbin/b p"],
            ),
            (
                "/h/(root|etc|sbin)/a p",
                &["/h/var/roothome/a p", "/h/usr/sbin/a p"],
            ),
            ("/h/rootfs p", &[]),
            ("/h/roots? p", &["/h/var/roothome(?=/|$)s? p"]),
            ("/h/etc p", &[]),
            ("/other/root p", &[]),
            ("!/h/root/\\.cache", &["!/h/var/roothome/\\\\.cache"]),
        ] {
            assert_eq!(added(&format!("{rule}\n")), expected, "{rule}");
        }
    }

    #[test]
    fn the_rule_stands_behind_its_original_in_the_same_branch() {
        let text = "@@define TOP /h/root\n@@ifdef X\n/h/sbin/a p\r\n@@endif\n@@{TOP}/b p";
        let followed = followed(text);
        assert_eq!(
            followed.text,
            "@@define TOP /h/root\n@@ifdef X\n/h/sbin/a p\r\n/h/usr/sbin/a p\r\n@@endif\n\
             @@{TOP}/b p\n/h/var/roothome/b p\n"
        );
        let users: Vec<usize> = (1..=8).map(|line| followed.users_line(line)).collect();
        assert_eq!(users, [1, 2, 3, 3, 4, 5, 5, 6]);
        let places = followed.redirected.iter();
        let places: Vec<(usize, &str)> = places.map(|r| (r.line, r.real.as_str())).collect();
        assert_eq!(places, [(3, "/usr/sbin/a"), (5, "/var/roothome/b")]);
    }

    #[test]
    fn what_is_watched_under_its_real_name_is_not_taken_out() {
        for text in [
            "/h/var p\n!/h/root/\\.cache\n",
            "/h/ p\n=/h/root p\n",
            "/h/var/roothome/.cache/a p\n-/h/root/.cache\n",
        ] {
            assert_eq!(added(text), [""; 0], "{text}");
        }
        assert_eq!(
            added("/h/var/log p\n!/h/root/\\.cache\n"),
            ["!/h/var/roothome/\\\\.cache"]
        );
    }

    #[test]
    fn what_cannot_be_followed_is_named() {
        let text = "!/h/odd/a\n/h/odd/a p\n@@ifdef X\n@@define A /h/root\n@@else\n@@define A /h/sbin\n\
                    @@endif\n@@{A}/a p\n";
        let followed = followed(text);
        assert!(!followed.is_changed());
        let named = followed.unwatched.iter();
        let named: Vec<(usize, &str)> = named.map(|one| (one.line, one.link.as_str())).collect();
        assert_eq!(named, [(2, "/odd"), (8, "/root"), (8, "/sbin")]);
    }

    #[test]
    fn no_more_rules_than_aide_reads() {
        let followed = followed(&"/h/root/a p\n".repeat(MAX_STATEMENTS - 10));
        assert_eq!(followed.redirected.len(), 10);
        assert_eq!(followed.unwatched.len(), MAX_STATEMENTS - 20);
        assert_eq!(followed.text.lines().count(), MAX_STATEMENTS);
    }

    #[test]
    fn a_text_without_links_is_unchanged() {
        let text = "\u{feff}@@define A b\r\n/h/etc p\n\n# end";
        let followed = followed(text);
        assert!(!followed.is_changed());
        assert_eq!(followed.users_line(4), 4);
        // Without the byte order mark: nothing of that text is used.
        assert!(text.ends_with(&followed.text));
    }
}

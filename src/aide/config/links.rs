//! Rules whose directory lies behind a symbolic link on the node.
//!
//! Pure. AIDE 0.18 and later do not follow links: a rule for `/root/\.ssh` selects nothing where `/root`
//! is a link to `/var/roothome`, and AIDE reports nothing about it. (AIDE up to 0.17 opened the
//! directory of a rule and so followed the link.) [`follow`] adds the same rule for the real place. It
//! takes nothing away from what the configuration watches under its real name: see [`Addition`].

mod regex;

use super::Configuration;
use super::budget::Budget;
use super::line::{Line, Rule, RuleKind, Statement};
use super::macros::{Macros, Readings};
use super::paths::{escape, escape_regex};

use regex::{Beginning, before_macros, beginnings};

/// AIDE reads no more statements: with 5,000 lines of rules its parser runs out of memory (AIDE 0.19.1).
const MAX_STATEMENTS: usize = 4_900;
/// Maximum size of all additional rules in bytes. AIDE needs some thirty times as much memory.
const MAX_ADDED: usize = 256 * 1024;
/// Maximum number of places that are kept apart from one rule that leaves out what they lie in.
const MAX_KEPT: usize = 32;

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
    /// Why the rule does not watch what the link leads to.
    pub reason: String,
}

/// A rule whose directory lies behind a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// The line of the user's rule, from 1.
    pub line: usize,
    /// The link, as it is called on the node.
    pub link: String,
    /// What the rule's path begins with at the real place.
    pub real: String,
    /// The rule's attribute expression; empty where it has none.
    pub attributes: String,
    /// Whether the rule is in the text for the real place.
    pub is_added: bool,
}

/// A configuration for one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The text with the additional rules.
    pub text: String,
    /// Whether the text differs from the user's.
    pub is_changed: bool,
    /// For each line of [`Self::text`], the line of the user's text that it is or comes from, from 1.
    lines: Vec<usize>,
    /// The rules that select something behind a link.
    pub redirected: Vec<Redirected>,
    /// The rules that watch nothing.
    pub unwatched: Vec<Unwatched>,
}

impl Followed {
    /// A configuration without additional rules.
    pub fn unchanged(text: String) -> Self {
        Self {
            text,
            is_changed: false,
            lines: Vec::new(),
            redirected: Vec::new(),
            unwatched: Vec::new(),
        }
    }

    /// The line of the user's configuration for a line of [`Self::text`], both from 1.
    pub fn users_line(&self, line: usize) -> usize {
        let known = line.checked_sub(1).and_then(|index| self.lines.get(index));
        known.copied().unwrap_or(line)
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
    let mut found = Found::default();
    let (mut macros, mut depth) = (Macros::new(&Budget::default()), 0_usize);
    for (index, line) in conf.lines().iter().enumerate() {
        match line.directive() {
            Some((directive, _)) if directive.opens() => depth += 1,
            Some((super::Directive::EndIf, _)) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(rule) = line.rule() {
            let at = At {
                index,
                line,
                rule,
                is_conditional: depth > 0,
            };
            found.read(&at, host_root, &macros.read(line.get(&rule.path)), look_up);
        }
        macros.pass(line);
    }
    found.write(&conf, host_root)
}

/// A rule and where it stands.
struct At<'a> {
    index: usize,
    line: &'a Line,
    rule: &'a Rule,
    is_conditional: bool,
}

/// A rule that lies behind a link.
#[derive(Debug)]
struct Behind {
    kind: RuleKind,
    is_conditional: bool,
    redirected: Redirected,
    /// How the expression goes on after the real path.
    rest: String,
}

impl Behind {
    fn index(&self) -> usize {
        self.redirected.line - 1
    }
}

/// What a rule selects or leaves out under its own name.
#[derive(Debug)]
struct Named {
    index: usize,
    /// What paths begin with, on the node.
    literal: String,
    rest: String,
}

/// What the rules are about, each list in the order of their lines.
#[derive(Debug, Default)]
struct Found {
    behind: Vec<Behind>,
    selecting: Vec<Named>,
    /// Negative rules for all types of files, of which nothing is unknown.
    leaving_out: Vec<Named>,
    unwatched: Vec<Unwatched>,
}

impl Found {
    fn read(
        &mut self,
        at: &At<'_>,
        host_root: &str,
        readings: &Readings,
        look_up: &mut dyn FnMut(&str) -> Place,
    ) {
        let is_negative = at.rule.kind.is_negative();
        let Readings::Known(readings) = readings else {
            // It may select anything.
            self.selecting
                .extend((!is_negative).then(|| Named::anything(at.index)));
            let known = before_macros(at.line.get(&at.rule.path));
            let path = known.strip_prefix(host_root).unwrap_or_default();
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            self.unclear(at, look_up(directory));
            return;
        };
        let is_clear = readings.len() == 1;
        for regex in readings {
            let named = named(regex, host_root, at.index);
            for one in &named {
                let (place, end) = real_place(&one.literal, look_up);
                match place {
                    Place::Behind { link, real, .. } if is_clear => {
                        self.behind
                            .push(at.behind(link, real, format!("{end}{}", one.rest)));
                    }
                    place => self.unclear(at, place),
                }
            }
            if !is_negative {
                self.selecting.extend(named);
            } else if is_clear && !at.line.is_restricted(at.rule) {
                self.leaving_out.extend(named);
            }
        }
    }

    /// A rule of which it is not known what it names behind a link, or whose link is not followed. One that
    /// leaves something out does no harm where it does not reach.
    fn unclear(&mut self, at: &At<'_>, place: Place) {
        let (link, reason) = match place {
            Place::Same => return,
            Place::Behind { link, .. } => {
                let reason = "is a symbolic link, and the path holds a macro that has several values; \
                              write the path out";
                (link, reason.to_owned())
            }
            Place::Refused { link, reason } => (link, reason),
        };
        if !at.rule.kind.is_negative() {
            self.unwatched.push(Unwatched {
                line: at.index + 1,
                link,
                reason,
            });
        }
    }
}

impl At<'_> {
    fn behind(&self, link: String, real: String, rest: String) -> Behind {
        let attributes = self.rule.attributes.as_ref();
        Behind {
            kind: self.rule.kind,
            is_conditional: self.is_conditional,
            redirected: Redirected {
                line: self.index + 1,
                link,
                real,
                attributes: attributes.map_or("", |span| self.line.get(span)).to_owned(),
                is_added: false,
            },
            rest,
        }
    }
}

impl Named {
    fn anything(index: usize) -> Self {
        Self {
            index,
            literal: String::new(),
            rest: String::new(),
        }
    }
}

/// What an expression is about under its own name.
fn named(regex: &str, host_root: &str, index: usize) -> Vec<Named> {
    let beginnings = beginnings(regex);
    if beginnings.is_empty() {
        return vec![Named::anything(index)];
    }
    let below = |Beginning { literal, rest }: Beginning| {
        let literal = literal.strip_prefix(host_root)?.to_owned();
        Some(Named {
            index,
            literal,
            rest,
        })
    };
    beginnings.into_iter().filter_map(below).collect()
}

/// Looks up what an expression begins with: its last name, which may be the beginning of one, only where
/// it may be a link. With it comes what the expression for the real place needs next.
fn real_place(path: &str, look_up: &mut dyn FnMut(&str) -> Place) -> (Place, &'static str) {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let is_whole = !matches!(name, "" | "." | "..");
    let mut place = look_up(if is_whole { path } else { directory });
    // What follows the name of a link to a directory lies in that directory: `/root.*` does not mean
    // `/var/roothome2`.
    let mut end = "";
    if let Place::Behind { real, is_link, .. } = &mut place {
        if !is_whole {
            real.extend(["/", name]);
        } else if *is_link {
            end = "(?=/|$)";
        }
    }
    (place, end)
}

/// Could the rule match `real`, or something below it or that begins with it?
fn overlaps(named: &Named, real: &str) -> bool {
    let literal = named.literal.as_str();
    if named.rest == "$" {
        return literal.starts_with(real);
    }
    real.starts_with(literal) || literal.starts_with(real)
}

/// How a rule for a real place is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Addition {
    /// Behind the user's rule, with the same weight as if the user had written it.
    Equal,
    /// Behind the user's rule or at the end, so that each rule of the user counts before it. The directory
    /// of the deepest rule decides which one counts, so this one gets the node's root as directory.
    Weakest,
    /// Not at all: it would take something away that the user watches under its real name.
    None,
}

impl Found {
    fn addition(&self, behind: &Behind) -> Addition {
        let real = &behind.redirected.real;
        let others = self
            .selecting
            .iter()
            .filter(|one| one.index != behind.index());
        let is_selected = others.into_iter().any(|one| overlaps(one, real));
        let is_selected_behind_another_link = || {
            let others = self.behind.iter().filter(|one| !one.kind.is_negative());
            others.into_iter().any(|one| {
                let other = &one.redirected;
                other.link != behind.redirected.link
                    && (other.real.starts_with(real.as_str()) || real.starts_with(&other.real))
            })
        };
        match behind.kind {
            RuleKind::Regular if is_selected => Addition::Weakest,
            _ if is_selected => Addition::None,
            kind if kind.is_negative() && is_selected_behind_another_link() => Addition::None,
            _ => Addition::Equal,
        }
    }

    fn write(self, conf: &Configuration, host_root: &str) -> Followed {
        let is_statement =
            |line: &&Line| !matches!(line.statement(), Statement::Blank | Statement::Comment);
        let statements = conf.lines().iter().filter(is_statement).count();
        let mut writer = Writer {
            room: MAX_STATEMENTS.saturating_sub(statements),
            bytes: MAX_ADDED,
            ..Writer::default()
        };
        let (mut last, mut left) = (Vec::new(), self.behind.iter().peekable());
        for (index, line) in conf.lines().iter().enumerate() {
            let text = self.kept_apart(index, line, host_root);
            writer.line(
                text.as_deref().unwrap_or_else(|| line.text()),
                line.ending(),
                index + 1,
            );
            while let Some(behind) = left.next_if(|one| one.index() == index) {
                let text = |addition| behind.text(line, host_root, addition);
                match self.addition(behind) {
                    Addition::Equal => writer.add(behind, &text(Addition::Equal)),
                    Addition::Weakest if behind.is_conditional => {
                        writer.add(behind, &text(Addition::Weakest));
                    }
                    Addition::Weakest => last.push((behind, text(Addition::Weakest))),
                    Addition::None => writer.leave(behind),
                }
            }
        }
        for (behind, text) in last {
            writer.add(behind, &text);
        }
        writer.unwatched.extend(self.unwatched);
        writer.unwatched.sort();
        writer.unwatched.dedup();
        Followed {
            is_changed: !self.behind.is_empty(),
            text: writer.text,
            lines: writer.lines,
            redirected: writer.redirected,
            unwatched: writer.unwatched,
        }
    }

    /// A negative rule that leaves out a directory in which real places lie, without these: under the name
    /// of the link it did not leave them out.
    fn kept_apart(&self, index: usize, line: &Line, host_root: &str) -> Option<String> {
        let rule = line.rule().filter(|rule| rule.kind.is_negative())?;
        let first = self.leaving_out.partition_point(|one| one.index < index);
        let mut named = self.leaving_out[first..].iter();
        let named = named.next().filter(|one| one.index == index)?;
        if self
            .leaving_out
            .get(first + 1)
            .is_some_and(|next| next.index == index)
        {
            return None;
        }
        if !matches!(named.rest.as_str(), "" | "(/|$)" | ".*") {
            return None;
        }
        let mut apart = String::new();
        let inside = self.behind.iter().filter(|one| !one.kind.is_negative());
        let inside = inside.filter_map(|one| {
            let inside = one.redirected.real.strip_prefix(&named.literal)?;
            let is_below = named.rest != "(/|$)" || inside.starts_with('/');
            (is_below && !inside.is_empty()).then_some(inside)
        });
        for inside in inside.take(MAX_KEPT) {
            apart.extend(["(?!", &escape_regex(inside), ")"]);
        }
        if apart.is_empty() {
            return None;
        }
        let literal = escape_regex(&format!("{host_root}{}", named.literal));
        let regex = escape(&format!("{literal}{apart}{}", named.rest));
        // `!` and not `-`, which does not look into the directory.
        Some(format!("!{regex}{}", &line.text()[rule.path.end..]))
    }
}

impl Behind {
    /// The rule for the real place.
    fn text(&self, line: &Line, host_root: &str, addition: Addition) -> String {
        let mut regex = escape_regex(&format!("{host_root}{}", self.redirected.real));
        if addition == Addition::Weakest {
            // `/[v]ar` is `/var`, and `/` is the directory of the rule.
            let first = regex.chars().nth(1).filter(char::is_ascii_alphanumeric);
            if let Some(first) = first {
                regex.replace_range(1..2, &format!("[{first}]"));
            }
        }
        let marker = line.rule().map_or("", |rule| line.get(&rule.marker));
        let behind = line.rule().map_or(0, |rule| rule.path.end);
        format!(
            "{marker}{}{}",
            escape(&(regex + &self.rest)),
            &line.text()[behind..]
        )
    }
}

/// The text as it grows.
#[derive(Debug, Default)]
struct Writer {
    text: String,
    lines: Vec<usize>,
    /// Statements and bytes that may still be added.
    room: usize,
    bytes: usize,
    redirected: Vec<Redirected>,
    unwatched: Vec<Unwatched>,
}

impl Writer {
    fn line(&mut self, text: &str, ending: &str, number: usize) {
        self.text += text;
        self.text += if ending.is_empty() { "\n" } else { ending };
        self.lines.push(number);
    }

    /// Keeps in mind what a rule does not watch by itself.
    fn leave(&mut self, behind: &Behind) {
        if !behind.kind.is_negative() {
            self.redirected.push(behind.redirected.clone());
        }
    }

    fn add(&mut self, behind: &Behind, text: &str) {
        let Redirected {
            line, link, real, ..
        } = &behind.redirected;
        if self.room > 0 && text.len() <= self.bytes {
            self.room -= 1;
            self.bytes -= text.len();
            self.line(text, "\n", *line);
            if !behind.kind.is_negative() {
                self.redirected.push(Redirected {
                    is_added: true,
                    ..behind.redirected.clone()
                });
            }
        } else if !behind.kind.is_negative() {
            self.unwatched.push(Unwatched {
                line: *line,
                link: link.clone(),
                reason: format!(
                    "leads to {real}, and the configuration is too long for more rules; write the real path"
                ),
            });
        }
    }
}

#[cfg(test)]
mod tests;

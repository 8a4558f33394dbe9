//! Parser of the pages: code, commands and links.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(super) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[derive(Debug)]
pub(super) struct Page {
    /// The path in the repository.
    pub(super) path: PathBuf,
    pub(super) text: String,
}

/// A command on a page.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) place: String,
    /// The words, with operators of the shell as separate words.
    pub(super) words: Vec<String>,
    /// Whether it is a part of a sentence. Then it may be incomplete.
    pub(super) in_sentence: bool,
}

/// A block of code with commands. Output and configuration have a language, such as text or yaml.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) place: String,
    /// The comment in the line before.
    pub(super) marker: Option<&'a str>,
    lines: Vec<(String, &'a str)>,
}

pub(super) fn all() -> Vec<Page> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
    ]
    .map(PathBuf::from)
    .into();
    collect(Path::new("docs"), &mut paths);
    paths.sort();
    paths
        .into_iter()
        .map(|path| Page {
            text: fs::read_to_string(checkout().join(&path)).expect("a page"),
            path,
        })
        .collect()
}

fn collect(directory: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(checkout().join(directory)).expect("a directory of pages") {
        let entry = entry.expect("its entries");
        let path = directory.join(entry.file_name());
        if entry.path().is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            paths.push(path);
        }
    }
}

/// A line of a page.
#[derive(Clone, Copy, Debug)]
enum Line<'a> {
    /// A line of text, a table or a heading.
    Prose(&'a str),
    /// A line of a code block in this language.
    Code { language: &'a str, text: &'a str },
    /// The start of a code block in this language.
    Start { language: &'a str },
    /// The end of a code block.
    End,
}

impl Page {
    /// Whether it is for users of fio, and not only for its developers.
    pub(super) fn is_for_users(&self) -> bool {
        self.path.starts_with("docs") || self.path == Path::new("README.md")
    }

    fn lines(&self) -> impl Iterator<Item = (usize, Line<'_>)> {
        let mut language = None;
        self.text.lines().enumerate().map(move |(index, text)| {
            let line = match (text.trim_start().strip_prefix("```"), language) {
                (Some(name), None) => {
                    let name = name.trim();
                    language = Some(name);
                    Line::Start { language: name }
                }
                (Some(_), Some(_)) => {
                    language = None;
                    Line::End
                }
                (None, Some(language)) => Line::Code { language, text },
                (None, None) => Line::Prose(text),
            };
            (index + 1, line)
        })
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path.display())
    }

    /// The blocks of code that contain commands.
    pub(super) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        let mut before = "";
        for (number, line) in self.lines() {
            match line {
                Line::Prose(text) => before = text,
                Line::End => before = "",
                Line::Start { language } if is_shell(language) => blocks.push(Block {
                    place: self.place(number),
                    marker: comment(before.trim_start()),
                    lines: Vec::new(),
                }),
                Line::Code { language, text } if is_shell(language) => {
                    if let Some(block) = blocks.last_mut() {
                        block.lines.push((self.place(number), text));
                    }
                }
                Line::Start { .. } | Line::Code { .. } => {}
            }
        }
        blocks
    }

    /// The commands of the programs that are checked, in blocks of code and in sentences.
    pub(super) fn commands(&self) -> Vec<Shown> {
        let blocks = self.blocks();
        let in_blocks = blocks.iter().flat_map(Block::commands);
        let in_sentences = self.lines().flat_map(|(number, line)| {
            let text = if let Line::Prose(text) = line {
                text
            } else {
                ""
            };
            spans(text).map(move |span| Shown {
                place: self.place(number),
                words: words(span),
                in_sentence: true,
            })
        });
        in_blocks
            .chain(in_sentences)
            .filter(starts_with_program)
            .collect()
    }

    /// Links to files in the repository: line, file, anchor.
    pub(super) fn links(&self) -> Vec<(String, &str, &str)> {
        let mut links = Vec::new();
        for (number, line) in self.lines() {
            let Line::Prose(text) = line else { continue };
            for piece in text.split("](").skip(1) {
                let target = piece.split_once(')').map_or(piece, |(target, _)| target);
                if !target.contains("://") {
                    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                    links.push((self.place(number), file, anchor));
                }
            }
        }
        links
    }

    /// The cells of the tables below this heading, up to the next heading.
    pub(super) fn table_rows(&self, heading: &str) -> Vec<Vec<&str>> {
        let mut in_section = false;
        let mut rows = Vec::new();
        for (_, line) in self.lines() {
            let Line::Prose(text) = line else { continue };
            if text.starts_with('#') {
                in_section = text == heading;
            } else if let Some(cells) = text.strip_prefix('|').filter(|_| in_section) {
                rows.push(cells.split('|').map(str::trim).collect());
            }
        }
        rows
    }

    /// The text below this heading, up to the next heading of its level or above.
    pub(super) fn section(&self, heading: &str) -> &str {
        let level = heading.bytes().take_while(|c| *c == b'#').count();
        let Some((_, below)) = self.text.split_once(&format!("\n{heading}\n")) else {
            return "";
        };
        let ends = (1..=level).filter_map(|level| below.find(&format!("\n{} ", "#".repeat(level))));
        below
            .get(..ends.min().unwrap_or(below.len()))
            .unwrap_or(below)
    }

    /// The anchors of its headings on GitHub.
    pub(super) fn anchors(&self) -> Vec<String> {
        let heading = |(_, line)| match line {
            Line::Prose(text) => text
                .strip_prefix('#')
                .and_then(|rest| rest.trim_start_matches('#').strip_prefix(' ')),
            _ => None,
        };
        self.lines().filter_map(heading).map(anchor).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let dashed = |c: char| if c == ' ' { '-' } else { c };
    heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(dashed)
        .collect()
}

/// Blocks without a language contain commands or their output.
fn is_shell(language: &str) -> bool {
    matches!(language, "" | "sh" | "bash" | "console")
}

/// The programs whose commands are checked.
const PROGRAMS: [&str; 4] = ["fio", "make", "kubectl", "source"];

fn starts_with_program(shown: &Shown) -> bool {
    let is_variable = |word: &&String| word.contains('=') && !word.starts_with('-');
    let first = shown.words.iter().find(|word| !is_variable(word));
    first.is_some_and(|word| PROGRAMS.contains(&word.as_str()) || word.starts_with("hack/"))
}

/// The text of a line that is a comment.
fn comment(line: &str) -> Option<&str> {
    let text = line.strip_prefix("<!--")?.strip_suffix("-->")?;
    Some(text.trim())
}

/// The text between backquotes.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Splits a command into words like a shell. Operators are separate words.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (String::new(), None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"') | None, '\\') => word.extend(chars.next()),
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ' | '\t') => end(&mut word, &mut words),
            (None, '#') if word.is_empty() => break,
            (None, '|' | ';' | '&' | '<' | '>' | '(' | ')') => {
                end(&mut word, &mut words);
                words.push(c.to_string());
            }
            _ => word.push(c),
        }
    }
    end(&mut word, &mut words);
    words
}

fn end(word: &mut String, words: &mut Vec<String>) {
    if !word.is_empty() {
        words.push(std::mem::take(word));
    }
}

impl Block<'_> {
    /// All commands, whatever the program. With prompts, lines without a prompt are output.
    pub(super) fn commands(&self) -> Vec<Shown> {
        let has_prompts = self.lines.iter().any(|(_, text)| text.starts_with("$ "));
        let mut commands = Vec::new();
        let mut started: Option<(&str, String)> = None;
        for (place, line) in &self.lines {
            let text = match (line.strip_prefix("$ "), started.is_some()) {
                (Some(text), false) => text,
                (None, false) if has_prompts => continue,
                _ => *line,
            };
            let text = text.trim();
            let (place, text) = match started.take() {
                Some((first, before)) => (first, format!("{before} {text}")),
                None => (place.as_str(), text.to_owned()),
            };
            if let Some(start) = text.strip_suffix('\\') {
                started = Some((place, start.trim_end().to_owned()));
            } else if text.ends_with('|') {
                started = Some((place, text));
            } else {
                commands.push(Shown {
                    place: place.to_owned(),
                    words: words(&text),
                    in_sentence: false,
                });
            }
        }
        commands.retain(|shown| !shown.words.is_empty());
        commands
    }
}

impl Shown {
    /// The runs of this program: the words from its name to the next operator.
    pub(super) fn runs_of(&self, program: &str) -> Vec<&[String]> {
        let is_operator =
            |word: &String| matches!(word.as_str(), "|" | ";" | "&" | "<" | ">" | "(" | ")");
        self.words
            .split(is_operator)
            .filter_map(|run| {
                let is_program = |at: &usize| {
                    let before = &run[..*at];
                    // After `kubectl exec ... --`, or after variables.
                    before.last().is_none_or(|word| word == "--")
                        || before.iter().all(|word| word.contains('='))
                };
                let at = run.iter().position(|word| word == program)?;
                Some(at).filter(is_program).map(|at| &run[at..])
            })
            .collect()
    }

    /// Page, line and words for a message.
    pub(super) fn described(&self) -> String {
        format!("{}: {}", self.place, self.words.join(" "))
    }
}

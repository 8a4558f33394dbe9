//! Finds words that have a better one in the vocabulary of Kubernetes or AIDE.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::source::SourceFile;

/// The words, in all their forms. CONTRIBUTING.md says what to write in their place.
const WORDS: [&str; 19] = [
    "tell",
    "tells",
    "telling",
    "told",
    "untold",
    "say",
    "says",
    "saying",
    "said",
    "unsaid",
    "wish",
    "wishes",
    "anew",
    "mend",
    "mends",
    "mended",
    "judge",
    "judges",
    "signaller",
];

/// How many there are, and the files that have them: `path: word 3, other 1`.
pub(crate) fn find(sources: &[SourceFile], pages: &[&str]) -> anyhow::Result<(usize, Vec<String>)> {
    let mut texts: Vec<(PathBuf, String)> = sources
        .iter()
        .map(|source| (source.path.clone(), source.lines.join("\n")))
        .collect();
    for page in pages {
        add_pages(Path::new(page), &mut texts)?;
    }
    let mut total = 0;
    let mut found = Vec::new();
    for (path, text) in texts {
        let counts = count(&text);
        total += counts.values().sum::<usize>();
        if !counts.is_empty() {
            let counts: Vec<String> = counts
                .iter()
                .map(|(word, n)| format!("{word} {n}"))
                .collect();
            found.push(format!("{}: {}", path.display(), counts.join(", ")));
        }
    }
    Ok((total, found))
}

fn add_pages(path: &Path, texts: &mut Vec<(PathBuf, String)>) -> anyhow::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            add_pages(&entry?.path(), texts)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "md") {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        texts.push((path.to_owned(), text));
    }
    Ok(())
}

/// How often each word is in a text. Names are split into their words: `is_told`, `NotTold`.
fn count(text: &str) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    let mut word = String::new();
    let mut before = ' ';
    for character in text.chars().chain([' ']) {
        let new_word =
            !character.is_alphabetic() || (character.is_uppercase() && before.is_lowercase());
        if new_word {
            if let Some(known) = WORDS.iter().find(|known| **known == word) {
                *counts.entry(*known).or_default() += 1;
            }
            word.clear();
        }
        if character.is_alphabetic() {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    counts
}

//! Questions to the user.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::plugin::failure::Failure;
use crate::plugin::safe::safe;

/// Whether the user answers the question with yes. Without a terminal, nobody can.
pub(super) fn is_confirmed(question: &str) -> Result<bool, Failure> {
    let (stdin, mut stderr) = (std::io::stdin(), std::io::stderr());
    if !stdin.is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::Other(
            "standard input and output are not a terminal, to ask for confirmation: -y confirms"
                .to_owned(),
        ));
    }
    let failed = |error: std::io::Error| Failure::Other(format!("ask for confirmation: {error}"));
    write!(stderr, "{} [y/N] ", safe(question)).map_err(failed)?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).map_err(failed)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_confirms() {
        for yes in ["y\n", "Yes\r\n", " YES "] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yess\n", "y y", "ja"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }
}

//! `fio`: parse, dispatch, say what went wrong.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match fio::cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            let message = format!("fio: {}", fio::error_chain(error.as_ref()));
            // Where standard error is gone, nobody is left to tell.
            writeln!(std::io::stderr(), "{message}").ok();
            fio::cli::last_words(&message);
            ExitCode::FAILURE
        }
    }
}

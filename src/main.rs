//! The program `fio`: parses arguments, runs the subcommand, prints errors.

use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    match fio::Cli::main() {
        Ok(code) => code,
        Err(error) => {
            let message = format!("fio: {}", fio::error_chain(error.as_ref()));
            // There is no other place to report that standard error is closed.
            writeln!(std::io::stderr(), "{message}").ok();
            fio::write_termination_log(&message);
            ExitCode::FAILURE
        }
    }
}

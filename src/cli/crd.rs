//! `fio crd`: the definitions on standard output.

use std::io::Write as _;

pub(super) fn run() -> anyhow::Result<()> {
    let text = crate::api::crd::yaml()?;
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

//! Prints figures about the code of src/, next to the goals that CONTRIBUTING.md explains: sizes,
//! public items, doc comments, strings outside of their enum, import cycles, words. `make figures`
//! runs it.
//!
//! Code that only tests use is left out: modules and items behind `#[cfg(test)]`.

#![expect(clippy::print_stdout, reason = "the program prints a report")]

mod cycles;
mod measure;
mod source;
mod words;

use std::path::Path;

use anyhow::Context as _;

use self::measure::Figures;
use self::source::SourceFile;

/// Pages whose vocabulary is counted with that of src/.
const PAGES: [&str; 2] = ["README.md", "docs"];

fn main() -> anyhow::Result<()> {
    let sources =
        source::read_all(Path::new("src")).context("read src/: run it in the checkout")?;
    let mut figures = Figures::default();
    for source in &sources {
        figures.add(source);
    }
    print_sizes(
        "lines per file",
        "under 110 / 300 / 450",
        &mut figures.file_lines,
    );
    print_sizes(
        "lines per function",
        "9 / 26 / 116",
        &mut figures.function_lines,
    );
    let long = &figures.long_functions;
    print_list("functions over 80 lines", "only tables", long.len(), long);
    println!(
        "public items: {} (goal: under 80); for tests in e2e/ as well: {}",
        figures.public_items, figures.items_for_tests
    );
    let (short, comments) = (&figures.short_comments, figures.comments);
    let what = format!("doc comments of three words or fewer, of {comments}");
    print_list(&what, "under 20", short.len(), short);
    let stray = measure::stray_strings(&sources);
    print_list("strings outside their enum", "0", stray.len(), &stray);
    let cycles = cycles::find(&sources);
    print_list("import cycles", "0", cycles.len(), &cycles);
    let (total, files) = words::find(&sources, &PAGES)?;
    print_list("words of a private vocabulary", "0", total, &files);
    Ok(())
}

fn print_sizes(what: &str, goal: &str, sizes: &mut [usize]) {
    sizes.sort_unstable();
    let at = |percent: usize| {
        let index = (sizes.len().saturating_sub(1)) * percent / 100;
        sizes.get(index).copied().unwrap_or_default()
    };
    println!(
        "{what}, median / p90 / max: {} / {} / {} of {} (goal: {goal})",
        at(50),
        at(90),
        at(100),
        sizes.len()
    );
}

fn print_list(what: &str, goal: &str, count: usize, found: &[String]) {
    println!("{what}: {count} (goal: {goal})");
    for line in found {
        println!("  {line}");
    }
}

/// `operator::plan` for src/operator/plan.rs.
fn module_of(source: &SourceFile) -> String {
    source.module.join("::")
}

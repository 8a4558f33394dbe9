//! Reads the files of a crate as the compiler does: from its roots along the `mod` items, without
//! what only tests use.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use syn::{Attribute, Item, Meta};

/// One file of the program.
pub(crate) struct SourceFile {
    pub(crate) path: PathBuf,
    /// `["operator", "plan"]` for src/operator/plan.rs.
    pub(crate) module: Vec<String>,
    /// Without the items that only tests use.
    pub(crate) items: Vec<Item>,
    /// The lines outside of the items that only tests use.
    pub(crate) lines: Vec<String>,
}

/// The files of the library and of the program.
pub(crate) fn read_all(src: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let mut sources = Vec::new();
    for root in ["lib.rs", "main.rs"] {
        read(src, &src.join(root), Vec::new(), &mut sources)?;
    }
    Ok(sources)
}

fn read(
    src: &Path,
    path: &Path,
    module: Vec<String>,
    sources: &mut Vec<SourceFile>,
) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let file = syn::parse_file(&text).with_context(|| format!("parse {}", path.display()))?;
    let (tests, items): (Vec<Item>, Vec<Item>) = file.items.into_iter().partition(is_for_tests);
    for item in &items {
        if let Item::Mod(child) = item
            && child.content.is_none()
        {
            let mut module = module.clone();
            module.push(child.ident.to_string());
            let path = src.join(module.join("/")).with_extension("rs");
            read(src, &path, module, sources)?;
        }
    }
    sources.push(SourceFile {
        path: path.to_owned(),
        module,
        items,
        lines: lines_without(&text, &tests),
    });
    Ok(())
}

fn lines_without(text: &str, left_out: &[Item]) -> Vec<String> {
    let left_out: Vec<_> = left_out.iter().filter_map(lines_of).collect();
    let is_left_out = |number: usize| left_out.iter().any(|lines| lines.contains(&number));
    let numbered = text.lines().zip(1..);
    let counted = numbered.filter(|&(_, number)| !is_left_out(number));
    counted.map(|(line, _)| line.to_owned()).collect()
}

/// From its first attribute to its end. Not by the item's own span: that prints all of it.
fn lines_of(item: &Item) -> Option<RangeInclusive<usize>> {
    let first = attributes(item).first()?.pound_token.span;
    let last = match item {
        Item::Fn(item) => item.block.brace_token.span.close(),
        Item::Impl(item) => item.brace_token.span.close(),
        Item::Mod(item) => match (&item.content, &item.semi) {
            (Some((braces, _)), _) => braces.span.close(),
            (None, semicolon) => semicolon.as_ref()?.span,
        },
        Item::Use(item) => item.semi_token.span,
        Item::Const(item) => item.semi_token.span,
        Item::Enum(item) => item.brace_token.span.close(),
        _ => first,
    };
    Some(first.start().line..=last.end().line)
}

/// Whether the item is behind `#[cfg(test)]`.
fn is_for_tests(item: &Item) -> bool {
    attributes(item).iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "test")
    })
}

/// The attributes of an item, and so its doc comment.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

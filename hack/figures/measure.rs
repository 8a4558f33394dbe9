//! Counts what one file has: lines, functions, public items, doc comments, string literals.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, Ident, Item, Lit, LitStr, Meta, UseTree, Visibility};

use super::module_of;
use super::source::{SourceFile, attributes};

/// The enums whose strings belong nowhere else. Error classes are lower-case words that have other
/// meanings as well, so they are not found like this; what takes one takes its type.
const ENUMS: [&str; 2] = ["api::event_reason", "api::condition"];
/// Modules whose own strings equal one of these, and mean something else: phases of a
/// FileIntegrity, states of realtime detection and of the Machine Config Operator.
const OTHERS: [&str; 3] = [
    "api::file_integrity::status",
    "api::realtime",
    "operator::reconcile::nodes::update",
];
/// A longer function is named.
const LONG: usize = 80;

/// The figures of all files.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) file_lines: Vec<usize>,
    pub(crate) function_lines: Vec<usize>,
    pub(crate) long_functions: Vec<String>,
    /// What another crate can use.
    pub(crate) public_items: usize,
    /// What the tests in e2e/ can use as well, by the feature `testing`.
    pub(crate) items_for_tests: usize,
    pub(crate) comments: usize,
    /// `module: words`.
    pub(crate) short_comments: Vec<String>,
}

impl Figures {
    pub(crate) fn add(&mut self, source: &SourceFile) {
        self.file_lines.push(source.lines.len());
        if source.module.is_empty() {
            self.public_items += source.items.iter().map(exported).sum::<usize>();
        }
        let mut counter = Counter {
            module: module_of(source),
            figures: self,
        };
        for item in &source.items {
            counter.visit_item(item);
        }
    }
}

/// How many names an item of the crate's root exports. `pub mod` is for tests alone.
fn exported(item: &Item) -> usize {
    match item {
        Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => names(&item.tree),
        _ => 0,
    }
}

fn names(tree: &UseTree) -> usize {
    match tree {
        UseTree::Path(path) => names(&path.tree),
        UseTree::Group(group) => group.items.iter().map(names).sum(),
        UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => 1,
    }
}

struct Counter<'a> {
    module: String,
    figures: &'a mut Figures,
}

impl Counter<'_> {
    fn function(&mut self, name: &Ident, block: &Block) {
        let last = block.brace_token.span.close().end().line;
        let lines = last - name.span().start().line + 1;
        self.figures.function_lines.push(lines);
        if lines > LONG {
            let module = &self.module;
            self.figures
                .long_functions
                .push(format!("{module}::{name}: {lines}"));
        }
    }

    fn comment(&mut self, attributes: &[Attribute]) {
        let lines: Vec<String> = attributes.iter().filter_map(doc_line).collect();
        let text = lines.join(" ");
        let words = text.split_whitespace().count();
        self.figures.comments += usize::from(words > 0);
        if (1..=3).contains(&words) {
            let found = format!("{}: {}", self.module, text.trim());
            self.figures.short_comments.push(found);
        }
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => string(&meta.value),
        _ => None,
    }
}

fn string(value: &Expr) -> Option<String> {
    let Expr::Lit(literal) = value else {
        return None;
    };
    match &literal.lit {
        Lit::Str(text) => Some(text.value()),
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Counter<'_> {
    /// An associated constant belongs to its type.
    fn visit_impl_item_const(&mut self, constant: &'ast syn::ImplItemConst) {
        self.comment(&constant.attrs);
    }

    /// An item of a module; methods and fields belong to their type.
    fn visit_visibility(&mut self, visibility: &'ast Visibility) {
        let is_public = matches!(visibility, Visibility::Public(_));
        self.figures.items_for_tests += usize::from(is_public);
    }

    /// A field belongs to its type.
    fn visit_field(&mut self, field: &'ast syn::Field) {
        self.comment(&field.attrs);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.comment(&variant.attrs);
        visit::visit_fields(self, &variant.fields);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        self.comment(attributes(item));
        visit::visit_item(self, item);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig.ident, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.comment(&function.attrs);
        self.function(&function.sig.ident, &function.block);
        self.visit_block(&function.block);
    }
}

/// Literals that equal one of the enums', outside of these: `module: "Text"`.
pub(crate) fn stray_strings(sources: &[SourceFile]) -> Vec<String> {
    let (enums, others): (Vec<_>, Vec<_>) = sources
        .iter()
        .partition(|source| ENUMS.contains(&module_of(source).as_str()));
    // Doc comments in a macro's arguments are literals, too.
    let is_word = |text: &String| !text.contains(' ');
    let known: BTreeSet<String> = enums
        .into_iter()
        .flat_map(literals)
        .filter(is_word)
        .collect();
    let mut stray = Vec::new();
    for source in others {
        if OTHERS.contains(&module_of(source).as_str()) {
            continue;
        }
        let found = literals(source).into_iter();
        let found = found.filter(|text| known.contains(text));
        stray.extend(found.map(|text| format!("{}: {text:?}", module_of(source))));
    }
    stray
}

fn literals(source: &SourceFile) -> Vec<String> {
    struct Literals(Vec<String>);
    impl<'ast> Visit<'ast> for Literals {
        fn visit_lit_str(&mut self, literal: &'ast LitStr) {
            self.0.push(literal.value());
        }
        fn visit_attribute(&mut self, _: &'ast Attribute) {}
        fn visit_macro(&mut self, found: &'ast syn::Macro) {
            self.0.extend(in_tokens(found.tokens.clone()));
        }
    }
    let mut found = Literals(Vec::new());
    for item in &source.items {
        found.visit_item(item);
    }
    found.0
}

/// The string literals in a macro's arguments, which are not parsed.
fn in_tokens(tokens: proc_macro2::TokenStream) -> Vec<String> {
    let of_one = |token| match token {
        proc_macro2::TokenTree::Group(group) => in_tokens(group.stream()),
        proc_macro2::TokenTree::Literal(literal) => {
            let text = syn::parse_str::<LitStr>(&literal.to_string());
            text.map(|text| text.value()).into_iter().collect()
        }
        _ => Vec::new(),
    };
    tokens.into_iter().flat_map(of_one).collect()
}

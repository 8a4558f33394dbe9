//! Finds modules beside each other that use one another, however many are between them.
//!
//! A module stands for all that is in it. So `operator::plan` that uses `operator::nodes`, whose
//! child uses `operator::plan`, is a cycle, and a parent and its child are not.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{Item, Path, UseTree};

use super::source::SourceFile;

type Module = Vec<String>;

/// The cycles: `parent: a -> b -> a`.
pub(crate) fn find(sources: &[SourceFile]) -> Vec<String> {
    let modules: BTreeSet<Module> = sources.iter().map(|source| source.module.clone()).collect();
    let mut siblings: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for source in sources {
        for used in used_modules(source, &modules) {
            if let Some((parent, from, to)) = apart(&source.module, &used) {
                let edges = siblings.entry(parent).or_default();
                edges.entry(from).or_default().insert(to);
            }
        }
    }
    let mut cycles = BTreeSet::new();
    for (parent, edges) in &siblings {
        for start in edges.keys() {
            if let Some(cycle) = path_back(edges, start) {
                // The same cycle is found from each of its modules.
                let smallest = cycle.iter().min() == Some(start);
                let parent = parent.join("::");
                let shown = format!("{parent}: {}", cycle.join(" -> "));
                smallest.then(|| cycles.insert(shown));
            }
        }
    }
    cycles.into_iter().collect()
}

/// Where two modules' paths part: the parent they share, and the two below it.
fn apart(from: &[String], to: &[String]) -> Option<(Module, String, String)> {
    let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    Some((
        from[..shared].to_vec(),
        from.get(shared)?.clone(),
        to.get(shared)?.clone(),
    ))
}

/// A shortest way from `start` back to it, with it at both ends.
fn path_back(edges: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last()?;
            for next in edges.get(last).into_iter().flatten() {
                let mut way = way.clone();
                way.push(next.clone());
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// The modules that a file's paths name, as far as they are modules.
fn used_modules(source: &SourceFile, modules: &BTreeSet<Module>) -> BTreeSet<Module> {
    let mut paths = Paths {
        module: &source.module,
        found: Vec::new(),
    };
    for item in &source.items {
        paths.visit_item(item);
    }
    let of_path = |mut path: Module| {
        while !path.is_empty() && !modules.contains(&path) {
            path.pop();
        }
        path
    };
    paths.found.into_iter().map(of_path).collect()
}

struct Paths<'a> {
    module: &'a Module,
    found: Vec<Module>,
}

impl Paths<'_> {
    /// Paths that begin with `crate`, `self` or `super`; others are of other crates, or imported.
    fn add(&mut self, path: &[String]) {
        let mut absolute = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            _ => return,
        };
        for segment in path {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => {
                    absolute.pop();
                }
                name => absolute.push(name.to_owned()),
            }
        }
        self.found.push(absolute);
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: String| {
            let mut path = before.to_vec();
            path.push(name);
            path
        };
        match tree {
            UseTree::Path(path) => self.tree(&with(path.ident.to_string()), &path.tree),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(before, tree);
                }
            }
            UseTree::Name(name) => self.add(&with(name.ident.to_string())),
            UseTree::Rename(name) => self.add(&with(name.ident.to_string())),
            UseTree::Glob(_) => self.add(before),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Use(item) = item {
            self.tree(&[], &item.tree);
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let segments = path.segments.iter();
        let segments: Module = segments.map(|segment| segment.ident.to_string()).collect();
        self.add(&segments);
        visit::visit_path(self, path);
    }
}

//! Rules whose paths contain symbolic links of the node. Pure.
//!
//! AIDE 0.18 and later do not follow links: a rule for `/root/\.ssh` selects nothing if `/root` is a link to
//! `/var/roothome`, and AIDE does not report this. AIDE up to 0.17 followed links in the directory of
//! a rule. [`follow`] adds the same rule for the real path. It must not change what other rules
//! watch: see [`addition`].

mod addition;
mod followed;
mod place;
mod prefix_index;
mod regex;
mod rules;
mod writer;

#[cfg(test)]
mod tests;

use self::rules::{Occurrence, Rules};
use super::budget::Budget;
use super::configuration::Configuration;
use super::macros::Macros;

pub(crate) use self::followed::{Followed, Redirected, Unwatched};
pub(crate) use self::place::Place;

/// Adds rules for the real paths to `effective`, whose paths are below `host_root`. `resolve` gets absolute
/// paths of the node.
pub(crate) fn follow(
    effective: &str,
    host_root: &str,
    resolve: &mut dyn FnMut(&str) -> Place,
) -> Followed {
    let conf = Configuration::parse(effective);
    let mut rules = Rules::default();
    let mut macros = Macros::new(&Budget::default());
    for (index, line) in conf.lines().iter().enumerate() {
        if let Some(rule) = line.rule() {
            let at = Occurrence {
                index,
                line,
                rule,
                is_conditional: macros.is_in_condition(),
            };
            rules.read(&at, host_root, &macros.read(line.get(&rule.path)), resolve);
        }
        macros.advance(line);
    }
    writer::write(&rules, &conf, host_root)
}

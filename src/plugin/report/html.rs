//! A report as one page, without scripts and without anything that a browser would load. Pure.

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, context};

use super::Report;
use crate::plugin::safe::safe;
use crate::plugin::screen::precise;

const PAGE: &str = include_str!("report.html");

impl Report {
    pub(crate) fn html(&self) -> Result<String, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(|out, state, value| {
            // Names of files and messages of nodes could control the text around them.
            match value.as_str().filter(|_| !value.is_safe()) {
                Some(text) => minijinja::escape_formatter(out, state, &Value::from(safe(text))),
                None => minijinja::escape_formatter(out, state, value),
            }
        });
        environment.add_filter("duration", precise);
        environment.add_template("report", PAGE)?;
        environment
            .get_template("report")?
            .render(context! { report => self, charts => self.charts })
    }
}

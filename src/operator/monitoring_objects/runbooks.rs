//! The URLs of the runbooks: sections of a page, one for each alert. Pure.

/// The page, in the repository.
const PAGE: &str = "docs/monitoring.md";
/// `repository` of Cargo.toml, or an empty text.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The page with a runbook for each alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Runbooks {
    page: String,
}

impl Runbooks {
    /// `url` is that of a copy of the page. The default is the page of this version in the repository
    /// that Cargo.toml names, or, if it names none, the path of the page.
    pub(crate) fn new(url: Option<&str>) -> Self {
        Self {
            page: page(url, REPOSITORY),
        }
    }

    /// The section is named after the alert. Its anchor is in lower case.
    pub(crate) fn url(&self, alert: &str) -> String {
        format!("{}#{}", self.page, alert.to_lowercase())
    }
}

fn page(url: Option<&str>, repository: &str) -> String {
    match (url, repository.trim_end_matches('/')) {
        (Some(url), _) => url.to_owned(),
        (None, "") => PAGE.to_owned(),
        (None, repository) => format!("{repository}/blob/v{VERSION}/{PAGE}"),
    }
}

#[cfg(test)]
mod tests;

//! The text of the coverage of paths. Pure.

use super::{Coverage, Watched};
use crate::plugin::grid::Grid;
use crate::plugin::safe::safe;
use crate::plugin::screen::{Screen, Tone};

/// One row for each path of each FileIntegrity.
pub(crate) fn text(all: &[Coverage], screen: &Screen) -> String {
    let header = ["FILEINTEGRITY", "PATH", "WATCHED", "NODES", "LINE", "RULE"];
    let mut grid = Grid::new(&header, &[0, 1, 5]);
    let mut without = String::new();
    for coverage in all {
        let name = safe(&coverage.owner.name);
        if coverage.hash.is_none() {
            let line = format!("{name} has no active configuration\n");
            without.push_str(&screen.paint(Tone::Bad, &line));
        }
        for watched in &coverage.paths {
            let nodes = coverage.nodes_with(watched);
            let tone = if watched.answer.watched && nodes == coverage.nodes {
                Tone::Good
            } else {
                Tone::Changed
            };
            let answer = &watched.answer;
            let cells = vec![
                name.clone(),
                safe(&watched.path),
                if answer.watched { "yes" } else { "no" }.to_owned(),
                format!("{nodes} of {}", coverage.nodes),
                answer.line.map(|line| line.to_string()).unwrap_or_default(),
                rule(watched),
            ];
            grid.row(tone, cells);
        }
    }
    let table = if grid.is_empty() {
        String::new()
    } else {
        grid.render(screen)
    };
    format!("{table}{without}")
}

fn rule(watched: &Watched) -> String {
    match (&watched.rule, &watched.answer.kind) {
        (Some(rule), _) => safe(rule),
        (None, Some(kind)) => format!("{} of fio's own lines", safe(kind)),
        (None, None) => "no rule matches".to_owned(),
    }
}

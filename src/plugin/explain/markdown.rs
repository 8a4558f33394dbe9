//! The parts of the project's pages that can be explained. Pure.

/// A section of a page, without its subsections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    /// Number of `#`.
    pub(super) level: usize,
    pub(super) title: &'static str,
    /// The title of the section of the second level that it belongs to.
    pub(super) parent: &'static str,
    pub(super) body: &'static str,
}

/// A row of a table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) section: &'static str,
    /// What the first cell names.
    pub(super) names: Vec<String>,
    /// Heading and text of the other cells that are not empty.
    pub(super) cells: Vec<(String, String)>,
}

/// The sections of a page.
pub(super) fn sections(page: &'static str) -> impl Iterator<Item = Section> {
    let mut starts = Vec::new();
    let (mut at, mut is_code) = (0, false);
    for line in page.split_inclusive('\n') {
        is_code ^= line.starts_with("```");
        if line.starts_with('#') && !is_code {
            starts.push((at, line.len()));
        }
        at += line.len();
    }
    let mut parent = "";
    let ends: Vec<usize> = starts.iter().skip(1).map(|start| start.0).collect();
    let ends = ends.into_iter().chain([page.len()]);
    starts
        .into_iter()
        .zip(ends)
        .map(move |((start, length), end)| {
            let heading = &page[start..start + length];
            let title = heading.trim_start_matches('#').trim();
            let level = heading.len() - heading.trim_start_matches('#').len();
            if level == 2 {
                parent = title;
            }
            Section {
                level,
                title,
                parent,
                body: &page[start + length..end],
            }
        })
}

/// The rows of the tables of a section. The names are in the column Reason, or in the first one.
pub(super) fn cells(section: &Section) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut header: Vec<String> = Vec::new();
    for line in section.body.lines() {
        let Some(line) = line.strip_prefix('|') else {
            header.clear();
            continue;
        };
        let cells = split(line);
        if cells.iter().all(|cell| cell.chars().all(|c| c == '-')) {
            continue;
        }
        if header.is_empty() {
            header = cells;
            continue;
        }
        let place = header
            .iter()
            .position(|title| title == "Reason")
            .unwrap_or(0);
        let names = names_of(cells.get(place).map_or("", String::as_str));
        let columns = header.iter().cloned().zip(cells).enumerate();
        let columns = columns.filter_map(|(at, cell)| (at != place).then_some(cell));
        rows.push(Row {
            section: section.title,
            names,
            cells: columns.filter(|(_, cell)| !cell.is_empty()).collect(),
        });
    }
    rows
}

/// The cells of a line. `\|` is a part of one.
fn split(line: &str) -> Vec<String> {
    let line = line.trim_end().trim_end_matches('|');
    let line = line.replace("\\|", "\u{0}");
    let cells = line.split('|');
    cells
        .map(|cell| inline(cell.trim()).replace('\u{0}', "|"))
        .collect()
}

/// The names in a cell, such as `file, state` or `AsExpected (False)`.
fn names_of(cell: &str) -> Vec<String> {
    let names = cell.split(", ");
    let names = names.filter_map(|name| name.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// A text without links, comments and marks of emphasis. Blocks of code are indented.
pub(super) fn plain(body: &str) -> String {
    let mut text = String::new();
    let mut is_code = false;
    for line in body.trim().lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            text.push_str("    ");
            text.push_str(line);
            text.push('\n');
        } else if !line.starts_with("<!--") && !line.starts_with("|---") {
            text.push_str(&inline(line));
            text.push('\n');
        }
    }
    text
}

/// A line without the addresses of links, bold marks and backquotes.
fn inline(source: &str) -> String {
    let mut text = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        let link = after.split_once("](").and_then(|(label, after)| {
            let (_, after) = after.split_once(')')?;
            (!label.contains(']')).then_some((label, after))
        });
        if let Some((label, after)) = link {
            text.push_str(label);
            rest = after;
        } else {
            text.push('[');
            rest = after;
        }
    }
    text.push_str(rest);
    text.replace("**", "").replace('`', "")
}

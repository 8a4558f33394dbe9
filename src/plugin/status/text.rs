//! The text of a status. Pure.

use std::collections::BTreeMap;

use super::next::{Next, next};
use super::{IntegrityStatus, Status};
use crate::api::{ChangeSetId, RealtimeState};
use crate::plugin::fleet::{NodeState, OpenAcceptance, Owner, SpecHold};
use crate::plugin::grid::Grid;
use crate::plugin::safe::{message, safe};
use crate::plugin::screen::{Screen, Tone, counted, duration, some_of};

/// Maximum number of rows of a table. The JSON has all of them.
const MAX_ROWS: usize = 20;
/// Maximum number of names in a sentence.
const MAX_NAMES: usize = 5;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detail {
    /// Whether the namespaces are shown.
    pub(crate) namespaces: bool,
    /// Whether IDs are whole, and each node that is not as it should be has a line.
    pub(crate) wide: bool,
}

/// The text of a status.
pub(crate) fn text(status: &Status<'_>, detail: Detail, screen: &Screen) -> String {
    let mut writer = Writer {
        status,
        detail,
        screen,
        sections: Vec::new(),
    };
    writer.integrities();
    writer.counts();
    writer.problems();
    writer.sets();
    writer.errors();
    if detail.wide {
        writer.nodes();
    }
    writer.baselines();
    writer.acceptances();
    writer.unread();
    writer.next();
    writer.sections.join("\n")
}

struct Writer<'a> {
    status: &'a Status<'a>,
    detail: Detail,
    screen: &'a Screen,
    /// Texts with a line feed at the end. An empty line separates them.
    sections: Vec<String>,
}

impl Writer<'_> {
    /// The name of a FileIntegrity.
    fn name(&self, owner: &Owner) -> String {
        if self.detail.namespaces {
            format!("{}/{}", safe(&owner.namespace), safe(&owner.name))
        } else {
            safe(&owner.name)
        }
    }

    /// The digits of an ID that are shown.
    fn id(&self, id: &str) -> String {
        if self.detail.wide {
            safe(id)
        } else {
            safe(&ChangeSetId::shown(id))
        }
    }

    fn add(&mut self, title: &str, grid: Grid, more: usize, of: &str) {
        if grid.is_empty() {
            return;
        }
        let mut section = String::new();
        if !title.is_empty() {
            section.push_str(&self.screen.paint(Tone::Bold, title));
            section.push('\n');
        }
        section.push_str(&grid.render(self.screen));
        if more > 0 {
            let note = format!("... and {}; -o json has all", counted(more, of));
            section.push_str(&self.screen.paint(Tone::Faint, &note));
            section.push('\n');
        }
        self.sections.push(section);
    }

    fn integrities(&mut self) {
        let header = ["FILEINTEGRITY", "PHASE", "CONFIG", "PERIOD", "REALTIME"];
        let mut grid = Grid::new(&header, &[0, 2]);
        for it in &self.status.integrities {
            let integrity = it.integrity;
            let phase = integrity.phase.map_or("-", crate::api::Phase::as_str);
            let tone = if integrity.problems.is_empty() {
                Tone::Plain
            } else {
                Tone::Bad
            };
            let cells = vec![
                self.name(&integrity.owner),
                phase.to_owned(),
                safe(&integrity.configuration),
                duration(integrity.period),
                realtime(it),
            ];
            grid.row(tone, cells);
        }
        self.add("", grid, 0, "");
    }

    fn counts(&mut self) {
        let header = [
            "FILEINTEGRITY",
            "NODES",
            "OK",
            "CHANGED",
            "ERRORED",
            "PENDING",
            "HELD",
            "STALE",
            "NOT SELECTED",
        ];
        let mut grid = Grid::new(&header, &[0]);
        for it in &self.status.integrities {
            let counts = it.counts;
            let tone = if it.has_problems() {
                Tone::Bad
            } else if counts.changed > 0 {
                Tone::Changed
            } else {
                Tone::Good
            };
            let mut cells = vec![self.name(&it.integrity.owner)];
            let numbers = [
                it.nodes.len(),
                counts.ok,
                counts.changed,
                counts.errored,
                counts.pending,
                counts.held,
            ];
            cells.extend(numbers.map(|number| number.to_string()));
            cells.extend([it.integrity.stale, it.integrity.not_selected].map(|n| n.to_string()));
            grid.row(tone, cells);
        }
        self.add("", grid, 0, "");
    }

    fn problems(&mut self) {
        let mut lines = Vec::new();
        for it in &self.status.integrities {
            let name = self.name(&it.integrity.owner);
            for problem in &it.integrity.problems {
                let (reason, text) = (safe(&problem.reason), message(&problem.message));
                let line = format!("{name}: {}, {reason}: {text}", problem.condition);
                lines.push(self.screen.paint(Tone::Bad, &line));
            }
            if let Some(excluded) = &it.integrity.excluded {
                lines.push(format!("{name}: not selected: {}", message(excluded)));
            }
            let held = it.nodes.iter().filter(|node| node.hold.is_some());
            let held = held.filter(|node| node.spec_hold().is_none());
            let held = some_of(held.map(|node| node.name.as_str()), MAX_NAMES);
            if !held.is_empty() {
                lines.push(format!("{name}: scans are held on {held}"));
            }
            lines.extend(self.spec_holds(it, &name));
            if it.counts.without_set > 0 {
                lines.push(format!(
                    "{name}: {} in no set, because the reports were truncated",
                    counted(it.counts.without_set, "changed node")
                ));
            }
        }
        self.lines(&lines);
    }

    /// Which holds of the spec hold which nodes.
    fn spec_holds(&self, status: &IntegrityStatus<'_>, name: &str) -> Vec<String> {
        let mut nodes = BTreeMap::<&SpecHold, Vec<&str>>::new();
        for node in &status.nodes {
            if let Some(hold) = node.spec_hold() {
                nodes.entry(hold).or_default().push(&node.name);
            }
        }
        let (all, mut lines) = (nodes.len(), Vec::new());
        for (hold, nodes) in nodes.into_iter().take(MAX_ROWS) {
            let number = counted(nodes.len(), "node");
            let nodes = some_of(nodes.into_iter(), MAX_NAMES);
            let holds = some_of(hold.names.iter().map(String::as_str), MAX_NAMES);
            let until = if hold.until > self.screen.now {
                format!("until {}", hold.until)
            } else {
                format!(
                    "which ended at {}; a scan or a new baseline follows",
                    hold.until
                )
            };
            let line = format!("{name}: {number} held by {holds} in spec.holds, {until}: {nodes}");
            lines.push(line);
        }
        if all > MAX_ROWS {
            lines.push(format!(
                "... and {} more holds; -o json has all",
                all - MAX_ROWS
            ));
        }
        lines
    }

    fn lines(&mut self, lines: &[String]) {
        if !lines.is_empty() {
            self.sections.push(lines.join("\n") + "\n");
        }
    }

    fn sets(&mut self) {
        for index in 0..self.status.integrities.len() {
            let it = &self.status.integrities[index];
            let header = ["SET", "NODES", "CHANGES", "AGE", "EXAMPLE", "PATH"];
            let mut grid = Grid::new(&header, &[4, 5]);
            let mut remarks = String::new();
            for set in it.sets.iter().take(MAX_ROWS) {
                let age = set.first_seen.map(|since| self.screen.age(since));
                let path = set.example_path.as_deref().map(safe);
                let id = self.id(&set.id.to_string());
                let mut tone = Tone::Plain;
                if let Some(other) = set.same_paths_as {
                    tone = Tone::Changed;
                    let other = self.id(&other.to_string());
                    let remark = format!("{id} has the paths of {other} with other values");
                    remarks.push_str(&self.screen.paint(tone, &remark));
                    remarks.push('\n');
                }
                let cells = vec![
                    id,
                    set.nodes.len().to_string(),
                    set.counts.to_string(),
                    age.unwrap_or_else(|| "-".to_owned()),
                    safe(&set.nodes[0]),
                    path.unwrap_or_else(|| "-".to_owned()),
                ];
                grid.row(tone, cells);
            }
            let sets = it.sets.len();
            let in_sets = it.counts.changed - it.counts.without_set;
            let title = format!(
                "{} on {} of {}",
                counted(sets, "change set"),
                counted(in_sets, "node"),
                self.name(&it.integrity.owner)
            );
            self.add(&title, grid, sets.saturating_sub(MAX_ROWS), "more set");
            if let Some(section) = self.sections.last_mut().filter(|_| sets > 0) {
                section.push_str(&remarks);
            }
        }
    }

    fn errors(&mut self) {
        for index in 0..self.status.integrities.len() {
            let it = &self.status.integrities[index];
            let mut grid = Grid::new(&["NODE", "ERROR", "AGE", "MESSAGE"], &[0, 3]);
            for node in it.errored().take(MAX_ROWS) {
                let Some(scan) = &node.scan else { continue };
                let (class, text) = scan.error.as_ref().map_or(("other", ""), |(class, text)| {
                    (class.as_str(), text.as_str())
                });
                let cells = vec![
                    safe(&node.name),
                    class.to_owned(),
                    self.screen.age(scan.at),
                    message(text),
                ];
                grid.row(Tone::Bad, cells);
            }
            let errored = it.counts.errored;
            let name = self.name(&it.integrity.owner);
            let title = format!("{} of {name}", counted(errored, "errored node"));
            self.add(&title, grid, errored.saturating_sub(MAX_ROWS), "more node");
        }
    }

    /// The nodes that are not as they should be.
    fn nodes(&mut self) {
        for index in 0..self.status.integrities.len() {
            let it = &self.status.integrities[index];
            let header = ["NODE", "STATE", "CHANGES", "SCANNED", "BASELINE", "SET"];
            let mut grid = Grid::new(&header, &[0]);
            let other = it.nodes.iter().filter(|it| it.state() != NodeState::Ok);
            let (all, mut rest) = (other.clone().count(), other);
            for node in rest.by_ref().take(MAX_ROWS * 10) {
                let age = |at| self.screen.age(at);
                let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
                let scan = node.scan.as_ref();
                let cells = vec![
                    safe(&node.name),
                    node.state().as_str().to_owned(),
                    or_none(scan.map(|scan| scan.counts.to_string())),
                    or_none(node.last_full_scan.map(age)),
                    or_none(node.baseline.map(|(created_at, _)| age(created_at))),
                    or_none(node.set().map(|id| ChangeSetId::shown(&id.to_string()))),
                ];
                grid.row(Tone::Plain, cells);
            }
            let name = self.name(&it.integrity.owner);
            let title = format!("{} of {name} not ok", counted(all, "node"));
            self.add(&title, grid, rest.count(), "more node");
        }
    }

    fn baselines(&mut self) {
        let mut lines = Vec::new();
        for it in &self.status.integrities {
            let name = self.name(&it.integrity.owner);
            let Some((created_at, node)) = it.baselines.oldest else {
                continue;
            };
            let age = self.screen.age(created_at);
            let oldest = format!("{name}: the oldest baseline is {age} old ({})", safe(node));
            lines.push(oldest);
            for (what, nodes) in [
                ("unrequested", &it.baselines.unrequested),
                ("tampered", &it.baselines.tampered),
            ] {
                if !nodes.is_empty() {
                    let number = counted(nodes.len(), &format!("{what} baseline"));
                    let names = some_of(nodes.iter().copied(), MAX_NAMES);
                    let line = format!("{name}: {number} ({names})");
                    lines.push(self.screen.paint(Tone::Bad, &line));
                }
            }
        }
        self.lines(&lines);
    }

    fn acceptances(&mut self) {
        let all = self.status.fleet.acceptances.as_deref().unwrap_or_default();
        let header = [
            "ACCEPTANCE",
            "SET",
            "ACCEPTED",
            "REFUSED",
            "WAITING",
            "UNTIL",
            "REASON",
        ];
        let mut grid = Grid::new(&header, &[0, 6]);
        for acceptance in all.iter().take(MAX_ROWS) {
            let OpenAcceptance { counts, set, .. } = acceptance;
            let until = acceptance
                .until
                .map(|until| duration(until.as_second() - self.screen.now.as_second()));
            let cells = vec![
                safe(&acceptance.name),
                set.as_ref()
                    .map_or_else(|| "listed".to_owned(), |set| self.id(set)),
                counts.accepted.to_string(),
                counts.refused.to_string(),
                counts.waiting.to_string(),
                until.unwrap_or_else(|| "-".to_owned()),
                message(&acceptance.reason),
            ];
            grid.row(Tone::Plain, cells);
        }
        let title = counted(all.len(), "open acceptance");
        self.add(&title, grid, all.len().saturating_sub(MAX_ROWS), "more");
    }

    fn unread(&mut self) {
        let unread = &self.status.fleet.unread;
        let mut lines: Vec<String> = unread
            .iter()
            .take(MAX_NAMES)
            .map(|text| {
                self.screen
                    .paint(Tone::Bad, &format!("not read: {}", message(text)))
            })
            .collect();
        if unread.len() > MAX_NAMES {
            lines.push(format!("... and {} more", unread.len() - MAX_NAMES));
        }
        self.lines(&lines);
    }

    fn next(&mut self) {
        let all = next(self.status);
        let Screen {
            program,
            cluster,
            namespace,
            ..
        } = self.screen;
        let command = |next: &Next| {
            let namespace = match (&next.namespace, self.detail.namespaces) {
                (None, _) => None,
                (of_object, true) => of_object.as_ref(),
                (Some(_), false) => namespace.as_ref(),
            };
            let cluster = cluster.as_ref().filter(|_| next.namespace.is_some());
            let mut text = format!("  {program} {}", next.arguments);
            text.extend(cluster.map(|options| format!(" {options}")));
            text.extend(namespace.map(|name| format!(" -n {}", safe(name))));
            text
        };
        let commands: Vec<String> = all.iter().map(command).collect();
        let width = commands.iter().map(|it| it.chars().count()).max();
        let lines = commands.iter().zip(&all).map(|(command, next)| {
            let space = " ".repeat(width.unwrap_or(0) - command.chars().count() + 2);
            let about = self.screen.paint(Tone::Faint, &format!("# {}", next.about));
            format!("{command}{space}{about}\n")
        });
        let lines: String = lines.collect();
        if !lines.is_empty() {
            let title = self.screen.paint(Tone::Bold, "Next");
            self.sections.push(format!("{title}\n{lines}"));
        }
    }
}

/// The states of realtime detection, the worst first.
fn realtime(status: &IntegrityStatus<'_>) -> String {
    if !status.integrity.is_realtime {
        return "Off".to_owned();
    }
    let numbers = RealtimeState::ALL.iter().filter_map(|state| {
        let nodes = status.realtime(*state);
        (nodes > 0).then(|| format!("{} {nodes}", state.as_str()))
    });
    let numbers: Vec<String> = numbers.collect();
    if numbers.is_empty() {
        "-".to_owned()
    } else {
        numbers.join(", ")
    }
}

use super::*;
use crate::aide::report::{Change, ChangeKind};

fn actor(pid: i64) -> Arc<Actor> {
    Arc::new(Actor {
        exe: "/usr/bin/touch".to_owned(),
        comm: None,
        pid,
        login_uid: None,
        unit: None,
        pod_uid: None,
        container_id: None,
    })
}

fn part(paths: &[&str]) -> Coverage {
    let mut part = Coverage::default();
    for path in paths {
        part.add(path.as_bytes(), Extent::Own);
    }
    part
}

fn add(actors: &mut AnnouncedActors, path: &str, actor: Option<Arc<Actor>>) {
    let path = path.as_bytes().to_vec();
    let extent = Extent::Own;
    actors.add(vec![Decision {
        path,
        extent,
        actor,
    }]);
}

fn pid_of(actors: &AnnouncedActors, path: &str) -> Option<i64> {
    Some(actors.of(path.as_bytes())?.pid)
}

#[test]
fn the_last_actor_counts() {
    let mut actors = AnnouncedActors::default();
    add(&mut actors, "/a", Some(actor(1)));
    add(&mut actors, "/a", Some(actor(2)));
    add(&mut actors, "/b", Some(actor(1)));
    add(&mut actors, "/b", None);
    assert_eq!(pid_of(&actors, "/a"), Some(2));
    assert_eq!(pid_of(&actors, "/b"), None);
}

#[test]
fn a_check_takes_the_actors_of_its_part() {
    let mut actors = AnnouncedActors::default();
    add(&mut actors, "/a", Some(actor(1)));
    add(&mut actors, "/b", Some(actor(2)));
    let taken = actors.take(&part(&["/a"]));
    assert_eq!(
        (pid_of(&actors, "/a"), pid_of(&actors, "/b")),
        (None, Some(2))
    );
    let change = |path: &str| Change {
        path: path.as_bytes().to_vec(),
        kind: ChangeKind::Added,
        attributes: [].into(),
        new_values: None,
        details: Vec::new(),
        actor: None,
    };
    let mut report = Report {
        changes: vec![change("/a"), change("/b")],
        ..Report::default()
    };
    taken.name_in(&mut report);
    let named: Vec<_> = report.changes.iter().map(|it| it.actor.clone()).collect();
    assert_eq!(named, [Some(actor(1)), None]);
}

#[test]
fn a_check_without_result_gives_them_back() {
    let mut actors = AnnouncedActors::default();
    add(&mut actors, "/a", Some(actor(1)));
    add(&mut actors, "/b", Some(actor(1)));
    let taken = actors.take(&part(&["/a", "/b"]));
    add(&mut actors, "/b", Some(actor(2)));
    actors.take_back(taken);
    assert_eq!(
        (pid_of(&actors, "/a"), pid_of(&actors, "/b")),
        (Some(1), Some(2))
    );
}

#[test]
fn the_number_of_paths_is_limited() {
    let mut actors = AnnouncedActors::default();
    for number in 0..=MAX_PATHS {
        add(&mut actors, &format!("/{number}"), Some(actor(1)));
    }
    assert_eq!(actors.actors.len(), MAX_PATHS);
    add(&mut actors, "/0", Some(actor(2)));
    assert_eq!(pid_of(&actors, "/0"), Some(2));
}

#[test]
fn below_a_moved_directory_nothing_is_known() {
    let mut actors = AnnouncedActors::default();
    for path in ["/a/b", "/ab"] {
        add(&mut actors, path, Some(actor(1)));
    }
    let taken = actors.take(&part(&["/a/b"]));
    add(&mut actors, "/a/b/c", Some(actor(1)));
    actors.add(vec![Decision::unknown(b"/a", Extent::Subtree)]);
    assert_eq!(pid_of(&actors, "/a/b/c"), None);
    assert_eq!(pid_of(&actors, "/ab"), Some(1));
    // The check ran while the directory was moved.
    actors.take_back(taken);
    assert_eq!(pid_of(&actors, "/a/b"), None);
}

#[test]
fn an_actor_that_is_not_known_is_not_replaced_by_an_earlier_one() {
    let mut actors = AnnouncedActors::default();
    add(&mut actors, "/a", Some(actor(1)));
    let taken = actors.take(&part(&["/a"]));
    add(&mut actors, "/a", None);
    actors.take_back(taken);
    assert_eq!(pid_of(&actors, "/a"), None);
}

#[test]
fn a_check_takes_what_is_decided_while_it_runs() {
    let mut actors = AnnouncedActors::default();
    add(&mut actors, "/a", None);
    add(&mut actors, "/b", Some(actor(1)));
    let part = part(&["/a", "/b"]);
    let mut taken = actors.take(&part);
    add(&mut actors, "/a", Some(actor(2)));
    add(&mut actors, "/b", Some(actor(2)));
    add(&mut actors, "/c", Some(actor(2)));
    // The other path has changed again: the next check shows that.
    actors.take_late(&part, |path| path == b"/b", &mut taken);
    assert_eq!(
        (pid_of(&taken, "/a"), pid_of(&taken, "/b")),
        (Some(2), Some(1))
    );
    let left = ["/a", "/b", "/c"].map(|path| pid_of(&actors, path));
    assert_eq!(left, [None, Some(2), Some(2)]);
}

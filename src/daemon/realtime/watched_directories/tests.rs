use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::daemon::realtime::kernel_event::Handle;

fn id(number: u8) -> WatchId {
    WatchId::Handle(Handle {
        fsid: [0; 8],
        kind: 1,
        bytes: vec![number],
    })
}

/// Adds an entry of the directory with this path.
fn add(watched: &mut WatchedDirectories, above: &str, name: &str, number: u8) -> Vec<WatchId> {
    let above = watched.at(above.as_bytes()).unwrap();
    let (place, forgotten) = watched.add(above, name.as_bytes(), id(number));
    assert_eq!(watched.directory(place), Some(&id(number)));
    assert_eq!(watched.entry(above, name.as_bytes()), Some(place));
    forgotten
}

/// `/`, `/etc` (1), `/etc/ssh` (2), `/etc/ssh/keys` (3), `/opt` (4).
fn watched() -> WatchedDirectories {
    let mut watched = WatchedDirectories::default();
    watched.add_root(id(0));
    for (above, name, number) in [
        ("/", "etc", 1),
        ("/etc", "ssh", 2),
        ("/etc/ssh", "keys", 3),
        ("/", "opt", 4),
    ] {
        assert_eq!(add(&mut watched, above, name, number), []);
    }
    watched
}

fn paths(watched: &WatchedDirectories, number: u8) -> Vec<String> {
    let paths = watched.paths(&id(number)).into_iter();
    let mut paths: Vec<_> = paths.map(|path| String::from_utf8(path).unwrap()).collect();
    paths.sort();
    paths
}

fn sorted(mut directories: Vec<WatchId>) -> Vec<WatchId> {
    directories.sort_by_key(|directory| format!("{directory:?}"));
    directories
}

#[test]
fn each_directory_has_its_path() {
    let watched = watched();
    for (number, path) in [
        (0, "/"),
        (1, "/etc"),
        (2, "/etc/ssh"),
        (3, "/etc/ssh/keys"),
        (4, "/opt"),
    ] {
        assert_eq!(paths(&watched, number), [path]);
        let place = watched.at(path.as_bytes()).unwrap();
        assert_eq!(watched.directory(place), Some(&id(number)));
    }
    assert_eq!(paths(&watched, 5), [""; 0]);
    assert_eq!(watched.at(b"/etc/other"), None);
    assert_eq!((watched.len(), watched.root()), (5, Some(&id(0))));
    assert!(watched.contains(&id(4)) && !watched.contains(&id(5)));
}

#[test]
fn a_forgotten_directory_is_forgotten_with_all_below_it() {
    let mut watched = watched();
    let forgotten = watched.forget(&id(1), b"ssh");
    assert_eq!(sorted(forgotten), [id(2), id(3)]);
    assert_eq!((paths(&watched, 3), watched.len()), (vec![], 3));
    assert_eq!(watched.forget(&id(1), b"ssh"), []);
    assert_eq!(watched.forget(&id(9), b"a"), []);
    let place = watched.at(b"/etc").unwrap();
    assert_eq!(watched.forget_place(place), [id(1)]);
    assert_eq!(watched.forget_directory(&id(4)), [id(4)]);
    assert_eq!((watched.at(b"/opt"), watched.len()), (None, 1));
}

#[test]
fn another_directory_of_the_same_name_replaces_the_old_one() {
    let mut watched = watched();
    assert_eq!(add(&mut watched, "/etc/ssh", "keys", 5), [id(3)]);
    assert_eq!(paths(&watched, 5), ["/etc/ssh/keys"]);
    assert_eq!(add(&mut watched, "/etc/ssh", "keys", 5), []);
    assert_eq!(watched.len(), 5);
}

#[test]
fn a_directory_at_several_places_is_watched_until_the_last_one_is_forgotten() {
    let mut watched = watched();
    assert_eq!(add(&mut watched, "/opt", "etc", 1), []);
    assert_eq!(add(&mut watched, "/opt/etc", "ssh", 2), []);
    assert_eq!(paths(&watched, 2), ["/etc/ssh", "/opt/etc/ssh"]);
    // An entry that disappears does so at all places.
    let mut both = watched;
    assert_eq!(sorted(both.forget(&id(1), b"ssh")), [id(2), id(3)]);
    assert_eq!((both.len(), both.at(b"/opt/etc/ssh")), (4, None));
    assert_eq!(both.forget(&id(0), b"etc"), []);
    assert_eq!(paths(&both, 1), ["/opt/etc"]);
    assert_eq!(both.forget(&id(4), b"etc"), [id(1)]);
}

#[test]
fn a_directory_inside_itself_has_a_path_for_each_place() {
    let mut watched = watched();
    add(&mut watched, "/opt", "root", 0);
    add(&mut watched, "/opt/root", "etc", 1);
    assert_eq!(paths(&watched, 0), ["/", "/opt/root"]);
    assert_eq!(paths(&watched, 1), ["/etc", "/opt/root/etc"]);
    assert_eq!(watched.forget(&id(4), b"root"), []);
    assert_eq!(
        (paths(&watched, 0), watched.len()),
        (vec!["/".to_owned()], 5)
    );
}

#[test]
fn a_moved_directory_is_forgotten_at_its_old_place_only() {
    let mut watched = watched();
    add(&mut watched, "/opt", "moved", 2);
    assert_eq!(watched.forget(&id(1), b"ssh"), [id(3)]);
    assert_eq!(paths(&watched, 2), ["/opt/moved"]);
    let all: Vec<_> = watched.directories().cloned().collect();
    assert_eq!(sorted(all), [id(0), id(1), id(2), id(4)]);
}

/// What a test does with directories of these numbers.
#[derive(Clone, Debug)]
enum Step {
    Add { above: usize, name: u8, number: u8 },
    Forget { parent: u8, name: u8 },
    ForgetDirectory(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (name, number) = (b'a'..b'd', 0..8_u8);
    prop_oneof![
        3 => (any::<usize>(), name.clone(), number.clone())
            .prop_map(|(above, name, number)| Step::Add { above, name, number }),
        1 => (number.clone(), name).prop_map(|(parent, name)| Step::Forget { parent, name }),
        1 => number.prop_map(Step::ForgetDirectory),
    ]
}

/// The same with paths: each one, without a trailing slash, and its directory.
type Model = BTreeMap<String, u8>;

fn paths_of(model: &Model, number: u8) -> Vec<String> {
    let paths = model.iter().filter(|(_, found)| **found == number);
    paths.map(|(path, _)| path.clone()).collect()
}

fn remove(model: &mut Model, removed: &str) {
    model.retain(|path, _| path != removed && !path.starts_with(&format!("{removed}/")));
}

/// Does the step in both, and returns what is not watched any more.
fn take(step: &Step, watched: &mut WatchedDirectories, model: &mut Model) -> Vec<WatchId> {
    match *step {
        Step::Add {
            above,
            name,
            number,
        } => {
            let above = model.keys().nth(above % model.len()).unwrap().clone();
            let path = format!("{above}/{}", char::from(name));
            if model.get(&path) != Some(&number) {
                remove(model, &path);
                model.insert(path, number);
            }
            let above = watched.at(above.as_bytes()).unwrap();
            watched.add(above, &[name], id(number)).1
        }
        Step::Forget { parent, name } => {
            for parent in paths_of(model, parent) {
                remove(model, &format!("{parent}/{}", char::from(name)));
            }
            watched.forget(&id(parent), &[name])
        }
        Step::ForgetDirectory(number) => {
            for path in paths_of(model, number) {
                remove(model, &path);
            }
            watched.forget_directory(&id(number))
        }
    }
}

proptest! {
    #[test]
    fn directories_have_the_paths_of_the_model(steps in prop::collection::vec(step(), 0..40)) {
        let mut watched = WatchedDirectories::default();
        watched.add_root(id(9));
        let mut model = Model::from([(String::new(), 9)]);
        for step in steps {
            let before: BTreeSet<u8> = model.values().copied().collect();
            let forgotten = take(&step, &mut watched, &mut model);
            let after: BTreeSet<u8> = model.values().copied().collect();
            let gone: Vec<_> = before.difference(&after).map(|number| id(*number)).collect();
            prop_assert_eq!(sorted(forgotten), gone);
            prop_assert_eq!(watched.len(), model.len());
            for number in 0..8 {
                prop_assert_eq!(paths(&watched, number), paths_of(&model, number));
            }
        }
    }
}

use super::*;

fn inode(number: u64) -> Inode {
    Inode { device: 1, number }
}

fn file(number: u64, links: u64) -> File {
    let inode = inode(number);
    File { inode, links }
}

fn paths(index: &LinkIndex, number: u64) -> Vec<&[u8]> {
    index.paths(inode(number)).collect()
}

/// An index of a file with these names.
fn index(links: u64, names: &[&str]) -> LinkIndex {
    let mut index = LinkIndex::default();
    let names: Vec<_> = names.iter().map(|name| name.as_bytes().to_vec()).collect();
    index.set(file(1, links), &names);
    index
}

#[test]
fn names_come_and_go() {
    let mut index = index(2, &["/a", "/b"]);
    assert!(index.is_complete(inode(1)));
    index.update(b"/c", Some(file(1, 3)));
    assert_eq!(paths(&index, 1), [b"/a", b"/b", b"/c"]);
    assert!(index.is_complete(inode(1)));
    index.update(b"/a", None);
    index.update(b"/b", Some(file(1, 2)));
    assert_eq!(paths(&index, 1), [b"/b", b"/c"]);
    assert!(index.is_complete(inode(1)));
    // Another file has the name now.
    index.update(b"/c", Some(file(2, 1)));
    index.update(b"/b", Some(file(1, 1)));
    assert_eq!(index.inode(b"/b"), None);
    assert!(!index.contains(inode(1)) && !index.contains(inode(2)));
}

#[test]
fn names_that_are_not_known_are_searched_for() {
    let mut new = LinkIndex::default();
    new.update(b"/a", Some(file(1, 2)));
    assert!(new.contains(inode(1)) && !new.is_complete(inode(1)));

    // A name was added elsewhere.
    let mut known = index(2, &["/a", "/b"]);
    known.update(b"/a", Some(file(1, 3)));
    assert!(!known.is_complete(inode(1)));

    // One was added here, and one was removed elsewhere.
    let mut known = index(2, &["/a"]);
    known.update(b"/b", Some(file(1, 2)));
    assert!(!known.is_complete(inode(1)));
}

#[test]
fn a_file_with_names_elsewhere_is_complete() {
    let mut index = index(5, &["/a"]);
    index.update(b"/a", Some(file(1, 5)));
    assert!(index.is_complete(inode(1)));
    index.update(b"/a", None);
    assert_eq!(index.inodes().count(), 0);
}

#[test]
fn names_in_a_part_of_the_node() {
    let index = index(6, &["/etc", "/etc!", "/etc/a", "/etc/b/c", "/etc0"]);
    let within = |path: &str, extent| {
        let found = index.within(path.as_bytes(), extent).into_iter();
        found
            .map(|path| String::from_utf8(path).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(within("/etc", Extent::Own), ["/etc"]);
    assert_eq!(within("/etc", Extent::Entries), ["/etc", "/etc/a"]);
    let all = ["/etc", "/etc/a", "/etc/b/c"];
    assert_eq!(within("/etc", Extent::Subtree), all);
    assert_eq!(within("/", Extent::Subtree).len(), 5);
    assert!(within("/var", Extent::Subtree).is_empty());
}

#[test]
fn the_number_of_names_is_limited() {
    let mut index = LinkIndex::default();
    for number in 0..=u64::try_from(MAX_NAMES).unwrap() {
        let path = format!("/{number}").into_bytes();
        index.set(file(number, 2), &[path]);
    }
    assert_eq!(index.inodes.len(), MAX_NAMES);
    // A file with a name beyond the limit is never complete.
    index.update(b"/other", Some(file(1, 3)));
    assert!(index.contains(inode(1)) && !index.is_complete(inode(1)));
}

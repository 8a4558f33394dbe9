use proptest::prelude::*;

use super::*;

/// A record as the kernel writes it: a name is padded with zeros to a multiple of the head's length.
fn record(watch: i32, mask: Mask, name: &[u8]) -> Vec<u8> {
    let mut padded = name.to_vec();
    if !name.is_empty() {
        padded.resize((name.len() + 1).next_multiple_of(HEAD), 0);
    }
    raw(watch, mask, padded.len(), &padded)
}

fn raw(watch: i32, mask: Mask, length: usize, name: &[u8]) -> Vec<u8> {
    let mask = u32::try_from(mask.0).unwrap();
    let length = u32::try_from(length).unwrap();
    let mut record = watch.to_ne_bytes().to_vec();
    record.extend(mask.to_ne_bytes());
    record.extend(4711_u32.to_ne_bytes());
    record.extend(length.to_ne_bytes());
    record.extend(name);
    record
}

fn entry(watch: i32, mask: Mask, name: &[u8]) -> KernelEvent {
    KernelEvent::Entry {
        mask,
        directory: WatchId::Watch(watch),
        name: name.to_vec(),
        pid: None,
    }
}

#[test]
fn records_of_one_read() {
    let created = Mask::CREATE | Mask::ON_DIRECTORY;
    let attributes = Mask::ATTRIB | Mask::ON_DIRECTORY;
    let buffer = [
        record(1, created, b"new\nline"),
        record(2, Mask::MODIFY, b"fifteen bytes.."),
        record(3, attributes, b""),
        record(-1, Mask::OVERFLOW, b""),
        record(4, Mask::UNMOUNT, b""),
        record(4, Mask::IGNORED, b""),
    ]
    .concat();
    let expected = [
        entry(1, created, b"new\nline"),
        entry(2, Mask::MODIFY, b"fifteen bytes.."),
        entry(3, attributes, b"."),
        KernelEvent::Overflow,
        KernelEvent::Unmounted(WatchId::Watch(4)),
        KernelEvent::Unwatched(WatchId::Watch(4)),
    ];
    assert_eq!(parse(&buffer).unwrap(), expected);
    assert_eq!(parse(&[]), Ok(Vec::new()));
}

#[test]
fn invalid_records() {
    let good = record(1, Mask::CREATE, b"name");
    let named = |name: &[u8]| raw(1, Mask::CREATE, name.len(), name);
    let not_an_entry = "its name is not that of an entry";
    for (buffer, expected) in [
        (good[..good.len() - 1].to_vec(), "it is incomplete"),
        (good[..HEAD].to_vec(), "it is incomplete"),
        (good[..HEAD - 1].to_vec(), "it is incomplete"),
        (
            raw(1, Mask::CREATE, u32::MAX as usize, b"name\0"),
            "it is incomplete",
        ),
        (named(b"name"), "its name has no end"),
        (named(b"\0name"), not_an_entry),
        (named(b"..\0"), not_an_entry),
        (named(b"a/b\0"), not_an_entry),
    ] {
        assert_eq!(parse(&buffer), Err(InvalidRecord(expected)), "{buffer:?}");
    }
}

proptest! {
    /// No bytes make the parser panic, and it ends.
    #[test]
    fn any_bytes_are_parsed_or_refused(
        start in prop::collection::vec(any::<u8>(), 0..8),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..60,
    ) {
        drop(parse(&bytes));
        let mut damaged = [
            record(1, Mask::CREATE, b"name"),
            record(2, Mask::ATTRIB, b""),
        ].concat();
        let at = at.min(damaged.len());
        damaged.splice(at..damaged.len().min(at + start.len()), start);
        drop(parse(&damaged));
    }
}

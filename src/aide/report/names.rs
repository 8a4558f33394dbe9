//! Names of attributes: AIDE's and fio's. Pure.
//!
//! AIDE's field names in JSON reports and headings in plain reports are from `attributes.c` of AIDE 0.19.

/// Field name, heading, fio's name.
const NAMES: [(&str, &str, &str); 18] = [
    ("file_type", "File type", "type"),
    ("link_name", "Lname", "link"),
    ("size", "Size", "size"),
    ("growing_size", "Size (>)", "size"),
    ("block_count", "Bcount", "blocks"),
    ("perm", "Perm", "permissions"),
    ("uid", "Uid", "owner"),
    ("gid", "Gid", "group"),
    ("access_time", "Atime", "atime"),
    ("modify_time", "Mtime", "mtime"),
    ("change_time", "Ctime", "ctime"),
    ("inode", "Inode", "inode"),
    ("link_count", "Linkcount", "links"),
    ("acl", "ACL", "acl"),
    ("xattrs", "XAttrs", "xattrs"),
    ("selinux", "SELinux", "selinux"),
    ("capabilities", "Caps", "capabilities"),
    ("fs_type", "FS type", "filesystem"),
];

/// Digests: fio uses the field name.
const DIGESTS: [(&str, &str); 16] = [
    ("md5", "MD5"),
    ("sha1", "SHA1"),
    ("sha256", "SHA256"),
    ("sha512", "SHA512"),
    ("rmd160", "RMD160"),
    ("tiger", "TIGER"),
    ("crc32", "CRC32"),
    ("crc32b", "CRC32B"),
    ("haval", "HAVAL"),
    ("whirlpool", "WHIRLPOOL"),
    ("gost", "GOST"),
    ("stribog256", "STRIBOG256"),
    ("stribog512", "STRIBOG512"),
    ("sha512-256", "SHA512/256"),
    ("sha3-256", "SHA3-256"),
    ("sha3-512", "SHA3-512"),
];

/// Our name for a field of a JSON report; an unknown one stays.
pub(super) fn of_field(field: &str) -> &str {
    NAMES
        .iter()
        .find(|(name, ..)| *name == field)
        .map_or(field, |(.., ours)| ours)
}

/// Our name for a heading of a plain report; an unknown one in lower case. 0.15 and 0.16 write
/// `Permissions`, `RMD160` and the like in their own ways.
pub(super) fn of_heading(heading: &str) -> String {
    let named = NAMES
        .iter()
        .find(|(_, name, _)| *name == heading)
        .map(|(.., ours)| *ours);
    let digest = DIGESTS
        .iter()
        .find(|(_, name)| *name == heading)
        .map(|(ours, _)| *ours);
    named
        .or(digest)
        .map_or_else(|| heading.to_lowercase(), str::to_owned)
}

/// AIDE's field in a JSON report for one of our names. Of two fields with the same name, the more frequent one.
pub(super) fn field_of(ours: &str) -> &str {
    let mut named = NAMES.iter().filter(|(.., name)| *name == ours);
    named.next().map_or(ours, |(field, ..)| field)
}

/// AIDE's heading in a plain report for one of our names.
pub(super) fn heading_of(ours: &str) -> &str {
    let mut named = NAMES.iter().filter(|(.., name)| *name == ours);
    let mut digests = DIGESTS.iter().filter(|(name, _)| *name == ours);
    let named = named.next().map(|(_, heading, _)| *heading);
    named
        .or_else(|| digests.next().map(|(_, heading)| *heading))
        .unwrap_or(ours)
}

/// Attributes whose values differ from node to node, or from scan to scan, although the same was done.
pub(crate) fn is_incidental(name: &str) -> bool {
    matches!(
        name,
        "atime" | "mtime" | "ctime" | "inode" | "links" | "blocks"
    )
}

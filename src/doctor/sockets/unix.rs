//! `/proc/net/unix`. man: unix(7), proc_pid_net(5)
//!
//! A name may hold any byte but NUL, also a newline, and NUL is shown as `@`: whoever may bind a socket
//! can make this file show lines that are none. What is read here is therefore evidence, not proof; a
//! name counts only for the process that holds the inode beside it.

use super::{Table, hex, number, table};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unix {
    /// Accepts connections, or takes datagrams from anybody.
    pub open: bool,
    pub inode: u64,
    pub name: Name,
}

/// What a socket is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    None,
    /// In no folder: whoever is in the network namespace may connect.
    Abstract(Vec<u8>),
    /// As it was bound, so perhaps relative to a folder that nobody knows.
    Path(PathBuf),
}

/// `__SO_ACCEPTCON`
const LISTENS: u32 = 1 << 16;
const DGRAM: u32 = libc::SOCK_DGRAM as u32;
/// `SS_UNCONNECTED`
const UNCONNECTED: u32 = 1;

/// `Num RefCount Protocol Flags Type St Inode Path`
pub fn parse(bytes: &[u8]) -> Table<Unix> {
    table(bytes, row)
}

fn row(line: &[u8]) -> Option<Unix> {
    let mut rest = line;
    let mut word = || {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        (!word.is_empty()).then_some(word)
    };
    word()?.strip_suffix(b":")?;
    hex(word()?)?;
    hex(word()?)?;
    let flags = hex(word()?)?;
    let kind = hex(word()?)?;
    let state = hex(word()?)?;
    let inode = number(word()?)?;
    let name = match rest.strip_prefix(b" ").unwrap_or_default() {
        b"" => Name::None,
        [b'@', name @ ..] => Name::Abstract(name.to_vec()),
        path => Name::Path(Path::new(std::ffi::OsStr::from_bytes(path)).to_owned()),
    };
    let named = name != Name::None;
    let open = flags & LISTENS != 0 || named && kind == DGRAM && state == UNCONNECTED;
    Some(Unix { open, inode, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "Num       RefCount Protocol Flags    Type St Inode Path\n";

    #[test]
    fn names_of_every_kind() {
        let text = format!(
            "{HEAD}0000000000000000: 00000002 00000000 00010000 0001 01  5034 /run/x y\n\
             ffff88800: 00000002 00000000 00010000 0005 01 18446744073709551615 @abstract@\n\
             0000000000000000: 00000003 00000000 00000000 0001 03 77\n\
             0000000000000000: 00000002 00000000 00000000 0002 01 78 /dev/log\n"
        );
        let table = parse(text.as_bytes());
        assert_eq!(table.bad.count, 0);
        let names: Vec<_> = table.rows.iter().map(|row| (&row.name, row.open)).collect();
        assert_eq!(names[0], (&Name::Path("/run/x y".into()), true));
        assert_eq!(names[1], (&Name::Abstract(b"abstract@".to_vec()), true));
        assert_eq!(names[2], (&Name::None, false));
        assert_eq!(names[3], (&Name::Path("/dev/log".into()), true));
        assert_eq!(table.rows[1].inode, u64::MAX);
    }

    #[test]
    fn a_name_with_a_newline_gives_a_line_that_is_counted() {
        let text = format!("{HEAD}0: 00000002 00000000 00010000 0001 01 5 @a\nb\n");
        let table = parse(text.as_bytes());
        assert_eq!((table.rows.len(), table.bad.count, table.bad.first), (1, 1, 3));
    }

    proptest! {
        #[test]
        fn any_bytes_are_rows_or_counted(bytes: Vec<u8>) {
            let table = parse(&bytes);
            prop_assert!(table.rows.len() + table.bad.count <= bytes.split(|b| *b == b'\n').count());
        }

        #[test]
        fn a_name_is_kept_as_it_is(name in "[^\n\0]{1,100}", inode: u64) {
            let text = format!("{HEAD}0: 00000002 00000000 00010000 0001 01 {inode:>5} {name}\n");
            let table = parse(text.as_bytes());
            prop_assert_eq!(table.bad.count, 0);
            let wanted = match name.strip_prefix('@') {
                Some(rest) => Name::Abstract(rest.as_bytes().to_vec()),
                None => Name::Path(name.into()),
            };
            prop_assert_eq!(&table.rows[0].name, &wanted);
        }
    }
}

//! The system calls that are looked at: where in their arguments the path, descriptor or address is.

use libc::c_long;

/// What is wanted of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// To know whether it is there.
    Look,
    Read,
    Write,
    /// To write it, and to make it if it is not there.
    Create,
    /// To make, rename or remove a name in its folder.
    Name,
    Exec,
    /// What only its owner may: mode, owner, times.
    Own,
}

/// How to find out what is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Call(Access),
    /// `O_…` in this argument.
    Flags(usize),
    /// A `struct open_how` at this argument.
    How(usize),
    /// `R_OK`, `W_OK`, `X_OK` in this argument.
    Mode(usize),
}

/// A path among the arguments; `dir` is that of the descriptor where a relative one starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operand {
    pub dir: Option<usize>,
    pub path: usize,
    pub by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Path(Operand),
    Two(Operand, Operand),
    /// Something is written to a descriptor.
    Written(usize),
    /// An address and its length: `connect` and its like, or `bind`.
    Address {
        at: usize,
        length: usize,
        bind: bool,
    },
    Fork,
    Memory,
    LockedMemory,
    Inotify,
    /// Nothing but its error tells something.
    Other,
}

const fn at(dir: usize, path: usize, by: By) -> Shape {
    Shape::Path(Operand { dir: Some(dir), path, by })
}

const fn path(access: Access) -> Shape {
    Shape::Path(Operand { dir: None, path: 0, by: By::Call(access) })
}

const fn name(dir: Option<usize>, path: usize) -> Operand {
    Operand { dir, path, by: By::Call(Access::Name) }
}

/// What a call of this number has.
pub(super) fn shape(number: u64) -> Shape {
    let Ok(number) = c_long::try_from(number) else { return Shape::Other };
    file(number).or_else(|| legacy(number)).or_else(|| other(number)).unwrap_or(Shape::Other)
}

fn file(number: c_long) -> Option<Shape> {
    use Access::{Exec, Look, Name, Own, Read, Write};
    Some(match number {
        libc::SYS_openat => at(0, 1, By::Flags(2)),
        libc::SYS_openat2 => at(0, 1, By::How(2)),
        libc::SYS_newfstatat
        | libc::SYS_statx
        | libc::SYS_readlinkat
        | libc::SYS_name_to_handle_at => at(0, 1, By::Call(Look)),
        libc::SYS_faccessat | libc::SYS_faccessat2 => at(0, 1, By::Mode(2)),
        libc::SYS_statfs | libc::SYS_chdir | libc::SYS_getxattr | libc::SYS_listxattr => path(Look),
        libc::SYS_mkdirat | libc::SYS_unlinkat | libc::SYS_mknodat => at(0, 1, By::Call(Name)),
        libc::SYS_fchmodat | libc::SYS_fchownat | libc::SYS_utimensat => at(0, 1, By::Call(Own)),
        libc::SYS_setxattr | libc::SYS_removexattr => path(Own),
        libc::SYS_truncate => path(Write),
        libc::SYS_execve => path(Exec),
        libc::SYS_execveat => at(0, 1, By::Call(Exec)),
        libc::SYS_inotify_add_watch => {
            Shape::Path(Operand { dir: None, path: 1, by: By::Call(Read) })
        }
        libc::SYS_renameat | libc::SYS_renameat2 | libc::SYS_linkat => {
            Shape::Two(name(Some(0), 1), name(Some(2), 3))
        }
        libc::SYS_symlinkat => Shape::Path(name(Some(1), 2)),
        _ => return None,
    })
}

/// Those that only older architectures have.
#[cfg(target_arch = "x86_64")]
fn legacy(number: c_long) -> Option<Shape> {
    use Access::{Create, Look, Name, Own};
    let flags = |by| Shape::Path(Operand { dir: None, path: 0, by });
    Some(match number {
        libc::SYS_open => flags(By::Flags(1)),
        libc::SYS_access => flags(By::Mode(1)),
        libc::SYS_creat => path(Create),
        libc::SYS_stat | libc::SYS_lstat | libc::SYS_readlink => path(Look),
        libc::SYS_mkdir | libc::SYS_rmdir | libc::SYS_unlink | libc::SYS_mknod => path(Name),
        libc::SYS_chmod
        | libc::SYS_chown
        | libc::SYS_lchown
        | libc::SYS_utime
        | libc::SYS_utimes => path(Own),
        libc::SYS_rename | libc::SYS_link => Shape::Two(name(None, 0), name(None, 1)),
        libc::SYS_symlink => Shape::Path(name(None, 1)),
        libc::SYS_fork | libc::SYS_vfork => Shape::Fork,
        libc::SYS_inotify_init => Shape::Inotify,
        _ => return None,
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn legacy(_: c_long) -> Option<Shape> {
    None
}

fn other(number: c_long) -> Option<Shape> {
    let address = |at, length| Shape::Address { at, length, bind: false };
    Some(match number {
        libc::SYS_connect => address(1, 2),
        libc::SYS_sendto => address(4, 5),
        libc::SYS_bind => Shape::Address { at: 1, length: 2, bind: true },
        libc::SYS_write
        | libc::SYS_writev
        | libc::SYS_pwrite64
        | libc::SYS_pwritev
        | libc::SYS_pwritev2
        | libc::SYS_ftruncate
        | libc::SYS_fallocate
        | libc::SYS_sendfile => Shape::Written(0),
        libc::SYS_copy_file_range => Shape::Written(2),
        libc::SYS_clone | libc::SYS_clone3 => Shape::Fork,
        libc::SYS_mmap | libc::SYS_mremap => Shape::Memory,
        libc::SYS_mlock | libc::SYS_mlock2 | libc::SYS_mlockall => Shape::LockedMemory,
        libc::SYS_inotify_init1 => Shape::Inotify,
        _ => return None,
    })
}

/// What `open` is asked for.
pub(super) fn of_open(flags: u64) -> Access {
    let flags = flags as libc::c_int;
    if flags & libc::O_PATH == libc::O_PATH {
        Access::Look
    } else if flags & libc::O_CREAT != 0 {
        Access::Create
    } else if flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0 {
        Access::Write
    } else {
        Access::Read
    }
}

/// What `access` is asked for.
pub(super) fn of_mode(mode: u64) -> Access {
    let asked = |bit: libc::c_int| mode & u64::from(bit.unsigned_abs()) != 0;
    if asked(libc::W_OK) {
        Access::Write
    } else if asked(libc::X_OK) {
        Access::Exec
    } else if asked(libc::R_OK) {
        Access::Read
    } else {
        Access::Look
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_open_and_access_are_asked_for() {
        let open = |flags: libc::c_int| of_open(u64::from(flags.unsigned_abs()));
        for (flags, expected) in [
            (libc::O_RDONLY | libc::O_CLOEXEC, Access::Read),
            (libc::O_WRONLY, Access::Write),
            (libc::O_RDWR, Access::Write),
            (libc::O_RDONLY | libc::O_TRUNC, Access::Write),
            (libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL, Access::Create),
            (libc::O_PATH | libc::O_DIRECTORY, Access::Look),
        ] {
            assert_eq!(open(flags), expected, "{flags:o}");
        }
        let mode = |mode: libc::c_int| of_mode(u64::from(mode.unsigned_abs()));
        assert_eq!(mode(libc::F_OK), Access::Look);
        assert_eq!(mode(libc::R_OK), Access::Read);
        assert_eq!(mode(libc::R_OK | libc::X_OK), Access::Exec);
        assert_eq!(mode(libc::R_OK | libc::W_OK), Access::Write);
    }

    #[test]
    fn any_number_has_a_shape() {
        for number in (0..1000).chain([u64::from(u32::MAX), u64::MAX, 1 << 30]) {
            match shape(number) {
                Shape::Path(operand) | Shape::Two(operand, _) => assert!(operand.path < 6),
                Shape::Address { at, length, .. } => assert!(at < 6 && length < 6),
                _ => {}
            }
        }
        assert!(matches!(shape(libc::SYS_openat as u64), Shape::Path(_)));
        assert_eq!(shape(libc::SYS_getpid as u64), Shape::Other);
    }
}

//! Who else may write to a file of ours.

use crate::sys::xattr;
use nix::unistd::{Group, User, geteuid};
use std::os::fd::AsFd;

/// True where this mode, or an access list, lets somebody else write to an open file of ours. The right of a
/// group does not, where nobody but us is in it.
///
/// With an access list those bits are the most that anybody in it has, acl(5): then they are others'.
pub fn others_can_write(file: impl AsFd, mode: u32, gid: u32) -> bool {
    mode & 0o002 != 0 || (mode & 0o020 != 0 && !(alone_in(gid) && no_list(file)))
}

/// No access list, of this machine's or of an NFS server's. What cannot be asked may have one.
fn no_list(file: impl AsFd) -> bool {
    [c"system.posix_acl_access", c"system.nfs4_acl"]
        .iter()
        .all(|name| xattr::has(file.as_fd(), name) == Ok(false))
}

/// A group of our own, as Debian, Ubuntu and Fedora make one for each user (`USERGROUPS_ENAB`,
/// login.defs(5)); where it is, umask 002 is usual, and each folder that is made is writable for it.
fn alone_in(gid: u32) -> bool {
    let (Ok(Some(group)), Ok(Some(user)), Ok(passwd)) = (
        Group::from_gid(gid.into()),
        User::from_uid(geteuid()),
        std::fs::read_to_string("/etc/passwd"),
    ) else {
        return false;
    };
    user.gid == group.gid
        && user.name == group.name
        && group.mem.iter().all(|member| *member == user.name)
        && begins_alone(&passwd, gid, &user.name)
}

/// passwd(5): the fourth field is the group that a user begins in, which group(5) does not list again. A user
/// who is not in the file comes from a directory that has more of them.
fn begins_alone(passwd: &str, gid: u32, name: &str) -> bool {
    let mut there = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (user, group) = (fields.next()?, fields.nth(2)?.parse::<u32>().ok()?);
        (group == gid).then_some(user)
    });
    there.next() == Some(name) && there.all(|user| user == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_ones_own_while_nobody_else_begins_in_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\
                      bob:x:1001:1001::/home/bob:/bin/sh\n+::::::\n";
        assert!(begins_alone(passwd, 1000, "ann"));
        assert!(!begins_alone(passwd, 1001, "ann"));
        for guest in ["eve:x:1002:1000::/home/eve:/bin/sh\n", "eve:x:1002:1000"] {
            assert!(!begins_alone(&format!("{passwd}{guest}"), 1000, "ann"));
            assert!(!begins_alone(&format!("{guest}\n{passwd}"), 1000, "ann"));
        }
        assert!(!begins_alone("", 1000, "ann"), "who is of a directory");
    }

    #[test]
    fn the_right_of_all_is_that_of_others() {
        let file = tempfile::tempfile().unwrap();
        let own = nix::unistd::getegid().as_raw();
        assert!(others_can_write(&file, 0o757, own));
        assert!(others_can_write(&file, 0o777, own));
        assert!(!others_can_write(&file, 0o755, own));
        // A group that does not exist has nobody, and anybody could be put into it.
        assert!(others_can_write(&file, 0o775, 3_999_999_999));
    }
}

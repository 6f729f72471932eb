//! Who asks.

use crate::policy::text::plain_text;

/// The name of the user, for those who read it later; the number where it has no name.
pub fn name() -> Option<String> {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    plain_text(&name.unwrap_or_else(|| format!("uid {uid}"))).ok()
}

/// True where these mode bits of a file of ours let somebody else write to it. The right of a group does not,
/// where nobody but us is in it.
pub fn others_can_write(mode: u32, gid: u32) -> bool {
    mode & 0o002 != 0 || (mode & 0o020 != 0 && !alone_in(gid))
}

/// A group of our own, as Debian, Ubuntu and Fedora make one for each user (`USERGROUPS_ENAB`,
/// login.defs(5)); where it is, umask 002 is usual, and each folder that is made is writable for it.
fn alone_in(gid: u32) -> bool {
    let group = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let (Some(group), Some(user)) = (group, user) else { return false };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    user.gid == group.gid
        && user.name == group.name
        && group.mem.iter().all(|member| *member == user.name)
        && nobody_else_begins_in(&passwd, gid, &user.name)
}

/// passwd(5): the fourth field is the group that a user begins in, which group(5) does not list again.
fn nobody_else_begins_in(passwd: &str, gid: u32, name: &str) -> bool {
    passwd.lines().all(|line| {
        let mut fields = line.split(':');
        let (user, group) = (fields.next(), fields.nth(2));
        user == Some(name) || group.and_then(|group| group.parse().ok()) != Some(gid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_ones_own_while_nobody_else_begins_in_it() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\
                      bob:x:1001:1001::/home/bob:/bin/sh\n+::::::\n";
        assert!(nobody_else_begins_in(passwd, 1000, "ann"));
        assert!(!nobody_else_begins_in(passwd, 1001, "ann"));
        let guest = format!("{passwd}eve:x:1002:1000::/home/eve:/bin/sh\n");
        assert!(!nobody_else_begins_in(&guest, 1000, "ann"));
        assert!(nobody_else_begins_in("", 1000, "ann"));
    }

    #[test]
    fn the_right_of_all_is_that_of_others() {
        let own = nix::unistd::getegid().as_raw();
        assert!(others_can_write(0o757, own));
        assert!(others_can_write(0o777, own));
        assert!(!others_can_write(0o755, own));
        // A group that does not exist has nobody, and anybody could be put into it.
        assert!(others_can_write(0o775, 3_999_999_999));
    }
}

//! Lists the network interfaces and routes of the host.
//!
//! Stopped by: the network namespace, which has a loopback and nothing else.

use super::prelude::*;

pub const ATTACK: Attack = Attack {
    name: "netlink_links",
    about: "interfaces other than lo",
    attack: |_| {
        let (mut list, mut other) = (unsafe { libc::if_nameindex() }, None);
        if list.is_null() {
            return Verdict::Refused(io::Error::last_os_error().to_string());
        }
        unsafe {
            while (*list).if_index != 0 {
                let name = std::ffi::CStr::from_ptr((*list).if_name);
                other = other.or((name != c"lo").then(|| name.to_owned()));
                list = list.add(1);
            }
        }
        match other {
            Some(name) => Verdict::Escaped(format!("{name:?}")),
            None => Verdict::Refused("lo alone".into()),
        }
    },
    ..Attack::BASE
};

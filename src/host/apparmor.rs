//! The AppArmor profile that this process runs under, as the reason why something was refused.

use std::fs;

/// The profile that confines this process, or `None` where there is none, or it only complains.
///
/// Source: apparmor(7); the kernel's `Documentation/admin-guide/LSM/apparmor.rst`. The first file is that
/// of Linux 5.8, the second that of every kernel, where another module may answer instead.
pub fn profile() -> Option<String> {
    let current = ["/proc/self/attr/apparmor/current", "/proc/self/attr/current"];
    enforced(&current.iter().find_map(|path| fs::read_to_string(path).ok())?)
}

/// `unconfined`, or `NAME (MODE)`; a name may have spaces and brackets.
fn enforced(label: &str) -> Option<String> {
    let (name, mode) = label.trim_end_matches(['\n', '\0']).rsplit_once(" (")?;
    matches!(mode, "enforce)" | "kill)").then(|| name.to_owned())
}

/// What a person does about it: `name` is that of a profile.
pub fn fix(name: &str) -> String {
    format!(
        "give AppArmor's profile \"{name}\" the rules `userns,`, `capability,` and `mount,`, or start jail \
         from outside of it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_enforced_refuses() {
        assert_eq!(enforced("unconfined\n"), None);
        assert_eq!(enforced("docker-default (enforce)\n").as_deref(), Some("docker-default"));
        assert_eq!(enforced("/opt/a (b) c (kill)\n").as_deref(), Some("/opt/a (b) c"));
        assert_eq!(enforced("firefox (complain)\n"), None);
        // Ubuntu's profile for jail; and SELinux's label, where the old file is its.
        assert_eq!(enforced("jail (unconfined)\n"), None);
        assert_eq!(enforced("system_u:system_r:init_t:s0\0"), None);
        assert_eq!(enforced(""), None);
    }
}

//! Which process a pid means.

use crate::audit::Born;
use std::fs;
use std::path::Path;

/// When the process with this pid began; `None` where there is none, or nothing can be read of it.
pub fn born(pid: u32) -> Option<Born> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    // A name may hold any byte.
    let stat = fs::read(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    Some(Born { boot: boot.trim().into(), ticks: ticks(&String::from_utf8_lossy(&stat))? })
}

/// Field 22. The name of the program is in brackets, and can hold brackets and blanks. man: proc_pid_stat(5)
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_shift_the_fields() {
        let rest: String = (3..=52).map(|field| format!(" {field}")).collect();
        for name in ["sh", "a b", "x) 1 2 3 4 (y", ")"] {
            assert_eq!(ticks(&format!("77 ({name}){rest}\n")), Some(22));
        }
        assert_eq!(ticks("77 (sh) S 1"), None);
    }

    #[test]
    fn a_process_is_told_from_its_successor() {
        let own = born(std::process::id()).unwrap();
        assert_eq!(born(std::process::id()), Some(own.clone()));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let other = born(child.id()).unwrap();
        assert_eq!(other.boot, own.boot);
        assert!(other.ticks >= own.ticks);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(born(child.id()), None);
    }
}

//! What a call is about, for those who read the table.

use super::tracer::{Role, Spot};
use libseccomp::{ScmpArch, ScmpSyscall};
use nix::unistd::Pid;
use std::io::{Read, Seek, SeekFrom};

/// One call, as it was seen at its entry.
#[derive(Debug, Clone)]
pub struct Seen {
    pub spot: Spot,
    pub name: String,
    /// A path, a kind of descriptor, an option; empty where nothing is worth saying.
    pub object: String,
    /// The connector's program was running already.
    pub after: bool,
}

pub fn name(number: u64) -> String {
    let number = i32::try_from(number).unwrap_or(-1);
    ScmpSyscall::from(number)
        .get_name_by_arch(ScmpArch::X8664)
        .unwrap_or_else(|_| number.to_string())
}

pub fn look(pid: Pid, spot: Spot, registers: &libc::user_regs_struct, after: bool) -> Seen {
    let name = name(spot.call);
    let args = [registers.rdi, registers.rsi, registers.rdx, registers.r10];
    let object = match name.as_str() {
        "access" | "readlink" | "rename" | "statfs" | "mkdir" | "chdir" | "chroot" | "unlink"
        | "execve" | "rmdir" | "fsopen" | "pivot_root" => text(pid, args[0]),
        "openat" | "openat2" | "mkdirat" | "mknodat" | "statx" | "newfstatat" | "mount"
        | "move_mount" | "readlinkat" | "unlinkat" => {
            let path = text(pid, args[1]);
            if path.is_empty() { descriptor(pid, args[0]) } else { path }
        }
        "symlinkat" | "fsconfig" => text(pid, args[2]),
        "prlimit64" => args[1].to_string(),
        "prctl" | "socket" | "rt_sigaction" | "keyctl" | "unshare" => args[0].to_string(),
        // The first member of each structure: flags, and attributes to set.
        "clone3" => namespaces(word(pid, args[0])),
        "mount_setattr" => word(pid, args[3]).to_string(),
        "setsockopt" | "getsockopt" => format!("{}:{}", args[1], args[2]),
        "flock" => format!("{} {}", descriptor(pid, args[0]), args[1]),
        "fcntl" => format!("{} {}", descriptor(pid, args[0]), args[1]),
        "read" | "write" | "pread64" | "pwrite64" | "close" | "ioctl" | "sendmsg" | "recvmsg"
        | "bind" | "listen" | "fchdir" | "ftruncate" | "getdents64" | "fsync" | "fdatasync" => {
            descriptor(pid, args[0])
        }
        _ => String::new(),
    };
    Seen { spot, name, object, after }
}

fn namespaces(flags: u64) -> String {
    let here = |name: &str| std::path::Path::new("/proc/self/ns").join(name).exists();
    let all = [
        ("user", libc::CLONE_NEWUSER),
        ("pid", libc::CLONE_NEWPID),
        ("mnt", libc::CLONE_NEWNS),
        ("net", libc::CLONE_NEWNET),
        ("ipc", libc::CLONE_NEWIPC),
        ("uts", libc::CLONE_NEWUTS),
        ("cgroup", libc::CLONE_NEWCGROUP),
        ("time", libc::CLONE_NEWTIME),
    ];
    let made = |flag: i32| flags & u64::from(flag.cast_unsigned()) != 0;
    if all.iter().all(|(_, flag)| !made(*flag)) {
        return String::new();
    }
    let missing: Vec<_> = all
        .iter()
        .filter(|(name, flag)| here(name) && !made(*flag))
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() { "every namespace".to_owned() } else { format!("without {missing:?}") }
}

fn word(pid: Pid, at: u64) -> u64 {
    let read = || -> std::io::Result<u64> {
        let mut memory = std::fs::File::open(format!("/proc/{pid}/mem"))?;
        memory.seek(SeekFrom::Start(at))?;
        let mut bytes = [0; 8];
        memory.read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    };
    read().unwrap_or_default()
}

/// A string of the process; empty where its memory is out of our reach (init of an ordinary user).
fn text(pid: Pid, at: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut memory = std::fs::File::open(format!("/proc/{pid}/mem"))?;
        memory.seek(SeekFrom::Start(at))?;
        let mut bytes = [0; 256];
        let length = memory.read(&mut bytes)?;
        let text = bytes[..length].split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(String::from_utf8_lossy(text).into_owned())
    };
    if at == 0 { String::new() } else { plain(&read().unwrap_or_default()) }
}

fn descriptor(pid: Pid, number: u64) -> String {
    let link = std::fs::read_link(format!("/proc/{pid}/fd/{}", number & 0xffff_ffff));
    plain(&link.map(|path| path.display().to_string()).unwrap_or_default())
}

/// Without what differs between two runs.
fn plain(text: &str) -> String {
    let text = text.split(":[").next().unwrap_or_default();
    let mut plain = String::new();
    for letter in text.chars() {
        match letter {
            digit if digit.is_ascii_digit() && text.starts_with("/proc/") => {
                if !plain.ends_with('#') {
                    plain.push('#');
                }
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Of the supervisor, from `main` on: what the loader and the runtime do before cannot be told to anybody.
pub fn set_up(seen: Vec<Seen>) -> Vec<Seen> {
    let starts = |seen: &Seen| seen.spot.role == Role::Supervisor && seen.name == "getcwd";
    let from = seen.iter().position(starts).unwrap_or(0);
    seen.into_iter().skip(from).filter(|seen| !seen.after).collect()
}

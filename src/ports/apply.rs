//! Loads the registry's rules into the firewall of this host, and looks whether they are there.
//!
//! They are loaded into an empty network namespace first: what the program does not take never gets near
//! the host, and what it lists there is what it must list on the host afterwards. No shell is involved.

use super::Registry;
use super::export::{self, Egress, Format, JUMPS, TABLE};
use crate::failure::{Failure, Kind};
use nix::sched::{CloneFlags, unshare};
use std::ffi::OsStr;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What loads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Nftables,
    /// Both families.
    Iptables,
}

/// What is to be there afterwards.
#[derive(Debug, Clone)]
pub enum Wanted<'a> {
    Rules { registry: &'a Registry, egress: Option<&'a Egress> },
    Nothing,
}

/// The programs of one tool.
#[derive(Debug)]
pub struct Programs {
    tool: Tool,
    /// `nft`; or for each family the one that changes, that restores and that saves.
    all: Vec<PathBuf>,
}

const FAMILIES: [&str; 2] = ["iptables", "ip6tables"];
const EACH: [&str; 3] = ["", "-restore", "-save"];

impl Programs {
    /// Looks for them in the folders of `path`, and where Debian has them.
    ///
    /// # Errors
    /// Names the program that is not there.
    pub fn find(tool: Tool, path: Option<&OsStr>) -> Result<Self, Failure> {
        let names: Vec<String> = match tool {
            Tool::Nftables => vec!["nft".to_owned()],
            Tool::Iptables => {
                FAMILIES.iter().flat_map(|it| EACH.map(|end| format!("{it}{end}"))).collect()
            }
        };
        let all = names.iter().map(|name| program(name, path).ok_or_else(|| absent(tool, name)));
        Ok(Self { tool, all: all.collect::<Result<_, _>>()? })
    }

    /// # Errors
    /// The rules are refused, or are not there afterwards; nothing of ours is left then, or the message
    /// says that something is.
    pub fn apply(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        let expected = self.rehearse(wanted)?;
        if expected.is_empty() && matches!(wanted, Wanted::Rules { .. }) {
            let what = format!("`{}` loads nothing, and does not say why", self.all[0].display());
            return Err(Failure::new(Kind::Refused, what));
        }
        let done = self.load(wanted).and_then(|()| self.compare(&expected));
        let Err(failure) = done else { return Ok(()) };
        if matches!(wanted, Wanted::Nothing) {
            return Err(failure);
        }
        Err(match self.load(&Wanted::Nothing) {
            Ok(()) => failure.hint("none of jail's rules is loaded now"),
            Err(more) => failure
                .because(format!("nor can what was loaded be removed: {}", more.what))
                .hint("the same command with --remove removes it"),
        })
    }

    /// What the program lists after it has loaded them where there is nothing else.
    fn rehearse(&self, wanted: &Wanted<'_>) -> Result<String, Failure> {
        let alone = || {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| {
                Failure::new(Kind::Refused, "cannot try the rules in a network namespace")
                    .because(errno)
                    .hint("without --apply they are printed, for you to load")
            })?;
            self.load(wanted)?;
            self.listing()
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().spawn_scoped(scope, alone);
            let failed = || Failure::new(Kind::Io, "cannot try the rules in a thread");
            thread.map_err(|error| failed().because(error))?.join().map_err(|_| failed())?
        })
    }

    fn compare(&self, expected: &str) -> Result<(), Failure> {
        let found = self.listing()?;
        if found == expected {
            return Ok(());
        }
        let count = |text: &str| text.lines().count();
        let odd = found.lines().find(|line| !expected.contains(line)).map(str::to_owned);
        let missing = expected.lines().find(|line| !found.contains(line)).map(str::to_owned);
        let failure =
            Failure::new(Kind::Refused, "the host's rules are not those that were loaded")
                .because(format!("{} lines instead of {}", count(&found), count(expected)));
        let failure =
            missing.iter().fold(failure, |it, line| it.because(format!("missing: {line}")));
        Err(odd.iter().fold(failure, |it, line| it.because(format!("not ours: {line}"))))
    }

    fn load(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        match self.tool {
            Tool::Nftables => {
                let text = match wanted {
                    Wanted::Rules { registry, egress } => {
                        export::export(Format::Nftables, registry, *egress)
                    }
                    Wanted::Nothing => export::removal(Format::Nftables),
                };
                run(&self.all[0], &["-f", "-"], &text).map(drop)
            }
            Tool::Iptables => self.all.chunks(EACH.len()).try_for_each(|it| family(it, wanted)),
        }
    }

    /// Our part of the host's rules, without counters; empty where there is none.
    fn listing(&self) -> Result<String, Failure> {
        if self.tool == Tool::Nftables {
            let nft = &self.all[0];
            let table = format!("table inet {TABLE}");
            if !run(nft, &["list", "tables"], "")?.lines().any(|line| line == table) {
                return Ok(String::new());
            }
            return run(nft, &["-s", "list", "table", "inet", TABLE], "");
        }
        let mut all = String::new();
        for programs in self.all.chunks(EACH.len()) {
            for table in ["mangle", "filter"] {
                let text = run(&programs[2], &["-t", table], "")?;
                let ours = text.lines().filter(|line| line.contains("JAIL_HOST"));
                // `:JAIL_HOST - [packets:bytes]`
                let line = |line: &str| line.split(" [").next().unwrap_or_default().to_owned();
                ours.for_each(|it| {
                    all += &format!("{} {table} {}\n", programs[0].display(), line(it))
                });
            }
        }
        Ok(all)
    }
}

/// One of iptables and ip6tables.
fn family(programs: &[PathBuf], wanted: &Wanted<'_>) -> Result<(), Failure> {
    let (change, restore) = (&programs[0], &programs[1]);
    let Wanted::Rules { registry, egress } = wanted else {
        for jump in JUMPS {
            // More than one only where somebody else made it; each -D takes one away.
            for _ in 0..MOST_JUMPS {
                if !succeeds(change, &jump.words("-C"))? {
                    break;
                }
                run(change, &jump.words("-D"), "")?;
            }
        }
        return run(restore, &["-w", "--noflush"], &export::iptables_no_chains()).map(drop);
    };
    run(restore, &["-w", "--noflush"], &export::iptables_chains(registry, *egress))?;
    for jump in JUMPS {
        if !succeeds(change, &jump.words("-C"))? {
            run(change, &jump.words("-I"), "")?;
        }
    }
    Ok(())
}

const MOST_JUMPS: u32 = 64;

fn program(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let folders = path.map(std::env::split_paths).into_iter().flatten();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    folders
        // A relative one is whatever folder somebody is in.
        .filter(|folder| folder.is_absolute())
        .chain(usual)
        .map(|folder| folder.join(name))
        .find(|path| {
            path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        })
}

fn absent(tool: Tool, name: &str) -> Failure {
    let (package, other) = match tool {
        Tool::Nftables => ("nftables", "iptables"),
        Tool::Iptables => ("iptables", "nftables"),
    };
    Failure::new(Kind::Refused, format!("there is no `{name}` in PATH, /usr/sbin or /sbin"))
        .hint(format!("install it: `apt install {package}`"))
        .hint(format!("or use the other one: --format {other}"))
}

fn command(program: &Path, words: &[&str], stdin: &str) -> std::io::Result<std::process::Output> {
    // A file, so that neither side waits for the other.
    let mut file = tempfile::tempfile()?;
    file.write_all(stdin.as_bytes())?;
    file.rewind()?;
    Command::new(program).args(words).env("LC_ALL", "C").stdin(Stdio::from(file)).output()
}

/// Its stdout.
fn run(program: &Path, words: &[&str], stdin: &str) -> Result<String, Failure> {
    let failed = || {
        let words = words.join(" ");
        Failure::new(Kind::Refused, format!("`{} {words}` did not work", program.display()))
    };
    let output = command(program, words, stdin).map_err(|error| failed().because(error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let said = errors.lines().map(str::trim).filter(|line| !line.is_empty()).take(4);
    Err(said.fold(failed().because(output.status), |failure, line| failure.because(line)))
}

/// Asks; what it says on the way is of no interest.
fn succeeds(program: &Path, words: &[&str]) -> Result<bool, Failure> {
    let output = command(program, words, "").map_err(|error| {
        Failure::new(Kind::Refused, format!("cannot run {}", program.display())).because(error)
    })?;
    Ok(output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_where_path_says_and_where_debian_has_them() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let (good, _plain) = (make("good", 0o755), make("plain", 0o644));
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let path = std::env::join_paths([Path::new("."), Path::new(""), folder.path()]).unwrap();
        assert_eq!(program("good", Some(&path)), Some(good));
        for missing in ["plain", "folder", "absent"] {
            assert_eq!(program(missing, Some(&path)), None, "{missing}");
        }
        // In a folder that is named relatively, it would be anybody's: this one has it, and is not asked.
        assert!(Path::new("scripts/test.sh").exists());
        assert_eq!(program("test.sh", Some(OsStr::new("scripts"))), None);
    }

    #[test]
    fn what_is_missing_is_named_with_the_package_that_has_it() {
        for (tool, name, package) in
            [(Tool::Nftables, "nft", "nftables"), (Tool::Iptables, "ip6tables-save", "iptables")]
        {
            let text = absent(tool, name).to_string();
            assert!(
                text.contains(name) && text.contains(&format!("apt install {package}")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_program_that_fails_says_why() {
        let failure = run(Path::new("/bin/sh"), &["-c", "cat >&2; exit 3"], "line 1\n\nline 2\n");
        let text = failure.unwrap_err().to_string();
        for part in ["/bin/sh -c", "exit status: 3", "caused by: line 1", "caused by: line 2"] {
            assert!(text.contains(part), "{text}");
        }
        let failure = run(Path::new("/nowhere/nft"), &[], "").unwrap_err().to_string();
        assert!(failure.contains("/nowhere/nft") && failure.contains("No such file"), "{failure}");
    }
}

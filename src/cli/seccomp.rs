//! `jail seccomp`: what a profile allows, and why.

mod list;

use super::ui;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::seccomp::arch::Arch;
use crate::seccomp::oci::{Action, Arg, Op, Profile, Rule};
use crate::seccomp::table::{ALLOW, Table};
use crate::seccomp::{self, oci};
use clap::{Args, Subcommand, ValueEnum};
use nix::errno::Errno;
use serde::Serialize;

/// Look at the profiles of system calls.
#[derive(Debug, Args)]
pub struct Seccomp {
    #[command(subcommand)]
    verb: SeccompVerb,
}

#[derive(Debug, Subcommand)]
enum SeccompVerb {
    /// List what a built-in profile allows, with the reason for each rule.
    Show {
        /// Name of the profile: default, strict, browser, init.
        name: String,
        /// Architecture to resolve the calls for; that of this machine without it.
        #[arg(long, value_enum, default_value_t = Machine::NATIVE, hide_default_value = true)]
        arch: Machine,
        /// Machine-readable output.
        #[arg(long)]
        json: bool,
        /// The profile itself, in the OCI format: where one of your own begins.
        #[arg(long, conflicts_with_all = ["json", "arch"])]
        oci: bool,
    },
    /// List every call of an architecture: allowed, for some arguments, or refused with which error.
    List {
        /// Name of the profile: default, strict, browser, init, egress.
        name: String,
        /// Architecture whose calls are listed; that of this machine without it.
        #[arg(long, value_enum, default_value_t = Machine::NATIVE, hide_default_value = true)]
        arch: Machine,
        /// Machine-readable output.
        #[arg(long)]
        json: bool,
    },
}

/// An architecture, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Machine {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "aarch64")]
    Aarch64,
}

impl Machine {
    const NATIVE: Self = match Arch::NATIVE {
        Arch::X86_64 => Self::X86_64,
        Arch::Aarch64 => Self::Aarch64,
    };

    fn arch(self) -> Arch {
        match self {
            Self::X86_64 => Arch::X86_64,
            Self::Aarch64 => Arch::Aarch64,
        }
    }
}

/// Runs the verb.
pub(super) fn run(seccomp: &Seccomp) -> Result<u8, Failure> {
    match &seccomp.verb {
        SeccompVerb::Show { name, oci: true, .. } => show_oci(name),
        SeccompVerb::Show { name, arch, json, .. } => {
            let view = View::new(name, arch.arch())?;
            print(&view, *json, View::text)
        }
        SeccompVerb::List { name, arch, json } => {
            let list = list::List::new(name, arch.arch())?;
            print(&list, *json, list::List::text)
        }
    }
}

fn show_oci(name: &str) -> Result<u8, Failure> {
    data(seccomp::built_in_json(name).ok_or_else(|| unknown(name))?)
}

fn unknown(name: &str) -> Failure {
    let names: Vec<_> = seccomp::names().collect();
    Failure::new(Kind::Usage, format!("there is no built-in seccomp profile {name}"))
        .hint(format!("the built-in ones are {}", names.join(", ")))
}

fn data(text: &str) -> Result<u8, Failure> {
    ui::data(text).map_err(|e| Failure::new(Kind::Io, "cannot write to stdout").because(e))?;
    Ok(exit::OK)
}

fn print<T: Serialize>(view: &T, json: bool, text: fn(&T) -> String) -> Result<u8, Failure> {
    let text = if json {
        let io = |e| Failure::new(Kind::Io, "cannot write JSON").because(e);
        serde_json::to_string_pretty(view).map_err(io)? + "\n"
    } else {
        text(view)
    };
    data(&text)
}

/// A profile on one architecture, for a reader.
#[derive(Debug, Serialize)]
struct View {
    name: String,
    arch: &'static str,
    /// Calls that are allowed whatever their arguments.
    allowed: usize,
    /// Calls that are allowed for some arguments.
    allowed_by_argument: usize,
    /// On everything that no rule names.
    otherwise: String,
    /// On calls that are newer than the profile, and on the 32-bit and x32 entries.
    newer: String,
    rules: Vec<Line>,
}

/// One rule.
#[derive(Debug, Serialize)]
struct Line {
    verdict: String,
    /// Those of the rule that the architecture has.
    calls: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    when: Vec<String>,
    why: String,
}

impl View {
    /// The profile of this name, with the numbers of the architecture.
    fn resolve(name: &str, arch: Arch) -> Result<(Profile, Table), Failure> {
        // The build has checked all of this; `oci::Error` cannot come.
        let broken = |why: oci::Error| Failure::new(Kind::Policy, name).because(why);
        let json = seccomp::built_in_json(name).ok_or_else(|| unknown(name))?;
        let profile = Profile::parse(json.as_bytes()).map_err(broken)?;
        let table = Table::new(&profile, arch).map_err(broken)?;
        Ok((profile, table))
    }

    fn new(name: &str, arch: Arch) -> Result<Self, Failure> {
        let (profile, table) = Self::resolve(name, arch)?;
        let (plain, conditional): (Vec<_>, Vec<_>) = table
            .calls
            .values()
            .filter(|call| call.verdict == ALLOW)
            .partition(|call| call.any_of.is_empty());
        let lines = profile.syscalls.iter().map(|rule| Line::new(rule, &table));
        Ok(Self {
            name: name.to_owned(),
            arch: arch.name(),
            allowed: plain.len(),
            allowed_by_argument: conditional.len(),
            otherwise: action(profile.default_action, profile.default_errno_ret),
            newer: action(Action::Errno, Some(Errno::ENOSYS as u16)),
            rules: lines.filter(|line| !line.calls.is_empty()).collect(),
        })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} on {}: {} calls allowed, {} more for some arguments.\n\
             Newer calls, and the 32-bit and x32 entries: {}. Everything else: {}.\n",
            self.name,
            self.arch,
            self.allowed,
            self.allowed_by_argument,
            self.newer,
            self.otherwise
        );
        for line in &self.rules {
            let when = match line.when.is_empty() {
                true => String::new(),
                false => format!(" where {}", line.when.join(" and ")),
            };
            let calls = line.calls.join(" ");
            text.push_str(&format!("\n{} {calls}{when}\n    {}\n", line.verdict, line.why));
        }
        text
    }
}

impl Line {
    fn new(rule: &Rule, table: &Table) -> Self {
        let here = |name: &&String| table.calls.values().any(|call| call.name == **name);
        Self {
            verdict: action(rule.action, rule.errno_ret),
            calls: rule.names.iter().filter(here).cloned().collect(),
            when: rule.args.iter().map(condition).collect(),
            why: rule.comment.clone(),
        }
    }
}

fn action(action: Action, errno: Option<u16>) -> String {
    match action {
        Action::Allow => "allow".to_owned(),
        Action::Log => "allow and log".to_owned(),
        Action::Errno => format!("{:?}", Errno::from_raw(i32::from(errno.unwrap_or(1)))),
        Action::Trap => "SIGSYS".to_owned(),
        Action::KillThread | Action::KillProcess => "kill".to_owned(),
        Action::Trace | Action::Notify => "ask a supervisor".to_owned(),
    }
}

fn condition(arg: &Arg) -> String {
    let op = match arg.op {
        Op::Ne => "!=",
        Op::Lt => "<",
        Op::Le => "<=",
        Op::Eq => "==",
        Op::Ge => ">=",
        Op::Gt => ">",
        Op::MaskedEq if arg.value == u64::from(u32::MAX) => {
            return format!("int arg{} == {:#x}", arg.index, arg.value_two);
        }
        Op::MaskedEq => {
            return format!("arg{} & {:#x} == {:#x}", arg.index, arg.value, arg.value_two);
        }
    };
    format!("arg{} {op} {:#x}", arg.index, arg.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_be_shown_on_every_architecture() {
        for name in seccomp::names() {
            for arch in Arch::ALL.iter().copied() {
                let view = View::new(name, arch).unwrap();
                assert!(view.allowed > 20, "{name} {arch}");
                let text = view.text();
                assert!(text.contains("ENOSYS clone3") && text.contains("Everything else: EPERM"));
                assert!(view.rules.iter().all(|line| !line.why.is_empty()));
            }
        }
        let x86 = View::new("default", Arch::X86_64).unwrap().text();
        assert!(x86.contains(" vfork\n") && x86.contains("clone where arg0 & 0x7e020000 == 0x0"));
        assert!(!View::new("default", Arch::Aarch64).unwrap().text().contains("vfork"));
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        let failure = View::new("defualt", Arch::NATIVE).unwrap_err();
        assert_eq!(failure.kind, Kind::Usage);
        assert!(
            failure.to_string().contains("browser, default, egress, init, landlock, strict"),
            "{failure}"
        );
    }
}

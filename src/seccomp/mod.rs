//! Which system calls a connector may make.
//!
//! A profile (`seccomp-profiles/*.json`, in the format of the OCI runtime specification) becomes a
//! BPF program in these steps:
//!
//! ```text
//! oci      read and check the JSON               nothing unknown passes
//! table    names -> numbers of one architecture  the meaning of the profile, as data
//! compile  table -> libseccomp's program         the reference
//! tree     table -> jail's program               the one that is loaded: quicker to load
//! notify   jail's program -> its telling form    the same, but a listener hears what it refuses
//! prove    runs them on every call               disagreement is an error
//! ```
//!
//! For the built-in profiles `build.rs` does all of it, so a run pays nothing and a wrong program
//! does not build. Loading is `sys::seccomp`.

pub mod arch;
pub mod bpf;
mod cache;
pub mod compile;
mod join;
pub mod notify;
pub mod oci;
pub mod prove;
pub mod refusal;
pub mod table;
pub mod tree;

pub use join::join;

use crate::failure::{Failure, Kind};
use arch::Arch;
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

/// A filter, ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What the profile is called in `jail explain` and the audit: a name, or a path.
    pub name: String,
    /// `struct sock_filter[]`, as seccomp(2) takes it.
    pub bpf: Cow<'static, [u8]>,
    /// Its telling form (see [`notify`]); `None` where it can have none: it would be
    /// longer than the kernel takes, or nothing under it could end.
    pub telling: Option<Cow<'static, [u8]>>,
}

/// A profile that is part of the binary.
struct Embedded {
    name: &'static str,
    json: &'static str,
    bpf: &'static [u8],
    telling: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/seccomp_built_in.rs"));

/// No profile is longer: Docker's has 25 KiB.
const MAX_PROFILE: u64 = 1 << 20;

/// The filter of a built-in profile, compiled when jail was.
pub fn built_in(name: &str) -> Option<&'static [u8]> {
    embedded(name).map(|profile| profile.bpf)
}

/// The same filter in its telling form.
pub fn built_in_telling(name: &str) -> Option<&'static [u8]> {
    embedded(name).map(|profile| profile.telling)
}

/// The text of a built-in profile.
pub fn built_in_json(name: &str) -> Option<&'static str> {
    embedded(name).map(|profile| profile.json)
}

/// The names of the built-in profiles, in alphabetical order.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|profile| profile.name)
}

/// The names of those that a connector can be given; the others are for processes of jail itself.
pub fn for_connectors() -> impl Iterator<Item = &'static str> {
    names().filter(|name| !["init", "egress", "landlock"].contains(name))
}

/// Compiles a profile of the user's.
///
/// `cache` is a folder (`$XDG_CACHE_HOME/jail/seccomp`) that remembers which profiles were proven; a
/// folder that cannot be used only costs time.
pub fn from_file(path: &Path, cache: Option<&Path>) -> Result<Program, Failure> {
    let show = path.display();
    let wrong = |why: oci::Error| {
        Failure::new(Kind::Policy, format!("the seccomp profile {show} cannot be used"))
            .because(why)
            .hint("seccomp-profiles/README.md says what a profile may contain")
    };
    let json = read(path)?;
    let profile = oci::Profile::parse(&json).map_err(wrong)?;
    let table = table::Table::new(&profile, Arch::NATIVE).map_err(wrong)?;
    let ours = tree::emit(&table).map_err(wrong)?;
    let told = notify::telling(&ours).ok().filter(|_| lets_leave(&table));
    let (bpf, telling) = (bpf::encode(&ours), told.as_deref().map(bpf::encode));
    let both = [bpf.as_slice(), telling.as_deref().unwrap_or_default()].concat();
    let seal = cache.map(|folder| cache::Seal::new(folder, &json));
    if !seal.as_ref().is_some_and(|seal| seal.vouches_for(&both)) {
        prove_against_libseccomp(&table, &ours).map_err(wrong)?;
        if let Some(told) = &told {
            prove::telling(&table, told, prove::Effort::QUICK).map_err(wrong)?;
        }
        if let Some(seal) = seal {
            // Without the note the next run proves again; that is all.
            drop(seal.write(&both));
        }
    }
    let telling = telling.map(Cow::Owned);
    Ok(Program { name: show.to_string(), bpf: Cow::Owned(bpf), telling })
}

/// A payload that fails under a telling filter, before anybody listens, must be able to end.
fn lets_leave(table: &table::Table) -> bool {
    let arch::Number::Is(exit) = table.arch.number("exit_group") else { return false };
    let verdict = table.verdict(table.arch.audit(), exit, &[125, 0, 0, 0, 0, 0]);
    !notify::is_told(verdict)
}

/// Holds jail's program against libseccomp's on every call.
fn prove_against_libseccomp(table: &table::Table, ours: &[bpf::Insn]) -> Result<(), oci::Error> {
    let reference = compile::reference(table, Arch::NATIVE, compile::Shape::Linear)?;
    prove::equal(table, Arch::NATIVE, ours, Some(&reference), prove::Effort::QUICK)
        .map(|_| ())
        .map_err(|why| {
            oci::Error(format!("jail and libseccomp do not agree on the profile's meaning: {why}"))
        })
}

fn embedded(name: &str) -> Option<&'static Embedded> {
    BUILT_IN.iter().find(|profile| profile.name == name)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut json = Vec::new();
    let failed = |why: &dyn std::fmt::Display| {
        let what = format!("cannot read the seccomp profile {}", path.display());
        Failure::new(Kind::Policy, what).because(why)
    };
    let file = std::fs::File::open(path).map_err(|e| failed(&e))?;
    file.take(MAX_PROFILE + 1).read_to_end(&mut json).map_err(|e| failed(&e))?;
    if json.len() as u64 > MAX_PROFILE {
        return Err(failed(&"it is longer than 1 MiB"));
    }
    Ok(json)
}

#[cfg(test)]
mod telling_tests;
#[cfg(test)]
mod tests;

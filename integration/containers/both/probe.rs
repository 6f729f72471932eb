//! The attacker: this program, as a connector. It makes every attack in a process of its own, so that one that ends its
//! process costs no other, and says on stdout what each came to.

use super::list::ALL;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What the attacks need to know, as JSON.
pub const VARIABLE: &str = "JAIL_TEST_PROBE";

pub struct Env(Value);

impl Env {
    pub fn get(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.get(name).into()
    }

    pub fn jailed(&self) -> bool {
        self.0["jailed"] == true
    }
}

pub enum Verdict {
    Got(String),
    Refused(String),
    /// Whether it worked is for the host to see.
    Tried(String),
}

/// Works, with what came of it, or the error.
pub fn judge<T>(result: std::io::Result<T>) -> Verdict {
    match result {
        Ok(_) => Verdict::Got("done".to_owned()),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

/// Works where the secret came.
pub fn judge_secret(result: std::io::Result<Vec<u8>>, secret: &str) -> Verdict {
    match result {
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains(secret) => {
            Verdict::Got("the secret".into())
        }
        Ok(bytes) => Verdict::Refused(format!("{} bytes, not the secret", bytes.len())),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

/// Acts where this process was started as the attacker.
pub fn act() -> Option<ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--probe") => {
            for attack in ALL {
                println!("{}", in_child(attack.name).replace('\n', " "));
            }
            Some(ExitCode::SUCCESS)
        }
        Some("--probe-one") => {
            one(args.get(2).map_or("", String::as_str));
            Some(ExitCode::SUCCESS)
        }
        _ => None,
    }
}

fn in_child(name: &str) -> String {
    let me = std::env::current_exe().unwrap_or_else(|_| Path::new("/proc/self/exe").into());
    match Command::new(me).args(["--probe-one", name]).output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        Ok(output) => format!("{name}\tdied\t{}", output.status),
        Err(error) => format!("{name}\tdied\t{error}"),
    }
}

fn one(name: &str) {
    if name == "euid" {
        println!("euid {}", nix::unistd::geteuid());
        return;
    }
    let values = std::env::var(VARIABLE).unwrap_or_default();
    let env = Env(serde_json::from_str(&values).unwrap_or_default());
    let Some(attack) = ALL.iter().find(|attack| attack.name == name) else { return };
    let (kind, detail) = match (attack.act)(&env, attack.with) {
        Verdict::Got(detail) => ("got", detail),
        Verdict::Refused(detail) => ("refused", detail),
        Verdict::Tried(detail) => ("tried", detail),
    };
    println!("{name}\t{kind}\t{}", detail.replace(['\n', '\t'], " "));
}

/// Name, kind and detail of a line; a process that died said nothing.
pub fn parse(line: &str) -> Option<(&str, &str, &str)> {
    let mut parts = line.splitn(3, '\t');
    let found = (parts.next()?, parts.next()?, parts.next()?);
    (found.1 != "died").then_some(found)
}

//! Secrets, read after the plan and before the clone; never in the plan, a log or an error.

use crate::failure::{Failure, Kind};
use crate::plan::Stage;
use crate::policy::{Policy, Secret, SecretSource, SecretTarget};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::process::{Command, Stdio};

/// Largest secret; keys and tokens are far smaller.
const LIMIT: u64 = 64 << 10;

/// A secret's value. Has no Debug and no Display, so that it cannot be printed by accident.
pub struct SecretValue {
    bytes: Vec<u8>,
}

impl SecretValue {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// As an environment value; NUL bytes cannot be in one.
    fn as_env(&self, secret: &Secret) -> Result<OsString, Failure> {
        if self.bytes.contains(&0) {
            return Err(failed(secret, "it contains a NUL byte and cannot be a variable"));
        }
        Ok(OsString::from_vec(self.bytes.clone()))
    }
}

/// Reads every secret that goes into the jail, in order; `env` gets those that go into variables. Those
/// of the egress process have an empty place here: init and the connector are born with a copy of our
/// memory.
pub fn read(
    policy: &Policy,
    env: &mut Vec<(OsString, OsString)>,
) -> Result<Vec<SecretValue>, Failure> {
    let mut values = Vec::with_capacity(policy.secrets.len());
    for setting in &policy.secrets {
        let secret = &setting.value;
        let bytes = match secret.target {
            SecretTarget::Egress => Vec::new(),
            SecretTarget::Env(_) | SecretTarget::File(_) => fetch(secret)?,
        };
        let value = SecretValue { bytes };
        if let SecretTarget::Env(name) = &secret.target {
            let name = OsString::from(name);
            let value = value.as_env(secret)?;
            env.retain(|(existing, _)| *existing != name);
            env.push((name, value));
        }
        values.push(value);
    }
    Ok(values)
}

/// Reads the secrets that rules inject, by name. For after the jail was cloned; its connector starts
/// later still.
pub fn read_for_egress(policy: &Policy) -> Result<BTreeMap<String, String>, Failure> {
    let injected = |secret: &Secret| {
        policy
            .network
            .rules
            .iter()
            .filter_map(|rule| rule.inject.as_ref())
            .any(|inject| inject.secret == secret.name)
    };
    let mut values = BTreeMap::new();
    for secret in policy.secrets.iter().map(|setting| &setting.value).filter(|s| injected(s)) {
        let value = String::from_utf8(fetch(secret)?)
            .map_err(|_| failed(secret, "it is not text and cannot be in a header"))?;
        values.insert(secret.name.clone(), value);
    }
    Ok(values)
}

/// Reads one text that is no entry of `secrets`: the credentials of a proxy.
pub fn read_text(name: &str, source: &SecretSource) -> Result<String, Failure> {
    let target = SecretTarget::Egress;
    let secret = Secret { name: name.to_owned(), source: source.clone(), target };
    String::from_utf8(fetch(&secret)?).map_err(|_| failed(&secret, "it is not text"))
}

fn fetch(secret: &Secret) -> Result<Vec<u8>, Failure> {
    let mut bytes = match &secret.source {
        SecretSource::File(path) => {
            let file = std::fs::File::open(path)
                .map_err(|e| failed(secret, format!("{}: {e}", path.display())))?;
            drain(file, secret)?
        }
        SecretSource::Fd(number) => drain(take_fd(*number, secret)?, secret)?,
        SecretSource::Env(name) => match std::env::var_os(name) {
            Some(value) => value.into_vec(),
            None => return Err(failed(secret, format!("the variable {name} is not set"))),
        },
        SecretSource::Command(argv) => run(argv, secret)?,
    };
    // Files and commands end with a newline that is not part of the secret.
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.is_empty() {
        return Err(failed(secret, "it is empty"));
    }
    Ok(bytes)
}

fn drain(mut from: impl Read, secret: &Secret) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.by_ref()
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| failed(secret, e.to_string()))?;
    if bytes.len() as u64 > LIMIT {
        Err(failed(secret, "it is larger than 64 KiB"))
    } else {
        Ok(bytes)
    }
}

fn take_fd(number: i32, secret: &Secret) -> Result<std::fs::File, Failure> {
    let own = crate::sys::fd::own_standard(number)
        .map_err(|e| failed(secret, format!("descriptor {number}: {e}")))?;
    Ok(std::fs::File::from(own))
}

/// The command runs unjailed, as the user: it is the user's own password manager.
fn run(argv: &[String], secret: &Secret) -> Result<Vec<u8>, Failure> {
    let Some((program, args)) = argv.split_first() else {
        return Err(failed(secret, "its command is empty"));
    };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| failed(secret, format!("{program}: {e}")))?;
    let bytes = match child.stdout.take() {
        Some(out) => drain(out, secret),
        None => Err(failed(secret, "its command has no output")),
    };
    let status = child.wait().map_err(|e| failed(secret, format!("{program}: {e}")))?;
    // First: a command whose output is too long is ended by SIGPIPE.
    let bytes = bytes?;
    if !status.success() {
        return Err(failed(secret, format!("{program} ended with {status}")));
    }
    Ok(bytes)
}

fn failed(secret: &Secret, why: impl Into<String>) -> Failure {
    Failure::new(Kind::Refused, format!("cannot read the secret `{}`", secret.name))
        .at(Stage::Secrets)
        .because(why.into())
        .hint(format!("check the `from:` of `{}` in the manifest", secret.name))
}

//! Secrets where they do not belong.

use super::{Bench, rules};
use crate::compose::node::{Node, Scalar, Spot, Value};
use crate::policy::expect::shown;

rules! {
    LITERAL = "compose.secret-in-file", Error,
        "a secret stands in the compose file",
        "The file is in version control, in backups and in chats; whoever has it has the secret.";
    ENVIRONMENT = "compose.secret-in-environment", Info,
        "a secret in an environment variable",
        "`docker inspect`, every child process and many crash reports show it. A file below /run/secrets is read by \
         who needs it.";
    ENV_FILE = "compose.env-file", Info,
        "a whole file of variables",
        "Everything that is or will be in it is in the container, also what was meant for compose alone.";
}

/// Parts of names whose values are secret.
const NAMES: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SECRET",
    "TOKEN",
    "APIKEY",
    "API_KEY",
    "ACCESS_KEY",
    "PRIVATE_KEY",
    "CREDENTIAL",
    "AUTH_KEY",
    "ENCRYPTION_KEY",
    "SIGNING_KEY",
    "_PAT",
];

/// Ends of such names that say where the secret is, or about it.
const NOT_SECRET: &[&str] = &[
    "_FILE", "_PATH", "_URL", "_URI", "_HOST", "_NAME", "_ID", "_TTL", "_EXPIRY", "_LENGTH",
    "_LIMIT", "_HEADER",
];

/// How secrets of services begin.
const STARTS: &[&str] = &[
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AIza",
    "npm_",
    "hf_",
    "-----BEGIN",
    "eyJhbGci",
    "dop_v1_",
    "pypi-",
];

pub(super) fn judge(bench: &mut Bench<'_>) {
    let service = bench.service;
    let fix =
        "a file: `secrets: [NAME]`, and NAME_FILE=/run/secrets/NAME where the image reads that";
    for path in [&["environment"][..], &["build", "args"], &["labels"]] {
        let Some(node) = service.find(path) else { continue };
        for entry in node.entries() {
            let key = shown(&entry.key, 60);
            let at: &Spot = if entry.value.is_null() { &entry.at } else { &entry.value.spot };
            let named = is_secret_name(&entry.key);
            let Value::Scalar(scalar) = &entry.value.value else {
                if named && path == ["environment"] && entry.value.is_null() {
                    let evidence = format!("{key} comes from the environment");
                    bench.find(&ENVIRONMENT, at, evidence, fix);
                }
                continue;
            };
            if is_literal(scalar, named) {
                let evidence = format!("{}: {key} is written out", path.join("."));
                bench.find(&LITERAL, at, evidence, fix);
            } else if named && path != ["labels"] && !scalar.text.is_empty()
                || named && scalar.fallback.is_some()
            {
                let evidence = format!("{}: {key} is filled in from a variable", path.join("."));
                bench.find(&ENVIRONMENT, at, evidence, fix);
            }
        }
    }
    words(bench);
    for item in service.find(&["env_file"]).map(Node::items).unwrap_or_default() {
        let path = item.text().or_else(|| item.get("path")?.text()).unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or(path);
        let evidence = format!("env_file: {}", shown(name, 60));
        bench.find(&ENV_FILE, &item.spot, evidence, "name the variables in `environment`");
    }
}

/// Commands are shown by `ps` and `docker inspect`.
fn words(bench: &mut Bench<'_>) {
    let service = bench.service;
    for name in ["command", "entrypoint"] {
        let Some(node) = service.find(&[name]) else { continue };
        let own = node.text().is_some().then_some(node);
        for item in own.into_iter().chain(node.items()) {
            let Value::Scalar(scalar) = &item.value else { continue };
            let text = scalar.fallback.as_ref().unwrap_or(&scalar.text);
            let plain = |word: &str| {
                let (name, value) =
                    word.trim_start_matches('-').split_once('=').unwrap_or(("", word));
                let name = name.replace('-', "_");
                looks_secret(value)
                    || is_secret_name(&name) && !value.is_empty() && !value.starts_with('$')
            };
            if text.split_whitespace().any(plain) {
                let fix = "a file below /run/secrets, which the program is told to read";
                bench.find(&LITERAL, &item.spot, format!("{name} has a secret in it"), fix);
            }
        }
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    NAMES.iter().any(|part| name.contains(part) || name == part.trim_start_matches('_'))
        && !NOT_SECRET.iter().any(|end| name.ends_with(end))
}

/// The value, or what takes its place where a variable is not set, is a secret.
fn is_literal(scalar: &Scalar, named: bool) -> bool {
    let text = scalar.fallback.as_ref().unwrap_or(&scalar.text).trim();
    let word =
        ["", "true", "false", "0", "1", "yes", "no", "none", "null", "file", "changeit-by-file"];
    looks_secret(text)
        || named
            && !word.contains(&text.to_ascii_lowercase().as_str())
            && !text.starts_with("/run/secrets")
}

fn looks_secret(text: &str) -> bool {
    let start = STARTS.iter().any(|start| text.starts_with(start) && text.len() >= start.len() + 8);
    start || password_in_url(text)
}

/// `scheme://user:password@host`.
fn password_in_url(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':')
        .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        for name in ["DB_PASSWORD", "github_token", "OPENAI_API_KEY", "PAT", "MY_PAT", "apikey"] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "DB_PASSWORD_FILE",
            "TOKEN_URL",
            "PATH",
            "KEY",
            "TOKEN_LIMIT",
            "COMPATIBLE",
            "API_KEY_ID",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
        for text in
            ["ghp_0123456789abcdef", "postgres://u:pw@db/x", "-----BEGIN RSA PRIVATE KEY-----"]
        {
            assert!(looks_secret(text), "{text}");
        }
        for text in ["postgres://u@db/x", "https://a.b/c:d@e", "sk-", "http://u:@x", "a:b@c"] {
            assert!(!looks_secret(text), "{text}");
        }
    }
}

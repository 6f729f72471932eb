//! Secrets where they do not belong.

use super::{Bench, Judged, rules};
use crate::compose::allow::LABEL;
use crate::compose::model::Project;
use crate::compose::node::{Entry, Node, Spot, Value};
use crate::compose::secret::{is_literal, is_secret_line, is_secret_name, is_secret_word};
use crate::doctor::finding::Finding;
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

const A_FILE: &str =
    "a file: `secrets: [NAME]`, and NAME_FILE=/run/secrets/NAME where the image reads that";

pub(super) fn judge(bench: &mut Bench<'_>) {
    let service = bench.service;
    for path in [
        &["environment"][..],
        &["build", "args"],
        &["labels"],
        &["annotations"],
        &["logging", "options"],
    ] {
        let Some(node) = service.find(path) else { continue };
        // A label that allows something has the name of a rule in its own, and a reason for a value.
        let entries = node.entries().iter().filter(|entry| !entry.key.starts_with(LABEL));
        entries.for_each(|entry| named(bench, &path.join("."), entry));
    }
    hooks(bench);
    for name in ["command", "entrypoint"] {
        if let Some(node) = service.find(&[name]) {
            words(bench, name, node);
        }
    }
    if let Some(node) = service.find(&["healthcheck", "test"]) {
        words(bench, "healthcheck.test", node);
    }
    for item in service.find(&["env_file"]).map(Node::items).unwrap_or_default() {
        let path = item.text().or_else(|| item.get("path")?.text()).unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or(path);
        let evidence = format!("env_file: {}", shown(name, 60));
        bench.find(&ENV_FILE, &item.spot, evidence, "name the variables in `environment`");
    }
}

/// One name with its value.
fn named(bench: &mut Bench<'_>, place: &str, entry: &Entry) {
    let key = shown(&entry.key, 60);
    let at: &Spot = if entry.value.is_null() { &entry.at } else { &entry.value.spot };
    let named = is_secret_name(&entry.key);
    let Value::Scalar(scalar) = &entry.value.value else {
        if named && place == "environment" && entry.value.is_null() {
            let evidence = format!("{key} comes from the environment");
            bench.find(&ENVIRONMENT, at, evidence, A_FILE);
        }
        return;
    };
    let fallback = scalar.fallback.as_ref().unwrap_or(&scalar.text);
    if is_literal(fallback, &entry.key) {
        bench.find(&LITERAL, at, format!("{place}: {key} is written out"), A_FILE);
    } else if named && scalar.fallback.is_some() {
        let evidence = format!("{place}: {key} is filled in from a variable");
        bench.find(&ENVIRONMENT, at, evidence, A_FILE);
    }
}

/// Hooks are commands with an environment of their own.
fn hooks(bench: &mut Bench<'_>) {
    let service = bench.service;
    for hook in ["post_start", "pre_stop"] {
        for item in service.find(&[hook]).map(Node::items).unwrap_or_default() {
            if let Some(command) = item.get("command") {
                words(bench, &format!("{hook}.command"), command);
            }
            let Some(node) = item.get("environment") else { continue };
            let place = format!("{hook}.environment");
            node.entries().iter().for_each(|entry| named(bench, &place, entry));
            // A list of K=V.
            words(bench, &place, node);
        }
    }
}

/// Commands are shown by `ps` and `docker inspect`.
fn words(bench: &mut Bench<'_>, place: &str, node: &Node) {
    let own = node.text().is_some().then_some(node);
    // What the word before says of the next one.
    let mut before = String::new();
    for item in own.into_iter().chain(node.items()) {
        let Value::Scalar(scalar) = &item.value else { continue };
        let text = scalar.fallback.as_ref().unwrap_or(&scalar.text);
        // Where a variable is not set nothing stands between two blanks, which is a word as well.
        let all: Vec<&str> = match scalar.fallback {
            Some(_) => text.split(' ').collect(),
            None if text.is_empty() => vec![""],
            None => text.split_whitespace().collect(),
        };
        let mut secret = false;
        for word in all {
            let word = word.trim_matches(['"', '\'']);
            secret |= is_secret_word(word, &before);
            before = word.to_owned();
        }
        if secret {
            let fix = "a file below /run/secrets, which the program is told to read";
            bench.find(&LITERAL, &item.spot, format!("{place} has a secret in it"), fix);
        }
    }
}

/// What services share: options of volumes, and texts of configs.
pub(super) fn judge_shared(project: &Project) -> Vec<Judged> {
    let mut found = Vec::new();
    let section = |name: &str| project.root.get(name).map(Node::entries).unwrap_or_default();
    for volume in section("volumes") {
        let subject = format!("volume {}", shown(&volume.key, 60));
        let options = volume.value.get("driver_opts").map(Node::entries).unwrap_or_default();
        for entry in options {
            let text = written(&entry.value);
            let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
            let inner = entry.key == "o" && { pairs }.any(|(name, value)| is_literal(value, name));
            if inner || is_literal(text, &entry.key) {
                let evidence = format!("driver_opts: {} has a secret in it", shown(&entry.key, 60));
                let fix = "a file of credentials that only root can read: `credentials=PATH`";
                found.push(shared(subject.clone(), &entry.value.spot, evidence, fix));
            }
        }
    }
    for config in section("configs") {
        let Some(content) = config.value.get("content") else { continue };
        if written(content).lines().any(is_secret_line) {
            let subject = format!("config {}", shown(&config.key, 60));
            let evidence = "its content has a secret in it".to_owned();
            let fix = "`secrets` with a `file`: configs can be read by everybody in the container";
            found.push(shared(subject, &content.spot, evidence, fix));
        }
    }
    found
}

/// What stands there, with no variable set.
fn written(node: &Node) -> &str {
    match &node.value {
        Value::Scalar(scalar) => scalar.fallback.as_ref().unwrap_or(&scalar.text),
        _ => "",
    }
}

fn shared(subject: String, spot: &Spot, evidence: String, fix: &str) -> Judged {
    let finding = Finding {
        rule: &LITERAL,
        severity: LITERAL.severity,
        subject,
        evidence,
        fix: fix.to_owned(),
        safe_fix: false,
        place: Some(spot.place()),
    };
    Judged { finding, service: String::new(), spot: spot.clone(), edit: None }
}

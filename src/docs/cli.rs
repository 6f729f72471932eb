//! `docs/cli.md`: every verb and option, from clap.

use super::markdown::{cell, head, prose};
use crate::cli::Cli;
use clap::{Arg, Command, CommandFactory};

/// The command line as clap knows it.
pub fn command() -> Command {
    Cli::command()
}

pub(super) fn page() -> String {
    let mut command = command();
    command.build();
    let mut out = "# Command line\n\n\
        Data goes to stdout, everything else to stderr. Options take their value after a blank or a \
        `=`. [Exit codes](exit-codes.md) have a page of their own.\n\n"
        .to_owned();
    let verbs: Vec<(String, &Command)> = verbs(&command, "jail");
    for (name, verb) in &verbs {
        let anchor = name.replace(' ', "-");
        out += &format!("- [`{name}`](#{anchor}): {}\n", about(verb, false));
    }
    for (name, verb) in &verbs {
        out += &section(name, verb);
    }
    out
}

/// Every verb that does something itself, with its full name.
fn verbs<'a>(command: &'a Command, name: &str) -> Vec<(String, &'a Command)> {
    let mut found = Vec::new();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let name = format!("{name} {}", verb.get_name());
        if verb.has_subcommands() {
            found.extend(verbs(verb, &name));
        } else {
            found.push((name, verb));
        }
    }
    found
}

fn section(name: &str, verb: &Command) -> String {
    let usage = verb.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let mut out = format!("\n## {name}\n\n```\n{usage}\n```\n\n{}\n", about(verb, true));
    let arguments: Vec<&Arg> = verb
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str()))
        .collect();
    if arguments.is_empty() {
        return out;
    }
    out += &format!("\n{}", head(&["option", "what it does"]));
    for arg in arguments {
        out += &format!("| {} | {} |\n", spelled(arg), cell(&effect(arg)));
    }
    out
}

fn about(verb: &Command, long: bool) -> String {
    let long = verb.get_long_about().filter(|_| long);
    let text = long.or_else(|| verb.get_about()).map(ToString::to_string).unwrap_or_default();
    prose(&text)
}

/// `--read PATH`, `-q, --quiet`, `NAME`.
fn spelled(arg: &Arg) -> String {
    let names: Vec<&str> =
        arg.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
    let value = if arg.get_action().takes_values() { names.join(" ") } else { String::new() };
    if arg.is_positional() {
        let dashes = if arg.is_last_set() { "-- " } else { "" };
        let more = if matches!(arg.get_action(), clap::ArgAction::Append) { "…" } else { "" };
        return format!("`{dashes}{value}{more}`");
    }
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
    let blank = if value.is_empty() { "" } else { " " };
    let spelled = format!("{short}{long}{blank}{value}");
    // A bar would end the cell, also within a code span.
    format!("`{}`", spelled.replace('|', "\\|"))
}

fn effect(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut text = prose(&help.map(ToString::to_string).unwrap_or_default());
    if !text.ends_with(['.', '?']) {
        text.push('.');
    }
    if !arg.get_action().takes_values() {
        return text;
    }
    let values = arg.get_possible_values();
    let names: Vec<String> = values
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !names.is_empty() {
        text += &format!(" One of {}.", names.join(", "));
    }
    let defaults = arg.get_default_values();
    if let Some(default) = defaults.first().filter(|_| !arg.is_hide_default_value_set()) {
        text += &format!(" Default: `{}`.", default.to_string_lossy());
    }
    if !arg.is_positional() && matches!(arg.get_action(), clap::ArgAction::Append) {
        text += " May be repeated.";
    }
    text
}

//! mise (once rtx): its settings say which versions, its `installs` folder which programs.

use super::super::{ResolveError, files};
use super::versions::{self, choose, program_in};
use super::{Asked, Real, found};
use std::path::{Path, PathBuf};

/// In each folder, the first that names a tool wins.
const CONFIGS: &[&str] = &[
    "mise.local.toml",
    ".mise.local.toml",
    "mise.toml",
    ".mise.toml",
    "mise/config.toml",
    ".mise/config.toml",
    ".config/mise.toml",
    ".config/mise/config.toml",
];

/// Files of other managers that mise reads: `(file, tool)`.
const IDIOMATIC: &[(&str, &str)] = &[
    (".nvmrc", "node"),
    (".node-version", "node"),
    (".python-version", "python"),
    (".ruby-version", "ruby"),
    (".go-version", "go"),
];

/// A tool as a settings file asks for it.
type Wanted = (String, Vec<String>);

pub(super) fn real(asked: &Asked<'_>) -> Result<Real, ResolveError> {
    let root = data_folder(asked).ok_or_else(|| {
        asked.unclear("mise", "the folder where mise keeps its tools was not found")
    })?;
    let wanted = all_wanted(asked);
    let mut seen: Vec<&str> = Vec::new();
    for (tool, versions) in &wanted {
        // A nearer file has decided about this tool.
        if seen.contains(&tool.as_str()) {
            continue;
        }
        seen.push(tool);
        let collection = root.join("installs").join(tool);
        let path = versions
            .iter()
            .filter_map(|version| choose(&collection, version))
            .find_map(|folder| program_in(&folder, asked.name()));
        if let Some(path) = path {
            return Ok(found(path));
        }
    }
    Err(asked.unclear("mise", "its settings name no installed tool with this program"))
}

/// The folder with `installs`: two above the shim, or the usual one where the shim lies elsewhere.
fn data_folder(asked: &Asked<'_>) -> Option<PathBuf> {
    let usual = asked.home.map(|home| home.join(".local/share/mise"));
    [Some(asked.root()), usual].into_iter().flatten().find(|root| root.join("installs").is_dir())
}

fn all_wanted(asked: &Asked<'_>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for level in versions::levels(asked.cwd, asked.home) {
        wanted_in(&level, &mut wanted);
    }
    wanted
}

fn wanted_in(level: &Path, wanted: &mut Vec<Wanted>) {
    for config in CONFIGS {
        if let Some(text) = files::text(&level.join(config)) {
            wanted.extend(tools_table(&text));
        }
    }
    if let Some(text) = files::text(&level.join(".tool-versions")) {
        wanted.extend(text.lines().filter_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            Some((folder_name(words.next()?)?, words.map(str::to_owned).collect()))
        }));
    }
    for (file, tool) in IDIOMATIC {
        if let Some(text) = files::text(&level.join(file)) {
            wanted.push(((*tool).to_owned(), versions::words(&text)));
        }
    }
}

/// The `[tools]` table of a settings file, as far as it is written one tool a line: `node = "20"`,
/// `node = ["20", "18"]`, `node = { version = "20" }`, `"npm:x" = "1"`. What is written otherwise
/// is not found, and ends in an error that says how to ask mise itself.
fn tools_table(text: &str) -> Vec<Wanted> {
    let mut inside = false;
    let mut tools = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.split('#').next().unwrap_or_default().trim() == "[tools]";
        } else if inside
            && let Some((tool, value)) = line.split_once('=')
            && let Some(tool) = folder_name(tool.trim().trim_matches(['"', '\'']))
        {
            tools.push((tool, version_strings(value)));
        }
    }
    tools
}

/// The quoted strings of a value; of a table only the one after `version`.
fn version_strings(value: &str) -> Vec<String> {
    let value = match value.trim_start().strip_prefix('{') {
        Some(table) => table.split_once("version").map_or("", |(_, rest)| rest),
        None => value,
    };
    let only_first = value.trim_start().starts_with('=');
    let strings = value.split(['"', '\'']).skip(1).step_by(2).map(str::to_owned);
    if only_first { strings.take(1).collect() } else { strings.collect() }
}

/// How mise names a tool's folder: `nodejs` is `node`, `npm:@scope/x` is `npm-scope-x`.
fn folder_name(tool: &str) -> Option<String> {
    let tool = match tool {
        "nodejs" | "core:node" => "node",
        "golang" | "core:go" => "go",
        "core:python" => "python",
        other => other,
    };
    let mut name = String::new();
    for c in tool.chars() {
        if c.is_ascii_alphanumeric() || c == '_' || c == '.' {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    (!name.is_empty() && !name.starts_with('.')).then_some(name)
}

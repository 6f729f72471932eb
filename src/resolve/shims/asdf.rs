//! asdf: the shim itself lists the plugins that bring the program.

use super::super::{ResolveError, files};
use super::versions::{self, choose, program_in};
use super::{Asked, Real, found};

/// Version files of other managers, which asdf reads where it is told to (`legacy_version_file`).
const LEGACY: &[(&str, &str)] = &[
    ("nodejs", ".nvmrc"),
    ("nodejs", ".node-version"),
    ("python", ".python-version"),
    ("ruby", ".ruby-version"),
    ("golang", ".go-version"),
];

pub(super) fn real(asked: &Asked<'_>, shim: &str) -> Result<Real, ResolveError> {
    let plugins = plugins(shim);
    let wanted = wanted(asked, &plugins)
        .ok_or_else(|| asked.unclear("asdf", "no .tool-versions file says which version to run"))?;
    let (plugin, versions) = wanted;
    let root = asked.root();
    let collection = root.join("installs").join(plugin);
    for version in &versions {
        if version == "system" {
            return Ok(Real::Next { skip: root.join("shims") });
        }
        let folder = version.replacen("ref:", "ref-", 1);
        if let Some(path) =
            choose(&collection, &folder).and_then(|dir| program_in(&dir, asked.name()))
        {
            return Ok(found(path));
        }
    }
    Err(asked.unclear("asdf", format!("{plugin} {} is not installed", versions.join(", "))))
}

/// From the comments `# asdf-plugin: nodejs 20.1.0`.
fn plugins(shim: &str) -> Vec<&str> {
    let mut plugins: Vec<&str> = shim
        .lines()
        .filter_map(|line| line.trim().strip_prefix("# asdf-plugin:"))
        .filter_map(|rest| rest.split_whitespace().next())
        .filter(|plugin| !plugin.contains('/') && !plugin.starts_with('.'))
        .collect();
    plugins.dedup();
    plugins
}

fn wanted<'p>(asked: &Asked<'_>, plugins: &[&'p str]) -> Option<(&'p str, Vec<String>)> {
    let listed = versions::levels(asked.cwd, asked.home).into_iter().find_map(|level| {
        let text = files::text(&level.join(".tool-versions"))?;
        plugins
            .iter()
            .find_map(|plugin| Some((*plugin, versions::tool_versions(&text, &[plugin])?)))
    });
    listed.or_else(|| {
        LEGACY.iter().find_map(|(plugin, file)| {
            let plugin = plugins.iter().find(|known| *known == plugin)?;
            Some((*plugin, versions::nearest(file, asked.cwd)?.1))
        })
    })
}

//! Volta: the project's `package.json` or the user's default platform pins versions; packages
//! remember the Node.js that they were installed with.

use super::super::{ResolveError, files};
use super::{Asked, Real, found};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(super) fn real(asked: &Asked<'_>) -> Result<Real, ResolveError> {
    let root = asked.root();
    let image = root.join("tools/image");
    let program = match asked.name() {
        "node" => tool(asked, &root, "node").map(|version| image.join("node").join(version)),
        "npm" | "npx" => tool(asked, &root, "npm")
            .map(|version| image.join("npm").join(version))
            .or_else(|| Some(image.join("node").join(tool(asked, &root, "node")?))),
        "yarn" | "yarnpkg" => tool(asked, &root, "yarn").map(|v| image.join("yarn").join(v)),
        "pnpm" | "pnpx" => tool(asked, &root, "pnpm").map(|v| image.join("pnpm").join(v)),
        name => return package(asked, &root, name),
    };
    let path = program.map(|folder| folder.join("bin").join(asked.name()));
    match path {
        Some(path) if files::is_executable(&path) => Ok(found(path)),
        Some(path) => Err(asked.unclear("volta", format!("{} is not installed", path.display()))),
        None => {
            Err(asked.unclear("volta", "neither the project nor Volta's default pins a version"))
        }
    }
}

/// The version of `tool` that is pinned: by the nearest project, else for the user.
fn tool(asked: &Asked<'_>, root: &Path, tool: &str) -> Option<String> {
    let project = asked.cwd.ancestors().find_map(|level| {
        let pins = json(&level.join("package.json"))?.get("volta")?.clone();
        Some(pins)
    });
    let pinned = project.and_then(|pins| version(pins.get(tool)?));
    pinned.or_else(|| {
        let platform = json(&root.join("tools/user/platform.json"))?;
        match tool {
            "node" => version(platform.get("node")?.get("runtime")?),
            "npm" => version(platform.get("node")?.get("npm")?),
            other => version(platform.get(other)?),
        }
    })
}

/// A program of a package that `volta install` put in place.
fn package(asked: &Asked<'_>, root: &Path, name: &str) -> Result<Real, ResolveError> {
    let record = json(&root.join("tools/user/bins").join(format!("{name}.json")));
    let found = record.as_ref().and_then(|record| {
        let package = package_name(record.get("package")?.as_str()?)?;
        let path = root.join("tools/image/packages").join(package).join("bin").join(name);
        files::is_executable(&path).then_some(path)
    });
    let Some(path) = found else {
        return Err(asked.unclear("volta", "its record of this program was not understood"));
    };
    let node = record.as_ref().and_then(|record| version(record.get("platform")?.get("node")?));
    let pinned = node.map(|version| root.join("tools/image/node").join(version).join("bin"));
    Ok(Real::Program { path, pinned: pinned.filter(|bin| bin.is_dir()) })
}

/// A version as one word: nothing that leads out of the folder of versions.
fn version(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let plain = !text.is_empty() && !text.starts_with('.') && !text.contains('/');
    plain.then(|| text.to_owned())
}

/// `name` or `@scope/name`.
fn package_name(text: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = text.split('/').collect();
    let plain = parts.len() <= 2 && parts.iter().all(|p| !p.is_empty() && !p.starts_with('.'));
    plain.then(|| parts.iter().collect())
}

fn json(path: &Path) -> Option<Value> {
    serde_json::from_str(&files::text(path)?).ok()
}

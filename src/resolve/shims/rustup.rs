//! rustup: `~/.cargo/bin/cargo` is rustup itself under another name.

use super::super::{ResolveError, files};
use super::{Asked, Real, found};
use std::path::{Path, PathBuf};

pub(super) fn real(asked: &Asked<'_>) -> Result<Real, ResolveError> {
    let Some(root) = root(asked) else {
        return Err(asked.unclear("rustup", "the folder of its toolchains was not found"));
    };
    let settings = files::text(&root.join("settings.toml")).unwrap_or_default();
    let Some(wanted) = wanted(asked, &settings) else {
        return Err(asked.unclear("rustup", "no default toolchain is set"));
    };
    let host = setting(&settings, "default_host_triple")
        .unwrap_or_else(|| format!("{}-unknown-linux-gnu", std::env::consts::ARCH));
    let toolchains = root.join("toolchains");
    [wanted.clone(), format!("{wanted}-{host}")]
        .iter()
        .filter(|name| !name.contains('/') && !name.starts_with('.'))
        .map(|name| toolchains.join(name).join("bin").join(asked.name()))
        .find(|path| files::is_executable(path))
        .map(found)
        .ok_or_else(|| {
            asked.unclear("rustup", format!("the toolchain {wanted} does not have this program"))
        })
}

/// `.rustup` in the home folder, or beside `.cargo`.
fn root(asked: &Asked<'_>) -> Option<PathBuf> {
    let beside = asked.root().with_file_name(".rustup");
    let usual = asked.home.map(|home| home.join(".rustup"));
    [usual, Some(beside)].into_iter().flatten().find(|root| root.join("toolchains").is_dir())
}

fn wanted(asked: &Asked<'_>, settings: &str) -> Option<String> {
    let levels = || asked.cwd.ancestors();
    levels()
        .find_map(|level| directory_override(settings, level).or_else(|| toolchain_file(level)))
        .or_else(|| setting(settings, "default_toolchain"))
}

/// A line of `[overrides]`: `"/folder" = "toolchain"`.
fn directory_override(settings: &str, folder: &Path) -> Option<String> {
    let (_, overrides) = settings.split_once("[overrides]")?;
    let lines = overrides.lines().take_while(|line| !line.trim_start().starts_with('['));
    lines.into_iter().find_map(|line| {
        let (path, toolchain) = line.split_once('=')?;
        let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
        (Path::new(&unquoted(path)) == folder).then(|| unquoted(toolchain))
    })
}

/// `rust-toolchain`, plain or TOML, or `rust-toolchain.toml`.
fn toolchain_file(folder: &Path) -> Option<String> {
    ["rust-toolchain", "rust-toolchain.toml"].iter().find_map(|name| {
        let text = files::text(&folder.join(name))?;
        setting(&text, "channel").or_else(|| {
            let line = text.trim();
            let plain = !line.is_empty() && !line.contains(['\n', '=', '[']);
            plain.then(|| line.to_owned())
        })
    })
}

/// The string in a line `key = "value"`.
fn setting(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        (name.trim() == key && !value.is_empty()).then(|| value.to_owned())
    })
}

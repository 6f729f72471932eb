//! What is not to be granted lightly, and what is not worth a word.

use crate::plan::PROTECTED;
use crate::resolve;
use std::fs::Metadata;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// Where every program, or every run-time, looks when it starts, and goes on without.
const USUAL: [&str; 9] = [
    "/dev/tty",
    "/etc/gai.conf",
    "/etc/inputrc",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/terminfo",
    "/etc/bash.bashrc",
    "/etc/nsswitch.conf",
    "/etc/locale.alias",
];

/// Keys and passwords of the system.
const SYSTEM_SECRETS: [&str; 9] = [
    "/etc/gshadow",
    "/etc/kubernetes",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/run/secrets",
    "/var/run/secrets",
];

/// Why one should think twice before one grants it.
pub(super) fn doubt(
    path: &Path,
    write: bool,
    found: &Metadata,
    home: Option<&Path>,
) -> Option<&'static str> {
    let kind = found.file_type();
    let acts = |name: &&str| path.ends_with(name);
    if is_secret(path, home) {
        Some("secrets")
    } else if kind.is_socket() || path.starts_with("/run") || path.starts_with("/var/run") {
        Some("service")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("device")
    } else if write && PROTECTED.iter().map(|(name, _)| name).any(acts) {
        Some("acts-later")
    } else if found.is_dir() && resolve::too_wide(path, home).is_some() {
        Some("wide")
    } else {
        None
    }
}

/// Keys, passwords and tokens, by their place or name.
pub(super) fn is_secret(path: &Path, home: Option<&Path>) -> bool {
    resolve::holds_secrets(path, home)
        || SYSTEM_SECRETS.iter().any(|place| path.starts_with(place))
        || is_key(path)
}

/// What every start of a run-time leaves behind, and no program misses.
pub(super) fn is_usual(path: &Path) -> bool {
    let site =
        |path: &Path| path.ends_with("sitecustomize.py") || path.ends_with("usercustomize.py");
    USUAL.iter().any(|usual| path.starts_with(usual))
        || path.components().any(|part| part.as_os_str() == "__pycache__")
        || site(path)
}

/// By its name.
fn is_key(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let Some(name) = name else { return false };
    let ends = [".pem", ".key", ".p12", ".pfx", ".kdbx", ".keystore", ".jks"];
    name == ".env"
        || name.starts_with(".env.")
        || name.starts_with("id_rsa")
        || name.starts_with("id_ed25519")
        || name.contains("credential")
        || ends.iter().any(|end| name.ends_with(end))
}

//! Where the log is.

use std::path::{Path, PathBuf};

/// The log's name in its folder.
const NAME: &str = "audit.log";

/// `.cloned/audit.log` of the workspace; without one `jail/audit.log` under the user's state home,
/// which is `~/.local/state` where `$XDG_STATE_HOME` is not set or not absolute. `None` where
/// nothing of this is known.
///
/// `workspace` is the folder that holds `.cloned`, `state_home` the value of `$XDG_STATE_HOME`,
/// `home` that of `$HOME`.
pub fn path_for(
    workspace: Option<&Path>,
    state_home: Option<&Path>,
    home: Option<&Path>,
) -> Option<PathBuf> {
    if let Some(workspace) = workspace {
        return Some(workspace.join(".cloned").join(NAME));
    }
    let absolute = |path: &&Path| path.is_absolute();
    let state = match state_home.filter(absolute) {
        Some(state) => state.to_owned(),
        None => home.filter(absolute)?.join(".local/state"),
    };
    Some(state.join("jail").join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_comes_first_then_the_state_home_then_home() {
        let path = |w: Option<&str>, s: Option<&str>, h: Option<&str>| {
            let place = path_for(w.map(Path::new), s.map(Path::new), h.map(Path::new));
            place.map(|path| path.display().to_string())
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(path(Some("/w"), Some("/s"), Some("/h")), is("/w/.cloned/audit.log"));
        assert_eq!(path(None, Some("/s"), Some("/h")), is("/s/jail/audit.log"));
        assert_eq!(path(None, None, Some("/h")), is("/h/.local/state/jail/audit.log"));
        assert_eq!(path(None, Some("s"), Some("/h")), is("/h/.local/state/jail/audit.log"));
        assert_eq!(path(None, Some(""), Some("")), None);
        assert_eq!(path(None, None, None), None);
    }
}

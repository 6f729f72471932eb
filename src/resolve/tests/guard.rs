//! What may not be bound whole.

use crate::resolve::too_wide;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn wide(path: &str) -> bool {
    let path = path.replace('~', "/home/u");
    too_wide(Path::new(&path), Some(Path::new("/home/u"))).is_some()
}

#[test]
fn shared_folders_are_too_wide() {
    for path in
        "/ /home /root /opt /run /tmp /var /etc /usr /work /nix /usr/bin /usr/lib /usr/local \
        /usr/local/lib /usr/share/doc /etc/ssl /var/lib /var/lib/docker /run/user \
        /run/user/1000 /mnt/c /media/u ~ /home/other ~/.config ~/.config/gcloud ~/.local \
        ~/.local/share ~/.local/share/keyrings ~/.local/bin ~/.cargo ~/.cargo/bin ~/.ssh \
        ~/.gnupg ~/.aws ~/.kube ~/.cache ~/.cache/uv ~/.nvm ~/.nvm/versions \
        ~/.nvm/versions/node ~/.pyenv ~/.pyenv/versions ~/.pyenv/shims ~/.volta ~/.volta/tools \
        ~/.volta/tools/image ~/.volta/tools/image/node ~/.rustup ~/.rustup/toolchains \
        ~/.asdf/installs ~/.local/share/uv ~/.local/share/uv/tools ~/.local/share/uv/python \
        ~/.local/share/mise ~/.local/share/mise/installs ~/.local/share/pipx/venvs ~/.npm \
        ~/.npm/_npx ~/go ~/go/bin ~/bin ~/Documents ~/.mozilla/firefox ~/.anything /root/.ssh \
        /root/.cargo /home/other/.config relative /opt/../etc/x /home/u/../u"
            .split_whitespace()
    {
        assert!(wide(path), "{path} must be too wide");
    }
}

#[test]
fn own_prefixes_are_narrow() {
    for path in "~/.nvm/versions/node/v20 ~/.config/nvm/versions/node/v20 ~/.pyenv/versions/3.11.7 \
        ~/.local/share/uv/tools/x ~/.local/share/fnm/node-versions/v20/installation \
        ~/.local/share/mise/installs/node/20 ~/.local/share/pipx/venvs/x ~/.local/share/pnpm \
        ~/.rustup/toolchains/stable ~/.asdf/installs/nodejs/20 ~/.volta/tools/image/node/20 \
        ~/.npm/_npx/abc/node_modules ~/miniconda3 ~/.venv ~/proj/.venv ~/proj/node_modules \
        ~/node_modules /opt/google /nix/store /usr/lib/node_modules \
        /usr/local/lib/node_modules /tmp/venv /home/linuxbrew/.linuxbrew/Cellar/node/20 \
        /root/.pyenv/versions/3.11.7 /var/www/app/node_modules"
        .split_whitespace()
    {
        assert!(!wide(path), "{path} must be allowed");
    }
}

#[test]
fn works_without_a_home() {
    assert!(too_wide(Path::new("/home/u/.ssh"), None).is_some());
    assert!(too_wide(Path::new("/root"), None).is_some());
    assert!(too_wide(Path::new("/srv/app/.venv"), None).is_none());
}

proptest! {
    /// Whatever the home is called, no tree ever holds it.
    #[test]
    fn no_tree_holds_the_home(home in "(/[a-z.]{1,8}){1,5}", up in 0usize..6) {
        let home = PathBuf::from(home);
        if let Some(above) = home.ancestors().nth(up) {
            prop_assert!(too_wide(above, Some(&home)).is_some());
        }
    }

    #[test]
    fn never_panics(path in any::<String>(), home in any::<String>()) {
        let _verdict = too_wide(Path::new(&path), Some(Path::new(&home)));
    }
}

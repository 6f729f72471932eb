//! What the world's web servers hand out to the clients.

use super::program;
use crate::world::{self, REACHED};
use std::path::Path;
use std::process::Command;

/// A repository, a registry and a page for the web servers to hand out.
pub fn stock() {
    let files = world::get().files();
    std::fs::create_dir_all(files.join("npm")).expect("folders");
    let thing = r#"{"name":"thing","dist-tags":{"latest":"7.8.9"},"versions":{"7.8.9":{"name":"thing","version":"7.8.9","dist":{"tarball":"https://allowed.test/files/thing.tgz","shasum":"da39a3ee5e6b4b0d3255bfef95601890afd80709"}}}}"#;
    std::fs::write(files.join("npm/thing"), thing).expect("a file");
    let page =
        format!("<html><body><article><h1>Page</h1><p>{REACHED}</p></article></body></html>");
    std::fs::write(files.join("page.html"), page).expect("a file");
    let git = |args: &[&str], folder: &Path| {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]);
        git.args(args).current_dir(folder).env("HOME", &files).env("GIT_CONFIG_NOSYSTEM", "1");
        git.output().is_ok_and(|output| output.status.success())
    };
    if program("git").is_some() {
        let work = files.join("work");
        std::fs::create_dir_all(&work).expect("a folder");
        std::fs::write(work.join("file"), REACHED).expect("a file");
        assert!(git(&["init", "-q"], &work) && git(&["add", "file"], &work));
        assert!(git(&["commit", "-q", "-m", "one"], &work));
        assert!(git(&["clone", "-q", "--bare", "work", "repository.git"], &files));
        // What a server without git's own protocol hands out.
        assert!(git(&["update-server-info"], &files.join("repository.git")));
        assert!(git(&["config", "http.receivepack", "true"], &files.join("repository.git")));
    }
}

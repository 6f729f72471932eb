//! Where runtimes live: one fixture tree for each manager, laid out as the manager does it.

use super::fixture::Home;
use crate::resolve::{ResolveError, prefix};
use std::path::Path;

fn node_in(home: &Home, root: &str) {
    home.program(&format!("{root}/bin/node"));
    home.script(
        &format!("{root}/lib/node_modules/npm/bin/npx-cli.js"),
        "#!/usr/bin/env node\nrequire('x')\n",
    );
    home.link(&format!("{root}/bin/npx"), "../lib/node_modules/npm/bin/npx-cli.js");
}

#[test]
fn nvm_binds_one_version() {
    let home = Home::new(&[".nvm/versions/node/v20.1.0/bin"]);
    node_in(&home, ".nvm/versions/node/v20.1.0");
    node_in(&home, ".nvm/versions/node/v18.0.0");
    let bin = ".nvm/versions/node/v20.1.0/bin";
    let tree = ["tree .nvm/versions/node/v20.1.0"];
    home.expect("node", &format!("{bin}/node"), &tree, &[bin]);
    home.expect("npx", &format!("{bin}/npx"), &tree, &[bin]);
}

#[test]
fn nvm_npx_in_full_finds_its_node_without_path() {
    let home = Home::new(&["bin"]);
    node_in(&home, ".nvm/versions/node/v20.1.0");
    let bin = ".nvm/versions/node/v20.1.0/bin";
    let npx = format!("{bin}/npx");
    home.expect(&format!("~/{npx}"), &npx, &["tree .nvm/versions/node/v20.1.0"], &[bin]);
}

#[test]
fn fnm_link_of_one_shell_is_replaced_by_the_version() {
    let home = Home::new(&["run/fnm_multishells/12_34/bin"]);
    let root = ".local/share/fnm/node-versions/v20.1.0/installation";
    node_in(&home, root);
    home.link("run/fnm_multishells/12_34", &format!("~/{root}"));
    let bin = format!("{root}/bin");
    home.expect("npx", &format!("{bin}/npx"), &[&format!("tree {root}")], &[&bin]);
}

#[test]
fn uv_tool_brings_its_environment_and_its_python() {
    let home = Home::new(&[".local/bin"]);
    let python = ".local/share/uv/python/cpython-3.12.1-linux-x86_64-gnu";
    home.program(&format!("{python}/bin/python3.12"));
    home.link(&format!("{python}/bin/python3"), "python3.12");
    let tool = ".local/share/uv/tools/mcp-server-time";
    home.file(
        &format!("{tool}/pyvenv.cfg"),
        &format!("home = {}\n", home.at(python).join("bin").display()),
    );
    home.link(&format!("{tool}/bin/python"), &format!("~/{python}/bin/python3.12"));
    home.script(
        &format!("{tool}/bin/mcp-server-time"),
        &format!("#!~/{tool}/bin/python\nimport x\n"),
    );
    home.link(
        ".local/bin/mcp-server-time",
        "../share/uv/tools/mcp-server-time/bin/mcp-server-time",
    );
    home.expect(
        "mcp-server-time",
        ".local/bin/mcp-server-time",
        &[
            "link .local/bin/mcp-server-time -> ../share/uv/tools/mcp-server-time/bin/mcp-server-time",
            &format!("tree {python}"),
            &format!("tree {tool}"),
        ],
        &[".local/bin"],
    );
}

#[test]
fn uv_minor_version_link_is_passed_on() {
    let home = Home::new(&["v/bin"]);
    let python = ".local/share/uv/python/cpython-3.12.9-linux-x86_64-gnu";
    home.program(&format!("{python}/bin/python3.12"));
    home.link(
        ".local/share/uv/python/cpython-3.12-linux-x86_64-gnu",
        "cpython-3.12.9-linux-x86_64-gnu",
    );
    home.file("v/pyvenv.cfg", "home = /nowhere\n");
    home.link(
        "v/bin/python",
        "~/.local/share/uv/python/cpython-3.12-linux-x86_64-gnu/bin/python3.12",
    );
    home.expect(
        "python",
        "v/bin/python",
        &[
            "link .local/share/uv/python/cpython-3.12-linux-x86_64-gnu -> cpython-3.12.9-linux-x86_64-gnu",
            &format!("tree {python}"),
            "tree v",
        ],
        &["v/bin"],
    );
}

#[test]
fn copied_venv_brings_the_interpreter_that_its_config_names() {
    let home = Home::new(&["work/.venv/bin"]);
    let base = ".pyenv/versions/3.11.7";
    home.program(&format!("{base}/bin/python3"));
    home.program("work/.venv/bin/python");
    home.file("work/.venv/pyvenv.cfg", &format!("home = {}/{base}/bin\n", home.path.display()));
    home.expect(
        "python",
        "work/.venv/bin/python",
        &[&format!("tree {base}"), "tree work/.venv"],
        &["work/.venv/bin"],
    );
}

#[test]
fn stray_venv_config_in_the_home_shows_nothing() {
    let home = Home::new(&["bin"]);
    home.file("pyvenv.cfg", "home = /usr/bin\n");
    home.program("bin/tool");
    home.expect("tool", "bin/tool", &["file bin/tool"], &["bin"]);
}

#[test]
fn pipx_long_interpreter_path_hidden_behind_sh() {
    let home = Home::new(&[".local/bin"]);
    let tool = ".local/share/pipx/venvs/thing";
    home.program("py/bin/python3");
    home.file("py/lib/python3.12/os.py", "");
    home.file(&format!("{tool}/pyvenv.cfg"), "home = /nowhere\n");
    home.link(&format!("{tool}/bin/python"), "~/py/bin/python3");
    home.script(
        &format!("{tool}/bin/thing"),
        &format!("#!/bin/sh\n'''exec' \"~/{tool}/bin/python\" \"$0\" \"$@\"\n' '''\n"),
    );
    home.link(".local/bin/thing", &format!("~/{tool}/bin/thing"));
    let found = home.resolve("thing").unwrap();
    let needs = home.brief(&found.needs);
    assert!(needs.contains(&format!("tree {tool}")), "{needs:?}");
    assert!(needs.contains(&"tree py".to_owned()), "{needs:?}");
}

#[test]
fn conda_binds_one_environment() {
    let home = Home::new(&["miniconda3/envs/mcp/bin"]);
    home.file("miniconda3/conda-meta/history", "");
    home.file("miniconda3/envs/mcp/conda-meta/history", "");
    home.program("miniconda3/envs/mcp/bin/python");
    let bin = "miniconda3/envs/mcp/bin";
    home.expect("python", &format!("{bin}/python"), &["tree miniconda3/envs/mcp"], &[bin]);
}

#[test]
fn homebrew_binds_the_keg_and_its_links() {
    let home = Home::new(&["brew/bin"]);
    home.program("brew/Cellar/node/21.0.0/bin/node");
    home.program("brew/Cellar/other/1/bin/other");
    home.link("brew/opt/node", "../Cellar/node/21.0.0");
    home.link("brew/bin/node", "../opt/node/bin/node");
    home.expect(
        "node",
        "brew/bin/node",
        &[
            "link brew/bin/node -> ../opt/node/bin/node",
            "link brew/opt/node -> ../Cellar/node/21.0.0",
            "tree brew/Cellar/node/21.0.0",
        ],
        &["brew/bin"],
    );
}

#[test]
fn sdkman_current_link() {
    let home = Home::new(&[".sdkman/candidates/java/current/bin"]);
    home.program(".sdkman/candidates/java/17.0.1/bin/java");
    home.link(".sdkman/candidates/java/current", "17.0.1");
    home.expect(
        "java",
        ".sdkman/candidates/java/current/bin/java",
        &["link .sdkman/candidates/java/current -> 17.0.1", "tree .sdkman/candidates/java/17.0.1"],
        &[".sdkman/candidates/java/current/bin"],
    );
}

#[test]
fn lone_programs_are_one_file() {
    for bin in [".cargo/bin", "go/bin", ".local/bin", ".deno/bin", "bin"] {
        let home = Home::new(&[bin]);
        home.program(&format!("{bin}/tool"));
        home.file(&format!("{bin}/other"), "secret");
        home.expect("tool", &format!("{bin}/tool"), &[&format!("file {bin}/tool")], &[bin]);
    }
}

#[test]
fn uvx_brings_the_uv_beside_it() {
    let home = Home::new(&[".local/bin"]);
    home.program(".local/bin/uvx");
    home.program(".local/bin/uv");
    let needs = ["file .local/bin/uv", "file .local/bin/uvx"];
    home.expect("uvx", ".local/bin/uvx", &needs, &[".local/bin"]);
}

#[test]
fn covered_trees_need_nothing() {
    let mut home = Home::new(&[".nvm/versions/node/v20.1.0/bin"]);
    node_in(&home, ".nvm/versions/node/v20.1.0");
    home.covered = vec![home.at(".nvm")];
    let bin = ".nvm/versions/node/v20.1.0/bin";
    home.expect("npx", &format!("{bin}/npx"), &[], &[bin]);
}

#[test]
fn link_out_of_a_covered_tree_is_followed() {
    // As /usr/bin/java -> /etc/alternatives/java -> /usr/lib/jvm/…: both ends are covered.
    let mut home = Home::new(&["sys/bin"]);
    home.program("sys/lib/jvm/bin/java");
    home.link("sys/bin/java", "~/etc/alternatives/java");
    home.link("etc/alternatives/java", "~/sys/lib/jvm/bin/java");
    home.covered = vec![home.at("sys")];
    home.expect(
        "java",
        "sys/bin/java",
        &["link etc/alternatives/java -> sys/lib/jvm/bin/java"],
        &["sys/bin"],
    );
}

#[test]
fn path_order_is_kept() {
    // The user's shell would run the other node: the jail must, too.
    let home = Home::new(&["first", ".nvm/versions/node/v20.1.0/bin"]);
    home.program("first/node");
    node_in(&home, ".nvm/versions/node/v20.1.0");
    let bin = ".nvm/versions/node/v20.1.0/bin";
    let found = home.resolve("npx").unwrap();
    assert_eq!(found.path_dirs, [home.at("first"), home.at(bin)]);
    assert!(home.brief(&found.needs).contains(&"file first/node".to_owned()));
}

#[test]
fn fixed_places() {
    let wide = |path: &Path| crate::resolve::too_wide(path, None).is_some();
    let root = |path: &str| {
        let found = prefix::of(Path::new(path), &wide);
        found.first().map(|prefix| prefix.root.to_str().unwrap().to_owned())
    };
    assert_eq!(root("/nix/store/abc-node-20/bin/node").as_deref(), Some("/nix/store"));
    assert_eq!(root("/opt/google/chrome/chrome").as_deref(), Some("/opt/google"));
    assert_eq!(root("/opt/lone-file"), None);
    let keg = "/home/linuxbrew/.linuxbrew/Cellar/uv/1.0";
    assert_eq!(root(&format!("{keg}/bin/uv")).as_deref(), Some(keg));
    assert_eq!(crate::resolve::too_wide(Path::new(keg), None), None);
    let scoped = "/home/u/.volta/tools/image/packages/@a/b";
    assert_eq!(root(&format!("{scoped}/bin/b")).as_deref(), Some(scoped));
    // The version's own folder is not inside itself: it may be a link.
    assert_eq!(root("/home/u/.pyenv/versions/3.11.7"), None);
}

#[test]
fn snaps_are_refused() {
    let home = Home::new(&["snapbin"]);
    home.program("usr/bin/snap");
    home.link("snapbin/firefox", "../usr/bin/snap");
    assert!(matches!(home.resolve("firefox"), Err(ResolveError::Snap { .. })));
}

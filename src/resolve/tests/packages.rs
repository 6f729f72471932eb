//! Node's packages, and scripts given as arguments.

use super::fixture::Home;

fn with_node() -> Home {
    let home = Home::new(&["bin"]);
    home.program("bin/node");
    home
}

#[test]
fn bin_link_binds_the_outermost_modules() {
    let home = with_node();
    home.file("proj/package.json", "{}");
    home.script("proj/node_modules/a/node_modules/b/cli.js", "#!/usr/bin/env node\n");
    home.link("proj/node_modules/.bin/b", "../a/node_modules/b/cli.js");
    let needs = ["file bin/node", "file proj/package.json", "tree proj/node_modules"];
    home.expect_with("~/proj/node_modules/.bin/b", &[], "proj/node_modules/.bin/b", &needs);
}

#[test]
fn launcher_of_pnpm_brings_node() {
    let home = with_node();
    home.script("proj/node_modules/.bin/x", "#!/bin/sh\nexec node \"$basedir/../x/cli.js\"\n");
    let needs = ["file bin/node", "tree proj/node_modules"];
    home.expect("~/proj/node_modules/.bin/x", "proj/node_modules/.bin/x", &needs, &["bin"]);
}

#[test]
fn workspace_modules_above_are_bound_too() {
    let home = with_node();
    home.file("mono/package.json", "{}");
    home.file("mono/node_modules/hoisted/index.js", "");
    home.file("mono/packages/a/package.json", "{}");
    home.script("mono/packages/a/node_modules/x/cli.js", "#!/usr/bin/env node\n");
    let needs = [
        "file bin/node",
        "file mono/package.json",
        "file mono/packages/a/package.json",
        "tree mono/node_modules",
        "tree mono/packages/a/node_modules",
    ];
    let script = "mono/packages/a/node_modules/x/cli.js";
    home.expect_with(&format!("~/{script}"), &[], script, &needs);
}

#[test]
fn built_script_brings_its_package_but_no_dotfiles() {
    let home = with_node();
    home.file("proj/package.json", "{}");
    home.file("proj/.env", "TOKEN=1");
    home.file("proj/.git/config", "");
    home.file("proj/data/private.db", "");
    home.file("proj/build/index.js", "");
    home.file("proj/node_modules/x/index.js", "");
    let needs =
        ["file bin/node", "file proj/package.json", "tree proj/build", "tree proj/node_modules"];
    home.expect_with("node", &["~/proj/build/index.js", "arg"], "bin/node", &needs);
}

#[test]
fn script_in_the_root_of_a_package_brings_the_code_beside_it() {
    let home = with_node();
    home.file("proj/package.json", "{}");
    home.file("proj/.env", "TOKEN=1");
    home.file("proj/token.json", "{}");
    home.file("proj/server.js", "");
    home.file("proj/tools.mjs", "");
    home.file("proj/src/a.js", "");
    let needs = [
        "file bin/node",
        "file proj/package.json",
        "file proj/server.js",
        "file proj/tools.mjs",
        "tree proj/src",
    ];
    home.expect_with("node", &["~/proj/server.js"], "bin/node", &needs);
}

#[test]
fn lone_script_is_one_file() {
    let home = with_node();
    home.file("proj/server.js", "");
    home.file("proj/other.js", "");
    let needs = ["file bin/node", "file proj/server.js"];
    home.expect_with("node", &["--no-warnings", "~/proj/server.js"], "bin/node", &needs);
}

#[test]
fn stray_package_in_the_home_is_not_followed() {
    let home = with_node();
    home.file("package.json", "{}");
    home.file("node_modules/evil/index.js", "");
    home.file("Documents/diary", "");
    home.file("server.js", "");
    home.expect_with("node", &["server.js"], "bin/node", &["file bin/node", "file server.js"]);
}

#[test]
fn why_of_the_script_says_who_asked() {
    let home = with_node();
    home.file("proj/server.js", "");
    let found = home.resolve_with("node", &["proj/server.js"]).unwrap();
    let need = found.needs.iter().find(|need| need.path.ends_with("server.js")).unwrap();
    assert_eq!(need.why, "the script that you asked to run");
}

#[test]
fn script_is_found_among_options() {
    let home = Home::new(&["bin"]);
    for name in ["node", "python3.12", "bash", "deno", "bun", "perl", "ruby"] {
        home.program(&format!("bin/{name}"));
    }
    home.file("s", "");
    home.file("m.js", "");
    for (command, args, wanted) in [
        ("node", &["-r", "m.js", "s"][..], true),
        ("node", &["--import=m.js", "s"], true),
        ("node", &["-e", "s"], false),
        ("python3.12", &["-u", "-X", "dev", "s"], true),
        ("python3.12", &["-m", "s"], false),
        ("python3.12", &["-Im", "s"], false),
        ("python3.12", &["-Wcm", "s"], true),
        ("python3.12", &["-c", "s"], false),
        ("bash", &["-eu", "-o", "pipefail", "s"], true),
        ("bash", &["-lc", "s"], false),
        ("bash", &["--", "s"], true),
        ("deno", &["run", "--allow-net", "s"], true),
        ("bun", &["run", "s"], true),
        ("perl", &["-w", "s"], true),
        ("perl", &["-e", "s"], false),
        ("ruby", &["s"], true),
        ("node", &["absent.js"], false),
        ("node", &[], false),
    ] {
        let found = home.resolve_with(command, args).unwrap();
        let has = home.brief(&found.needs).contains(&"file s".to_owned());
        assert_eq!(has, wanted, "{command} {args:?}");
    }
}

#[test]
fn script_in_a_venv_brings_the_venv() {
    let home = Home::new(&["v/bin"]);
    home.program("v/bin/python");
    home.file("v/pyvenv.cfg", "home = /nowhere\n");
    home.file("v/bin/server", "");
    home.expect_with("python", &["v/bin/server"], "v/bin/python", &["tree v"]);
}

#[test]
fn python_script_is_one_file_and_its_link_is_kept() {
    let home = Home::new(&["bin"]);
    home.program("bin/python3");
    home.file("proj/real.py", "");
    home.file("proj/secret.py", "");
    home.link("proj/server.py", "real.py");
    let needs = ["file bin/python3", "file proj/real.py", "link proj/server.py -> real.py"];
    home.expect_with("python3", &["proj/server.py"], "bin/python3", &needs);
}

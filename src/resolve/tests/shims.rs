//! Shims: the program that the manager would run, found without running it.

use super::fixture::Home;
use crate::failure::Failure;
use crate::resolve::ResolveError;

const PYENV_SHIM: &str = "#!/usr/bin/env bash\nset -e\nprogram=\"${0##*/}\"\n\
     export PYENV_ROOT=\"~/.pyenv\"\nexec \"~/.pyenv/libexec/pyenv\" exec \"$program\" \"$@\"\n";

fn pyenv(path_var: &[&str]) -> Home {
    let home = Home::new(path_var);
    for version in ["3.9.18", "3.11.7", "3.11.10", "3.11.10-dev"] {
        home.program(&format!(".pyenv/versions/{version}/bin/python3"));
    }
    home.script(".pyenv/shims/python3", PYENV_SHIM);
    home
}

fn python_is(home: &Home, version: &str) {
    let root = format!(".pyenv/versions/{version}");
    let bin = format!("{root}/bin");
    home.expect("python3", &format!("{bin}/python3"), &[&format!("tree {root}")], &[&bin]);
}

#[test]
fn pyenv_takes_the_global_version() {
    let home = pyenv(&[".pyenv/shims"]);
    home.file(".pyenv/version", "3.9.18\n");
    python_is(&home, "3.9.18");
}

#[test]
fn pyenv_takes_the_nearest_local_version() {
    let mut home = pyenv(&[".pyenv/shims"]);
    home.file(".pyenv/version", "3.9.18\n");
    home.file("work/.python-version", "# ours\n3.11.7\n");
    home.file("work/deep/x", "");
    home.cwd = home.at("work/deep");
    python_is(&home, "3.11.7");
}

#[test]
fn pyenv_completes_a_version_with_the_newest_release() {
    let home = pyenv(&[".pyenv/shims"]);
    home.file(".pyenv/version", "3.11\n");
    python_is(&home, "3.11.10");
}

#[test]
fn pyenv_shim_named_in_full_is_looked_behind() {
    let home = pyenv(&["bin"]);
    home.file(".pyenv/version", "3.11.7\n");
    let found = home.resolve("~/.pyenv/shims/python3").unwrap();
    assert_eq!(found.program, home.at(".pyenv/versions/3.11.7/bin/python3"));
}

#[test]
fn pyenv_system_means_the_next_on_path() {
    let home = pyenv(&[".pyenv/shims", "bin"]);
    home.program("bin/python3");
    home.expect("python3", "bin/python3", &["file bin/python3"], &["bin"]);
}

#[test]
fn pyenv_version_that_is_not_installed_is_named() {
    let home = pyenv(&[".pyenv/shims"]);
    home.file(".pyenv/version", "3.14.0\n");
    let failure = Failure::from(home.resolve("python3").unwrap_err());
    assert!(failure.what.contains("version 3.14.0"), "{failure}");
    assert!(failure.hints[0].contains("pyenv which python3"), "{failure}");
    assert_eq!(failure.run_code(), 126);
}

#[test]
fn version_files_cannot_lead_out_of_the_collection() {
    let home = pyenv(&[".pyenv/shims"]);
    home.program("evil/bin/python3");
    for version in ["../../evil", "..", ".", "/evil"] {
        home.file(".pyenv/version", version);
        assert!(matches!(home.resolve("python3"), Err(ResolveError::Shim { .. })), "{version}");
    }
}

#[test]
fn env_shebang_reaches_through_a_shim() {
    let home = pyenv(&[".pyenv/shims", "bin"]);
    home.file(".pyenv/version", "3.11.7\n");
    home.script("bin/server", "#!/usr/bin/env python3\n");
    home.expect(
        "server",
        "bin/server",
        &["file bin/server", "tree .pyenv/versions/3.11.7"],
        &[".pyenv/versions/3.11.7/bin", "bin"],
    );
}

#[test]
fn rbenv_and_nodenv_are_of_the_same_family() {
    for (manager, file, program) in
        [("rbenv", ".ruby-version", "ruby"), ("nodenv", ".node-version", "node")]
    {
        let home = Home::new(&[&format!(".{manager}/shims")]);
        let shim = format!("#!/bin/sh\nexec \"/usr/bin/{manager}\" exec \"$program\" \"$@\"\n");
        home.script(&format!(".{manager}/shims/{program}"), &shim);
        home.program(&format!(".{manager}/versions/3.2.1/bin/{program}"));
        home.file(file, "3.2.1");
        let root = format!(".{manager}/versions/3.2.1");
        let bin = format!("{root}/bin");
        home.expect(program, &format!("{bin}/{program}"), &[&format!("tree {root}")], &[&bin]);
    }
}

fn asdf() -> Home {
    let home = Home::new(&[".asdf/shims"]);
    home.script(
        ".asdf/shims/node",
        "#!/usr/bin/env bash\n# asdf-plugin: nodejs 18.0.0\n# asdf-plugin: nodejs 20.1.0\n\
         exec ~/.asdf/bin/asdf exec \"node\" \"$@\"\n",
    );
    home.program(".asdf/installs/nodejs/20.1.0/bin/node");
    home.program(".asdf/installs/nodejs/18.0.0/bin/node");
    home
}

#[test]
fn asdf_reads_tool_versions() {
    let home = asdf();
    home.file(".tool-versions", "python 3.11.7\nnodejs 99.0.0 20.1.0 # newest\n");
    let bin = ".asdf/installs/nodejs/20.1.0/bin";
    home.expect("node", &format!("{bin}/node"), &["tree .asdf/installs/nodejs/20.1.0"], &[bin]);
}

#[test]
fn asdf_without_a_version_says_how_to_ask() {
    let failure = Failure::from(asdf().resolve("node").unwrap_err());
    assert!(failure.hints[0].contains("asdf which node"), "{failure}");
}

fn mise() -> Home {
    let home = Home::new(&[".local/share/mise/shims"]);
    home.program(".local/bin/mise");
    home.link(".local/share/mise/shims/node", "~/.local/bin/mise");
    home.link(".local/share/mise/shims/prettier", "~/.local/bin/mise");
    home.program(".local/share/mise/installs/node/20.11.0/bin/node");
    home.program(".local/share/mise/installs/node/22.0.0/bin/node");
    home.link(".local/share/mise/installs/node/20", "./20.11.0");
    home.program(".local/share/mise/installs/npm-scope-prettier/3.0.0/bin/prettier");
    home
}

#[test]
fn mise_reads_every_way_to_write_a_version() {
    for (file, text, version) in [
        ("mise.toml", "[env]\nnode = \"1\"\n[tools]\nnode = \"20\"\n", "20.11.0"),
        (".mise.toml", "[tools]\nnode = ['19', '22']\n", "22.0.0"),
        ("mise.toml", "[tools]\nnode = { version = \"22\", postinstall = \"x\" }\n", "22.0.0"),
        (".tool-versions", "node 20.11.0\n", "20.11.0"),
        (".config/mise/config.toml", "[tools]\nnode = \"latest\"\n", "22.0.0"),
        (".nvmrc", "v20.11.0\n", "20.11.0"),
        (".node-version", "22\n", "22.0.0"),
    ] {
        let home = mise();
        home.file(file, text);
        let root = format!(".local/share/mise/installs/node/{version}");
        let bin = format!("{root}/bin");
        home.expect("node", &format!("{bin}/node"), &[&format!("tree {root}")], &[&bin]);
    }
}

#[test]
fn mise_nearer_settings_win() {
    let mut home = mise();
    home.file(".config/mise/config.toml", "[tools]\nnode = \"22\"\n");
    home.file("work/mise.toml", "[tools]\nnode = \"20\"\n");
    home.cwd = home.at("work");
    let found = home.resolve("node").unwrap();
    assert_eq!(found.program, home.at(".local/share/mise/installs/node/20.11.0/bin/node"));
}

#[test]
fn mise_tool_of_another_registry() {
    let home = mise();
    home.file("mise.toml", "[tools]\n\"npm:@scope/prettier\" = \"3\"\n");
    let found = home.resolve("prettier").unwrap();
    let program = ".local/share/mise/installs/npm-scope-prettier/3.0.0/bin/prettier";
    assert_eq!(found.program, home.at(program));
}

#[test]
fn mise_without_settings_says_how_to_ask() {
    let failure = Failure::from(mise().resolve("node").unwrap_err());
    assert!(failure.hints[0].contains("mise which node"), "{failure}");
}

fn volta() -> Home {
    let home = Home::new(&[".volta/bin"]);
    home.program(".volta/bin/volta-shim");
    for name in ["node", "npx", "cowsay"] {
        home.link(&format!(".volta/bin/{name}"), "volta-shim");
    }
    for version in ["18.0.0", "20.0.0"] {
        home.program(&format!(".volta/tools/image/node/{version}/bin/node"));
        home.script(&format!(".volta/tools/image/node/{version}/bin/npx"), "#!/usr/bin/env node\n");
    }
    home.file(
        ".volta/tools/user/platform.json",
        r#"{"node":{"runtime":"20.0.0","npm":null},"yarn":null}"#,
    );
    home
}

#[test]
fn volta_default_and_project_pin() {
    let mut home = volta();
    let root = ".volta/tools/image/node/20.0.0";
    let bin = format!("{root}/bin");
    home.expect("npx", &format!("{bin}/npx"), &[&format!("tree {root}")], &[&bin]);
    home.file("work/package.json", r#"{"volta":{"node":"18.0.0"}}"#);
    home.cwd = home.at("work");
    let found = home.resolve("node").unwrap();
    assert_eq!(found.program, home.at(".volta/tools/image/node/18.0.0/bin/node"));
}

#[test]
fn volta_package_keeps_the_node_that_it_was_installed_with() {
    let home = volta();
    home.file(
        ".volta/tools/user/bins/cowsay.json",
        r#"{"name":"cowsay","package":"cowsay","version":"1.6.0","platform":{"node":"18.0.0"}}"#,
    );
    let image = ".volta/tools/image/packages/cowsay";
    home.script(&format!("{image}/lib/node_modules/cowsay/cli.js"), "#!/usr/bin/env node\n");
    home.link(&format!("{image}/bin/cowsay"), "../lib/node_modules/cowsay/cli.js");
    home.expect(
        "cowsay",
        &format!("{image}/bin/cowsay"),
        &["tree .volta/tools/image/node/18.0.0", &format!("tree {image}")],
        &[".volta/tools/image/node/18.0.0/bin", &format!("{image}/bin")],
    );
}

#[test]
fn volta_record_that_is_garbage_says_how_to_ask() {
    let home = volta();
    home.file(".volta/tools/user/bins/cowsay.json", r#"{"package":"../../../etc"}"#);
    let failure = Failure::from(home.resolve("cowsay").unwrap_err());
    assert!(failure.hints[0].contains("volta which cowsay"), "{failure}");
}

fn rustup() -> Home {
    let home = Home::new(&[".cargo/bin"]);
    home.program(".cargo/bin/rustup");
    home.link(".cargo/bin/cargo", "rustup");
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    home.program(&format!(".rustup/toolchains/stable-{host}/bin/cargo"));
    home.program(".rustup/toolchains/1.80.0-custom/bin/cargo");
    home.file(".rustup/settings.toml", "default_toolchain = \"stable\"\n\n[overrides]\n");
    home
}

#[test]
fn rustup_default_toolchain() {
    let home = rustup();
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let root = format!(".rustup/toolchains/stable-{host}");
    let bin = format!("{root}/bin");
    home.expect("cargo", &format!("{bin}/cargo"), &[&format!("tree {root}")], &[&bin]);
}

#[test]
fn rustup_toolchain_of_the_project() {
    for (file, text) in [
        ("rust-toolchain", "1.80.0-custom\n".to_owned()),
        ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.80.0-custom\"\n".to_owned()),
    ] {
        let home = rustup();
        home.file(file, &text);
        let found = home.resolve("cargo").unwrap();
        assert_eq!(found.program, home.at(".rustup/toolchains/1.80.0-custom/bin/cargo"), "{file}");
    }
    let home = rustup();
    let folder = format!("[overrides]\n\"{}\" = \"1.80.0-custom\"\n", home.path.display());
    home.file(".rustup/settings.toml", &folder);
    let found = home.resolve("cargo").unwrap();
    assert_eq!(found.program, home.at(".rustup/toolchains/1.80.0-custom/bin/cargo"));
}

#[test]
fn rustup_itself_is_no_shim() {
    let home = rustup();
    home.expect("rustup", ".cargo/bin/rustup", &["file .cargo/bin/rustup"], &[".cargo/bin"]);
}

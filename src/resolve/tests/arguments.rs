//! Paths among the arguments, which are proposed and never granted.

use super::fixture::Home;
use crate::resolve::candidate_paths;
use std::ffi::OsString;

#[test]
fn existing_paths_are_proposed_once_in_order() {
    let home = Home::new(&[]);
    home.file("proj/db.sqlite", "");
    home.file("notes/x", "");
    let arg = |text: &str| OsString::from(text);
    let absolute = home.at("proj").into_os_string();
    let args = [
        arg("-y"),
        arg("@scope/server"),
        absolute.clone(),
        arg("--db-path=proj/db.sqlite"),
        arg("./notes"),
        arg("notes/"),
        arg("absent"),
        arg("--flag="),
        arg(""),
        absolute,
    ];
    let found = candidate_paths(&args, &home.path);
    assert_eq!(found, [home.at("proj"), home.at("proj/db.sqlite"), home.at("notes")]);
}

#[test]
fn nothing_of_them_is_granted() {
    let home = Home::new(&["bin"]);
    home.program("bin/server");
    home.file("data/x", "");
    home.expect_with("server", &["~/data"], "bin/server", &["file bin/server"]);
}

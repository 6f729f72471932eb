//! `#!` lines.

use crate::resolve::shebang::{
    BadShebang, Shebang, env_target, family, parse, polyglot_interpreter,
};
use proptest::prelude::*;
use std::ffi::OsStr;
use std::path::Path;

fn line(text: &str) -> Option<(String, Option<String>)> {
    let Shebang { interpreter, argument } = parse(text.as_bytes())?.ok()?;
    let argument = argument.map(|argument| argument.into_string().unwrap());
    Some((interpreter.to_str().unwrap().to_owned(), argument))
}

fn target(text: &str) -> Option<String> {
    env_target(&parse(text.as_bytes())?.ok()?)?.into_string().ok()
}

#[test]
fn one_argument_as_the_kernel_passes_it() {
    let some =
        |name: &str, argument: Option<&str>| Some((name.to_owned(), argument.map(str::to_owned)));
    assert_eq!(line("#!/bin/sh\n"), some("/bin/sh", None));
    assert_eq!(line("#! \t/bin/sh \t -e -u  \nx"), some("/bin/sh", Some("-e -u")));
    assert_eq!(line("#!/bin/sh"), some("/bin/sh", None));
    assert_eq!(line("#!/bin/sh\r\n"), some("/bin/sh\r", None));
    assert_eq!(line("#!/bin/sh\0junk\n"), some("/bin/sh", None));
    assert_eq!(line("#!rel/sh\n"), some("rel/sh", None));
    assert_eq!(line("/bin/sh\n"), None);
    assert_eq!(line("#"), None);
}

#[test]
fn lines_without_interpreter_are_bad() {
    for text in ["#!", "#!\n/bin/sh", "#!   \n", "#! \t"] {
        assert_eq!(parse(text.as_bytes()), Some(Err(BadShebang::NoInterpreter)), "{text:?}");
    }
}

#[test]
fn interpreter_cut_at_256_bytes_is_bad() {
    let long = format!("#!/{}\n", "x".repeat(300));
    assert_eq!(parse(long.as_bytes()), Some(Err(BadShebang::TooLong)));
    let fits = format!("#!/{} {}", "x".repeat(200), "y".repeat(300));
    assert!(matches!(parse(fits.as_bytes()), Some(Ok(_))));
    let short_file = format!("#!/{}", "x".repeat(100));
    assert!(matches!(parse(short_file.as_bytes()), Some(Ok(_))));
}

#[test]
fn env_names_the_program() {
    for (text, wanted) in [
        ("#!/usr/bin/env node\n", Some("node")),
        ("#!/usr/bin/env node --flag\n", Some("node --flag")),
        ("#!/usr/bin/env -S node --flag\n", Some("node")),
        ("#!/usr/bin/env -Snode --flag\n", Some("node")),
        ("#!/usr/bin/env -vS A=1 -u B -i deno run\n", Some("deno")),
        ("#!/usr/bin/env --split-string=uv run --script\n", Some("uv")),
        ("#!/usr/bin/env -S \"my node\" x\n", Some("my node")),
        ("#!/usr/bin/env -S\n", None),
        ("#!/usr/bin/env -i node\n", None),
        ("#!/usr/bin/env\n", None),
        ("#!/bin/sh node\n", None),
    ] {
        assert_eq!(target(text).as_deref(), wanted, "{text:?}");
    }
}

#[test]
fn python_behind_sh() {
    let head = b"#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\n";
    assert_eq!(polyglot_interpreter(head).as_deref(), Some(Path::new("/a b/python")));
    let relative = b"#!/bin/sh\n'''exec' \"$(dirname -- \"$0\")\"/'python' \"$0\"\n";
    assert_eq!(polyglot_interpreter(relative), None);
    assert_eq!(polyglot_interpreter(b"#!/bin/sh\necho\n"), None);
}

#[test]
fn families() {
    for (name, wanted) in
        [("python3.11", "python"), ("node", "node"), ("/a/bash-5.2", "bash"), ("", "")]
    {
        assert_eq!(family(Path::new(name)), wanted);
    }
}

proptest! {
    #[test]
    fn hostile_lines_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut head = b"#!".to_vec();
        head.extend(&bytes);
        for text in [bytes, head] {
            if let Some(Ok(shebang)) = parse(&text) {
                prop_assert!(!shebang.interpreter.as_os_str().is_empty());
                let _target = env_target(&shebang);
            }
            let _python = polyglot_interpreter(&text);
        }
    }

    #[test]
    fn hostile_env_arguments_do_no_harm(argument in "[ \t\"'\\\\=a-zA-Z$-]{0,60}") {
        let shebang = Shebang {
            interpreter: "/usr/bin/env".into(),
            argument: Some(OsStr::new(&argument).to_owned()),
        };
        let _target = env_target(&shebang);
    }
}

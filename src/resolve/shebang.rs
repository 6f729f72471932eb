//! The first line of a script, read as the kernel's `binfmt_script` and as env(1) read it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What the kernel looks at (`BINPRM_BUF_SIZE`); an interpreter's name beyond it is cut.
pub(super) const HEAD: usize = 256;

/// A parsed `#!` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shebang {
    pub(super) interpreter: PathBuf,
    /// All that follows, as one argument.
    pub(super) argument: Option<OsString>,
}

/// Why the kernel would not take a `#!` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadShebang {
    NoInterpreter,
    TooLong,
}

impl BadShebang {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::NoInterpreter => "its `#!` line names no interpreter",
            Self::TooLong => "its `#!` line is longer than the 256 bytes that the kernel reads",
        }
    }
}

/// `None` where the file does not start with `#!`.
pub(super) fn parse(head: &[u8]) -> Option<Result<Shebang, BadShebang>> {
    let line = head.get(..head.len().min(HEAD))?.strip_prefix(b"#!")?;
    Some(parse_line(line, head.len() >= HEAD))
}

fn parse_line(rest: &[u8], may_be_cut: bool) -> Result<Shebang, BadShebang> {
    let line = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => &rest[..end],
        None => {
            // The kernel must see where the name ends, or it may be running a cut-off one.
            let name = skip_blanks(rest);
            if name.is_empty() {
                return Err(BadShebang::NoInterpreter);
            }
            if may_be_cut && !name.iter().any(|byte| is_blank(*byte) || *byte == 0) {
                return Err(BadShebang::TooLong);
            }
            rest
        }
    };
    let line = skip_blanks(line);
    let end = line.iter().position(|byte| is_blank(*byte) || *byte == 0).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if name.is_empty() {
        return Err(BadShebang::NoInterpreter);
    }
    let argument = match rest.first() {
        Some(0) | None => &[],
        Some(_) => until_nul(trim_end(skip_blanks(rest))),
    };
    Ok(Shebang {
        interpreter: PathBuf::from(OsStr::from_bytes(name)),
        argument: (!argument.is_empty()).then(|| OsStr::from_bytes(argument).to_owned()),
    })
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_blank(*byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

fn trim_end(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
    &bytes[..end]
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}

/// The program that `#!/usr/bin/env …` looks up on PATH; `None` if this is not env(1).
pub(super) fn env_target(shebang: &Shebang) -> Option<OsString> {
    if shebang.interpreter.file_name()? != "env" {
        return None;
    }
    let argument = shebang.argument.as_ref()?;
    match split_string(argument.as_bytes()) {
        Some(words) => program_word(words),
        // Without -S the whole of the rest is one word, spaces included.
        None => Some(argument.clone()).filter(|word| !word.as_bytes().starts_with(b"-")),
    }
}

/// The text that `-S` splits, if there is a `-S` (also `-vS`, `--split-string=`).
fn split_string(argument: &[u8]) -> Option<Vec<Vec<u8>>> {
    let text = ["--split-string=", "--split-string", "-vS", "-iS", "-S"]
        .iter()
        .find_map(|option| argument.strip_prefix(option.as_bytes()))?;
    Some(words(text))
}

/// Splits at blanks; quotes hold a word together. Escapes beyond `\c` for `c` are not needed for
/// the name of a program.
fn words(text: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (_, Some(open)) if byte == open => quote = None,
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (b' ' | b'\t' | b'\r' | b'\x0b' | b'\x0c', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

/// Skips the options of env and its `NAME=value` words.
fn program_word(words: Vec<Vec<u8>>) -> Option<OsString> {
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_slice() {
            b"-u" | b"--unset" | b"-C" | b"--chdir" => {
                words.next()?;
            }
            [b'-', ..] => {}
            other if other.contains(&b'=') => {}
            _ => return Some(OsString::from_vec(word)),
        }
    }
    None
}

/// The interpreter of pip's and uv's two-headed scripts: where its path is too long (or holds a
/// space) for a `#!` line, they start with `#!/bin/sh` and `'''exec' "/path/python" "$0" "$@"`.
pub(super) fn polyglot_interpreter(head: &[u8]) -> Option<PathBuf> {
    let line = head.split(|byte| *byte == b'\n').nth(1)?;
    let rest = line.strip_prefix(b"'''exec' ")?;
    let path = words(rest).into_iter().next()?;
    // `"$(dirname …)"/python`: relocatable scripts name a neighbour, which is in their own prefix.
    let literal = path.starts_with(b"/") && !path.contains(&b'$');
    literal.then(|| PathBuf::from(OsString::from_vec(path)))
}

/// A name such as `python3.11` without its version and folder: `python`.
pub(super) fn family(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-').to_owned()
}

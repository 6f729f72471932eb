//! Compose files of strangers: whatever they say, there is a verdict or a problem with its place, soon.

use jail::compose::check::check;
use jail::compose::disk;
use jail::compose::interpolate::{self, Variables};
use jail::compose::project::{Rejection, Request};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Judges files that are given; the first is the one that is asked for.
fn judged(files: &[(&str, &str)]) -> Result<usize, String> {
    let all: BTreeMap<PathBuf, &str> =
        files.iter().map(|(name, text)| (Path::new("/p").join(name), *text)).collect();
    let reader = |path: &Path, most: usize| match all.get(path) {
        Some(text) => Ok(text.bytes().take(most + 1).collect()),
        None => Err(io::ErrorKind::NotFound.into()),
    };
    let request = Request { files: vec![Path::new("/p").join(files[0].0)], ..Request::default() };
    match check(&request, &[], &reader) {
        Ok(checked) => Ok(checked.found.len()),
        Err(Rejection::Unreadable(failure)) => Err(failure.to_string()),
        Err(Rejection::Wrong(problems)) => {
            assert!(!problems.is_empty());
            for problem in &problems {
                let text = problem.to_string();
                assert!(!text.contains(char::is_control), "{text:?}");
            }
            Err(problems[0].to_string())
        }
    }
}

fn refused(files: &[(&str, &str)], part: &str) {
    match judged(files) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => assert!(error.contains(part), "expected {part:?}, found {error:?}"),
    }
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{below}]\n");
    }
    refused(&[("f", &text)], "at most 100000 keys and values");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a, ".repeat(1000));
    refused(&[("f", &long)], "bytes of text");
    let merged = format!(
        "a: &a {{k: &b [{}]}}\n{}",
        "x, ".repeat(60_000),
        (0..10).map(|n| format!("m{n}: {{<<: *a}}\n")).collect::<String>()
    );
    refused(&[("f", &merged)], "at most 100000 keys and values");
}

#[test]
fn deep_nesting_is_refused() {
    for open in ["[", "{a: ", "- ", "? ", "- - ", "a:\n "] {
        assert!(judged(&[("f", &open.repeat(50_000))]).is_err(), "{open}");
    }
    // Of aliases, each of which is shallow.
    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..200 {
        text += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    refused(&[("f", &text)], "nested too deeply");
    let variable =
        format!("services: {{a: {{image: \"{}x{}\"}}}}", "${A:-".repeat(200), "}".repeat(200));
    refused(&[("f", &variable)], "nested too deeply");
}

#[test]
fn large_files_are_refused() {
    let text = format!("# {}\nservices: {{a: {{image: x}}}}", "x".repeat(1 << 20));
    refused(&[("f", &text)], "larger than 1048576 bytes");
    let many: String = (0..5000).map(|n| format!("  s{n}: {{image: x}}\n")).collect();
    refused(&[("f", &format!("services:\n{many}"))], "at most 2000 services");
    let comments = format!("{}services: {{a: {{image: x}}}}", "# x\n".repeat(100_000));
    assert!(judged(&[("f", &comments)]).is_ok());
}

#[test]
fn what_leads_back_to_itself_is_refused() {
    let a = "include: [b]\nservices: {a: {image: x}}";
    refused(&[("a", a), ("b", "include: [a]\nservices: {b: {image: x}}")], "includes itself");
    let a = "services: {a: {extends: {file: b, service: b}}}";
    refused(
        &[("a", a), ("b", "services: {b: {extends: {file: a, service: a}}}")],
        "extends itself",
    );
    let chain: String = (0..100).map(|n| format!("  s{n}: {{extends: s{}}}\n", n + 1)).collect();
    let chain = format!("services:\n{chain}  s100: {{image: x}}\n");
    refused(&[("f", &chain)], "more than 32 services");
    let include: Vec<(String, String)> = (0..60)
        .map(|n| {
            (format!("f{n}"), format!("include: [f{}]\nservices: {{s{n}: {{image: x}}}}", n + 1))
        })
        .collect();
    let include: Vec<(&str, &str)> =
        include.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    refused(&include, "includes itself");
    let twice = "include: [b, b, b]\nservices: {a: {image: x}}";
    assert!(judged(&[("a", twice), ("b", "services: {b: {image: x}}")]).is_ok());
}

#[test]
fn services_that_extend_a_large_one_are_bounded() {
    let base: String = (0..2000).map(|n| format!("A{n}: x, ")).collect();
    let many: String = (0..1500).map(|n| format!("  s{n}: {{extends: base}}\n")).collect();
    let text = format!("services:\n  base: {{image: x, environment: {{{base}}}}}\n{many}");
    refused(&[("f", &text)], "more than 300000 values");
}

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose");
    let mut texts = Vec::new();
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "yaml") {
                texts.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    texts.sort();
    texts
}

/// A file of the corpus with pieces taken out, doubled, or put in from elsewhere.
fn broken() -> impl Strategy<Value = String> {
    let texts = corpus();
    let piece = (any::<prop::sample::Index>(), 0..40usize, any::<prop::sample::Index>(), 0..3u8);
    (0..texts.len(), prop::collection::vec(piece, 1..6)).prop_map(move |(number, pieces)| {
        let mut letters: Vec<char> = texts[number].chars().collect();
        for (at, length, other, how) in pieces {
            if letters.is_empty() {
                break;
            }
            let start = at.index(letters.len());
            let end = (start + length).min(letters.len());
            match how {
                0 => drop(letters.drain(start..end)),
                1 => {
                    let piece = letters[start..end].to_vec();
                    letters.splice(start..start, piece);
                }
                _ => {
                    let from: Vec<char> = other.get(&texts).chars().collect();
                    let from_start = at.index(from.len());
                    let piece = from[from_start..(from_start + length).min(from.len())].to_vec();
                    letters.splice(start..end, piece);
                }
            }
        }
        letters.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_text_has_a_verdict_or_a_problem(text in "\\PC{0,200}") {
        drop(judged(&[("f", &text)]));
    }

    #[test]
    fn a_broken_file_has_a_verdict_or_a_problem(text in broken()) {
        drop(judged(&[("f", &text)]));
    }

    #[test]
    fn a_text_without_dollars_stays(text in "[^$]{0,100}") {
        let filled = interpolate::fill(&text, &Variables::new()).unwrap();
        prop_assert_eq!(filled.text, text);
    }

    #[test]
    fn dollars_that_are_doubled_are_dollars(text in "\\PC{0,60}") {
        let filled = interpolate::fill(&text.replace('$', "$$"), &Variables::new()).unwrap();
        prop_assert_eq!(filled.text, text);
        prop_assert!(!filled.variables);
    }

    #[test]
    fn filling_in_never_panics(text in "[$\\{}:?+A-C_-]{0,40}") {
        let variables = Variables::from([("A".to_owned(), "x".to_owned()), ("B".to_owned(), String::new())]);
        drop(interpolate::fill(&text, &variables));
    }
}

/// A pipe is no file, and does not make us wait.
#[test]
fn only_regular_files_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(disk::read(&pipe, 10).is_err());
    assert!(disk::read(folder.path(), 10).is_err());
    let file = folder.path().join("file");
    fs::write(&file, "0123456789").unwrap();
    assert_eq!(
        disk::read(&file, 4).unwrap(),
        b"01234",
        "one more than asked for says that there is more"
    );
}

//! The text of one policy file to one layer of settings. Pure.

use super::expect::{Malformed, nearest, one_of, quoted, shown};
use super::layer::{Layer, Unsaid, merge};
use super::path::Anchor;
use super::problem::did_you_mean;
use super::yaml::{self, MAX_BYTES, Marks};
use super::{
    ConnectorName, EofGrace, NetworkMode, Origin, Policy, Problem, Setting, fields, rules,
};
use serde::de::DeserializeOwned;
use serde_saphyr::{Error as YamlError, Location};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The folders that the paths of a policy are read by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The folder that holds `.cloned`; relative paths of policy files start here.
    pub root: PathBuf,
    /// What `~` is; `None` where HOME is not set.
    pub home: Option<PathBuf>,
    /// Folders that hold policies; never writable from inside a jail.
    pub protected: Vec<PathBuf>,
}

/// Which file it is; they differ in the fields that they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind<'a> {
    /// `<stem>.yaml` of one connector.
    Manifest { stem: &'a str },
    /// The user-wide defaults.
    Defaults,
}

/// What holds for a connector with a manifest where no layer says otherwise. An ad-hoc command need not
/// read standard input at all, so it has no limit after its end, and often it needs no network.
const MANIFEST: Unsaid =
    Unsaid { eof_grace: EofGrace(Some(Duration::from_secs(10))), mode: NetworkMode::Proxy };
pub(super) const AD_HOC: Unsaid = Unsaid { eof_grace: EofGrace(None), mode: NetworkMode::Auto };

/// The policy that one manifest makes on its own: no user-wide defaults, no options. `path` is what
/// problems show; `stem` is the file's name without `.yaml`. All problems that can be told apart are
/// given at once; a file that is not of the right shape gives one.
pub fn manifest(
    path: &Path,
    stem: &str,
    bytes: &[u8],
    places: &Places,
) -> Result<Policy, Vec<Problem>> {
    let layer = file(path, FileKind::Manifest { stem }, bytes, places)?;
    connector(stem, vec![layer], places)
}

/// The policy of a connector from its layers, lowest first; the last layer with a command has it.
pub(super) fn connector(
    stem: &str,
    layers: Vec<Layer>,
    places: &Places,
) -> Result<Policy, Vec<Problem>> {
    let nameless = |what: &str| vec![Problem::new(&Origin::BuiltIn("default"), "", what)];
    let name = ConnectorName::from_str(stem).map_err(|error| nameless(&error.to_string()))?;
    let command = layers.iter().rev().find_map(|layer| layer.command.clone());
    let command = command.ok_or_else(|| nameless("no command and no package"))?;
    let policy = merge(name, command, &MANIFEST, layers)?;
    rules::check(policy, places)
}

/// One file as one layer.
pub(super) fn file(
    path: &Path,
    kind: FileKind<'_>,
    bytes: &[u8],
    places: &Places,
) -> Result<Layer, Vec<Problem>> {
    let text = text(path, bytes).map_err(|problem| vec![problem])?;
    let marks = Marks::of(path, text).map_err(|problem| vec![problem])?;
    let mut decoder = Decoder {
        marks: &marks,
        anchor: Anchor { base: &places.root, home: places.home.as_deref() },
        problems: Vec::new(),
    };
    decoder.nulls();
    if decoder.problems.is_empty() {
        let raw = shape(&marks, text, "name: …").map_err(|problem| vec![problem])?;
        let layer = fields::layer(&mut decoder, kind, raw);
        if decoder.problems.is_empty() {
            return Ok(layer);
        }
    }
    Err(in_order(decoder.problems))
}

/// Problems of one file as they stand in it.
pub(crate) fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| match problem.origin {
        Origin::File { line, column, .. } => (line, column),
        Origin::BuiltIn(_) | Origin::Flag(_) => (0, 0),
    });
    problems
}

pub(crate) fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Problem> {
    if bytes.len() > MAX_BYTES {
        let what = format!("the file is larger than {} KiB", MAX_BYTES / 1024);
        return Err(Problem::new(&yaml::origin(path, 1, 1), "", what));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let (line, column) = end(&valid);
        Problem::new(&yaml::origin(path, line, column), "", "the file is not UTF-8")
    })?;
    let allowed = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if let Some((offset, c)) = text.char_indices().find(|&(_, c)| !allowed(c)) {
        let (line, column) = end(&text[..offset]);
        let what = format!("control character {}", quoted(&c.to_string()));
        return Err(Problem::new(&yaml::origin(path, line, column), "", what));
    }
    Ok(text)
}

/// The line and column just after `text`, in characters from 1.
fn end(text: &str) -> (u32, u32) {
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

// === the shape ===

pub(crate) fn shape<T: DeserializeOwned>(
    marks: &Marks<'_>,
    text: &str,
    example: &str,
) -> Result<T, Problem> {
    if !marks.is_mapping() {
        let what = format!("expected fields such as `{example}`, found something else");
        return Err(Problem::new(&marks.place(""), "", what));
    }
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        emit_comments: false,
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
    };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| misshapen(marks, error.without_snippet()))
}

/// The library's error in our words, with the field that it is about.
fn misshapen(marks: &Marks<'_>, error: &YamlError) -> Problem {
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let line = u32::try_from(location.line()).unwrap_or(u32::MAX);
    let column = u32::try_from(location.column()).unwrap_or(u32::MAX);
    let value = marks.value_at(line, column).unwrap_or_default();
    let origin = marks.around(line, column);
    let wrong = |what: String| Problem::new(&origin, value, what);
    match error {
        YamlError::SerdeUnknownField { field, expected, .. } => {
            let path = marks.key_at(line, column).unwrap_or(field);
            let what = format!("unknown field, expected {}", one_of(expected));
            let problem = Problem::new(&origin, path, what);
            match nearest(field, expected.iter().copied()) {
                Some(word) => problem.hint(did_you_mean(word)),
                None => problem,
            }
        }
        YamlError::Unexpected { expected, .. } => wrong(format!("expected {}", plain(expected))),
        YamlError::SerdeInvalidType { unexpected, expected, .. } => {
            wrong(format!("expected {}, found {unexpected}", plain(expected)))
        }
        YamlError::InvalidBooleanStrict { .. } | YamlError::InvalidScalar { ty: "bool", .. } => {
            wrong("expected `true` or `false`".to_owned())
        }
        other => wrong(format!("not of the expected form: {}", shown(&other.to_string(), 200))),
    }
}

/// The library's words for what it expected.
fn plain(expected: &str) -> &str {
    match expected {
        "sequence start" | "a sequence" => "a list",
        "mapping start" | "a map" => "a mapping with fields",
        "string scalar" | "a string" | "scalar" => "a single value",
        "a boolean" => "`true` or `false`",
        other => other.strip_prefix("struct ").map_or(other, |_| "a mapping with fields"),
    }
}

// === impl Decoder ===

/// Turns raw values into settings and gathers what is wrong with them.
pub(crate) struct Decoder<'a> {
    pub(crate) marks: &'a Marks<'a>,
    pub(crate) anchor: Anchor<'a>,
    pub(crate) problems: Vec<Problem>,
}

impl Decoder<'_> {
    /// A key without a value: nobody can tell whether "none" or "the default" was meant. In `env` it
    /// has a meaning: the host's value.
    fn nulls(&mut self) {
        let marks = self.marks;
        for field in marks.nulls() {
            let variable = field.strip_prefix("env.").is_some_and(|name| !name.contains('.'));
            if !variable && !field.is_empty() {
                let what = "has no value; remove it or give it one";
                let problem = Problem::new(&marks.place(field), field, what);
                let path = field.starts_with("filesystem.");
                let hint =
                    "for the home folder write '~' in quotes: bare it is YAML's \"no value\"";
                self.problems.push(if path { problem.hint(hint) } else { problem });
            }
        }
    }

    pub(crate) fn wrong(&mut self, field: &str, what: impl Into<String>) {
        self.problems.push(Problem::new(&self.marks.place(field), field, what));
    }

    pub(crate) fn wrong_with(&mut self, field: &str, what: impl Into<String>, hint: &str) {
        self.problems.push(Problem::new(&self.marks.place(field), field, what).hint(hint));
    }

    /// Parses one value with the parser that `parse` is.
    pub(crate) fn with<T>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, Malformed>,
    ) -> Option<Setting<T>> {
        let origin = self.marks.place(field);
        match parse(text) {
            Ok(value) => Some(Setting::new(value, origin)),
            Err(error) => {
                self.problems.push(Problem::malformed(&origin, field, &error));
                None
            }
        }
    }

    /// Parses one value, where there is one, by its type.
    pub(crate) fn value<T>(&mut self, field: &str, text: Option<String>) -> Option<Setting<T>>
    where
        T: FromStr<Err = Malformed>,
    {
        self.with(field, &text?, T::from_str)
    }

    /// Parses each entry of a list.
    pub(crate) fn list<T>(
        &mut self,
        field: &str,
        texts: Option<Vec<String>>,
        parse: impl Fn(&str) -> Result<T, Malformed>,
    ) -> Vec<Setting<T>> {
        let texts = texts.unwrap_or_default();
        let entry = |(number, text): (usize, &String)| {
            self.with(&format!("{field}[{number}]"), text, &parse)
        };
        texts.iter().enumerate().filter_map(entry).collect()
    }

    pub(crate) fn path(&mut self, field: &str, text: &str) -> Option<Setting<PathBuf>> {
        let anchor = self.anchor.clone();
        self.with(field, text, |text| anchor.resolve(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = include_str!("../../tests/manifests/good/everything.yaml");

    /// The same bytes as a manifest and as defaults. Whatever is said of them is one line that
    /// cannot move the cursor, with a place that exists.
    fn survives(bytes: &[u8]) {
        let places = Places {
            root: "/w".into(),
            home: Some("/home/a".into()),
            protected: vec!["/w/.cloned".into()],
        };
        let path = Path::new("everything.yaml");
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 2;
        let manifest = manifest(path, "everything", bytes, &places).map(drop);
        let defaults = file(path, FileKind::Defaults, bytes, &places).map(drop);
        for problem in [manifest, defaults].into_iter().filter_map(Result::err).flatten() {
            let shown = problem.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
            assert!(shown.len() < 4096, "{shown}");
            if let Origin::File { line, .. } = problem.origin {
                assert!(line >= 1 && line as usize <= lines, "{shown}");
            }
        }
    }

    /// Texts that mean something to YAML or to a field, to be put anywhere.
    const SPLICES: &[&str] = &[
        ": ",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!str ",
        "<<: ",
        "---\n",
        "...\n",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "\\0",
        "\t",
        "\r",
        "#",
        "~",
        "null",
        "..",
        "/",
        "\u{feff}",
        "\u{202e}",
        "\0",
        "99999999999999999999",
        "-1",
        "0x",
        ".nan",
        "%YAML 1.1\n",
        "\u{85}",
        "\u{2028}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn arbitrary_bytes_survive(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            survives(&bytes);
        }

        #[test]
        fn arbitrary_text_survives(text in "[-:?\\[\\]{}&*!|>'\"%#~ \n\ta-z0-9/.]{0,200}") {
            survives(text.as_bytes());
        }

        #[test]
        fn mutated_manifests_survive(
            cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, 0usize..SPLICES.len()), 1..6),
        ) {
            let mut bytes = GOOD.as_bytes().to_vec();
            for (start, length, splice) in cuts {
                let start = start.index(bytes.len() + 1);
                let end = (start + length).min(bytes.len());
                bytes.splice(start..end, SPLICES[splice].bytes());
            }
            survives(&bytes);
        }
    }

    #[test]
    fn every_prefix_of_a_manifest_survives() {
        (0..GOOD.len()).for_each(|end| survives(&GOOD.as_bytes()[..end]));
    }

    #[test]
    fn a_huge_file_is_not_parsed() {
        let text = format!("name: a\n{}", "# \n".repeat(MAX_BYTES));
        let places = Places { root: "/w".into(), home: None, protected: Vec::new() };
        let problems = manifest(Path::new("a.yaml"), "a", text.as_bytes(), &places).unwrap_err();
        assert_eq!(problems[0].to_string(), "a.yaml:1:1: the file is larger than 256 KiB");
    }

    #[test]
    fn places_are_lines_and_columns_from_1() {
        assert_eq!(end(""), (1, 1));
        assert_eq!(end("é"), (1, 2));
        assert_eq!(end("a\nbc\nd"), (3, 2));
    }
}

//! Files of variables (`.env`, `--env-file`, `env_file`), as docker compose reads them. Pure.

use super::interpolate::{Variables, fill_by};
use super::node::Spot;
use crate::policy::Problem;
use crate::policy::expect::quoted;
use std::path::Path;
use std::sync::Arc;

/// Most bytes that such a file may have.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// The variables of a file. `known` are those of the environment: they come first where a value names one,
/// and are the value of a name without one.
pub(super) fn read(path: &Path, bytes: &[u8], known: &Variables) -> Result<Variables, Problem> {
    let file: Arc<Path> = Arc::from(path);
    let spot = |line: usize| {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        Spot { file: file.clone(), line, column: 1 }
    };
    if bytes.len() > MAX_BYTES {
        let what = format!("a file of variables has at most {MAX_BYTES} bytes");
        return Err(spot(1).problem("", what));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| spot(1).problem("", "it is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Variables::new();
    let mut rest = text;
    let mut number = 0;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let whole = rest;
        (rest, number) = (after, number + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let end = line.find(['=', ':']).unwrap_or(line.len());
        let name = line[..end].trim_end();
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-[]".contains(c);
        if name.is_empty() || !name.chars().all(fits) {
            // Without what stands there: a compose file can name any file of ours.
            return Err(spot(number).problem("", "expected NAME=VALUE"));
        }
        let start = spot(number);
        let value = match line.get(end + 1..).map(str::trim_start) {
            None => match known.get(name) {
                Some(value) => value.clone(),
                None => continue,
            },
            Some(value) => {
                let own =
                    |name: &str| known.get(name).or_else(|| found.get(name)).map(String::as_str);
                match value.chars().next() {
                    Some(quote @ ('"' | '\'')) => {
                        let (value, after) = quoted_value(whole, quote).ok_or_else(|| {
                            let name = quoted(name);
                            start.problem("", format!("the value of {name} has no closing {quote}"))
                        })?;
                        number += value.matches('\n').count();
                        rest = after.split_once('\n').map_or("", |(_, rest)| rest);
                        match quote {
                            '"' => filled(&escapes(value), &own, &start)?,
                            _ => value.to_owned(),
                        }
                    }
                    _ => filled(bare(value), &own, &start)?,
                }
            }
        };
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

/// What stands between the first quote and the closing one, which may be lines below, and what follows it.
fn quoted_value(text: &str, quote: char) -> Option<(&str, &str)> {
    let inner = &text[text.find(quote)? + 1..];
    Some(inner.split_at(closing(inner, quote)?))
}

fn filled<'a>(
    text: &str,
    variable: &dyn Fn(&str) -> Option<&'a str>,
    spot: &Spot,
) -> Result<String, Problem> {
    if !text.contains('$') {
        return Ok(text.to_owned());
    }
    fill_by(text, variable).map(|filled| filled.text).map_err(|what| spot.problem("", what))
}

/// A value without quotes ends where a comment starts.
fn bare(value: &str) -> &str {
    let comment = value.find(" #").unwrap_or(value.len());
    if value.starts_with('#') { "" } else { value[..comment].trim_end() }
}

/// Where the closing quote is in what follows the opening one.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

fn escapes(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(c) = letters.next() {
        match (c, c == '\\') {
            (_, true) => match letters.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('$') => out += "$$",
                Some(other) if "\\\"'".contains(other) => out.push(other),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            (c, false) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(text: &str) -> Result<Variables, Problem> {
        let known = Variables::from([("HOST".to_owned(), "host".to_owned())]);
        read(Path::new(".env"), text.as_bytes(), &known)
    }

    #[test]
    fn every_form() {
        let text = "# why\nA=1\nexport B = two words # why\nC='$HOST #'\nD=\"$HOST\\n${A}\"\nE=\nF: 3\n\
                    HOST\nNONE\nG=\"one\ntwo\"\nH=${NONE:-x}$A\nI=a#b\nJ=\"\\$A\"\n";
        let found = variables(text).unwrap();
        let found: Vec<_> = found.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "$HOST #"),
            ("D", "host\n1"),
            ("E", ""),
            ("F", "3"),
            ("G", "one\ntwo"),
            ("H", "x1"),
            ("HOST", "host"),
            ("I", "a#b"),
            ("J", "$A"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (text, expected) in [
            ("A=1\nwhat is this", ".env:2:1: expected NAME=VALUE"),
            ("A=\"x\ny", ".env:1:1: the value of `A` has no closing \""),
            ("A=${B:?no b}", ".env:1:1: the variable `B` must be set: no b"),
        ] {
            assert_eq!(variables(text).unwrap_err().to_string(), expected, "{text}");
        }
    }
}

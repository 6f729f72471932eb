//! Variables in values, as the compose specification has them: `$VAR`, `${VAR}`, `${VAR:-default}`,
//! `${VAR-default}`, `${VAR:?error}`, `${VAR?error}`, `${VAR:+other}`, `${VAR+other}`, and `$$` for a dollar.
//! Pure: the variables are given.

use super::node::{Node, Spot, Value};
use crate::policy::Problem;
use crate::policy::expect::{quoted, shown};
use std::collections::{BTreeMap, BTreeSet};

/// Names with their values.
pub type Variables = BTreeMap<String, String>;

/// Defaults within defaults.
const MAX_DEPTH: usize = 32;
/// A default can be put in many times.
const MAX_TEXT: usize = 64 * 1024;

/// A text with its variables put in.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Filled {
    pub text: String,
    /// It names variables.
    pub variables: bool,
    /// Those of them that are not set and have no default.
    pub unset: BTreeSet<String>,
}

/// Puts the variables into a text.
///
/// # Errors
/// What is wrong with it: lower case, no final period.
pub fn fill(text: &str, variables: &Variables) -> Result<Filled, String> {
    fill_by(text, &|name| variables.get(name).map(String::as_str))
}

/// The same with variables that are asked for.
pub(super) fn fill_by<'a>(
    text: &str,
    variable: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<Filled, String> {
    let mut filler = Filler { variable, filled: Filled::default() };
    let text = filler.fill(text, 0)?;
    Ok(Filled { text, ..filler.filled })
}

/// Puts the variables into every value below a node; keys stay as they are.
pub(super) fn tree(
    node: &mut Node,
    field: &str,
    variables: &Variables,
    unset: &mut BTreeMap<String, Spot>,
) -> Result<(), Problem> {
    let spot = node.spot.clone();
    match &mut node.value {
        Value::Null => {}
        Value::Scalar(scalar) => {
            if !scalar.text.contains('$') {
                return Ok(());
            }
            let wrong = |what: String| {
                let hint = "a dollar that is meant as such is written `$$`";
                spot.problem(field, what).hint(hint)
            };
            let filled = fill(&scalar.text, variables).map_err(wrong)?;
            if filled.variables {
                // What is required is not there; what has a default shows it.
                let fallback = fill(&scalar.text, &Variables::new());
                scalar.fallback = Some(fallback.map(|it| it.text).unwrap_or_default());
            }
            for name in filled.unset {
                unset.entry(name).or_insert_with(|| spot.clone());
            }
            scalar.text = filled.text;
        }
        Value::List(items) => {
            for (number, item) in items.iter_mut().enumerate() {
                tree(item, &format!("{field}[{number}]"), variables, unset)?;
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                let dot = if field.is_empty() { "" } else { "." };
                let field = format!("{field}{dot}{}", shown(&entry.key, 60));
                tree(&mut entry.value, &field, variables, unset)?;
            }
        }
    }
    Ok(())
}

// === impl Filler ===

struct Filler<'a, 'v> {
    variable: &'a dyn Fn(&str) -> Option<&'v str>,
    filled: Filled,
}

impl Filler<'_, '_> {
    fn fill(&mut self, text: &str, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err("defaults are nested too deeply".to_owned());
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out += &rest[..at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(inner) = rest.strip_prefix('{') {
                let end = closing(inner)
                    .ok_or_else(|| format!("`${{` is not closed in {}", quoted(text)))?;
                out += &self.braced(&inner[..end], depth)?;
                rest = &inner[end + 1..];
            } else {
                let name = name(rest);
                match name.is_empty() {
                    true => out.push('$'),
                    false => out += &self.value(name),
                }
                rest = &rest[name.len()..];
            }
            if out.len() > MAX_TEXT {
                return Err(format!("a value has at most {MAX_TEXT} bytes"));
            }
        }
        Ok(out + rest)
    }

    /// What stands between `${` and `}`.
    fn braced(&mut self, inner: &str, depth: usize) -> Result<String, String> {
        let name = name(inner);
        let wrong = || format!("{} is no variable", quoted(&format!("${{{inner}}}")));
        if name.is_empty() {
            return Err(wrong());
        }
        let operator = &inner[name.len()..];
        if operator.is_empty() {
            return Ok(self.value(name));
        }
        self.filled.variables = true;
        let (empty_counts, operator) = match operator.strip_prefix(':') {
            Some(operator) => (false, operator),
            None => (true, operator),
        };
        let value = (self.variable)(name).filter(|value| empty_counts || !value.is_empty());
        let mut letters = operator.chars();
        let (kind, operand) = (letters.next(), letters.as_str());
        match (kind, value) {
            (Some('-' | '?'), Some(value)) => Ok(value.to_owned()),
            (Some('-'), None) | (Some('+'), Some(_)) => self.fill(operand, depth + 1),
            (Some('+'), None) => Ok(String::new()),
            (Some('?'), None) => {
                let why = self.fill(operand, depth + 1)?;
                let why = if why.is_empty() { why } else { format!(": {}", shown(&why, 200)) };
                Err(format!("the variable {} must be set{why}", quoted(name)))
            }
            _ => Err(wrong()),
        }
    }

    fn value(&mut self, name: &str) -> String {
        self.filled.variables = true;
        match (self.variable)(name) {
            Some(value) => value.to_owned(),
            None => {
                self.filled.unset.insert(name.to_owned());
                String::new()
            }
        }
    }
}

/// The name at the start; empty where there is none.
fn name(text: &str) -> &str {
    let fits = |(at, byte): (usize, u8)| {
        byte == b'_' || byte.is_ascii_alphabetic() || at > 0 && byte.is_ascii_digit()
    };
    let length = text.bytes().enumerate().take_while(|it| fits(*it)).count();
    &text[..length]
}

/// Where the brace is that closes what was opened before this text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let set = [("SET", "value"), ("EMPTY", ""), ("_x1", "y")];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        fill(text, &Variables::from(set)).map(|filled| filled.text)
    }

    #[test]
    fn every_form() {
        for (text, expected) in [
            ("a", "a"),
            ("$SET/$SET", "value/value"),
            ("${SET}x", "valuex"),
            ("$SETx", ""),
            ("$_x1-", "y-"),
            ("$$SET $$$SET", "$SET $value"),
            ("${EMPTY:-d}${EMPTY-d}", "d"),
            ("${NONE:-d}${NONE-e}", "de"),
            ("${SET:-d}${SET-e}", "valuevalue"),
            ("${SET:+r}${SET+r}${EMPTY:+r}${EMPTY+r}${NONE+r}", "rrr"),
            ("${SET:?e}${EMPTY?e}", "value"),
            ("${NONE:-a${NONE:-b${SET}}}c", "abvaluec"),
            ("${NONE:-{}}", "{}"),
            ("x$5 $- $", "x$5 $- $"),
            ("${NONE:-a:b-c?d+e}", "a:b-c?d+e"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("${SET", "`${` is not closed in `${SET`"),
            ("${}", "`${}` is no variable"),
            ("${1}", "`${1}` is no variable"),
            ("${SET!x}", "`${SET!x}` is no variable"),
            ("${SET:x}", "`${SET:x}` is no variable"),
            ("${NONE:?say it}", "the variable `NONE` must be set: say it"),
            ("${EMPTY:?}", "the variable `EMPTY` must be set"),
            ("${NONE?$SET}", "the variable `NONE` must be set: value"),
        ] {
            assert_eq!(filled(text).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn nesting_and_size_are_bounded() {
        let deep = format!("{}x{}", "${N:-".repeat(1000), "}".repeat(1000));
        assert_eq!(filled(&deep).unwrap_err(), "defaults are nested too deeply");
        let long = Variables::from([("L".to_owned(), "x".repeat(2000))]);
        assert!(fill(&"$L".repeat(100), &long).unwrap_err().contains("at most"));
    }
}

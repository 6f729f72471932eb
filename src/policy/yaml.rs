//! The YAML that a policy may use, and where in the file each of its values stands.
//!
//! A policy is read by people who decide by it, so the file must say plainly what it sets: one
//! document of mappings, lists and plain values. Anchors, aliases, tags and merge keys are refused;
//! so nothing is set from afar and nothing can blow up on expansion.

use super::expect::{quoted, shown};
use super::{Origin, Problem};
use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Most bytes that a policy file may have.
pub(crate) const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting; the fields need six.
const MAX_DEPTH: usize = 8;
/// Most values and keys; together with MAX_KEY this bounds the memory that the marks take.
const MAX_NODES: usize = 20_000;
/// Most entries of one list or mapping; contradictions are sought pair by pair.
const MAX_ENTRIES: usize = 1024;
/// Longest key in bytes.
pub(crate) const MAX_KEY: usize = 256;

/// Every value of a file with its place.
#[derive(Debug)]
pub(crate) struct Marks<'a> {
    path: &'a Path,
    /// In document order.
    nodes: Vec<Mark>,
    /// Field to the number of its value in `nodes`.
    values: HashMap<String, usize>,
}

#[derive(Debug)]
struct Mark {
    field: String,
    key: bool,
    null: bool,
    line: u32,
    column: u32,
}

impl<'a> Marks<'a> {
    /// Walks `text` and notes each value's place; refuses what a policy may not use.
    pub(crate) fn of(path: &'a Path, text: &str) -> Result<Self, Problem> {
        let marks = Self { path, nodes: Vec::new(), values: HashMap::new() };
        let mut walk = Walk { marks, stack: Vec::new(), documents: 0 };
        let parser = Parser::new_from_str_with_options(text, options());
        for event in parser {
            match event {
                Ok((event, span)) => walk.event(&event, span)?,
                Err(error) => {
                    let (line, column) = (error.marker().line(), error.marker().col() + 1);
                    return Err(syntax(path, text, (line, column), &error.info()));
                }
            }
        }
        if walk.documents == 0 {
            return Err(Problem::new(&origin(path, 1, 1), "", "the file is empty")
                .hint("`jail init` writes an example to start from"));
        }
        Ok(walk.marks)
    }

    /// The place of a field's value; of the nearest enclosing value where it is absent.
    pub(crate) fn place(&self, field: &str) -> Origin {
        let mut name = field;
        loop {
            if let Some(mark) = self.values.get(name).and_then(|&number| self.nodes.get(number)) {
                return origin(self.path, mark.line, mark.column);
            }
            if name.is_empty() {
                return origin(self.path, 1, 1);
            }
            name = &name[..name.rfind(['.', '[']).unwrap_or(0)];
        }
    }

    /// Line and column of a field's value, where the file has it.
    pub(crate) fn value(&self, field: &str) -> Option<(u32, u32)> {
        let mark = self.nodes.get(*self.values.get(field)?)?;
        Some((mark.line, mark.column))
    }

    /// The same of its key.
    pub(crate) fn key(&self, field: &str) -> Option<(u32, u32)> {
        let mark = self.nodes.iter().find(|mark| mark.key && mark.field == field)?;
        Some((mark.line, mark.column))
    }

    /// The field whose key stands at this place.
    pub(super) fn key_at(&self, line: u32, column: u32) -> Option<&str> {
        self.at(line, column, true)
    }

    /// The field whose value starts at this place; the outermost where several do.
    pub(super) fn value_at(&self, line: u32, column: u32) -> Option<&str> {
        self.at(line, column, false)
    }

    /// This place; the file's start where the library knew none.
    pub(crate) fn around(&self, line: u32, column: u32) -> Origin {
        origin(self.path, line.max(1), column.max(1))
    }

    fn at(&self, line: u32, column: u32, key: bool) -> Option<&str> {
        self.nodes
            .iter()
            .find(|mark| mark.key == key && mark.line == line && mark.column == column)
            .map(|mark| mark.field.as_str())
    }

    /// The fields that have a key and no value.
    pub(crate) fn nulls(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter(|mark| mark.null).map(|mark| mark.field.as_str())
    }

    /// Does the file as a whole hold a mapping with something in it?
    pub(crate) fn is_mapping(&self) -> bool {
        self.nodes.get(1).is_some_and(|mark| mark.key)
    }
}

fn options() -> Options {
    let mut options = Options::default();
    // A long comment is no reason to refuse a file; the library caps how many it keeps.
    options.emit_comments = false;
    // So that all aliases get the same error, those to nowhere too.
    options.emit_unresolved_aliases = true;
    options
}

pub(crate) fn origin(path: &Path, line: u32, column: u32) -> Origin {
    Origin::File { path: path.to_owned(), line, column }
}

/// A syntax error; a tab is the commonest one and the library's text does not always say so.
fn syntax(path: &Path, text: &str, (line, column): (usize, usize), info: &str) -> Problem {
    let origin = origin(path, narrow(line), narrow(column));
    let info: String = info.chars().filter(|c| !c.is_control()).collect();
    let problem = Problem::new(&origin, "", format!("not valid YAML: {info}"));
    let indent = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let indent = &indent[..indent.len() - indent.trim_start().len()];
    if indent.contains('\t') { problem.hint("indent with spaces, not with tabs") } else { problem }
}

/// Lines and columns of a file of at most MAX_BYTES fit; more would be a fault of the library.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).max(1)
}

// === impl Walk ===

/// The walk through the events: where it is, and what it has met.
struct Walk<'a> {
    marks: Marks<'a>,
    stack: Vec<Frame>,
    documents: usize,
}

/// One open mapping or list.
struct Frame {
    field: String,
    inside: Inside,
}

enum Inside {
    /// Keys met so far, and the key whose value comes next.
    Mapping {
        keys: HashSet<String>,
        key: Option<String>,
    },
    List {
        next: usize,
    },
}

impl Walk<'_> {
    fn event(&mut self, event: &Event<'_>, span: Span) -> Result<(), Problem> {
        let at = (narrow(span.start.line()), narrow(span.start.col() + 1));
        match event {
            Event::DocumentStart(..) => self.document(at),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                Err(self.refused(at, "aliases (`*name`) are"))
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.plain(at, *anchor, tag.is_some())?;
                self.scalar(text, *style, at)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.plain(at, *anchor, tag.is_some())?;
                self.open(Inside::List { next: 0 }, at)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.plain(at, *anchor, tag.is_some())?;
                self.open(Inside::Mapping { keys: HashSet::new(), key: None }, at)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                self.stack.pop();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn document(&mut self, at: (u32, u32)) -> Result<(), Problem> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        Err(self.problem(at, "", "one file holds one document; a second one starts here"))
    }

    fn plain(&self, at: (u32, u32), anchor: usize, tagged: bool) -> Result<(), Problem> {
        if anchor != 0 {
            return Err(self.refused(at, "anchors (`&name`) are"));
        }
        if tagged {
            return Err(self.refused(at, "tags (`!name`) are"));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, at: (u32, u32)) -> Result<(), Problem> {
        let null =
            style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        if let Some(Frame { field, inside: Inside::Mapping { keys, key: key @ None } }) =
            self.stack.last_mut()
        {
            let fault = if null {
                Some("a key is missing".to_owned())
            } else if text == "<<" {
                Some("merge keys (`<<`) are not accepted in a policy".to_owned())
            } else if text.len() > MAX_KEY {
                Some(format!("a key has at most {MAX_KEY} bytes"))
            } else if keys.len() >= MAX_ENTRIES {
                Some(format!("a mapping has at most {MAX_ENTRIES} keys"))
            } else if !keys.insert(text.to_owned()) {
                Some(format!("the key {} is here twice", quoted(text)))
            } else {
                None
            };
            let name = shown(text, if text.len() > MAX_KEY { 40 } else { MAX_KEY });
            let name = if field.is_empty() { name } else { format!("{field}.{name}") };
            if let Some(fault) = fault {
                return Err(self.problem(at, &name, fault));
            }
            *key = Some(name.clone());
            return self.mark(name, true, false, at);
        }
        let field = self.value(at)?;
        self.mark(field, false, null, at)
    }

    fn open(&mut self, inside: Inside, at: (u32, u32)) -> Result<(), Problem> {
        if let Some(Frame { inside: Inside::Mapping { key: None, .. }, .. }) = self.stack.last() {
            return Err(self.problem(at, "", "a key is a plain word, not a list or a mapping"));
        }
        let field = self.value(at)?;
        self.mark(field.clone(), false, false, at)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.problem(at, &field, "nested too deeply"));
        }
        self.stack.push(Frame { field, inside });
        Ok(())
    }

    /// The path of the value that starts here.
    fn value(&mut self, at: (u32, u32)) -> Result<String, Problem> {
        match self.stack.last_mut() {
            None => Ok(String::new()),
            Some(Frame { inside: Inside::Mapping { key, .. }, .. }) => match key.take() {
                Some(key) => Ok(key),
                None => Err(self.problem(at, "", "a value without a key")),
            },
            Some(Frame { field, inside: Inside::List { next } }) => {
                let number = *next;
                *next += 1;
                let field = format!("{field}[{number}]");
                if number < MAX_ENTRIES {
                    return Ok(field);
                }
                let what = format!("a list has at most {MAX_ENTRIES} entries");
                Err(self.problem(at, &field, what))
            }
        }
    }

    fn mark(
        &mut self,
        field: String,
        key: bool,
        null: bool,
        (line, column): (u32, u32),
    ) -> Result<(), Problem> {
        if self.marks.nodes.len() >= MAX_NODES {
            let what = format!("a policy file holds at most {MAX_NODES} keys and values");
            return Err(self.problem((line, column), "", what));
        }
        if !key {
            self.marks.values.entry(field.clone()).or_insert(self.marks.nodes.len());
        }
        self.marks.nodes.push(Mark { field, key, null, line, column });
        Ok(())
    }

    fn refused(&self, at: (u32, u32), what: &str) -> Problem {
        self.problem(at, "", format!("{what} not accepted in a policy"))
            .hint("write the value out where it is used; quote a text that starts with * & or !")
    }

    fn problem(&self, (line, column): (u32, u32), field: &str, what: impl Into<String>) -> Problem {
        Problem::new(&origin(self.marks.path, line, column), field, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(text: &str) -> Result<Marks<'static>, Problem> {
        Marks::of(Path::new("a.yaml"), text)
    }

    fn place(marks: &Marks<'_>, field: &str) -> (u32, u32) {
        match marks.place(field) {
            Origin::File { line, column, .. } => (line, column),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_value_has_its_place() {
        let text = "name: é\nlimits:\n  # why\n  memory:   1G\nargs: [a, 'b c',\n  d]\n\
                    secrets:\n- name: x\n  from: {env: A}\n";
        let marks = marks(text).unwrap();
        for (field, at) in [
            ("name", (1, 7)),
            ("limits", (4, 3)),
            ("limits.memory", (4, 13)),
            ("args", (5, 7)),
            ("args[1]", (5, 11)),
            ("args[2]", (6, 3)),
            ("secrets[0]", (8, 3)),
            ("secrets[0].from.env", (9, 15)),
        ] {
            assert_eq!(place(&marks, field), at, "{field}");
        }
        assert_eq!(place(&marks, "limits.cpus"), (4, 3), "the enclosing value");
        assert_eq!(place(&marks, "tool"), (1, 1), "the whole file");
        assert_eq!(marks.key_at(4, 3), Some("limits.memory"));
        assert_eq!(marks.value_at(4, 3), Some("limits"));
    }

    #[test]
    fn columns_count_characters() {
        let marks = marks("{\"é漢🦀\": a, b: c}").unwrap();
        assert_eq!(place(&marks, "b"), (1, 15));
    }

    #[test]
    fn long_comments_are_no_reason_to_refuse() {
        let text = format!(
            "{}name: a\n{}args:\n{}  - b\n",
            "# x\n".repeat(500),
            "# y\n".repeat(500),
            "  # z\n".repeat(500)
        );
        assert!(marks(&text).is_ok());
    }

    /// The marks are what a hostile file could make us keep.
    #[test]
    fn many_values_and_long_keys_are_refused() {
        let list = format!("[{}],", "a,".repeat(1000));
        let many = format!("args: [{}]", list.repeat(20));
        assert!(marks(&many).unwrap_err().what.contains("at most 20000"));
        let entries = format!("args: [{}]", "a,".repeat(MAX_ENTRIES + 1));
        assert!(marks(&entries).unwrap_err().what.contains("at most 1024"));
        let keys: String = (0..=MAX_ENTRIES).map(|number| format!("k{number}: a\n")).collect();
        assert!(marks(&keys).unwrap_err().what.contains("at most 1024"));
        let long = format!("\"{}\": a", "k".repeat(MAX_KEY + 1));
        assert!(marks(&long).unwrap_err().what.contains("at most 256"));
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion() {
        for open in ["[", "{a: ", "- ", "? "] {
            assert!(marks(&open.repeat(50_000)).is_err(), "{open}");
        }
    }
}

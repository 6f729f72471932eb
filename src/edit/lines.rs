//! A file as lines, and what edits of it share. Pure.
//!
//! A comment belongs to the entry that it stands directly above, at the same depth: it goes with it. One
//! that an empty line separates stays, and so does an entry that is commented out.

use std::ops::Range;

/// A file as lines, each without its end.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<String>,
    eol: &'static str,
}

/// A key of a block mapping with its new value, ready to be written; `None`: the key goes.
pub(crate) type Field = (&'static str, Option<String>);

impl Lines {
    pub(crate) fn new(text: &str) -> Self {
        // Where both occur, each line keeps its own.
        let dos = text.contains('\n') && text.matches('\n').count() == text.matches("\r\n").count();
        let eol = if dos { "\r\n" } else { "\n" };
        let text = text.strip_suffix(eol).unwrap_or(text);
        let lines = text.split(eol).filter(|_| !text.is_empty()).map(str::to_owned).collect();
        Self { lines, eol }
    }

    pub(crate) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), self.eol]).collect()
    }

    /// The version, where the file says nothing yet.
    pub(crate) fn begin(&mut self, head: &str) {
        if self.lines.is_empty() {
            self.lines.extend(head.lines().map(str::to_owned));
        }
        self.lines.push("version: 1".to_owned());
    }

    /// After the last line of what starts at `start`: everything that is indented further.
    pub(crate) fn end(&self, start: usize, depth: usize) -> usize {
        let rest = self.lines.iter().enumerate().skip(start + 1);
        let stop = rest
            .filter(|(_, line)| !line.trim().is_empty())
            .find(|(_, line)| indent(line) <= depth)
            .map_or(self.lines.len(), |(number, _)| number);
        let blank = |line: &&String| line.trim().is_empty();
        stop - self.lines[start + 1..stop].iter().rev().take_while(blank).count()
    }

    /// After the last line of `start..end` that is neither empty nor a comment.
    pub(crate) fn code_end(&self, start: usize, end: usize) -> usize {
        let idle = |line: &&String| line.trim().is_empty() || line.trim_start().starts_with('#');
        end - self.lines[start + 1..end].iter().rev().take_while(idle).count()
    }

    /// The first of the comments that belong to what starts at `start`. `disabled` says of a comment's text
    /// that it is an entry that somebody took out.
    pub(crate) fn owned(
        &self,
        start: usize,
        depth: usize,
        disabled: impl Fn(&str) -> bool,
    ) -> usize {
        let own = |line: &&String| {
            let text = line.trim_start().trim_start_matches('#').trim_start();
            line.trim_start().starts_with('#') && indent(line) == depth && !disabled(text)
        };
        start - self.lines[..start].iter().rev().take_while(own).count()
    }

    /// Takes lines away, and one of two empty lines that then meet.
    pub(crate) fn take(&mut self, span: Range<usize>) {
        let at = span.start;
        self.lines.drain(span);
        let blank = |line: Option<&String>| line.is_none_or(|line| line.trim().is_empty());
        if at > 0 && blank(self.lines.get(at - 1)) && blank(self.lines.get(at)) {
            self.lines.remove(at - 1);
        }
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// A line without its comment and the blanks before that.
pub(crate) fn code(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match (quote, c) {
            (None, '#') if before == ' ' || before == '\t' => return line[..at].trim_end(),
            // A quote within a word is a letter like any other.
            (None, '\'' | '"') if " \t[{,:".contains(before) => quote = Some(c),
            (Some('"'), '"') if before == '\\' => {}
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    line.trim_end()
}

pub(crate) fn block(depth: usize, fields: &[Field]) -> Vec<String> {
    let mut lines = keys(depth + 2, fields);
    if let Some(first) = lines.first_mut() {
        first.replace_range(depth..=depth, "-");
    }
    lines
}

pub(crate) fn keys(depth: usize, fields: &[Field]) -> Vec<String> {
    let line = |(key, value): &Field| Some(format!("{:depth$}{key}: {}", "", value.as_ref()?));
    fields.iter().filter_map(line).collect()
}

/// A text as YAML takes it back unchanged: quoted unless it is plainly a word.
pub(crate) fn scalar(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-@/:".contains(c);
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let special = word.contains(&text.to_ascii_lowercase().as_str());
    if starts && text.chars().all(fits) && !text.ends_with(':') && !special {
        return text.to_owned();
    }
    // A text of JSON is one of YAML.
    serde_json::Value::from(text).to_string()
}

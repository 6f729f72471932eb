//! Changes the text of one file by whole lines; what is not touched stays byte for byte. Pure.
//!
//! An edit that does not understand the layout (a list in one line, keys in `?` form) gives `None`. The
//! caller decodes the new text and compares: no text is written that says something else than meant.
//!
//! A comment belongs to the entry that it stands directly above, at the same depth: it goes with it. One
//! that an empty line separates stays, and so does an entry that is commented out.

use crate::policy::yaml::Marks;
use std::ops::Range;

/// A file as lines, each without its end.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    lines: Vec<String>,
    eol: &'static str,
}

/// A key of a block mapping with its new value, ready to be written; `None`: the key goes.
pub(super) type Field = (&'static str, Option<String>);

const HEAD: &str = "\
# Hosts that connectors may reach, for the whole workspace; `jail firewall --help` says more.
# A comment directly above a rule belongs to it and is removed with it.
";

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        // Where both occur, each line keeps its own.
        let dos = text.contains('\n') && text.matches('\n').count() == text.matches("\r\n").count();
        let eol = if dos { "\r\n" } else { "\n" };
        let text = text.strip_suffix(eol).unwrap_or(text);
        let lines = text.split(eol).filter(|_| !text.is_empty()).map(str::to_owned).collect();
        Self { lines, eol }
    }

    pub(super) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), self.eol]).collect()
    }

    /// The version, where the file says nothing yet.
    pub(super) fn begin(&mut self) {
        if self.lines.is_empty() {
            self.lines.extend(HEAD.lines().map(str::to_owned));
        }
        self.lines.push("version: 1".to_owned());
    }

    /// Adds an entry at the end of the rules. `marks` are those of this text; `None` where it was just
    /// begun.
    pub(super) fn append(&mut self, marks: Option<&Marks<'_>>, fields: &[Field]) -> Option<()> {
        let mut last = None;
        while let Some(at) =
            marks.and_then(|marks| self.dash(marks, last.map_or(0, |(n, _)| n + 1)))
        {
            last = Some((last.map_or(0, |(n, _): (usize, _)| n + 1), at));
        }
        let (at, depth) = match (last, marks.and_then(|marks| marks.key("rules"))) {
            (Some((_, (line, depth))), _) => (self.end(line, depth), depth),
            (None, Some((line, _))) => {
                let line = line as usize - 1;
                let bare = code(self.lines.get(line)?);
                let key = bare.strip_suffix("[]").map(str::trim_end).unwrap_or(bare);
                if key != "rules:" {
                    return None;
                }
                let comment = &self.lines[line][bare.len()..];
                self.lines[line] = format!("rules:{comment}");
                (line + 1, 2)
            }
            (None, None) => {
                self.lines.push("rules:".to_owned());
                (self.lines.len(), 2)
            }
        };
        self.lines.splice(at..at, block(depth, fields));
        Some(())
    }

    /// Takes an entry away, with the comments that belong to it.
    pub(super) fn remove(&mut self, marks: &Marks<'_>, number: usize) -> Option<()> {
        let (line, depth) = self.dash(marks, number)?;
        let end = self.end(line, depth);
        self.take(self.owned(line, depth)..end);
        Some(())
    }

    /// Sets keys of an entry; the first line of it keeps its key.
    pub(super) fn set(&mut self, marks: &Marks<'_>, number: usize, fields: &[Field]) -> Option<()> {
        let (line, depth) = self.dash(marks, number)?;
        let end = self.end(line, depth);
        self.set_keys(marks, &format!("rules[{number}]"), line..end, fields)
    }

    /// Sets the keys of `upstream`, or takes it away.
    pub(super) fn upstream(&mut self, marks: Option<&Marks<'_>>, fields: &[Field]) -> Option<()> {
        let Some((line, _)) = marks.and_then(|marks| marks.key("upstream")) else {
            self.lines.push("upstream:".to_owned());
            self.lines.extend(keys(2, fields));
            return Some(());
        };
        let line = line as usize - 1;
        let end = self.end(line, 0);
        if fields.is_empty() {
            let start = self.owned(line, 0);
            // A comment at the very start is about the file.
            self.take(if start == 0 { line } else { start }..end);
            return Some(());
        }
        if code(self.lines.get(line)?) != "upstream:" {
            let new: Vec<String> =
                std::iter::once("upstream:".to_owned()).chain(keys(2, fields)).collect();
            self.lines.splice(line..end, new);
            return Some(());
        }
        self.set_keys(marks?, "upstream", line + 1..end, fields)
    }

    fn set_keys(
        &mut self,
        marks: &Marks<'_>,
        parent: &str,
        body: Range<usize>,
        fields: &[Field],
    ) -> Option<()> {
        let names = ["allow", "deny", "tool", "reason", "by", "at", "expires", "raw", "private"];
        let names = names.iter().chain(&["ech", "url", "credentials"]);
        let mut places: Vec<(usize, usize, &str)> = names
            .filter_map(|name| {
                let (line, column) = marks.key(&format!("{parent}.{name}"))?;
                Some((line as usize - 1, column as usize - 1, *name))
            })
            .collect();
        places.sort_unstable();
        let depth = places.first()?.1;
        // One key on a line, or it is not a block.
        let block = places.windows(2).all(|two| two[0].0 < two[1].0 && two[1].1 == depth);
        let first = self.lines.get(places.first()?.0)?;
        if !block || first.trim_start().trim_start_matches('-').trim_start().starts_with('{') {
            return None;
        }
        // From the last key to the first, so that the numbers of the lines before stay right.
        let mut end = body.end;
        let mut kept = Vec::new();
        for &(line, _, name) in places.iter().rev() {
            let stop = self.code_end(line, end);
            kept.push(stop);
            if let Some((key, value)) = fields.iter().find(|(key, _)| *key == name) {
                let prefix: String = self.lines[line].chars().take(depth).collect();
                let new = match value {
                    Some(value) => {
                        let comment = &self.lines[line][code(&self.lines[line]).len()..];
                        let comment = if stop == line + 1 { comment } else { "" };
                        vec![format!("{prefix}{key}: {value}{comment}")]
                    }
                    // Without the key its dash would stand for nothing.
                    None if !prefix.trim().is_empty() => return None,
                    None => Vec::new(),
                };
                let shift = stop - line - new.len();
                self.lines.splice(line..stop, new);
                kept.iter_mut().for_each(|stop| *stop -= shift);
            }
            end = line;
        }
        let new: Vec<Field> = fields
            .iter()
            .filter(|(key, _)| places.iter().all(|(_, _, name)| name != key))
            .cloned()
            .collect();
        let at = *kept.first()?;
        self.lines.splice(at..at, keys(depth, &new));
        Some(())
    }

    /// The line of an entry's dash, and how far it is indented. `None` where there is no such entry or it
    /// does not start with `- `.
    fn dash(&self, marks: &Marks<'_>, number: usize) -> Option<(usize, usize)> {
        let (line, column) = marks.value(&format!("rules[{number}]"))?;
        let line = line as usize - 1;
        let before: String = self.lines.get(line)?.chars().take(column as usize - 1).collect();
        let depth = before.find('-')?;
        (before.trim() == "-" && before[..depth].trim_matches(' ').is_empty())
            .then_some((line, depth))
    }

    /// After the last line of what starts at `start`: everything that is indented further.
    fn end(&self, start: usize, depth: usize) -> usize {
        let rest = self.lines.iter().enumerate().skip(start + 1);
        let stop = rest
            .filter(|(_, line)| !line.trim().is_empty())
            .find(|(_, line)| indent(line) <= depth)
            .map_or(self.lines.len(), |(number, _)| number);
        let blank = |line: &&String| line.trim().is_empty();
        stop - self.lines[start + 1..stop].iter().rev().take_while(blank).count()
    }

    /// After the last line of `start..end` that is neither empty nor a comment.
    fn code_end(&self, start: usize, end: usize) -> usize {
        let idle = |line: &&String| line.trim().is_empty() || line.trim_start().starts_with('#');
        end - self.lines[start + 1..end].iter().rev().take_while(idle).count()
    }

    /// The first of the comments that belong to what starts at `start`.
    fn owned(&self, start: usize, depth: usize) -> usize {
        let own = |line: &&String| {
            let text = line.trim_start().trim_start_matches('#').trim_start();
            let disabled = text.starts_with("- allow:") || text.starts_with("- deny:");
            line.trim_start().starts_with('#') && indent(line) == depth && !disabled
        };
        start - self.lines[..start].iter().rev().take_while(own).count()
    }

    /// Takes lines away, and one of two empty lines that then meet.
    fn take(&mut self, span: Range<usize>) {
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
fn code(line: &str) -> &str {
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

fn block(depth: usize, fields: &[Field]) -> Vec<String> {
    let mut lines = keys(depth + 2, fields);
    if let Some(first) = lines.first_mut() {
        first.replace_range(depth..=depth, "-");
    }
    lines
}

fn keys(depth: usize, fields: &[Field]) -> Vec<String> {
    let line = |(key, value): &Field| Some(format!("{:depth$}{key}: {}", "", value.as_ref()?));
    fields.iter().filter_map(line).collect()
}

/// A text as YAML takes it back unchanged: quoted unless it is plainly a word.
pub(super) fn scalar(text: &str) -> String {
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

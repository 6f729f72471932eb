//! Changes the text of one file by whole lines; what is not touched stays byte for byte. Pure.
//!
//! An edit that does not understand the layout (a list in one line, keys in `?` form) gives `None`. The
//! caller decodes the new text and compares: no text is written that says something else than meant.
//!
//! A comment belongs to the entry that it stands directly above, at the same depth: it goes with it. One
//! that an empty line separates stays, and so does an entry that is commented out.

use crate::edit::lines::{Field, Lines, block, code, keys};
use crate::policy::yaml::Marks;
use std::ops::Range;

impl Lines {
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
        self.take(self.owned(line, depth, disabled)..end);
        Some(())
    }

    /// Sets keys of an entry; the first line of it keeps its key.
    pub(super) fn set(&mut self, marks: &Marks<'_>, number: usize, fields: &[Field]) -> Option<()> {
        let (line, depth) = self.dash(marks, number)?;
        let end = self.end(line, depth);
        self.set_keys(marks, &format!("rules[{number}]"), line..end, fields)
    }

    /// Sets the one value of `unlisted`.
    pub(super) fn unlisted(&mut self, marks: Option<&Marks<'_>>, value: &str) -> Option<()> {
        let Some((line, _)) = marks.and_then(|marks| marks.key("unlisted")) else {
            self.lines.push(format!("unlisted: {value}"));
            return Some(());
        };
        let line = self.lines.get_mut(line as usize - 1)?;
        let bare = code(line);
        if !bare.starts_with("unlisted:") {
            return None;
        }
        let comment = line[bare.len()..].to_owned();
        *line = format!("unlisted: {value}{comment}");
        Some(())
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
            let start = self.owned(line, 0, disabled);
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
        let answer = ["connector", "run", "once", "request"];
        let names = names.iter().chain(&["ech", "url", "credentials"]).chain(&answer);
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
}

/// A rule that is commented out belongs to nobody.
fn disabled(comment: &str) -> bool {
    comment.starts_with("- allow:") || comment.starts_with("- deny:")
}

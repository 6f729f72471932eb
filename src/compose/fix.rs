//! Edits that mend a finding: by the line, so that comments and order stay. Pure.
//!
//! An edit is tried on a copy. It counts only where the files, read again and merged, say the same but for the
//! one field of the one service that the finding is about, and that finding alone is gone: how a file is laid
//! out need not be understood to be sure of that.

use super::model::Service;
use super::node::{Node, Spot, Value};
use super::ports::Port;
use super::rules::Judged;
use crate::edit::lines::{Lines, scalar};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// More findings than anybody mends at once.
const MOST: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The plain value that stands there becomes another.
    Replace { spot: Spot, old: String, text: String },
    /// A short port gets another address: what it starts with becomes something else.
    Start { spot: Spot, old: String, text: String },
    /// A field of the mapping that starts there.
    Field { spot: Spot, text: String },
    /// A field of the service whose key, and whose mapping, stand there.
    Below { key: Spot, spot: Spot, text: String },
    /// An item of the list that starts there.
    Item { spot: Spot, text: String },
}

impl Edit {
    pub(super) fn replace(spot: &Spot, old: &str, text: &str) -> Self {
        Self::Replace { spot: spot.clone(), old: old.to_owned(), text: text.to_owned() }
    }

    /// `key: value` in a service that lacks it.
    pub(super) fn insert(service: &Service, key: &str, value: &str) -> Self {
        let (key_at, spot) = (service.at.clone(), service.node.spot.clone());
        Self::Below { key: key_at, spot, text: format!("{key}: {value}") }
    }

    /// An item of a list that may not be there yet.
    pub(super) fn item(service: &Service, list: &str, text: &str) -> Self {
        match service.find(&[list]).filter(|node| !node.items().is_empty()) {
            Some(node) => Self::Item { spot: node.spot.clone(), text: text.to_owned() },
            None => Self::insert(service, list, &format!("[{text}]")),
        }
    }

    /// The address of a published port.
    pub(super) fn port(service: &Service, number: usize, meant: &Port) -> Self {
        let node = service.node.get("ports").and_then(|ports| ports.items().get(number));
        let host = meant.host.map(|host| host.to_string()).unwrap_or_default();
        let spot = meant.spot.clone();
        let value = |name: &str| node.and_then(|node| node.get(name));
        let short = value("target").is_none_or(|target| target.spot == spot);
        if !short {
            return match value("host_ip").and_then(|it| Some((it, it.text()?))) {
                Some((old, text)) => Self::replace(&old.spot, text, &host),
                None => Self::Field { spot, text: format!("host_ip: {}", scalar(&host)) },
            };
        }
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host };
        let old = value("host_ip").and_then(Node::text);
        match old.filter(|old| !old.is_empty()) {
            Some(old) if old.contains(':') => {
                Self::Start { spot, old: format!("[{old}]"), text: bracketed }
            }
            Some(old) => Self::Start { spot, old: old.to_owned(), text: bracketed },
            None => {
                let colons = if meant.published.is_some() { ":" } else { "::" };
                Self::Start { spot, old: String::new(), text: format!("{bracketed}{colons}") }
            }
        }
    }

    pub(super) fn spot(&self) -> &Spot {
        match self {
            Self::Replace { spot, .. }
            | Self::Start { spot, .. }
            | Self::Field { spot, .. }
            | Self::Item { spot, .. } => spot,
            Self::Below { key, .. } => key,
        }
    }

    /// Does it to a file's text; `None` where the text is not laid out so.
    fn apply(&self, text: &str) -> Option<String> {
        let mut lines = Lines::new(text);
        let spot = self.spot();
        let number = spot.line as usize - 1;
        let line = lines.lines.get(number)?;
        let at = byte(line, spot.column)?;
        match self {
            Self::Replace { old, text, .. } => {
                let (length, inner) = token(&line[at..], old)?;
                if inner != old {
                    return None;
                }
                let whole = text.bytes().all(|byte| byte.is_ascii_digit());
                let new = if whole { text.clone() } else { scalar(text) };
                lines.lines[number].replace_range(at..at + length, &new);
            }
            Self::Start { old, text, .. } => {
                let (length, inner) = token(&line[at..], "")?;
                let new = format!("\"{text}{}\"", inner.strip_prefix(old.as_str())?);
                lines.lines[number].replace_range(at..at + length, &new);
            }
            Self::Field { text, .. } if line[at..].starts_with('{') => {
                lines.lines[number].insert_str(at + 1, &format!("{text}, "));
            }
            Self::Field { text, .. } => {
                // What the first key of a block has before it, `- ` say, goes to the new one.
                let (start, rest) = line.split_at(at);
                let (new, old) = (format!("{start}{text}"), format!("{:at$}{rest}", ""));
                lines.lines.splice(number..=number, [new, old]);
            }
            Self::Below { spot: inner, text, .. } => {
                let braces = lines.lines.get(inner.line as usize - 1)?;
                let open = byte(braces, inner.column)?;
                if braces[open..].starts_with('{') {
                    let line = inner.line as usize - 1;
                    lines.lines[line].insert_str(open + 1, &format!("{text}, "));
                } else {
                    lines.lines.insert(number + 1, format!("{:open$}{text}", ""));
                }
            }
            Self::Item { text, .. } if line[at..].starts_with('[') => {
                lines.lines[number].insert_str(at + 1, &format!("{}, ", scalar(text)));
            }
            Self::Item { text, .. } => {
                lines.lines.insert(number, format!("{:at$}- {}", "", scalar(text)));
            }
        }
        Some(lines.text())
    }
}

/// The number of the byte at a column.
fn byte(line: &str, column: u32) -> Option<usize> {
    let column = column as usize - 1;
    line.char_indices().map(|(at, _)| at).chain([line.len()]).nth(column)
}

/// How long the value is that a text starts with, and what it says. `known` is what it should be.
fn token<'a>(text: &'a str, known: &str) -> Option<(usize, &'a str)> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let inner = &text[1..];
        let end = inner.find(quote)?;
        // Escapes are for somebody else to edit.
        let plain = !inner[..end].contains('\\') && !inner[end + 1..].starts_with(quote);
        return plain.then(|| (end + 2, &inner[..end]));
    }
    if !known.is_empty() && text.starts_with(known) {
        return Some((known.len(), &text[..known.len()]));
    }
    let end = plain_end(text);
    (end > 0).then(|| (end, &text[..end]))
}

/// Where a plain value ends. What stands in the braces of a variable is of the value.
fn plain_end(text: &str) -> usize {
    let (mut open, mut before) = (0, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' if open > 0 => open -= 1,
            ' ' | ',' | ']' | '}' if open == 0 => return at,
            _ => {}
        }
        before = c;
    }
    text.len()
}

/// What was mended, in words.
#[derive(Debug, Default)]
pub struct Mended {
    pub done: Vec<String>,
    pub not_done: Vec<Left>,
}

/// What was not mended.
#[derive(Debug)]
pub struct Left {
    pub what: String,
    pub file: PathBuf,
    pub why: Why,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The file is none of those that are to be changed.
    File,
    /// The text is not laid out as it would have to be.
    Layout,
    /// Something else would change with it.
    More,
}

/// A project as an edit must leave it, but for one field.
#[derive(Debug, Clone)]
pub struct View {
    pub found: Vec<Judged>,
    /// All that the files say together.
    pub root: Node,
}

/// Reads the project with these texts in the place of its files'.
pub type Judge<'a> = &'a dyn Fn(&BTreeMap<PathBuf, String>) -> Option<View>;

/// Mends what can be mended, of these services. Every service is to be judged, whatever is mended: an edit
/// for one can change another.
pub fn mend(
    texts: &mut BTreeMap<PathBuf, String>,
    judge: Judge<'_>,
    wanted: &dyn Fn(&str) -> bool,
) -> Mended {
    let mut mended = Mended::default();
    let Some(mut view) = judge(texts) else { return mended };
    let mut tried: Vec<Identity> = Vec::new();
    for _ in 0..MOST {
        let open = |it: &&Judged| {
            it.edit.is_some() && wanted(&it.service) && !tried.contains(&identity(it))
        };
        let Some(next) = view.found.iter().find(open).cloned() else { break };
        let shown = format!(
            "{}:{}: {}",
            next.spot.file.display(),
            next.spot.line,
            next.finding.fix.trim_end_matches('.')
        );
        match attempt(texts, &next, &view, judge) {
            Ok((path, text, after)) => {
                texts.insert(path, text);
                view = after;
                mended.done.push(shown);
            }
            Err(why) => {
                let edited = next.edit.as_ref().map_or(&next.spot, Edit::spot);
                let file = edited.file.to_path_buf();
                tried.push(identity(&next));
                mended.not_done.push(Left { what: shown, file, why });
            }
        }
    }
    mended
}

/// What stays the same when lines move.
type Identity = (&'static str, String, String);

fn identity(judged: &Judged) -> Identity {
    (judged.finding.rule.id, judged.service.clone(), judged.finding.evidence.clone())
}

/// The file's new text and the project that it makes, where that differs by this one finding and its field.
fn attempt(
    texts: &BTreeMap<PathBuf, String>,
    judged: &Judged,
    before: &View,
    judge: Judge<'_>,
) -> Result<(PathBuf, String, View), Why> {
    let edit = judged.edit.as_ref().ok_or(Why::Layout)?;
    let path = edit.spot().file.to_path_buf();
    let text = edit.apply(texts.get(&path).ok_or(Why::File)?).ok_or(Why::Layout)?;
    let mut changed = texts.clone();
    changed.insert(path.clone(), text.clone());
    let after = judge(&changed).ok_or(Why::Layout)?;
    let mut differing = Vec::new();
    differences(&before.root, &after.root, &mut Vec::new(), &mut differing);
    let own = |path: &Vec<&str>| match path.as_slice() {
        ["services", service, field @ ..] => {
            *service == judged.service && fields_of(judged).iter().any(|own| field.starts_with(own))
        }
        _ => false,
    };
    if !differing.iter().all(own) {
        return Err(Why::More);
    }
    let mut left: Vec<Identity> = before.found.iter().map(identity).collect();
    for found in &after.found {
        let known = left.iter().position(|it| *it == identity(found)).ok_or(Why::More)?;
        left.swap_remove(known);
    }
    // One is gone, and it is this one: the same may stand there twice.
    if left == [identity(judged)] { Ok((path, text, after)) } else { Err(Why::More) }
}

/// The fields of a service of which a finding's edit is to change one.
fn fields_of(judged: &Judged) -> &'static [&'static [&'static str]] {
    match judged.finding.rule.id {
        "compose.published-everywhere" => &[&["ports"]],
        "compose.new-privileges" => &[&["security_opt"]],
        "compose.tmpfs-options" => &[&["tmpfs"]],
        "compose.pids-limit" => &[&["pids_limit"], &["deploy", "resources", "limits", "pids"]],
        "compose.log-rotation" => &[&["logging"]],
        _ => &[],
    }
}

/// Where two trees differ: paths of keys, down to what is no mapping in both.
fn differences<'a>(
    one: &'a Node,
    two: &'a Node,
    path: &mut Vec<&'a str>,
    out: &mut Vec<Vec<&'a str>>,
) {
    match (&one.value, &two.value) {
        (Value::Map(left), Value::Map(right)) => {
            for entry in left {
                path.push(&entry.key);
                match two.get(&entry.key) {
                    Some(other) => differences(&entry.value, other, path, out),
                    None => out.push(path.clone()),
                }
                path.pop();
            }
            for entry in right.iter().filter(|entry| one.get(&entry.key).is_none()) {
                path.push(&entry.key);
                out.push(path.clone());
                path.pop();
            }
        }
        _ if one.says_as(two) => {}
        _ => out.push(path.clone()),
    }
}

//! Compose files as trees. Anchors, aliases and merge keys are resolved here; what they can blow up to is
//! bounded, in nodes, in bytes and in depth.

use super::node::{Entry, Node, Scalar, Spot, Tag, Value};
use crate::policy::Problem;
use crate::policy::expect::{quoted, shown};
use serde_saphyr::granit_parser::{self, Event, Options, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Most bytes that a file may have.
pub(super) const MAX_BYTES: usize = 1024 * 1024;
/// Most keys and values of a file, with what aliases stand for.
const MAX_NODES: usize = 100_000;
/// Most bytes of all texts, with what aliases stand for.
const MAX_TEXT: usize = 8 * 1024 * 1024;
/// Deepest nesting, with what aliases stand for. Trees are walked by recursion.
const MAX_DEPTH: usize = 64;
/// Longest key in bytes.
const MAX_KEY: usize = 1024;

/// A comment of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub spot: Spot,
    /// Without the `#`.
    pub text: String,
    /// It has a line of its own.
    pub alone: bool,
}

/// What stands in a file.
#[derive(Debug)]
pub struct File {
    /// One for each document.
    pub documents: Vec<Node>,
    pub comments: Vec<Comment>,
}

/// Reads a file's bytes.
pub fn read(path: &Path, bytes: &[u8]) -> Result<File, Problem> {
    let file: Arc<Path> = Arc::from(path);
    let start = Spot { file: file.clone(), line: 1, column: 1 };
    if bytes.len() > MAX_BYTES {
        return Err(start.problem("", format!("the file is larger than {MAX_BYTES} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let spot = Spot { line: narrow(line), ..start.clone() };
        spot.problem("", "the file is not UTF-8")
    })?;
    let mut walk = Walk::new(file);
    for event in Parser::new_from_str_with_options(text, options()) {
        match event {
            Ok((event, span)) => walk.event(event, span)?,
            Err(error) => {
                let marker = error.marker();
                let (line, column) = (narrow(marker.line()), narrow(marker.col() + 1));
                let spot = Spot { line, column, ..start };
                let info: String = error.info().chars().filter(|c| !c.is_control()).collect();
                let problem = spot.problem("", format!("not valid YAML: {info}"));
                return Err(tab_hint(problem, text, line));
            }
        }
    }
    let mut comments = walk.comments;
    let lines: Vec<&str> = text.lines().collect();
    for comment in &mut comments {
        let line = lines.get(comment.spot.line as usize - 1).copied().unwrap_or_default();
        comment.alone = line.trim_start().starts_with('#');
    }
    Ok(File { documents: walk.documents, comments })
}

fn options() -> Options {
    let mut options = Options::default();
    options.emit_comments = true;
    // A long comment is no reason to refuse a file; its bytes are bounded.
    options.max_buffered_comment_events = MAX_BYTES;
    options.emit_unresolved_aliases = true;
    options
}

/// A tab is the commonest error, and the library's text does not always say so.
fn tab_hint(problem: Problem, text: &str, line: u32) -> Problem {
    let line = text.lines().nth(line as usize - 1).unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    if indent.contains('\t') { problem.hint("indent with spaces, not with tabs") } else { problem }
}

/// Lines and columns of a file of at most MAX_BYTES fit.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).max(1)
}

// === impl Walk ===

/// What a tree takes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
    height: usize,
}

/// One open mapping or list.
struct Frame {
    node: Node,
    anchor: usize,
    size: Size,
    key: Option<(String, Spot)>,
    /// What `<<` names, in order.
    merged: Vec<Node>,
}

struct Walk {
    file: Arc<Path>,
    stack: Vec<Frame>,
    anchors: HashMap<usize, (Node, Size)>,
    documents: Vec<Node>,
    comments: Vec<Comment>,
    total: Size,
}

impl Walk {
    fn new(file: Arc<Path>) -> Self {
        Self {
            file,
            stack: Vec::new(),
            anchors: HashMap::new(),
            documents: Vec::new(),
            comments: Vec::new(),
            total: Size::default(),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        let (line, column) = (narrow(span.start.line()), narrow(span.start.col() + 1));
        let spot = Spot { file: self.file.clone(), line, column };
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            Event::Comment(text, _) => {
                self.comments.push(Comment { spot, text: text.into_owned(), alone: true });
                Ok(())
            }
            Event::UnresolvedAlias(name) => {
                Err(self.problem(&spot, format!("there is no anchor {} above", quoted(&name))))
            }
            Event::Alias(anchor) => self.alias(anchor, &spot),
            Event::Scalar(text, style, anchor, tag) => {
                self.scalar(&text, style, (anchor, tag.as_deref()), &spot)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(Value::List(Vec::new()), anchor, tag.as_deref(), &spot)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(Value::Map(Vec::new()), anchor, tag.as_deref(), &spot)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            _ => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, spot: &Spot) -> Result<(), Problem> {
        let Some(size) = self.anchors.get(&anchor).map(|(_, size)| *size) else {
            return Err(self.problem(spot, "an alias inside of what it stands for"));
        };
        // Before the copy is made.
        self.afford(size, spot)?;
        let Some((node, _)) = self.anchors.get(&anchor) else { return Ok(()) };
        self.value(node.clone(), size)
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        (anchor, tag): (usize, Option<&granit_parser::Tag>),
        spot: &Spot,
    ) -> Result<(), Problem> {
        let (tag, string) = meaning(tag);
        let plain = style == ScalarStyle::Plain && !string;
        let null = plain && matches!(text, "" | "~" | "null" | "Null" | "NULL");
        let size = Size { nodes: 1, text: text.len(), height: 1 };
        self.afford(size, spot)?;
        let takes_key = self
            .stack
            .last()
            .is_some_and(|frame| matches!(frame.node.value, Value::Map(_)) && frame.key.is_none());
        if takes_key {
            return self.key(text, null, spot);
        }
        let value = match null {
            true => Value::Null,
            false => Value::Scalar(Scalar { text: text.to_owned(), plain, fallback: None }),
        };
        let node = Node { value, spot: spot.clone(), tag };
        self.remember(anchor, &node, size);
        self.value(node, size)
    }

    fn key(&mut self, text: &str, null: bool, spot: &Spot) -> Result<(), Problem> {
        let fault = if null {
            Some("a key is missing".to_owned())
        } else if text.len() > MAX_KEY {
            Some(format!("a key has at most {MAX_KEY} bytes"))
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(self.problem(spot, fault));
        }
        let twice = self.stack.last().is_some_and(|frame| frame.node.entry(text).is_some());
        if twice {
            return Err(self.problem(spot, format!("the key {} is here twice", quoted(text))));
        }
        if let Some(frame) = self.stack.last_mut() {
            frame.key = Some((text.to_owned(), spot.clone()));
        }
        Ok(())
    }

    fn open(
        &mut self,
        value: Value,
        anchor: usize,
        tag: Option<&granit_parser::Tag>,
        spot: &Spot,
    ) -> Result<(), Problem> {
        let in_key = self
            .stack
            .last()
            .is_some_and(|frame| matches!(frame.node.value, Value::Map(_)) && frame.key.is_none());
        if in_key {
            return Err(self.problem(spot, "a key is a plain word, not a list or a mapping"));
        }
        let size = Size { nodes: 1, text: 0, height: 1 };
        self.afford(size, spot)?;
        let node = Node { value, spot: spot.clone(), tag: meaning(tag).0 };
        self.stack.push(Frame { node, anchor, size, key: None, merged: Vec::new() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Problem> {
        let Some(mut frame) = self.stack.pop() else { return Ok(()) };
        for merged in std::mem::take(&mut frame.merged) {
            for entry in merged.entries() {
                if frame.node.entry(&entry.key).is_none() {
                    frame.node.put(&entry.key, &entry.at, entry.value.clone());
                }
            }
        }
        self.remember(frame.anchor, &frame.node, frame.size);
        self.value(frame.node, frame.size)
    }

    fn remember(&mut self, anchor: usize, node: &Node, size: Size) {
        if anchor != 0 {
            // An alias is no place to reset something from.
            self.anchors.insert(anchor, (Node { tag: Tag::None, ..node.clone() }, size));
        }
    }

    /// A whole value, which belongs to what is open.
    fn value(&mut self, node: Node, size: Size) -> Result<(), Problem> {
        let Some(frame) = self.stack.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        frame.size.nodes += size.nodes;
        frame.size.text += size.text;
        frame.size.height = frame.size.height.max(size.height + 1);
        let key = frame.key.take();
        match (&mut frame.node.value, key) {
            (Value::List(items), _) => items.push(node),
            (_, Some((key, at))) if key == "<<" => {
                let Some(merged) = merge_key(node) else {
                    let what = "`<<` takes a mapping, or a list of mappings";
                    return Err(self.problem(&at, what));
                };
                frame.merged.extend(merged);
            }
            (Value::Map(entries), Some((key, at))) => entries.push(Entry { key, at, value: node }),
            (_, _) => {
                let spot = node.spot.clone();
                return Err(self.problem(&spot, "a key is a plain word, not an alias"));
            }
        }
        Ok(())
    }

    /// Counts what is about to be made, before it is.
    fn afford(&mut self, size: Size, spot: &Spot) -> Result<(), Problem> {
        self.total.nodes += size.nodes;
        self.total.text += size.text;
        if self.total.nodes > MAX_NODES {
            let what = "keys and values, with what its aliases stand for";
            return Err(self.problem(spot, format!("a file has at most {MAX_NODES} {what}")));
        }
        if self.total.text > MAX_TEXT {
            let what = "bytes of text, with what its aliases stand for";
            return Err(self.problem(spot, format!("a file has at most {MAX_TEXT} {what}")));
        }
        if self.stack.len() + size.height > MAX_DEPTH {
            return Err(self.problem(spot, "nested too deeply"));
        }
        Ok(())
    }

    fn problem(&self, spot: &Spot, what: impl Into<String>) -> Problem {
        spot.problem(&self.field(), what)
    }

    /// The path of what comes next.
    fn field(&self) -> String {
        let mut field = String::new();
        for frame in &self.stack {
            if let Some((key, _)) = &frame.key {
                let dot = if field.is_empty() { "" } else { "." };
                field += &format!("{dot}{}", shown(key, 60));
            } else if let Value::List(items) = &frame.node.value {
                field += &format!("[{}]", items.len());
            }
        }
        field
    }
}

/// What `<<` takes in; the mappings in order.
fn merge_key(node: Node) -> Option<Vec<Node>> {
    match node.value {
        Value::Map(_) => Some(vec![node]),
        Value::List(items) => {
            items.iter().all(|item| matches!(item.value, Value::Map(_))).then_some(items)
        }
        _ => None,
    }
}

/// What a tag means to compose, and whether it makes a text of the value.
fn meaning(tag: Option<&granit_parser::Tag>) -> (Tag, bool) {
    let Some(tag) = tag else { return (Tag::None, false) };
    match (tag.handle(), tag.suffix()) {
        ("!", "reset") => (Tag::Reset, false),
        ("!", "override") => (Tag::Override, false),
        (handle, "str") if handle != "!" => (Tag::None, true),
        _ => (Tag::None, false),
    }
}

//! What a compose file says, as a tree in which every key and value knows its place.

use crate::doctor::finding::Place;
use crate::policy::{Origin, Problem};
use std::path::Path;
use std::sync::Arc;

/// A place in one of the files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spot {
    pub file: Arc<Path>,
    pub line: u32,
    pub column: u32,
}

impl Spot {
    pub fn origin(&self) -> Origin {
        Origin::File { path: self.file.to_path_buf(), line: self.line, column: self.column }
    }

    pub fn place(&self) -> Place {
        Place { file: self.file.to_path_buf(), line: self.line, column: self.column }
    }

    pub(super) fn problem(&self, field: &str, what: impl Into<String>) -> Problem {
        Problem::new(&self.origin(), field, what)
    }
}

#[derive(Debug, Clone)]
pub struct Node {
    pub value: Value,
    pub spot: Spot,
    pub tag: Tag,
}

#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub at: Spot,
    pub value: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub text: String,
    /// Written without quotes, so that `true` is a truth value and `1` a number.
    pub plain: bool,
    /// Where variables were put in: what it would be with none of them set.
    pub fallback: Option<String>,
}

/// What the compose specification has tags for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    None,
    /// `!reset`: as if no file before had said it.
    Reset,
    /// `!override`: in the place of what files before said, not merged with it.
    Override,
}

impl Node {
    pub(super) fn new(value: Value, spot: &Spot) -> Self {
        Self { value, spot: spot.clone(), tag: Tag::None }
    }

    /// A text that stands, or could stand, in the file as it is.
    pub(super) fn scalar(text: impl Into<String>, spot: &Spot) -> Self {
        let scalar = Scalar { text: text.into(), plain: false, fallback: None };
        Self::new(Value::Scalar(scalar), spot)
    }

    /// A number or truth value.
    pub(super) fn plain(text: impl Into<String>, spot: &Spot) -> Self {
        let scalar = Scalar { text: text.into(), plain: true, fallback: None };
        Self::new(Value::Scalar(scalar), spot)
    }

    /// A part of this value, at its place. Which of the variables that were put in are of this part is not known.
    pub(super) fn part(&self, text: impl Into<String>) -> Self {
        Self::scalar(text, &self.spot)
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.value {
            Value::Map(entries) => {
                entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
            }
            _ => None,
        }
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else { return None };
        let at = entries.iter().position(|entry| entry.key == key)?;
        Some(entries.remove(at))
    }

    /// Puts a value below a key, in the place of what was there.
    pub(super) fn put(&mut self, key: &str, at: &Spot, value: Node) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
            return;
        }
        if let Value::Map(entries) = &mut self.value {
            entries.push(Entry { key: key.to_owned(), at: at.clone(), value });
        }
    }

    /// Equal but for where it stands, and the order of keys.
    pub(super) fn says_as(&self, other: &Node) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Scalar(one), Value::Scalar(two)) => one.text == two.text,
            (Value::List(one), Value::List(two)) => {
                one.len() == two.len() && one.iter().zip(two).all(|(one, two)| one.says_as(two))
            }
            (Value::Map(entries), Value::Map(others)) => {
                let has =
                    |it: &Entry| other.get(&it.key).is_some_and(|other| it.value.says_as(other));
                entries.len() == others.len() && entries.iter().all(has)
            }
            _ => false,
        }
    }

    /// What it is, in the words of an error.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a plain value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

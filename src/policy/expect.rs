//! What a text should have been, and which known word is nearest to what was written.

use std::fmt;

/// A text that is not what its field accepts. Reads after a field's name: `expected …, found …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    text: String,
    /// The word that was probably meant.
    pub meant: Option<String>,
}

impl Malformed {
    /// `expected` says what is accepted (lower case, no final period); `found` is quoted.
    pub(crate) fn new(expected: impl fmt::Display, found: &str) -> Self {
        Self { text: format!("expected {expected}, found {}", quoted(found)), meant: None }
    }

    /// For texts whose fault has a better name than "expected …, found …".
    pub(crate) fn because(text: impl Into<String>) -> Self {
        Self { text: text.into(), meant: None }
    }

    /// `found` is none of `words`: lists them all and remembers the nearest.
    pub(crate) fn word(words: &[&str], found: &str) -> Self {
        let meant = nearest(found, words.iter().copied()).map(str::to_owned);
        Self { meant, ..Self::new(one_of(words), found) }
    }

    /// Adds what is wrong with it; `why` quotes no more of the text than a character.
    pub(super) fn why(mut self, why: impl fmt::Display) -> Self {
        self.text = format!("{}: {why}", self.text);
        self
    }

    pub(crate) fn meant(mut self, word: impl Into<String>) -> Self {
        self.meant = Some(word.into());
        self
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Malformed {}

/// `a`, `b` or `c`.
pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// Text of a file as it may be shown: on one line, escaped, and not longer than a line.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text, 60))
}

/// The first `most` characters of a text, escaped; `…` where more follow.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().take(most).flat_map(visible).collect();
    if text.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

/// A manifest may come from a stranger: escape what could move the cursor or reorder the line.
fn visible(c: char) -> impl Iterator<Item = char> {
    let hidden = c.is_control() || is_invisible(c);
    let escaped = hidden.then(|| c.escape_unicode());
    let plain = (!hidden).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

/// Zero-width and direction-changing characters: a name that holds one is not what it looks like.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// The known word that `found` is most likely a slip of, where one is near enough.
pub(crate) fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Long texts are no slips, and the distance costs length × length.
    if found.len() > 64 {
        return None;
    }
    let found = found.to_lowercase();
    let distance = |word: &str| {
        // Whoever wrote `environment` meant `env`, however many letters lie between.
        let longer = word.len() >= 3 && found.starts_with(word);
        if longer { 1 } else { strsim::osa_distance(&found, word) }
    };
    known
        .map(|word| (distance(word), word))
        .filter(|(distance, word)| *distance <= 1.max(word.len() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let words = ["memory", "cpus", "pids", "io"];
        assert_eq!(nearest("memroy", words.into_iter()), Some("memory"));
        assert_eq!(nearest("CPU", words.into_iter()), Some("cpus"));
        assert_eq!(nearest("seccomp", words.into_iter()), None);
        assert_eq!(nearest("enviroment", ["eof_grace", "env"].into_iter()), Some("env"));
        assert_eq!(nearest(&"m".repeat(4096), words.into_iter()), None);
    }

    #[test]
    fn text_of_a_stranger_cannot_move_the_cursor() {
        assert_eq!(quoted("a\x1b[2J\nb\u{202e}c"), "`a\\u{1b}[2J\\u{a}b\\u{202e}c`");
        assert!(quoted(&"x".repeat(500)).chars().count() < 80);
    }

    #[test]
    fn accepted_words_are_listed() {
        let error = Malformed::word(&["usr", "minimal"], "minmal");
        assert_eq!(error.to_string(), "expected `usr` or `minimal`, found `minmal`");
        assert_eq!(error.meant.as_deref(), Some("minimal"));
    }
}

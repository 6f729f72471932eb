//! The small values that events are made of: safe text, digests, run ids.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::ffi::OsStrExt as _;
use std::str::FromStr;

/// Text that can be shown on a terminal and stays on its line.
///
/// Names, paths and reasons may come from a connector, which would like to hide or forge lines of
/// the log. Control characters (so every ANSI sequence), bidirectional overrides and characters
/// without a width are kept as `\u{1b}`; bytes that are no UTF-8 as `\x{ff}`. At most
/// [`Text::MAX`] bytes are kept, the last of them `…` where something was cut. A text that is read
/// back from a log passes through the same filter, and the filter leaves its own results alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(String);

impl Text {
    /// The most bytes of UTF-8 that a text holds.
    pub const MAX: usize = 1024;

    pub fn new(text: &str) -> Self {
        Self::from_bytes(text.as_bytes())
    }

    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut out = String::with_capacity(bytes.len().min(Self::MAX));
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                let fits = if hides(c) {
                    push(&mut out, &c.escape_unicode().to_string())
                } else {
                    push(&mut out, c.encode_utf8(&mut [0; 4]))
                };
                if !fits {
                    return Self(out);
                }
            }
            for byte in chunk.invalid() {
                if !push(&mut out, &format!("\\x{{{byte:02x}}}")) {
                    return Self(out);
                }
            }
        }
        Self(out)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Adds `piece`, or cuts `out` and marks the cut; false once it is full.
fn push(out: &mut String, piece: &str) -> bool {
    const CUT: &str = "…";
    if out.len() + piece.len() <= Text::MAX {
        out.push_str(piece);
        return true;
    }
    let mut end = out.len().min(Text::MAX - CUT.len());
    while !out.is_char_boundary(end) {
        end -= 1;
    }
    out.truncate(end);
    out.push_str(CUT);
    false
}

/// True for a character that moves the cursor, changes the direction of text or cannot be seen.
pub(crate) fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&OsStr> for Text {
    fn from(text: &OsStr) -> Self {
        Self::from_bytes(text.as_bytes())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// A SHA-256 digest; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// What the first record of a log names as the hash before it.
    pub const ZERO: Self = Self([0; 32]);

    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    pub(super) fn of_state(state: Sha256) -> Self {
        Self(state.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in self.0 {
            f.write_char(char::from(DIGITS[usize::from(byte >> 4)]))?;
            f.write_char(char::from(DIGITS[usize::from(byte & 15)]))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hex digits")]
pub struct BadDigest;

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let nibble = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(BadDigest),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(BadDigest);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Names one run in the log: 12 lower-case hex digits, random.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Text);

impl RunId {
    /// A new id. It only has to be unlike the others of one log, so the seed that the standard
    /// library draws for its hash maps is random enough, and unlike `/dev/urandom` cannot fail.
    pub fn fresh() -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        Self(Text(format!("{:012x}", random & 0xffff_ffff_ffff)))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<&str> for RunId {
    fn from(id: &str) -> Self {
        Self(Text::new(id))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        for (raw, kept) in [
            ("plain ünïcode 漢字 ok", "plain ünïcode 漢字 ok"),
            ("\x1b[2J\x07", "\\u{1b}[2J\\u{7}"),
            ("a\nb\r\tc", "a\\u{a}b\\u{d}\\u{9}c"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("evil\u{202e}gpj.exe\u{2066}", "evil\\u{202e}gpj.exe\\u{2066}"),
            ("zero\u{200b}\u{200d}\u{feff}width", "zero\\u{200b}\\u{200d}\\u{feff}width"),
            ("line\u{2028}sep", "line\\u{2028}sep"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
        ] {
            assert_eq!(Text::new(raw).as_str(), kept);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_hex() {
        assert_eq!(Text::from_bytes(b"/tmp/\xff\xfe-x").as_str(), "/tmp/\\x{ff}\\x{fe}-x");
        assert_eq!(Text::from(OsStr::from_bytes(b"\xc3")).as_str(), "\\x{c3}");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_and_marked() {
        let cut = Text::new(&"ä".repeat(2000));
        assert!(cut.as_str().len() <= Text::MAX && cut.as_str().ends_with("ä…"));
        assert_eq!(Text::new(&"a".repeat(Text::MAX)).as_str().len(), Text::MAX);
        let noise = Text::new(&"\x1b".repeat(2000));
        assert!(noise.as_str().len() <= Text::MAX);
    }

    #[test]
    fn a_digest_survives_its_text_form_and_nothing_else_is_one() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for bad in ["", "00", &"g".repeat(64), &"A".repeat(64), &"0".repeat(65), &"ä".repeat(32)] {
            assert_eq!(bad.parse::<Digest>(), Err(BadDigest));
        }
    }

    #[test]
    fn run_ids_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| RunId::fresh()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.as_str().len() == 12));
    }

    proptest! {
        #[test]
        fn nothing_that_hides_is_left_and_the_filter_is_stable(
            bytes in proptest::collection::vec(any::<u8>(), 0..3000)
        ) {
            let once = Text::from_bytes(&bytes);
            prop_assert!(!once.as_str().chars().any(hides));
            prop_assert!(once.as_str().len() <= Text::MAX);
            prop_assert_eq!(Text::new(once.as_str()), once);
        }

        #[test]
        fn any_string_is_stable(text in "\\PC*|.*") {
            let once = Text::new(&text);
            prop_assert!(!once.as_str().chars().any(hides));
            prop_assert_eq!(Text::new(once.as_str()), once);
        }
    }
}

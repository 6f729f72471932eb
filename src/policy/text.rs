//! Free texts of a policy: what each sort may have in it. Pure.

use super::expect::{Malformed, is_invisible};

/// An argument or a variable's value: anything that execve can hand over.
pub(super) fn argument(text: &str) -> Result<String, Malformed> {
    if text.contains('\0') {
        return Err(Malformed::new("a text without NUL", text));
    }
    Ok(text.to_owned())
}

/// A word that is shown, compared and logged: what is seen must be what is there.
pub(crate) fn plain_text(text: &str) -> Result<String, Malformed> {
    let hidden = |c: char| c.is_control() || is_invisible(c);
    if text.is_empty() || text.len() > 256 || text.chars().any(hidden) {
        let expected = "a text of 1 to 256 bytes without control or invisible characters";
        return Err(Malformed::new(expected, text));
    }
    Ok(text.to_owned())
}

/// The name of a secret; for a file target also the file's name under `/run/secrets`.
pub(super) fn label(text: &str) -> Result<String, Malformed> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if starts && text.len() <= 128 && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    let expected = "a name of letters, digits, `.`, `_` and `-` that starts with a letter, digit or \
                    `_`";
    Err(Malformed::new(expected, text))
}

/// A name below a writable folder. The policy itself never becomes writable.
pub(super) fn unprotected(text: &str) -> Result<String, Malformed> {
    let path = plain_text(text)?;
    let mut parts = path.split('/');
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Malformed::new("a name inside a folder such as `.git/hooks`", text));
    }
    if parts.any(|part| part == ".cloned") {
        return Err(Malformed::because("`.cloned` holds the policy and is never writable"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_word_is_what_it_looks_like() {
        for text in ["", "a\nb", "a\x1b[2J", "a\u{202e}b", "a\u{200b}b", &"a".repeat(257)] {
            assert!(plain_text(text).is_err(), "{text:?} was accepted");
        }
        assert_eq!(plain_text("tools/call é").unwrap(), "tools/call é");
    }

    #[test]
    fn a_label_is_a_file_name() {
        for text in ["", ".", "..", ".hidden", "a/b", "-a", "a b", "é"] {
            assert!(label(text).is_err(), "{text:?} was accepted");
        }
        assert_eq!(label("_key.pem-2").unwrap(), "_key.pem-2");
    }

    #[test]
    fn the_policy_cannot_be_unprotected() {
        for text in [".cloned", "x/.cloned/y", "..", "a/../.cloned", "/etc", "a//b", "./a"] {
            assert!(unprotected(text).is_err(), "{text:?} was accepted");
        }
        assert!(unprotected(".git/hooks").is_ok());
    }
}

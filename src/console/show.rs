//! Times and texts as a page shows them.

use crate::audit::Text;
use crate::calendar::LAST;
use std::time::{Duration, SystemTime};

/// The most characters of one text on a page; the whole is in the audit log.
const MOST: usize = 300;

/// A text of unknown origin: on one line, with nothing hidden in it, and not longer than a page can bear.
pub(super) fn text(text: &str) -> String {
    let safe = Text::new(text);
    let mut chars = safe.as_str().char_indices();
    match chars.nth(MOST) {
        Some((end, _)) => format!("{}…", &safe.as_str()[..end]),
        None => safe.to_string(),
    }
}

/// A moment, for people and for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct When {
    /// RFC 3339.
    pub(crate) exact: String,
    /// `12 s ago`, `in 2 h`.
    pub(crate) near: String,
}

impl When {
    pub(super) fn new(at: SystemTime, now: SystemTime) -> Self {
        let exact = humantime::format_rfc3339_seconds(at).to_string();
        let near = match now.duration_since(at) {
            Ok(ago) if ago.as_secs() == 0 => "now".to_owned(),
            Ok(ago) => format!("{} ago", span(ago)),
            Err(ahead) => format!("in {}", span(ahead.duration())),
        };
        Self { exact, near }
    }

    pub(super) fn of_seconds(at: u64, now: SystemTime) -> Self {
        // A number that is no time of this calendar is the last one that is.
        Self::new(SystemTime::UNIX_EPOCH + Duration::from_secs(at.min(LAST)), now)
    }
}

/// One unit is enough to see how long it is.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `1 time`, `3 times`.
pub(super) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_near_and_exact() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_316_645);
        let near = |seconds: i64| {
            let by = Duration::from_secs(seconds.unsigned_abs());
            When::new(if seconds < 0 { now - by } else { now + by }, now).near
        };
        let shown = [0, -1, -59, -60, -3599, -3600, -172_800, 7200].map(near);
        let wanted = [
            "now",
            "1 s ago",
            "59 s ago",
            "1 min ago",
            "59 min ago",
            "1 h ago",
            "2 days ago",
            "in 2 h",
        ];
        assert_eq!(shown, wanted);
        assert_eq!(When::of_seconds(1_795_316_645, now).exact, "2026-11-22T03:04:05Z");
        assert_eq!(When::of_seconds(u64::MAX, now).exact, "9999-12-31T23:59:59Z");
    }

    #[test]
    fn nothing_is_hidden_and_nothing_is_endless() {
        assert_eq!(text("a\u{202e}b\u{200b}\n"), "a\\u{202e}b\\u{200b}\\u{a}");
        let long = text(&"ä".repeat(5000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MOST + 1, true));
        assert_eq!(text("<b>"), "<b>");
    }
}

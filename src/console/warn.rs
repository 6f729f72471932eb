//! What should make a person look twice at a host before it is allowed. Pure.
//!
//! The list is of hints, not of proofs: a host without one is not good for that.

use crate::firewall::{Host, HostName, HostPattern};

/// What stands out about this host and port, besides the doubts that every way of answering has
/// ([`crate::approvals::doubts`]).
pub(super) fn warnings(host: &HostPattern, port: u16) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(name_of(host).and_then(data));
    if matches!(port, 80 | 8080) {
        found.push("plain HTTP: whoever is on the way reads and changes it".to_owned());
    }
    found
}

/// The name in its own letters, where it has others than ASCII.
pub(super) fn in_letters(host: &HostPattern) -> Option<String> {
    let name = name_of(host)?;
    let (shown, valid) = idna::domain_to_unicode(name.as_str());
    (valid.is_ok() && shown != name.as_str()).then_some(shown)
}

fn name_of(host: &HostPattern) -> Option<&HostName> {
    match host {
        HostPattern::Exact(Host::Name(name)) | HostPattern::Below(name) => Some(name),
        HostPattern::Exact(Host::Address(_)) => None,
    }
}

/// The part that somebody registered: `example.co.uk` of `api.example.co.uk`.
fn owned(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

/// A long first label can carry data out, by the question alone.
fn data(name: &HostName) -> Option<String> {
    let below = name.as_str().strip_suffix(owned(name.as_str()))?;
    let long = below.split('.').any(|label| label.len() > 40) || below.len() > 80;
    let digits = |label: &str| label.bytes().filter(u8::is_ascii_digit).count();
    let random = below.split('.').any(|label| label.len() >= 16 && digits(label) > 5);
    (long || random)
        .then(|| "a name that looks made up for this one time: it can carry data".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_data_or_is_read_by_all_is_said() {
        let about = |host: &str, port| warnings(&host.parse().unwrap(), port).join("; ");
        assert!(about("4f1c9a7be2d05577aa01.example.com", 443).contains("made up"));
        assert!(about(&format!("{}.example.com", "a".repeat(60)), 443).contains("made up"));
        assert!(about("example.com", 80).contains("plain HTTP"));
        for host in ["github.com", "uploads.github.com", "files.example.org", "192.0.2.1"] {
            assert_eq!(about(host, 443), "", "{host}");
        }
    }

    #[test]
    fn foreign_letters_are_shown() {
        let shown = |host: &str| in_letters(&host.parse().unwrap());
        assert_eq!(shown("xn--bcher-kva.example").as_deref(), Some("bücher.example"));
        assert_eq!(shown("example.com"), None);
        assert_eq!(shown("192.0.2.1"), None);
    }
}

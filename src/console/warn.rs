//! What should make a person look twice at a host before it is allowed. Pure.
//!
//! The list is of hints, not of proofs: a host without one is not good for that.

use crate::firewall::{Host, HostName, HostPattern};
use std::collections::BTreeSet;

/// What stands out about this host and port. `known` are the hosts that rules allow already.
pub(super) fn warnings<'a>(
    host: &HostPattern,
    port: u16,
    known: impl IntoIterator<Item = &'a HostPattern>,
) -> Vec<String> {
    let mut found = Vec::new();
    let name = match host {
        HostPattern::Exact(Host::Address(_)) => {
            found.push("an address without a name: nothing says whose it is".to_owned());
            None
        }
        HostPattern::Exact(Host::Name(name)) => Some(name),
        HostPattern::Below(name) => {
            found.push(format!("every name below {name}, also those that nobody has thought of"));
            Some(name)
        }
    };
    if let Some(name) = name {
        found.extend(letters(name));
        let known = known.into_iter().filter_map(name_of);
        found.extend(look_alike(name, &known.collect()));
        found.extend(data(name));
    }
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

fn letters(name: &HostName) -> Option<String> {
    let foreign = name.as_str().split('.').any(|label| label.starts_with("xn--"));
    foreign.then(|| "letters beyond a to z: some look like others (а is not a)".to_owned())
}

/// The part that somebody registered: `example.co.uk` of `api.example.co.uk`.
fn owned(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

fn look_alike(name: &HostName, known: &BTreeSet<&HostName>) -> Option<String> {
    let own = owned(name.as_str());
    let others = || known.iter().map(|known| owned(known.as_str())).filter(|known| *known != own);
    // A name that is allowed already looks like itself.
    if known.iter().any(|known| owned(known.as_str()) == own) {
        return None;
    }
    for other in others() {
        let begins = name.as_str().starts_with(&format!("{other}."))
            || name.as_str().contains(&format!(".{other}."));
        if begins {
            return Some(format!("reads like {other}, but belongs to {own}"));
        }
    }
    let near = |other: &&str| {
        folded(other) == folded(own)
            || (other.len() >= 6 && strsim::osa_distance(other, own) == 1)
            || (other.split('.').next() == own.split('.').next() && other.contains('.'))
    };
    let other = others().find(near)?;
    Some(format!("looks like {other}, which a rule names, but is {own}"))
}

/// Letters that are easily taken for each other become one.
fn folded(name: &str) -> String {
    let name = name.replace("rn", "m").replace("vv", "w").replace("cl", "d");
    let one = |c: char| match c {
        '0' => Some('o'),
        '1' | 'i' => Some('l'),
        '5' => Some('s'),
        '-' | '_' => None,
        other => Some(other),
    };
    name.chars().filter_map(one).collect()
}

/// A long first label can carry data out, by the question alone.
fn data(name: &HostName) -> Option<String> {
    let below = name.as_str().strip_suffix(owned(name.as_str()))?;
    let long = below.split('.').any(|label| label.len() > 40) || below.len() > 80;
    let digits = |label: &str| label.bytes().filter(u8::is_ascii_digit).count();
    let random = below.split('.').any(|label| label.len() >= 16 && digits(label) > 5);
    (long || random).then(|| "a name that looks made up for this one time: it can carry data".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(host: &str) -> String {
        let known = ["api.github.com", "pypi.org", "192.0.2.7"].map(|text| text.parse().unwrap());
        warnings(&host.parse().unwrap(), 443, &known).join("; ")
    }

    #[test]
    fn what_looks_like_an_allowed_host_is_said() {
        for (host, said) in [
            ("api.github.com.evil.test", "reads like github.com, but belongs to evil.test"),
            ("cdn.github.com.evil.test", "reads like github.com"),
            ("glthub.com", "looks like github.com"),
            ("g1thub.com", "looks like github.com"),
            ("githubb.com", "looks like github.com"),
            ("git-hub.com", "looks like github.com"),
            ("github.net", "looks like github.com"),
            ("xn--pple-43d.com", "letters beyond a to z"),
            ("192.0.2.8", "an address without a name"),
            ("*.example.com", "every name below example.com"),
            ("4f1c9a7be2d05577aa01.example.com", "made up"),
        ] {
            assert!(about(host).contains(said), "{host}: {}", about(host));
        }
    }

    #[test]
    fn what_is_plain_has_no_warning() {
        for host in ["github.com", "uploads.github.com", "example.com", "files.pythonhosted.org"] {
            assert_eq!(about(host), "", "{host}");
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

//! Why one should look twice before saying yes. Pure: nothing is resolved, which would be a way out.

use super::answer::{Decision, Verdict};
use super::request::{Request, Subject};
use crate::audit::Text;
use crate::firewall::address::{is_metadata, not_public};
use crate::firewall::{Host, HostPattern};
use serde::Serialize;

/// One reason, by a stable name and in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubt {
    pub code: &'static str,
    pub text: Text,
}

impl Doubt {
    fn new(code: &'static str, text: impl Into<Text>) -> Self {
        Self { code, text: text.into() }
    }
}

/// What speaks against this request. `allowed` are the hosts that its connector may reach already.
pub fn doubts(request: &Request, decisions: &[Decision], allowed: &[HostPattern]) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    match &request.subject {
        Subject::Egress { host, private, .. } => {
            match host {
                HostPattern::Exact(Host::Address(address)) => {
                    let (code, text) = match not_public(*address) {
                        Some(_) if is_metadata(*address) => {
                            ("metadata", "it hands out this machine's own credentials".to_owned())
                        }
                        Some(class) => {
                            ("private", format!("an address that is not public: {class}"))
                        }
                        None => ("address", "an address: nothing says whose it is".to_owned()),
                    };
                    doubts.push(Doubt::new(code, text));
                }
                HostPattern::Below(name) => {
                    let text = format!("every name below {name}, also those that do not exist yet");
                    doubts.push(Doubt::new("wide", text));
                    doubts.extend(of_name(name.as_str(), allowed));
                }
                HostPattern::Exact(Host::Name(name)) => {
                    doubts.extend(of_name(name.as_str(), allowed));
                }
            }
            let said = doubts.iter().any(|doubt| doubt.code == "private");
            if *private && !said {
                let class = request.latest.class.as_ref();
                let class = class.map(|class| format!(": {class}")).unwrap_or_default();
                let text = format!("its address is not of the public internet{class}");
                doubts.push(Doubt::new("private", text));
            }
        }
        Subject::Port { at, .. } if !at.ip().is_loopback() => {
            doubts.push(Doubt::new("open-port", format!("other machines can reach {at}")));
        }
        Subject::Port { .. } => {}
    }
    let before = decisions.iter().rev().find(|it| it.answer.verdict != Verdict::Revoke);
    if let Some(before) = before.filter(|it| it.answer.verdict == Verdict::Deny) {
        doubts.push(Doubt::new(
            "denied-before",
            format!("it was denied before, by {}", before.answer.by),
        ));
    }
    doubts
}

fn of_name(name: &str, allowed: &[HostPattern]) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if name.split('.').any(|label| label.starts_with("xn--")) {
        let text = "letters of other alphabets (xn--…), which can look like those of another name";
        doubts.push(Doubt::new("punycode", text));
    }
    let known = allowed.iter().filter_map(|pattern| match pattern {
        HostPattern::Exact(Host::Name(name)) | HostPattern::Below(name) => Some(name.as_str()),
        HostPattern::Exact(Host::Address(_)) => None,
    });
    let nearest =
        known.filter_map(|known| alike(name, known)).min_by_key(|(distance, _)| *distance);
    doubts.extend(nearest.map(|(_, text)| Doubt::new("look-alike", text)));
    doubts
}

/// How a name could be taken for one that is allowed and belongs to somebody else; the smaller the number,
/// the more alike.
fn alike(name: &str, known: &str) -> Option<(usize, String)> {
    let (own, other) = (domain(name), domain(known));
    // The same owner has both.
    if own == other {
        return None;
    }
    let dashed = known.replace('.', "-");
    if name.starts_with(&format!("{known}.")) || name.split('.').any(|label| label == dashed) {
        return Some((0, format!("it looks like the allowed {known}, and belongs to {own}")));
    }
    let (label, others) = (first(own), first(other));
    if label == others {
        return Some((1, format!("it belongs to {own}; allowed is {known}, of {other}")));
    }
    let most = match others.len() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    };
    let distance = strsim::osa_distance(&seen(own), &seen(other));
    (distance <= most).then(|| {
        (distance + 1, format!("it differs little from the allowed {known}: {own} is not {other}"))
    })
}

/// What somebody owns of this name.
fn domain(name: &str) -> &str {
    psl::domain_str(name).unwrap_or(name)
}

fn first(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// The name as a hurried eye sees it.
fn seen(name: &str) -> String {
    let joined = name.replace("rn", "m").replace("vv", "w");
    let one = |c| match c {
        '0' => Some('o'),
        '1' | 'i' => Some('l'),
        '5' => Some('s'),
        '-' => None,
        c => Some(c),
    };
    joined.chars().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approvals::{Asker, Occurrence, RequestId, Standing};

    fn codes(host: &str, private: bool) -> Vec<&'static str> {
        let asker = Asker::connector("search".parse().unwrap(), None);
        let subject = Subject::Egress { host: host.parse().unwrap(), port: 443, private };
        let request = Request {
            id: RequestId::of(&asker, &subject),
            asker,
            subject,
            standing: Standing::Pending,
            first_at: 0,
            last_at: 0,
            times: 1,
            latest: Occurrence::now("not-listed".into()),
        };
        let allowed = ["api.github.com", "*.example.com", "192.0.2.1", "ab.org"];
        let allowed = allowed.map(|it| it.parse().unwrap());
        doubts(&request, &[], &allowed).iter().map(|doubt| doubt.code).collect()
    }

    #[test]
    fn names_that_look_like_an_allowed_one_are_told() {
        for host in [
            "api.githib.com",
            "github.co",
            "api.github.com.evil.net",
            "api-github-com.evil.net",
            "exarnple.com",
            "examp1e.com",
            "ex-ample.com",
            "example.net",
        ] {
            assert_eq!(codes(host, false), ["look-alike"], "{host}");
        }
        for host in ["uploads.github.com", "example.com", "a.b.example.com", "brave.com", "ac.org"]
        {
            assert_eq!(codes(host, false), [""; 0], "{host}");
        }
    }

    #[test]
    fn what_is_wide_hidden_or_not_public_is_told() {
        assert_eq!(codes("*.other.org", false), ["wide"]);
        assert_eq!(codes("xn--bcher-kva.example", false), ["punycode"]);
        assert_eq!(codes("db.internal", true), ["private"]);
        assert_eq!(codes("10.0.0.1", false), ["private"]);
        assert_eq!(codes("8.8.8.8", false), ["address"]);
        assert_eq!(codes("169.254.169.254", false), ["metadata"]);
    }
}

//! Host names and addresses, parsed once: the same value serves the rule, the resolver and the dial.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A DNS name of letters, digits and hyphens (and underscores, which names inside of companies have):
/// lower case, A-labels, without the final dot, at most 253 bytes, at least one label, and not a
/// spelling of an address (`127.1`, `0x7f.1`, `2130706433`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

/// What a connector can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    Name(HostName),
    /// IPv4-mapped IPv6 addresses are the IPv4 address.
    Address(IpAddr),
}

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAHost {
    #[error("it is empty")]
    Empty,
    #[error("it is longer than 253 bytes")]
    TooLong,
    #[error("a label is empty or longer than 63 bytes")]
    Label,
    #[error("{0:?} cannot be in a host name")]
    Character(char),
    #[error("it is not text")]
    NotText,
    #[error("a label begins or ends with a hyphen")]
    Hyphen,
    #[error("it has no A-label form (`xn--…`)")]
    Idna,
    #[error("it is another spelling of `{0}`")]
    OtherSpelling(String),
    #[error("it is an address in a spelling that programs read differently")]
    AddressSpelling,
    #[error("brackets are for IPv6 addresses")]
    Brackets,
    #[error("the address has a zone")]
    Zone,
}

/// Longer texts are no names, in whatever encoding; IDNA is not asked about them.
const MOST_BYTES: usize = 1024;

impl Host {
    /// Reads a host as it stands in a URL, a `Host` header, a CONNECT target, a SOCKS5 or DNS name:
    /// `example.com`, `EXAMPLE.com.`, `192.0.2.1`, `[2001:db8::1]` or `2001:db8::1`. No port.
    pub fn parse(text: &str) -> Result<Self, NotAHost> {
        if text.starts_with('[') || text.ends_with(']') {
            let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            return v6(bare.ok_or(NotAHost::Brackets)?)?.ok_or(NotAHost::Brackets);
        }
        if let Some(address) = v6(text)? {
            return Ok(address);
        }
        // Not inet_aton: four decimal numbers without leading zeros, and nothing else.
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Address(address.into()));
        }
        HostName::parse(text).map(Self::Name)
    }

    /// The same from the wire, where it need not be text.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotAHost> {
        std::str::from_utf8(bytes).map_err(|_| NotAHost::NotText).and_then(Self::parse)
    }
}

/// An IPv6 address without brackets. Its zone would be an interface of the host.
fn v6(text: &str) -> Result<Option<Host>, NotAHost> {
    if let Some((address, _)) = text.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
    {
        return Err(NotAHost::Zone);
    }
    let address = text.parse::<Ipv6Addr>().ok();
    Ok(address.map(|address| Host::Address(IpAddr::V6(address).to_canonical())))
}

impl HostName {
    pub fn parse(text: &str) -> Result<Self, NotAHost> {
        if text.len() > MOST_BYTES {
            return Err(NotAHost::TooLong);
        }
        let ascii = if text.is_ascii() { text.to_ascii_lowercase() } else { a_labels(text)? };
        let name = ascii.strip_suffix('.').unwrap_or(&ascii);
        if name.is_empty() {
            return Err(NotAHost::Empty);
        }
        if name.len() > 253 {
            return Err(NotAHost::TooLong);
        }
        for label in name.split('.') {
            check_label(label)?;
        }
        // inet_aton(3) and URLs read a last label of digits, or 0x…, as a number.
        let last = name.rsplit('.').next().unwrap_or_default();
        let hex = last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(is_hex));
        if hex || last.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAHost::AddressSpelling);
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `a.b.example.com` below `example.com`; false for the name itself.
    pub fn is_below(&self, parent: &Self) -> bool {
        self.0.strip_suffix(parent.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }
}

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

/// The name as DNS has it, by UTS 46 in its non-transitional form (`faß.de` is not `fass.de`).
///
/// UTS 46 also drops invisible characters and maps look-alikes: full-width letters and dots,
/// mathematical digits. What is not written as it is shown is refused, so that one name has one
/// spelling, but for case.
fn a_labels(text: &str) -> Result<String, NotAHost> {
    let ascii = idna::domain_to_ascii_strict(text).map_err(|_| NotAHost::Idna)?;
    let (shown, valid) = idna::domain_to_unicode(&ascii);
    if valid.is_err() {
        return Err(NotAHost::Idna);
    }
    // The Kelvin sign is an upper-case `k`, for one.
    let folds = |c: char| !c.is_ascii() && c.to_lowercase().any(|lower| lower.is_ascii());
    if shown == text.to_lowercase() && !text.contains(folds) {
        Ok(ascii)
    } else {
        Err(NotAHost::OtherSpelling(ascii))
    }
}

fn check_label(label: &str) -> Result<(), NotAHost> {
    if label.is_empty() || label.len() > 63 {
        return Err(NotAHost::Label);
    }
    let bad = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    if let Some(c) = label.chars().find(bad) {
        return Err(NotAHost::Character(c));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(NotAHost::Hyphen);
    }
    // Programs that decode it before they ask (URL parsers do) must come back to the same label.
    if label.starts_with("xn--")
        && idna::domain_to_ascii_strict(label).ok().as_deref() != Some(label)
    {
        return Err(NotAHost::Idna);
    }
    Ok(())
}

impl FromStr for Host {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        Self::parse(text)
    }
}

impl FromStr for HostName {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        Self::parse(text)
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(text: &str) -> NotAHost {
        Host::parse(text).expect_err(text)
    }

    #[test]
    fn one_name_has_one_form() {
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        for (text, form) in [
            ("example.com", "example.com"),
            ("EXAMPLE.Com", "example.com"),
            ("example.com.", "example.com"),
            ("localhost", "localhost"),
            ("my_db", "my_db"),
            ("1password.com", "1password.com"),
            ("1.2.3.4.example", "1.2.3.4.example"),
            ("0x7f.example", "0x7f.example"),
            ("0xyz", "0xyz"),
            ("r3---sn-4g5e6nez.example.com", "r3---sn-4g5e6nez.example.com"),
            ("exämple.com", "xn--exmple-cua.com"),
            ("EXÄMPLE.com", "xn--exmple-cua.com"),
            ("XN--EXMPLE-CUA.com", "xn--exmple-cua.com"),
            // Not `fass.de`, which is somebody else's.
            ("faß.de", "xn--fa-hia.de"),
            ("例え.jp", "xn--r8jz45g.jp"),
            (&long, &long),
            (&format!("{long}."), &long),
        ] {
            let host = Host::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(host.to_string(), form);
            assert!(matches!(&host, Host::Name(_)), "{text:?}");
            assert_eq!(Host::from_bytes(text.as_bytes()), Ok(host));
        }
    }

    #[test]
    fn addresses_have_their_canonical_form() {
        for (text, form) in [
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8:0::1]", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[::ffff:192.0.2.1]", "192.0.2.1"),
            ("::ffff:c000:201", "192.0.2.1"),
        ] {
            let host = Host::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!(host, Host::Address(form.parse().unwrap()));
        }
    }

    #[test]
    fn every_other_spelling_of_an_address_is_refused() {
        for text in [
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0X7F.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.01",
            "127.0.0.1.",
            "1.2.3.4.",
            "1.2.3",
            "256.1.1.1",
            "1.2.3.4.5",
            "0x",
            "0",
            "00",
            "a.0x",
            "a.1",
            "example.0xff",
            "99999999999999999999",
        ] {
            assert_eq!(refused(text), NotAHost::AddressSpelling, "{text:?}");
        }
        // Full-width digits and dots, circled and mathematical digits: UTS 46 makes addresses of them.
        for text in ["１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "𝟏𝟐𝟕.𝟎.𝟎.𝟏", "１２７．０．０．１"]
        {
            assert!(Host::parse(text).is_err(), "{text:?}");
        }
        for text in ["[127.0.0.1]", "[example.com]", "[::1", "::1]", "[]", "[[::1]]"] {
            assert_eq!(refused(text), NotAHost::Brackets, "{text:?}");
        }
        for text in ["fe80::1%eth0", "[fe80::1%eth0]", "[fe80::1%25eth0]", "::1%"] {
            assert_eq!(refused(text), NotAHost::Zone, "{text:?}");
        }
    }

    #[test]
    fn what_two_programs_would_read_differently_is_refused() {
        for (text, why) in [
            ("", NotAHost::Empty),
            (".", NotAHost::Empty),
            ("..", NotAHost::Label),
            (".example.com", NotAHost::Label),
            ("example..com", NotAHost::Label),
            ("example.com..", NotAHost::Label),
            ("example.com\0.evil.example", NotAHost::Character('\0')),
            ("example.com\r\n", NotAHost::Character('\r')),
            ("exam ple.com", NotAHost::Character(' ')),
            ("example.com ", NotAHost::Character(' ')),
            ("\texample.com", NotAHost::Character('\t')),
            ("example%2ecom", NotAHost::Character('%')),
            ("user@example.com", NotAHost::Character('@')),
            ("example.com#x", NotAHost::Character('#')),
            ("example.com?x", NotAHost::Character('?')),
            ("example.com/x", NotAHost::Character('/')),
            ("example.com\\x", NotAHost::Character('\\')),
            ("example.com:443", NotAHost::Character(':')),
            ("*.example.com", NotAHost::Character('*')),
            ("example\u{7f}.com", NotAHost::Character('\u{7f}')),
            ("-a.example", NotAHost::Hyphen),
            ("a-.example", NotAHost::Hyphen),
            // Not what Punycode makes of anything.
            ("xn--a.example", NotAHost::Idna),
            ("xn--example-.com", NotAHost::Hyphen),
            ("xn--.com", NotAHost::Hyphen),
            // The mapped and the ignored characters of UTS 46.
            ("ｅxample.com", NotAHost::OtherSpelling("example.com".into())),
            ("example。com", NotAHost::OtherSpelling("example.com".into())),
            ("example．com", NotAHost::OtherSpelling("example.com".into())),
            ("exam\u{200b}ple.com", NotAHost::OtherSpelling("example.com".into())),
            ("exam\u{ad}ple.com", NotAHost::OtherSpelling("example.com".into())),
            ("\u{feff}example.com", NotAHost::OtherSpelling("example.com".into())),
            ("exa\u{308}mple.com", NotAHost::OtherSpelling("xn--exmple-cua.com".into())),
            ("\u{212a}.com", NotAHost::OtherSpelling("k.com".into())),
            // Joiners count in some scripts only.
            ("exam\u{200d}ple.com", NotAHost::Idna),
            ("exam\u{202e}ple.com", NotAHost::Idna),
        ] {
            assert_eq!(refused(text), why, "{text:?}");
        }
        assert_eq!(Host::from_bytes(b"ex\xffample.com"), Err(NotAHost::NotText));
        assert_eq!(refused(&"a".repeat(64)), NotAHost::Label);
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(62));
        assert_eq!(refused(&long), NotAHost::TooLong);
        assert_eq!(refused(&"ä".repeat(1 << 20)), NotAHost::TooLong);
    }

    /// Wherever the wire ends: a part of a host is another host or none, never the whole one.
    #[test]
    fn every_prefix_is_another_host_or_none() {
        let long = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        for text in [
            "api.example.com",
            "1.2.3.4.example",
            "exämple.例え.jp",
            "xn--exmple-cua.com",
            "0x7f.example",
            "192.0.2.10",
            "2001:db8::ffff:192.0.2.1",
            "[2001:db8::1]",
            &long,
        ] {
            let whole = Host::parse(text).unwrap();
            for length in 0..text.len() {
                match Host::from_bytes(&text.as_bytes()[..length]) {
                    Ok(part) => {
                        assert!(text.is_char_boundary(length) && part != whole, "{text} {length}");
                        assert_eq!(Host::parse(&part.to_string()), Ok(part));
                    }
                    Err(why) => {
                        let cut = !text.is_char_boundary(length);
                        assert_eq!(why == NotAHost::NotText, cut, "{text} {length}");
                    }
                }
            }
        }
        let hosts = |text: &str| {
            let all = (0..text.len()).filter_map(|length| Host::parse(&text[..length]).ok());
            all.map(|host| host.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(hosts("192.0.2.10"), ["192.0.2.1"]);
        assert_eq!(hosts("2001:db8::1"), ["2001:db8::"]);
        assert!(hosts("[2001:db8::1]").is_empty());
        assert_eq!(hosts("a-1.b."), ["a", "a-1", "a-1", "a-1.b"]);
        assert_eq!(hosts("0x7g"), ["0x7"; 0]);
    }

    #[test]
    fn below_is_by_whole_labels() {
        let name = |text: &str| HostName::parse(text).unwrap();
        let parent = name("example.com");
        assert!(
            name("a.example.com").is_below(&parent) && name("a.b.example.com").is_below(&parent)
        );
        for other in ["example.com", "badexample.com", "com", "example.com.evil.example"] {
            assert!(!name(other).is_below(&parent), "{other}");
        }
    }

    proptest! {
        /// What is shown is read as the same host again, in any case and with a final dot.
        #[test]
        fn forms_are_stable(text in "[a-zA-Z0-9ßäÄ例。.xn_-]{0,40}|[0-9a-fx.:]{0,20}|\\PC{0,20}") {
            if let Ok(host) = Host::parse(&text) {
                let shown = host.to_string();
                prop_assert!(shown.is_ascii() && shown.len() <= 253);
                prop_assert_eq!(Host::parse(&shown), Ok(host.clone()));
                prop_assert_eq!(Host::parse(&shown.to_ascii_uppercase()), Ok(host.clone()));
                if let Host::Name(_) = host {
                    prop_assert_eq!(Host::parse(&format!("{shown}.")), Ok(host));
                }
            }
        }
    }
}

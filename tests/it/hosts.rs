//! Our verdicts on host names beside those of other readers of the same bytes: getaddrinfo, which
//! clients resolve with, and the `url` crate, which reads as browsers and Node do.
//!
//! What we call a name must be no address to them and no other name; what we call an address must be
//! the same address. What we refuse they may take for anything. Nothing is looked up.

use dns_lookup::AddrInfoHints;
use jail::firewall::Host;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};

/// The address that getaddrinfo reads in these bytes, without asking anybody.
fn of_libc(text: &str) -> Option<IpAddr> {
    let hints = AddrInfoHints {
        flags: libc::AI_NUMERICHOST,
        socktype: libc::SOCK_STREAM,
        ..AddrInfoHints::default()
    };
    let mut found = dns_lookup::getaddrinfo(Some(text), None, Some(hints)).ok()?;
    Some(found.next()?.ok()?.sockaddr.ip().to_canonical())
}

fn agrees(text: &str) {
    let Ok(host) = Host::parse(text) else { return };
    // URLs have brackets around IPv6 addresses, getaddrinfo has none.
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let in_url = if bare.contains(':') { format!("[{bare}]") } else { text.to_owned() };
    let url = url::Host::parse(&in_url);
    match host {
        Host::Address(address) => {
            assert_eq!(of_libc(bare), Some(address), "getaddrinfo and {text:?}");
            let url = match url {
                Ok(url::Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
                Ok(url::Host::Ipv6(v6)) => Some(IpAddr::V6(v6).to_canonical()),
                _ => None,
            };
            assert_eq!(url, Some(address), "url and {text:?}");
        }
        Host::Name(name) => {
            for spelling in [text, name.as_str(), &format!("{name}.")] {
                assert_eq!(of_libc(spelling), None, "getaddrinfo and {spelling:?} of {text:?}");
                match url::Host::parse(spelling) {
                    Ok(url::Host::Domain(other)) => {
                        assert_eq!(other.trim_end_matches('.'), name.as_str(), "url and {text:?}");
                    }
                    Ok(address) => panic!("{spelling:?} of {text:?} is {address} to url"),
                    Err(_) => {}
                }
            }
        }
    }
}

/// Spellings that were used against filters, or that readers are known to differ on.
const CORPUS: &[&str] = &[
    "example.com",
    "EXAMPLE.com.",
    "example.com..",
    "exämple.com",
    "faß.de",
    "FAẞ.de",
    "xn--fa-hia.de",
    "xn--a",
    "xn--example-",
    "xn--",
    "XN--EXMPLE-CUA.com",
    "xn--zz--zz.com",
    "例え.jp",
    "例え。jp",
    "exam\u{200b}ple.com",
    "exam\u{ad}ple.com",
    "exam\u{200d}ple.com",
    "\u{212a}.com",
    "ｅxample.com",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "１２７.0.0.1",
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.01",
    "127.0.0.1 ",
    " 127.0.0.1",
    "127.0.0.1\n",
    "127.0.0.1 x",
    "1.2.3.4.5",
    "256.256.256.256",
    "0",
    "0x",
    "0x.0x.0x.0x",
    "1.0x",
    "a.0x",
    "a.1",
    "0.0.0.0",
    "255.255.255.255",
    "169.254.169.254",
    "0xa9fea9fe",
    "::1",
    "[::1]",
    "::",
    "[::]",
    "::ffff:127.0.0.1",
    "[::ffff:7f00:1]",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "1::2:3:4:5:6:7",
    "1:2:3:4:5:6:7::",
    "::0:0:0:0:0:0:0",
    "0:0:0:0:0:0:0:0",
    "1:2:3:4:5:6:1.2.3.4",
    "::ffff:0177.0.0.1",
    "fe80::1%1",
    "[fe80::1%25lo]",
    "fe80::1%lo",
    "[127.0.0.1]",
    "[::1",
    "::1]",
    "00001::",
    "localhost",
    "localhost.",
    "my_db",
    "a_b.example",
    "-a.example",
    "a-.example",
    "a--b.example",
    "r3---sn.example",
    "user@example.com",
    "example.com:80",
    "example.com/x",
    "example.com\\x",
    "example%2ecom",
    "%31",
    "example.com\0.org",
    "example.com#",
    "example.com?",
    "",
    ".",
    "..",
    "*",
    "*.example.com",
    "a,b",
    "a;b",
    "a b",
    "a\tb",
    "a\r\nb",
    "a\u{7f}b",
    "\u{feff}a",
    "exa\u{308}mple.com",
    "\u{202e}moc.a",
    "xn--mgba3gch31f060k",
];

#[test]
fn known_spellings_are_read_alike() {
    CORPUS.iter().for_each(|text| agrees(text));
    // The comparison is not empty: these are read.
    assert_eq!(of_libc("127.1"), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    assert_eq!(url::Host::parse("0x7f.1"), Ok(url::Host::Ipv4(Ipv4Addr::LOCALHOST)));
    let taken = CORPUS.iter().filter(|text| Host::parse(text).is_ok()).count();
    assert!(taken >= 25, "{taken} of {} are hosts", CORPUS.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_text_is_read_alike(text in "\\PC{0,24}") {
        agrees(&text);
    }

    #[test]
    fn what_looks_like_an_address_is_read_alike(text in "(0x|0X|0)?[0-9a-f]{0,10}(\\.(0x|0)?[0-9a-f]{0,4}){0,4}\\.?") {
        agrees(&text);
    }

    #[test]
    fn what_looks_like_ipv6_is_read_alike(text in "\\[?[0-9a-fA-F]{0,4}(:{1,2}[0-9a-f]{0,4}){1,8}(\\.[0-9]{1,3}){0,3}(%[a-z0-9]{0,3})?\\]?") {
        agrees(&text);
    }

    #[test]
    fn what_looks_like_a_name_is_read_alike(
        text in "(xn--)?[a-zA-Z0-9_ßäÄẞ例Kſ１ａ-]{1,8}([.。．][a-zA-Z0-9äx１-]{0,5}){0,3}",
        places in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(vec!['\u{200b}', '\u{ad}', '\0', '%', '@', '\u{308}', '.', ' '])), 0..2),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        for (place, c) in places {
            chars.insert(place.index(chars.len() + 1), c);
        }
        agrees(&chars.into_iter().collect::<String>());
    }
}

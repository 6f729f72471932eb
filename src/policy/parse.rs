//! Text to value: the same parsers for manifests and for command-line options.

use super::expect::Malformed;
use super::types::{
    Backend, Bytes, ConnectorName, Control, Cpus, EngineKind, EofGrace, ImageName, NetworkMode,
    Period, PortGrant, SeccompChoice, SystemTree, ToolId,
};
use crate::firewall::Endpoint;
use crate::firewall::pattern::NotAnEndpoint;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// Largest size: what the kernel's signed file offsets and limits can hold.
const MAX_SIZE: u64 = i64::MAX as u64;
/// Longest time span.
const YEAR_MS: u64 = 366 * 24 * 3600 * 1000;

/// Processes and threads; the upper end is the kernel's PID_MAX_LIMIT.
pub(super) const PIDS: RangeInclusive<u32> = 1..=4_194_304;
/// Open files per process. Runtimes misbehave below the customary soft limit of 1024; the upper end
/// is the kernel's default fs.nr_open.
pub(super) const FILES: RangeInclusive<u32> = 1024..=1_048_576;
/// Politeness; less than 0 would be a privilege.
pub(super) const NICE: RangeInclusive<u32> = 0..=19;

/// Connections through the proxy at one time; each costs it two descriptors.
pub(super) const CONNECTIONS: RangeInclusive<u32> = 1..=65_536;

/// Inherited descriptors; 0 to 2 are the connector's own.
pub(super) const DESCRIPTORS: RangeInclusive<u32> = 3..=1_048_575;

impl FromStr for ConnectorName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
        let starts = text.starts_with(|c: char| matches!(c, 'a'..='z' | '0'..='9'));
        if starts && text.len() <= 64 && text.chars().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        let expected = "a name of at most 64 lower-case letters, digits, `.`, `_` and `-` that \
                        starts with a letter or digit";
        Err(Malformed::new(expected, text))
    }
}

impl FromStr for ToolId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let fits = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(fits)
        };
        match text.split_once("@v") {
            Some((name, version))
                if text.len() <= 128
                    && name.split('.').all(part)
                    && digits(version)
                    && version.len() <= 9 =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Malformed::new("a tool id such as `cloned.mcp.web.search@v1`", text)),
        }
    }
}

impl FromStr for Bytes {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let expected = "a size such as `512M`, `64MiB`, `1G` or plain bytes (K, M and G are powers \
                        of 1024)";
        let malformed = || Malformed::new(expected, text);
        let (number, unit) = split_unit(text);
        let shift = match unit {
            "" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "k" | "m" | "g" | "kB" | "KB" | "MB" | "GB" | "kib" | "mib" | "gib" => {
                let unit = unit[..1].to_uppercase();
                return Err(malformed().meant(format!("{number}{unit}")));
            }
            _ => return Err(malformed()),
        };
        if !digits(number) {
            return Err(malformed());
        }
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
        match bytes {
            Some(0) => Err(Malformed::because("the size is 0, expected at least 1 byte")),
            Some(bytes) if bytes <= MAX_SIZE => Ok(Self(bytes)),
            _ => Err(Malformed::new("a size of at most 8589934591G", text)),
        }
    }
}

impl FromStr for Period {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new("a time such as `500ms`, `30s`, `2m` or `1h`", text);
        let (number, unit) = split_unit(text);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            // A bare number could be seconds or milliseconds; systems differ, so none is assumed.
            "" if digits(number) => return Err(malformed().meant(format!("{number}s"))),
            _ => return Err(malformed()),
        };
        if !digits(number) {
            return Err(malformed());
        }
        match number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)) {
            Some(0) => Err(Malformed::because("the time is 0, expected at least 1ms")),
            Some(ms) if ms <= YEAR_MS => Ok(Self(Duration::from_millis(ms))),
            _ => Err(Malformed::new("a time of at most a year (8784h)", text)),
        }
    }
}

impl FromStr for EofGrace {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "never" {
            return Ok(Self(None));
        }
        text.parse().map(|Period(time)| Self(Some(time))).map_err(|_| {
            Malformed::new("`never` or a time such as `500ms`, `10s` or `2m`, not 0", text)
        })
    }
}

impl FromStr for Cpus {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || {
            let expected = "a number of processors such as `1`, `0.5` or `1.25`, above 0, at most \
                            4096, with at most 3 decimals";
            Malformed::new(expected, text)
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if !digits(whole) || !digits(fraction) || fraction.len() > 3 || whole.len() > 4 {
            return Err(malformed());
        }
        let whole: u32 = whole.parse().map_err(|_| malformed())?;
        let fraction: u32 = format!("{fraction:0<3}").parse().map_err(|_| malformed())?;
        match whole * 1000 + fraction {
            thousandths @ 1..=4_096_000 => Ok(Self(thousandths)),
            _ => Err(malformed()),
        }
    }
}

impl FromStr for NetworkMode {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        word(Self::ALL, Self::name, text)
    }
}

/// How long a connection is held while its owner is asked: longer than a minute no client waits.
pub(super) fn hold(text: &str) -> Result<Duration, Malformed> {
    let Period(hold) = text.parse()?;
    if hold > Duration::from_secs(60) {
        return Err(Malformed::new("a time of at most `1m`", text));
    }
    Ok(hold)
}

/// `HOST[:PORT]` of a rule; the firewall reads it.
pub fn endpoint(text: &str) -> Result<Endpoint, Malformed> {
    text.parse().map_err(|error: NotAnEndpoint| {
        let expected = "`host:port` such as `api.github.com:443`, `*.example.com`, \
                        `10.0.0.7:5432` or `[::1]:443`";
        let malformed = Malformed::new(expected, text).why(error);
        match Endpoint::meant(text) {
            Some(meant) => malformed.meant(meant),
            None => malformed,
        }
    })
}

impl FromStr for PortGrant {
    type Err = Malformed;

    /// `[[ADDRESS:]PORT:]PORT`: where the machine offers it, and the port inside of the jail.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (outside, inside) = text.rsplit_once(':').unwrap_or((text, text));
        let listen = port(inside)?;
        let publish = if digits(outside) {
            SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port(outside)?)
        } else {
            loopback(outside)?
        };
        Ok(Self { listen, publish: Some(publish) })
    }
}

impl FromStr for SeccompChoice {
    type Err = Malformed;

    /// A path where there is a `/` in it, else the name of a built-in profile.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text.contains('/') {
            return Ok(Self::File(text.into()));
        }
        let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if !text.is_empty() && text.len() <= 64 && text.bytes().all(fits) {
            return Ok(Self::BuiltIn(text.to_owned()));
        }
        let expected = "the name of a built-in profile such as `default`, or a path with a `/` \
                        in it such as `./seccomp.json`";
        Err(Malformed::new(expected, text))
    }
}

impl FromStr for SystemTree {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        word(Self::ALL, Self::name, text)
    }
}

impl FromStr for Backend {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        word(Self::ALL, Self::name, text)
    }
}

impl FromStr for EngineKind {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        word(Self::ALL, Self::name, text)
    }
}

impl FromStr for ImageName {
    type Err = Malformed;

    /// Letters, digits and what stands between the parts of a name; it cannot be taken for an option.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let fits = |b: u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':' | b'@')
        };
        let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        if starts && text.len() <= 255 && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(Malformed::new("the name of an image such as `connectors:1`, or its id", text))
    }
}

impl FromStr for Control {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        word(Self::ALL, Self::name, text)
    }
}

fn word<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Result<T, Malformed> {
    let found = all.iter().copied().find(|&value| name(value) == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().copied().map(name).collect();
        Malformed::word(&names, text)
    })
}

/// A whole number within `range`, in decimal digits.
pub(super) fn count(text: &str, range: &RangeInclusive<u32>) -> Result<u32, Malformed> {
    let number = digits(text).then(|| text.parse::<u32>().ok()).flatten();
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        Malformed::new(format!("a whole number from {low} to {high}"), text)
    })
}

/// A port that a process may listen on or connect to.
pub(crate) fn port(text: &str) -> Result<u16, Malformed> {
    let number = digits(text).then(|| text.parse::<u16>().ok()).flatten();
    number
        .filter(|&number| number != 0)
        .ok_or_else(|| Malformed::new("a port from 1 to 65535", text))
}

/// An address of the host that only the host itself can reach.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, Malformed> {
    let address = text.parse::<SocketAddr>().ok();
    address.filter(|address| address.ip().is_loopback() && address.port() != 0).ok_or_else(|| {
        Malformed::new("a loopback address with a port such as `127.0.0.1:3000`", text)
    })
}

/// The name of an environment variable.
pub(crate) fn env_name(text: &str) -> Result<String, Malformed> {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if starts && fits && text.len() <= 256 {
        return Ok(text.to_owned());
    }
    let expected = "the name of a variable: letters, digits and `_`, not starting with a digit";
    Err(Malformed::new(expected, text))
}

/// Number and unit: at the first character that is no digit.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;

//! The `network` section: raw text to rules. Pure.

use super::decode::Decoder;
use super::either::Either;
use super::expect::Malformed;
use super::layer::Layer;
use super::parse::{self, CONNECTIONS};
use super::raw::{RawAllow, RawDeny, RawInject, RawInjectValue, RawNetwork};
use super::text::{label, plain_text};
use super::{NetworkMode, Setting};
use crate::firewall::{Effect, Endpoint, HostPattern, Inject, Rule};
use std::str::FromStr;

pub(super) fn network(decoder: &mut Decoder<'_>, layer: &mut Layer, raw: RawNetwork) {
    let RawNetwork { mode, unlisted, hold, allow, deny, connections, bandwidth, loopback } = raw;
    layer.mode = mode.and_then(|text| decoder.with("network.mode", &text, NetworkMode::from_str));
    layer.unlisted = decoder.value("network.unlisted", unlisted);
    layer.hold = hold.and_then(|text| decoder.with("network.hold", &text, parse::hold));
    for (number, entry) in allow.unwrap_or_default().into_iter().enumerate() {
        layer.rules.extend(allowing(decoder, &format!("network.allow[{number}]"), entry));
    }
    for (number, entry) in deny.unwrap_or_default().into_iter().enumerate() {
        layer.rules.extend(denying(decoder, &format!("network.deny[{number}]"), entry));
    }
    layer.connections = connections.and_then(|text| {
        decoder.with("network.connections", &text, |text| parse::count(text, &CONNECTIONS))
    });
    layer.bandwidth = decoder.value("network.bandwidth", bandwidth);
    let origin = decoder.marks.place("network.loopback");
    layer.loopback = loopback.map(|loopback| Setting::new(loopback, origin));
}

/// The rule that an endpoint on its own makes.
pub(super) fn rule(effect: Effect, endpoint: &Setting<Endpoint>) -> Rule {
    let (host, ports) = match effect {
        Effect::Allow => endpoint.value.to_allow(),
        Effect::Deny => endpoint.value.to_deny(),
    };
    Rule::new(effect, host, ports, endpoint.origin.clone())
}

fn allowing(decoder: &mut Decoder<'_>, field: &str, entry: Either<RawAllow>) -> Option<Rule> {
    let RawAllow { host, raw, private, ech, reason, inject } = match entry {
        Either::Fields(fields) => fields,
        Either::Word(text) => {
            return Some(rule(Effect::Allow, &decoder.with(field, &text, parse::endpoint)?));
        }
        Either::Other => {
            decoder.wrong(field, "expected `host:port` or a mapping such as {host: \"db.example.com:5432\", raw: true}");
            return None;
        }
    };
    let endpoint = host_of(decoder, field, host);
    let because = because(decoder, field, reason);
    let asked = inject.is_some();
    let inject = inject.and_then(|raw| injected(decoder, &format!("{field}.inject"), raw));
    let rule = rule(Effect::Allow, &endpoint?);
    if asked && raw == Some(true) {
        let what = "contradicts `raw`: a header can only be put into HTTP";
        decoder.wrong(&format!("{field}.inject"), what);
    }
    if asked && !matches!(rule.host, HostPattern::Exact(_)) {
        let what = format!("goes to one host, and `{}` is any number of them", rule.host);
        let hint = "name the host in full: whoever has a name below it would get the secret";
        decoder.wrong_with(&format!("{field}.inject"), what, hint);
    }
    let flag = |value: Option<bool>| value.unwrap_or_default();
    let (raw, private, ech) = (flag(raw), flag(private), flag(ech));
    Some(Rule { raw, private, ech, inject, because, ..rule })
}

fn denying(decoder: &mut Decoder<'_>, field: &str, entry: Either<RawDeny>) -> Option<Rule> {
    let RawDeny { host, reason } = match entry {
        Either::Fields(fields) => fields,
        Either::Word(text) => {
            return Some(rule(Effect::Deny, &decoder.with(field, &text, parse::endpoint)?));
        }
        Either::Other => {
            decoder.wrong(field, "expected `host`, `host:port` or {host: HOST, reason: TEXT}");
            return None;
        }
    };
    let endpoint = host_of(decoder, field, host);
    let because = because(decoder, field, reason);
    Some(Rule { because, ..rule(Effect::Deny, &endpoint?) })
}

fn host_of(
    decoder: &mut Decoder<'_>,
    field: &str,
    host: Option<String>,
) -> Option<Setting<Endpoint>> {
    let field = format!("{field}.host");
    match host {
        Some(text) => decoder.with(&field, &text, parse::endpoint),
        None => {
            decoder.wrong(&field, "missing");
            None
        }
    }
}

fn because(decoder: &mut Decoder<'_>, field: &str, reason: Option<String>) -> Option<String> {
    let reason = decoder.with(&format!("{field}.reason"), &reason?, plain_text)?;
    Some(reason.value)
}

fn injected(decoder: &mut Decoder<'_>, field: &str, raw: RawInject) -> Option<Inject> {
    let part = |part: &str| format!("{field}.{part}");
    let RawInject { header, value } = raw;
    for (name, missing) in [("header", header.is_none()), ("value", value.is_none())] {
        if missing {
            decoder.wrong(&part(name), "missing");
        }
    }
    let header = header.and_then(|text| decoder.with(&part("header"), &text, self::header));
    let RawInjectValue { secret, format } = value?;
    if secret.is_none() {
        decoder.wrong(&part("value.secret"), "missing");
    }
    let secret = secret.and_then(|text| decoder.with(&part("value.secret"), &text, label));
    let format = match format {
        None => Some("%s".to_owned()),
        Some(text) => {
            decoder.with(&part("value.format"), &text, self::format).map(|format| format.value)
        }
    };
    Some(Inject { header: header?.value, secret: secret?.value, format: format? })
}

/// A field name of HTTP.
fn header(text: &str) -> Result<String, Malformed> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(token) {
        return Err(Malformed::new("the name of a header such as `Authorization`", text));
    }
    if Inject::is_reserved(text) {
        let expected = "a header that is not the proxy's own, such as `Authorization`";
        return Err(Malformed::new(expected, text));
    }
    Ok(text.to_owned())
}

/// Visible ASCII and spaces around one `%s`.
fn format(text: &str) -> Result<String, Malformed> {
    let once = text.matches("%s").count() == 1 && text.matches('%').count() == 1;
    let plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    if once && plain && text.len() <= 256 && text.trim() == text {
        return Ok(text.to_owned());
    }
    let expected = "plain ASCII text with one `%s` where the secret goes, such as `Bearer %s`";
    Err(Malformed::new(expected, text))
}

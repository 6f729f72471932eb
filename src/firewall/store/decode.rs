//! The text of one firewall file to rules. Pure.

use super::raw::{RawFile, RawRule, RawUpstream};
use super::{Entry, Folder, UpstreamRef, target};
use crate::calendar::LAST;
use crate::edit::says_nothing;
use crate::egress::config::UpstreamKind;
use crate::firewall::{Effect, Host, Rule, Unlisted};
use crate::policy::decode::{self, Decoder, in_order};
use crate::policy::path::Anchor;
use crate::policy::text::plain_text;
use crate::policy::yaml::Marks;
use crate::policy::{ConnectorName, Malformed, Problem, Setting, ToolId, fields};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What one file says.
#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) entries: Vec<Entry>,
    pub(super) unlisted: Option<Setting<Unlisted>>,
    pub(super) upstream: Option<Setting<UpstreamRef>>,
}

/// `path` is what problems and origins show.
pub(super) fn file(path: &Path, bytes: &[u8], folder: &Folder) -> Result<File, Vec<Problem>> {
    let text = decode::text(path, bytes).map_err(|problem| vec![problem])?;
    if says_nothing(text) {
        return Ok(File::default());
    }
    let marks = Marks::of(path, text).map_err(|problem| vec![problem])?;
    let mut decoder = Decoder {
        marks: &marks,
        anchor: Anchor { base: folder.root(), home: folder.home() },
        problems: Vec::new(),
    };
    // `rules:` with nothing below it is what removing the last one leaves.
    for field in marks.nulls().filter(|field| *field != "rules") {
        decoder.wrong(field, "has no value; remove it or give it one");
    }
    let mut file = File::default();
    if decoder.problems.is_empty() {
        let raw: RawFile = decode::shape(&marks, text, "version: 1").map_err(|it| vec![it])?;
        file = whole(&mut decoder, raw);
    }
    if decoder.problems.is_empty() { Ok(file) } else { Err(in_order(decoder.problems)) }
}

fn whole(decoder: &mut Decoder<'_>, raw: RawFile) -> File {
    let RawFile { version, unlisted, rules, upstream } = raw;
    match version.as_deref() {
        Some("1") => {}
        Some(other) => {
            decoder.with("version", other, |text| Err::<(), _>(Malformed::new("`1`", text)));
        }
        None => decoder.wrong("version", "missing: write `version: 1`"),
    }
    let rules = rules.unwrap_or_default().into_iter().enumerate();
    let entries = rules.filter_map(|(number, raw)| entry(decoder, number, raw)).collect();
    let unlisted = decoder.value("unlisted", unlisted);
    let place = decoder.marks.place("upstream");
    let upstream = upstream.and_then(|raw| self::upstream(decoder, raw));
    File { entries, unlisted, upstream: upstream.map(|upstream| Setting::new(upstream, place)) }
}

fn entry(decoder: &mut Decoder<'_>, number: usize, raw: RawRule) -> Option<Entry> {
    let RawRule { allow, deny, tool, connector, run, once, request, .. } = raw;
    let RawRule { reason, by, at, expires, raw, private, ech, .. } = raw;
    let own = format!("rules[{number}]");
    let field = |name: &str| format!("{own}.{name}");
    let (effect, name, text) = match (allow, deny) {
        (Some(text), None) => (Effect::Allow, "allow", text),
        (None, Some(text)) => (Effect::Deny, "deny", text),
        _ => {
            decoder.wrong(&own, "expected exactly one of `allow` or `deny`");
            return None;
        }
    };
    let target = decoder.with(&field(name), &text, target::parse);
    let mut word = |name: &str, text: Option<String>| {
        text.and_then(|text| decoder.with(&field(name), &text, plain_text)).map(|it| it.value)
    };
    let (because, by) = (word("reason", reason), word("by", by));
    let (run, request) = (word("run", run), word("request", request));
    let mut moment = |name: &str, text: Option<String>| {
        text.and_then(|text| decoder.with(&field(name), &text, time)).map(|it| it.value)
    };
    let (at, expires) = (moment("at", at), moment("expires", expires));
    let tool: Option<Setting<ToolId>> = decoder.value(&field("tool"), tool);
    let connector: Option<Setting<ConnectorName>> = decoder.value(&field("connector"), connector);
    if once == Some(true) && (run.is_none() || request.is_none()) {
        decoder.wrong(
            &field("once"),
            "is for the answer to a request of one run: it needs `run` and `request`",
        );
    }
    for (name, set) in [("raw", raw), ("private", private), ("ech", ech)] {
        if set == Some(true) && effect == Effect::Deny {
            decoder.wrong(&field(name), "is for rules that allow");
        }
    }
    let endpoint = target?.value;
    let rule = Rule {
        tool: tool.map(|tool| tool.value),
        connector: connector.map(|name| name.value),
        run,
        once: once.unwrap_or(false),
        request,
        raw: raw.unwrap_or(false),
        private: private.unwrap_or(false),
        ech: ech.unwrap_or(false),
        expires,
        at,
        because,
        ..Rule::new(
            effect,
            endpoint.host.clone(),
            target::ports(&endpoint, effect),
            decoder.marks.place(&own),
        )
    };
    Some(Entry { rule, by })
}

fn upstream(decoder: &mut Decoder<'_>, raw: RawUpstream) -> Option<UpstreamRef> {
    let RawUpstream { url, credentials } = raw;
    if url.is_none() {
        decoder.wrong("upstream.url", "missing");
    }
    if credentials.as_ref().is_some_and(|source| source.fd.is_some()) {
        let what = "a descriptor belongs to one run; expected `env`, `file` or `command`";
        decoder.wrong("upstream.credentials.fd", what);
        return None;
    }
    let given = credentials.is_some();
    let source = credentials.and_then(|raw| fields::source(decoder, "upstream.credentials", raw));
    let (kind, host, port) = decoder.with("upstream.url", &url?, proxy)?.value;
    (source.is_some() == given).then_some(UpstreamRef { kind, host, port, credentials: source })
}

/// `http://host:port` or `socks5://host:port`. No message shows a text that may hold a password.
pub(crate) fn proxy(text: &str) -> Result<(UpstreamKind, String, u16), Malformed> {
    if text.contains('@') {
        let why = "credentials do not stand in the address; name where they come from: \
                   `credentials: {env: NAME}`, or `--credentials-env NAME`";
        return Err(Malformed::because(why));
    }
    let expected = "`http://HOST:PORT` or `socks5://HOST:PORT`";
    let wrong = || Malformed::new(expected, text);
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let kind = match scheme {
        "http" => UpstreamKind::HttpConnect,
        "socks5" | "socks5h" => UpstreamKind::Socks5,
        "https" => {
            let why = "TLS to the proxy itself is not supported; expected";
            return Err(Malformed::because(format!("{why} {expected}")));
        }
        _ => return Err(wrong()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let bracketed = host.starts_with('[');
    let host = Host::parse(host).map_err(|_| wrong())?;
    if bracketed != host.to_string().contains(':') {
        return Err(wrong());
    }
    Ok((kind, host.to_string(), crate::policy::parse::port(port)?))
}

/// RFC 3339, with `Z` or an offset.
pub(crate) fn time(text: &str) -> Result<SystemTime, Malformed> {
    let wrong = || Malformed::new("a time such as `2026-12-01T00:00:00Z`", text);
    let utc = |text: &str| humantime::parse_rfc3339(text).map_err(|_| wrong());
    if text.ends_with('Z') {
        return utc(text);
    }
    let at = text.len().checked_sub(6).filter(|at| text.is_char_boundary(*at)).ok_or_else(wrong)?;
    let (clock, offset) = text.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':').ok_or_else(wrong)?;
    let number = |text: &str, below: u64| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse::<u64>().ok()).flatten();
        number.filter(|number| *number < below).ok_or_else(wrong)
    };
    let distance = Duration::from_secs(number(hours, 24)? * 3600 + number(minutes, 60)? * 60);
    let base = utc(&format!("{clock}Z"))?;
    match offset.as_bytes().first() {
        Some(b'+') => base.checked_sub(distance),
        Some(b'-') => base.checked_add(distance),
        _ => None,
    }
    // With its offset taken away it may be past the last year that there is.
    .filter(|time| *time <= SystemTime::UNIX_EPOCH + Duration::from_secs(LAST))
    .ok_or_else(wrong)
}

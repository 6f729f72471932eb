//! The fields of a policy file, one by one: raw text to validated settings. Pure.

use super::decode::{Decoder, FileKind};
use super::either::Either;
use super::expect::{Malformed, nearest, shown};
use super::layer::{Layer, WORKSPACE_SIZE, place};
use super::network;
use super::parse::{self, DESCRIPTORS, FILES, NICE, PIDS};
use super::raw::{
    RawContainer, RawFilesystem, RawIo, RawLimits, RawManifest, RawPort, RawRpc, RawSecret,
    RawSource, RawTarget, RawWorkspaceFields,
};
use super::text::{argument, label, plain_text, unprotected};
use super::{
    Bytes, Control, EnvEntry, EnvValue, IoLimit, Package, PathRule, Period, PortGrant, Rpc,
    SeccompChoice, Secret, SecretSource, SecretTarget, Setting, Workspace,
};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::str::FromStr;

/// Everything that `raw` sets. What is wrong is noted in `decoder`; the layer is of use only where
/// nothing was. `raw` is destructured without `..`: a field that is forgotten does not compile.
pub(super) fn layer(decoder: &mut Decoder<'_>, kind: FileKind<'_>, raw: RawManifest) -> Layer {
    let RawManifest {
        name,
        tool,
        command,
        args,
        package,
        env,
        secrets,
        filesystem,
        network,
        ports,
        limits,
        seccomp,
        rpc,
        sandbox,
        container,
        allow_missing,
        eof_grace,
    } = raw;
    let mut layer = Layer::default();
    match kind {
        FileKind::Manifest { stem } => {
            identity(decoder, name.as_deref(), stem);
            start(decoder, &mut layer, command, args, package);
            layer.tool = decoder.value("tool", tool);
        }
        FileKind::Defaults => {
            let own = &[
                ("name", name.is_some()),
                ("tool", tool.is_some()),
                ("command", command.is_some()),
                ("args", args.is_some()),
                ("package", package.is_some()),
            ];
            defaults(decoder, own);
        }
    }
    layer.env = variables(decoder, env.unwrap_or_default());
    for (number, raw) in secrets.unwrap_or_default().into_iter().enumerate() {
        layer.secrets.extend(secret(decoder, &format!("secrets[{number}]"), raw));
    }
    if let Some(raw) = filesystem {
        files(decoder, &mut layer, raw);
    }
    if let Some(raw) = network {
        network::network(decoder, &mut layer, raw);
    }
    for (number, raw) in ports.unwrap_or_default().into_iter().enumerate() {
        layer.ports.extend(port(decoder, &format!("ports[{number}]"), raw));
    }
    if let Some(raw) = limits {
        resources(decoder, &mut layer, raw);
    }
    layer.seccomp = seccomp.and_then(|text| filter(decoder, &text));
    layer.rpc = rpc.and_then(|raw| guard(decoder, raw));
    layer.sandbox = decoder.value("sandbox", sandbox);
    if let Some(RawContainer { image, engine }) = container {
        layer.image = decoder.value("container.image", image);
        layer.engine = decoder.value("container.engine", engine);
    }
    layer.allow_missing = decoder.list("allow_missing", allow_missing, Control::from_str);
    layer.eof_grace = decoder.value("eof_grace", eof_grace);
    layer
}

/// The user-wide defaults say nothing that is one connector's own.
fn defaults(decoder: &mut Decoder<'_>, own: &[(&str, bool)]) {
    for (field, _) in own.iter().filter(|(_, set)| *set) {
        decoder.wrong(field, "belongs into the manifest of one connector, not here");
    }
}

fn identity(decoder: &mut Decoder<'_>, name: Option<&str>, stem: &str) {
    match name {
        None => decoder.wrong("name", "missing"),
        Some(name) => {
            let name = decoder.with("name", name, super::ConnectorName::from_str);
            if name.is_some_and(|name| name.value.as_str() != stem) {
                let what = format!("the file is called `{stem}.yaml`, the name must be `{stem}`");
                decoder.wrong("name", what);
            }
        }
    }
}

/// What is started: exactly one of a command and a package.
fn start(
    decoder: &mut Decoder<'_>,
    layer: &mut Layer,
    command: Option<String>,
    args: Option<Vec<String>>,
    package: Option<String>,
) {
    let args = decoder.list("args", args, argument);
    let args = args.into_iter().map(|arg| OsString::from(arg.value));
    let command = match (command, package) {
        (Some(_), Some(_)) => {
            let command = place(&decoder.marks.place("command"));
            decoder
                .wrong("package", format!("contradicts `command` ({command}): give one of them"));
            return;
        }
        (None, None) => {
            decoder.wrong("command", "missing: give `command` or `package`");
            return;
        }
        (Some(text), None) => program(decoder, &text),
        (None, Some(text)) => {
            layer.package = decoder.with("package", &text, Package::from_str);
            layer.package.clone().map(|package| {
                let words = package.value.command().into_iter().map(OsString::from).collect();
                Setting::new(words, package.origin)
            })
        }
    };
    layer.command = command.map(|mut command: Setting<Vec<OsString>>| {
        command.value.extend(args);
        command
    });
}

/// A name is left for PATH; what has a `/` in it is a path like any other.
fn program(decoder: &mut Decoder<'_>, text: &str) -> Option<Setting<Vec<OsString>>> {
    if text.contains('/') {
        let path = decoder.path("command", text)?;
        return Some(Setting::new(vec![path.value.into()], path.origin));
    }
    decoder.with("command", text, |text| {
        let word = plain_text(text)?;
        if word.contains(char::is_whitespace) || word.starts_with('-') {
            return Err(Malformed::new("one program; its arguments go into `args`", text));
        }
        Ok(vec![OsString::from(word)])
    })
}

fn variables(
    decoder: &mut Decoder<'_>,
    env: BTreeMap<String, Option<String>>,
) -> Vec<Setting<EnvEntry>> {
    let mut entries = Vec::new();
    for (name, value) in env {
        let field = format!("env.{}", shown(&name, usize::MAX));
        let Some(name) = decoder.with(&field, &name, parse::env_name) else { continue };
        let value = match value {
            None => EnvValue::FromHost,
            Some(text) => match decoder.with(&field, &text, argument) {
                None => continue,
                Some(text) => EnvValue::Literal(text.value),
            },
        };
        entries.push(Setting::new(EnvEntry { name: name.value, value }, name.origin));
    }
    entries
}

fn secret(decoder: &mut Decoder<'_>, field: &str, raw: RawSecret) -> Option<Setting<Secret>> {
    let RawSecret { name, from, to } = raw;
    let part = |part: &str| format!("{field}.{part}");
    for (name, missing) in
        [("name", name.is_none()), ("from", from.is_none()), ("to", to.is_none())]
    {
        if missing {
            decoder.wrong(&part(name), "missing");
        }
    }
    let name = name.and_then(|name| decoder.with(&part("name"), &name, label));
    let source = from.and_then(|from| source(decoder, &part("from"), from));
    let target = to.and_then(|to| target(decoder, &part("to"), to));
    let name = name?;
    let value = Secret { name: name.value, source: source?, target: target? };
    Some(Setting::new(value, name.origin))
}

pub(crate) fn source(
    decoder: &mut Decoder<'_>,
    field: &str,
    raw: RawSource,
) -> Option<SecretSource> {
    let part = |part: &str| format!("{field}.{part}");
    match raw {
        RawSource { file: Some(text), fd: None, env: None, command: None } => {
            decoder.path(&part("file"), &text).map(|path| SecretSource::File(path.value))
        }
        RawSource { file: None, fd: Some(text), env: None, command: None } => {
            let fd = decoder.with(&part("fd"), &text, |text| parse::count(text, &DESCRIPTORS))?;
            i32::try_from(fd.value).ok().map(SecretSource::Fd)
        }
        RawSource { file: None, fd: None, env: Some(text), command: None } => decoder
            .with(&part("env"), &text, parse::env_name)
            .map(|name| SecretSource::Env(name.value)),
        RawSource { file: None, fd: None, env: None, command: Some(words) } => {
            let empty = words.first().is_none_or(String::is_empty);
            let length = words.len();
            let words = decoder.list(&part("command"), Some(words), argument);
            if empty {
                decoder.wrong(&part("command"), "expected a program and its arguments");
            }
            (!empty && words.len() == length)
                .then(|| SecretSource::Command(words.into_iter().map(|word| word.value).collect()))
        }
        _ => {
            decoder.wrong(field, "expected exactly one of `file`, `fd`, `env` or `command`");
            None
        }
    }
}

fn target(decoder: &mut Decoder<'_>, field: &str, raw: Either<RawTarget>) -> Option<SecretTarget> {
    const FORMS: &str = "{env: NAME}, {file: NAME} or `egress`";
    match raw {
        Either::Fields(RawTarget { env: Some(text), file: None, egress: None }) => decoder
            .with(&format!("{field}.env"), &text, parse::env_name)
            .map(|name| SecretTarget::Env(name.value)),
        Either::Fields(RawTarget { env: None, file: Some(text), egress: None }) => decoder
            .with(&format!("{field}.file"), &text, label)
            .map(|name| SecretTarget::File(name.value)),
        Either::Fields(RawTarget { env: None, file: None, egress: Some(true) }) => {
            Some(SecretTarget::Egress)
        }
        Either::Fields(RawTarget { env: None, file: None, egress: Some(false) }) => {
            let what = "expected `true`; where it goes otherwise, `env` or `file` says";
            decoder.wrong(&format!("{field}.egress"), what);
            None
        }
        Either::Word(word) if word == "egress" => Some(SecretTarget::Egress),
        Either::Word(word) => {
            let error = match nearest(&word, ["egress"].into_iter()) {
                Some(meant) => Malformed::new(FORMS, &word).meant(meant),
                None => Malformed::new(FORMS, &word),
            };
            decoder.with(field, &word, |_| Err::<(), _>(error));
            None
        }
        Either::Fields(_) => {
            decoder.wrong(field, "expected exactly one of `env`, `file` or `egress`");
            None
        }
        Either::Other => {
            decoder.wrong(field, format!("expected {FORMS}"));
            None
        }
    }
}

fn files(decoder: &mut Decoder<'_>, layer: &mut Layer, raw: RawFilesystem) {
    let RawFilesystem { read, write, workspace, system, scratch, unprotect } = raw;
    let anchor = decoder.anchor.clone();
    let rule = |text: &str| anchor.resolve(text).map(|path| PathRule { path });
    layer.read = decoder.list("filesystem.read", read, rule);
    layer.write = decoder.list("filesystem.write", write, rule);
    layer.workspace = workspace.and_then(|raw| self::workspace(decoder, raw));
    layer.system = decoder.value("filesystem.system", system);
    layer.scratch = decoder.value("filesystem.scratch", scratch);
    layer.unprotect = decoder.list("filesystem.unprotect", unprotect, unprotected);
}

fn workspace(
    decoder: &mut Decoder<'_>,
    raw: Either<RawWorkspaceFields>,
) -> Option<Setting<Workspace>> {
    const FIELD: &str = "filesystem.workspace";
    const FORMS: &str = "`tmpfs`, {tmpfs: SIZE}, {host: PATH} or {copy: PATH, size: SIZE}";
    let part = |part: &str| format!("{FIELD}.{part}");
    let origin = decoder.marks.place(FIELD);
    let tmpfs = |size| Workspace::Tmpfs { size };
    let workspace = match raw {
        Either::Word(word) if word == "tmpfs" => Some(tmpfs(WORKSPACE_SIZE)),
        Either::Word(word) => {
            decoder.with(FIELD, &word, |word| Err::<(), _>(Malformed::new(FORMS, word)));
            None
        }
        Either::Other => {
            decoder.wrong(FIELD, format!("expected {FORMS}"));
            None
        }
        Either::Fields(fields) => match fields {
            RawWorkspaceFields { tmpfs: Some(size), host: None, copy: None, size: None } => {
                decoder.with(&part("tmpfs"), &size, Bytes::from_str).map(|size| tmpfs(size.value))
            }
            RawWorkspaceFields { tmpfs: None, host: Some(path), copy: None, size: None } => {
                decoder.path(&part("host"), &path).map(|path| Workspace::Host { path: path.value })
            }
            RawWorkspaceFields { tmpfs: None, host: None, copy: Some(path), size } => {
                let path = decoder.path(&part("copy"), &path);
                let size = match size {
                    None => Some(WORKSPACE_SIZE),
                    Some(size) => {
                        let size = decoder.with(&part("size"), &size, Bytes::from_str);
                        size.map(|size| size.value)
                    }
                };
                Some(Workspace::Copy { path: path?.value, size: size? })
            }
            _ => {
                decoder.wrong(FIELD, format!("expected one of {FORMS}"));
                None
            }
        },
    };
    workspace.map(|workspace| Setting::new(workspace, origin))
}

fn port(decoder: &mut Decoder<'_>, field: &str, raw: RawPort) -> Option<Setting<PortGrant>> {
    let listen = format!("{field}.listen");
    let listen = match raw.listen {
        Some(text) => decoder.with(&listen, &text, parse::port),
        None => {
            decoder.wrong(&listen, "missing");
            None
        }
    };
    let publish = match raw.publish {
        None => Some(None),
        Some(text) => decoder
            .with(&format!("{field}.publish"), &text, parse::loopback)
            .map(|address| Some(address.value)),
    };
    let listen = listen?;
    Some(Setting::new(PortGrant { listen: listen.value, publish: publish? }, listen.origin))
}

fn resources(decoder: &mut Decoder<'_>, layer: &mut Layer, raw: RawLimits) {
    let RawLimits { memory, cpus, pids, io, files, file_size, timeout, nice } = raw;
    let mut count = |field: &str, text: Option<String>, range| {
        text.and_then(|text| decoder.with(field, &text, |text| parse::count(text, range)))
    };
    layer.pids = count("limits.pids", pids, &PIDS);
    layer.files = count("limits.files", files, &FILES);
    layer.nice = count("limits.nice", nice, &NICE)
        .and_then(|nice| Some(Setting::new(u8::try_from(nice.value).ok()?, nice.origin)));
    layer.memory = decoder.value("limits.memory", memory);
    layer.cpus = decoder.value("limits.cpus", cpus);
    layer.file_size = decoder.value("limits.file_size", file_size);
    let timeout: Option<Setting<Period>> = decoder.value("limits.timeout", timeout);
    layer.timeout = timeout.map(|timeout| Setting::new(timeout.value.0, timeout.origin));
    layer.io = io.and_then(|RawIo { read, write }| {
        if read.is_none() && write.is_none() {
            decoder.wrong("limits.io", "expected at least one of `read` or `write`");
            return None;
        }
        let read: Option<Setting<Bytes>> = decoder.value("limits.io.read", read);
        let write: Option<Setting<Bytes>> = decoder.value("limits.io.write", write);
        let bytes = |setting: Option<Setting<Bytes>>| setting.map(|setting| setting.value);
        let limit = IoLimit { read: bytes(read), write: bytes(write) };
        Some(Setting::new(limit, decoder.marks.place("limits.io")))
    });
}

fn filter(decoder: &mut Decoder<'_>, text: &str) -> Option<Setting<SeccompChoice>> {
    let choice = decoder.with("seccomp", text, SeccompChoice::from_str)?;
    if !matches!(choice.value, SeccompChoice::File(_)) {
        return Some(choice);
    }
    let path = decoder.path("seccomp", text)?;
    Some(Setting::new(SeccompChoice::File(path.value), path.origin))
}

fn guard(decoder: &mut Decoder<'_>, raw: RawRpc) -> Option<Setting<Rpc>> {
    let RawRpc { methods, tools, max_frame } = raw;
    if methods.is_none() && tools.is_none() && max_frame.is_none() {
        let what = "expected at least one of `methods`, `tools` or `max_frame`";
        decoder.wrong_with("rpc", what, "an empty list allows none");
        return None;
    }
    let mut names = |field: &str, list: Option<Vec<String>>| {
        list.map(|list| {
            let names = decoder.list(field, Some(list), plain_text);
            names.into_iter().map(|name| name.value).collect()
        })
    };
    let methods = names("rpc.methods", methods);
    let tools = names("rpc.tools", tools);
    let max_frame: Option<Setting<Bytes>> = decoder.value("rpc.max_frame", max_frame);
    let rpc = Rpc { methods, tools, max_frame: max_frame.map(|size| size.value) };
    Some(Setting::new(rpc, decoder.marks.place("rpc")))
}

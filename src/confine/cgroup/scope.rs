//! A delegated scope from systemd's user manager, so that an ordinary user has limits.
//!
//! `StartTransientUnit` of <https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html>:
//! the manager makes `jail-<run>.scope`, moves us into it and hands the subtree over. It says so by
//! the signal `JobRemoved` with the result `done`; whether it is true is then read from
//! `/proc/self/cgroup`. The scope goes away by itself when we, its only process, have ended.

pub use super::bus::BusAddress;
use super::bus::{Bus, method};
use super::parse::Controllers;
use super::support::{How, Support, View};
use super::{CgroupError, bus};
use rustbus::message_builder::MarshalledMessage;
use rustbus::standard_messages;
use rustbus::wire::ObjectPath;
use rustbus::wire::errors::MarshalError;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const OBJECT: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// A loaded machine takes tens of milliseconds; a bus that hangs must not hang us.
const PATIENCE: Duration = Duration::from_secs(5);

/// The types that the properties of our scope have.
mod property {
    pub(super) type Pids = Vec<u32>;
    rustbus::dbus_variant_sig!(Value, Text => String; Flag => bool; Pids => Pids);
}
use property::Value;

/// Properties: `a(sv)`.
type Properties = Vec<(String, Value)>;

/// Moves this process into a new delegated scope and says what can be made there.
pub(super) fn enter(view: &View, run: &str, needs: &Controllers) -> Result<Support, CgroupError> {
    let unit = format!("jail-{run}.scope");
    let path = match &view.bus {
        Some(BusAddress::Path(path)) => path.clone(),
        Some(BusAddress::Abstract(name)) => PathBuf::from(format!("@{}", name.escape_ascii())),
        None => PathBuf::new(),
    };
    let error = |op, detail: String| {
        CgroupError::new("get a delegated cgroup from systemd's user manager", op, &path)
            .detail(detail)
            .hint("try `systemd-run --user --scope true`; `jail doctor host` says what is missing")
    };
    let address = view.bus.as_ref().ok_or_else(|| error("connect", "no user bus".into()))?;
    let mut bus = Bus::connect(address, PATIENCE).map_err(|e| error("connect", e))?;
    start(&mut bus, &unit, view.pid).map_err(|e| error("StartTransientUnit", e))?;
    let inside = View { trusted_scope: Some(unit.clone()), ..view.clone() };
    let support = Support::probe_in(&inside, needs);
    match &support.how {
        How::OwnDelegated => Ok(support),
        How::NoneBecause { reason, .. } => {
            Err(error("verify", format!("{unit} was started, yet {reason}")))
        }
        other => {
            Err(error("verify", format!("{unit} was started, yet we are not in it ({other:?})")))
        }
    }
}

/// Starts the scope and waits until its job is done.
pub(super) fn start(bus: &mut Bus, unit: &str, pid: u32) -> bus::Result<()> {
    // Before the call: the signal may come before the reply.
    let rule = format!(
        "type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='JobRemoved',path='{OBJECT}'"
    );
    bus.call(&standard_messages::add_match(&rule))?;
    bus.call(&method(SYSTEMD, OBJECT, MANAGER, "Subscribe"))?;
    let call = start_call(unit, pid).map_err(|e| format!("marshal: {e}"))?;
    let reply = bus.call(&call)?;
    let job = reply.body.parser().get::<ObjectPath<String>>();
    let job = job.map_err(|e| format!("the reply names no job: {e:?}"))?;
    loop {
        let signal = bus.signal()?;
        match removed_job(&signal) {
            Some((path, result)) if path == job.as_ref() => {
                return if result == "done" {
                    Ok(())
                } else {
                    Err(format!("the job ended with {result:?}"))
                };
            }
            _ => {}
        }
    }
}

/// `StartTransientUnit(s name, s mode, a(sv) properties, a(sa(sv)) aux) → o job`.
pub(super) fn start_call(unit: &str, pid: u32) -> Result<MarshalledMessage, MarshalError> {
    let text = |s: &str| Value::Text(s.to_owned());
    let properties: Properties = vec![
        ("Description".into(), text("connector confined by jail")),
        ("PIDs".into(), Value::Pids(vec![pid])),
        ("Delegate".into(), Value::Flag(true)),
        ("CollectMode".into(), text("inactive-or-failed")),
    ];
    let none: Vec<(String, Properties)> = Vec::new();
    let mut call = method(SYSTEMD, OBJECT, MANAGER, "StartTransientUnit");
    call.body.push_param(unit)?;
    // "fail": a unit of this name that exists already is not ours to replace.
    call.body.push_param("fail")?;
    call.body.push_param(&properties)?;
    call.body.push_param(&none)?;
    Ok(call)
}

/// Job and result of `JobRemoved(u id, o job, s unit, s result)`.
fn removed_job(signal: &MarshalledMessage) -> Option<(String, String)> {
    if signal.dynheader.member.as_deref() != Some("JobRemoved") {
        return None;
    }
    let (_, job, _, result) =
        signal.body.parser().get4::<u32, ObjectPath<String>, String, String>().ok()?;
    Some((job.as_ref().to_owned(), result))
}

/// The user bus: what the environment names, else the socket at its usual place.
pub(super) fn bus_address(
    uid: u32,
    session: Option<String>,
    runtime: Option<String>,
) -> Option<BusAddress> {
    if let Some(found) = session.as_deref().and_then(parse_address) {
        return Some(found);
    }
    let runtime = runtime.map_or_else(|| PathBuf::from(format!("/run/user/{uid}")), PathBuf::from);
    let socket = runtime.join("bus");
    socket.exists().then_some(BusAddress::Path(socket))
}

/// The first usable one of a list of addresses: `unix:path=/run/user/1000/bus,guid=…;…`.
fn parse_address(list: &str) -> Option<BusAddress> {
    list.split(';').filter_map(|one| one.strip_prefix("unix:")).find_map(|pairs| {
        pairs.split(',').find_map(|pair| match pair.split_once('=')? {
            ("path", value) => {
                let path = std::ffi::OsString::from_vec(unescape(value)?);
                Some(BusAddress::Path(Path::new(&path).to_path_buf()))
            }
            ("abstract", value) => Some(BusAddress::Abstract(unescape(value)?)),
            _ => None,
        })
    })
}

/// Undoes the `%2f` escapes of an address.
fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(byte);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustbus::MessageBuilder;
    use std::os::unix::net::UnixStream;

    #[test]
    fn addresses() {
        let path = |p: &str| Some(BusAddress::Path(p.into()));
        assert_eq!(
            parse_address("unix:path=/run/user/1000/bus,guid=ab"),
            path("/run/user/1000/bus")
        );
        assert_eq!(parse_address("tcp:host=x;unix:guid=1,path=/a%20b"), path("/a b"));
        assert_eq!(
            parse_address("unix:abstract=/tmp/x"),
            Some(BusAddress::Abstract(b"/tmp/x".into()))
        );
        assert_eq!(parse_address("unix:path=/a%2"), None);
        assert_eq!(parse_address(""), None);
    }

    #[test]
    fn the_call_has_the_signature_of_the_api() {
        let call = start_call("jail-x.scope", 42).expect("marshal");
        assert_eq!(call.get_sig(), "ssa(sv)a(sa(sv))");
        call.body.validate().expect("valid body");
        let body = call.get_buf();
        let has = |word: &[u8]| body.windows(word.len()).any(|w| w == word);
        for word in [&b"jail-x.scope\0"[..], b"fail\0", b"PIDs\0\x02au\0", b"Delegate\0\x01b\0"] {
            assert!(has(word), "{}", word.escape_ascii());
        }
    }

    /// Answers like a user manager, over a socket pair; gives what it was asked to start.
    fn fake_manager(socket: UnixStream, result: &'static str) -> std::thread::JoinHandle<String> {
        std::thread::spawn(move || {
            let mut peer = fake::Peer::login(socket);
            peer.answer("Hello", |reply| reply.body.push_param(":1.7").expect("push"));
            peer.answer("AddMatch", |_| {});
            peer.answer("Subscribe", |_| {});
            // The signal overtakes the reply, and one of another job comes first.
            for (job, result) in [("/other", "failed"), ("/job/9", result)] {
                let mut signal =
                    MessageBuilder::new().signal(MANAGER, "JobRemoved", OBJECT).build();
                let job = ObjectPath::new(job).expect("path");
                signal.body.push_param4(9u32, job, "jail-x.scope", result).expect("push");
                peer.send(&signal);
            }
            let call = peer.answer("StartTransientUnit", |reply| {
                reply.body.push_param(ObjectPath::new("/job/9").expect("path")).expect("push");
            });
            call.body.parser().get::<String>().expect("unit")
        })
    }

    fn started(result: &'static str) -> (bus::Result<()>, String) {
        let (ours, theirs) = UnixStream::pair().expect("pair");
        let manager = fake_manager(theirs, result);
        let outcome = Bus::over(ours, 1000, Duration::from_secs(10))
            .and_then(|mut bus| start(&mut bus, "jail-x.scope", 42));
        (outcome, manager.join().expect("manager"))
    }

    #[test]
    fn a_scope_is_started() {
        assert_eq!(started("done"), (Ok(()), "jail-x.scope".into()));
    }

    #[test]
    fn a_failed_job_is_a_failure() {
        assert_eq!(started("failed").0, Err("the job ended with \"failed\"".into()));
    }

    #[test]
    fn a_silent_bus_does_not_hang_us() {
        let (ours, _theirs) = UnixStream::pair().expect("pair");
        let outcome = Bus::over(ours, 1000, Duration::from_millis(50)).map(|_| ());
        assert_eq!(outcome, Err("no answer in time".into()));
    }

    #[test]
    fn a_bus_that_hangs_up_is_an_error() {
        let (ours, theirs) = UnixStream::pair().expect("pair");
        drop(theirs);
        assert!(Bus::over(ours, 1000, Duration::from_secs(5)).is_err());
    }

    /// The other end of a bus connection.
    mod fake {
        use super::*;
        use rustbus::wire::{marshal, unmarshal};
        use std::io::{Read, Write};

        pub(super) struct Peer(UnixStream, u32);

        impl Peer {
            pub(super) fn login(mut socket: UnixStream) -> Self {
                let mut line = |wanted: &str| {
                    let mut got = vec![0; wanted.len()];
                    socket.read_exact(&mut got).expect("read");
                    assert_eq!(String::from_utf8_lossy(&got), wanted);
                };
                line("\0AUTH EXTERNAL 31303030\r\n");
                socket.write_all(b"OK 0123456789abcdef\r\n").expect("write");
                let mut begin = [0; 7];
                socket.read_exact(&mut begin).expect("read");
                assert_eq!(&begin, b"BEGIN\r\n");
                Self(socket, 100)
            }

            pub(super) fn send(&mut self, message: &MarshalledMessage) {
                self.1 += 1;
                let mut bytes = Vec::new();
                marshal::marshal(message, self.1, &mut bytes).expect("marshal");
                bytes.extend_from_slice(message.get_buf());
                self.0.write_all(&bytes).expect("write");
            }

            pub(super) fn answer(
                &mut self,
                member: &str,
                fill: impl FnOnce(&mut MarshalledMessage),
            ) -> MarshalledMessage {
                let mut bytes = vec![0; 16];
                self.0.read_exact(&mut bytes).expect("read");
                let more = bus::message_length(&bytes).expect("length") - bytes.len();
                let mut rest = vec![0; more];
                self.0.read_exact(&mut rest).expect("read");
                bytes.extend(rest);
                let (at, header) = unmarshal::unmarshal_header(&bytes, 0).expect("header");
                let (len, mut fields) =
                    unmarshal::unmarshal_dynamic_header(&header, &bytes, at).expect("fields");
                fields.serial = Some(header.serial);
                let (_, call) =
                    unmarshal::unmarshal_next_message(&header, fields, &bytes, at + len)
                        .expect("message");
                assert_eq!(call.dynheader.member.as_deref(), Some(member));
                let mut reply = call.dynheader.make_response();
                fill(&mut reply);
                self.send(&reply);
                call
            }
        }
    }
}

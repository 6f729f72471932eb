//! The life of the egress process after its birth: last things from the host, confinement, service.

use super::{Config, Event, Server, Start, Trust, confine, serve};
use crate::failure::{Failure, Kind};
use crate::firewall::Rules;
use crate::firewall::store::Folder;
use crate::firewall::watch::{State, Watch};
use crate::spawn::handover;
use crate::sys::clone::leave;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

/// What the process is born with.
pub struct Birth {
    pub config: Config,
    /// The firewall's rules as they were when the run was planned.
    pub overlay: Rules,
    /// False only where the owner allowed Landlock to be missing.
    pub landlock: bool,
}

/// Serves until the other end of `stop` is closed. What fails is told through `events` as well.
pub fn run(birth: Birth, events: OwnedFd, stop: OwnedFd, sockets: OwnedFd) -> Result<(), Failure> {
    let mut out = File::from(events);
    tell_of_panics(&out)?;
    let result = prepared(birth, &mut out, stop, sockets);
    if let Err(failure) = &result {
        let why = failure.causes.join(": ");
        tell(&mut out, &Event::Failed { what: failure.what.clone(), why });
    }
    result
}

fn prepared(birth: Birth, out: &mut File, stop: OwnedFd, sockets: OwnedFd) -> Result<(), Failure> {
    let Birth { config, overlay, landlock } = birth;
    all_descriptors()?;
    let trust = trust(&config, out)?;
    let Some(made) = handover::receive(sockets.as_fd())? else {
        // The jail could not be set up; what it reported says why.
        return Ok(());
    };
    drop(sockets);
    let folder = config.firewall.clone();
    confine::apply(folder.as_ref(), landlock)?;
    let planned = Ok(overlay.clone());
    let start = Start { config, overlay, sockets: made, stop };
    serve::run(
        start,
        |event| tell(out, event),
        |server| {
            if let Some(trust) = trust {
                server.gate().set_trust(trust);
            }
            if let Some(folder) = folder {
                tokio::task::spawn_local(follow(Rc::clone(server), folder, planned));
            }
        },
    )
}

/// Whom the proxy's own TLS believes: from the machine's files, which are out of reach later. Only a
/// rule that injects needs it.
fn trust(config: &Config, out: &mut File) -> Result<Option<Trust>, Failure> {
    if config.secrets.is_empty() {
        return Ok(None);
    }
    let (trust, problems) = Trust::load().map_err(|error| {
        Failure::new(Kind::Io, "cannot read this machine's certificates").because(error)
    })?;
    for why in problems {
        let what = "a certificate of this machine cannot be used".to_owned();
        tell(out, &Event::Warning { what, why });
    }
    Ok(Some(trust))
}

/// Hands every change of the firewall's files on.
async fn follow(server: Rc<Server>, folder: Folder, planned: State) {
    let mut watch = match Watch::new(folder) {
        Ok(watch) => watch,
        Err(error) => {
            let why = format!("cannot watch the firewall's files: {error}");
            return server.rules_changed(Err(why));
        }
    };
    let mut last = planned;
    loop {
        let state = watch.next().await;
        if state != last {
            server.rules_changed(state.clone());
            last = state;
        }
    }
}

/// The process has no stderr of its own; what goes wrong there is the supervisor's to say.
fn tell_of_panics(out: &File) -> Result<(), Failure> {
    let out = out.try_clone().map_err(|error| {
        Failure::new(Kind::Io, "cannot keep a way to tell of a panic").because(error)
    })?;
    std::panic::set_hook(Box::new(move |panic| {
        let what = "the egress process failed".to_owned();
        tell(&mut &out, &Event::Failed { what, why: panic.to_string() });
    }));
    Ok(())
}

/// The soft limit is often 1024; every connection needs two.
fn all_descriptors() -> Result<(), Failure> {
    getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        .map_err(|errno| {
            Failure::new(Kind::Refused, "cannot raise the limit of open files")
                .because(errno.desc())
        })
}

/// One event, one line. What cannot be written down is told as a failure, which ends the run.
fn tell(out: &mut impl Write, event: &Event) {
    let mut line = serde_json::to_vec(event).unwrap_or_else(|error| {
        let failed = serde_json::json!({
            "event": "failed", "what": "an event cannot be told", "why": error.to_string(),
        });
        failed.to_string().into_bytes()
    });
    line.push(b'\n');
    // A refusal that nobody hears of must not be, nor a supervisor that waits for what never comes. One
    // that is gone needs no word: its end is ours as well.
    if out.write_all(&line).is_err() {
        leave(1);
    }
}

/// Tells that the process could not even begin.
pub fn tell_failed(events: BorrowedFd<'_>, failure: &Failure) {
    let event = Event::Failed { what: failure.what.clone(), why: failure.causes.join(": ") };
    if let Ok(own) = events.try_clone_to_owned() {
        tell(&mut File::from(own), &event);
    }
}

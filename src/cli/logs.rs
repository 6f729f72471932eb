//! `jail logs`: what a run said.

use super::audit::log_path;
use super::ui;
use crate::audit::Text;
use crate::calendar::LAST;
use crate::exit;
use crate::failure::{Failure, Kind};
use crate::runs::{self, End, Frame, Kept, Line, Lines, Run, Source, shown};
use nix::poll::PollTimeout;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Print what a connector wrote to stderr, and what jail said about it.
///
/// Of a run, or of the newest run of a connector in this workspace, also when it has ended: the last 20 of a
/// workspace are kept, for a week and no longer than the machine runs, of each the newest 128 KiB at
/// least. What the connector said stands behind a bar (`| `), so that it cannot be taken for jail's own
/// words; characters that act on a terminal are shown and not passed on. A run with `--tty` has jail's
/// words alone.
#[derive(Debug, clap::Args)]
pub struct LogsArgs {
    /// A run, or a connector.
    #[arg(value_name = "RUN|CONNECTOR")]
    name: String,
    /// Go on until the run ends.
    #[arg(long, short)]
    follow: bool,
    /// The last lines only.
    #[arg(long, value_name = "N", conflicts_with = "raw")]
    tail: Option<usize>,
    /// The bytes as they came, without bars. To a terminal they do what they say.
    #[arg(long)]
    raw: bool,
    /// Print an object for each line: `{"run", "time", "from", "text"}`, `from` is `connector` or `jail`; the last
    /// of a run that has ended has `end` with `code` and `how`.
    #[arg(long, conflicts_with = "raw")]
    json: bool,
}

/// Between two looks at a log that may grow.
const PAUSE: u8 = 200;

#[derive(Debug, Serialize)]
struct LineJson<'a> {
    run: &'a Text,
    time: String,
    from: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'a End>,
}

pub fn run(args: &LogsArgs) -> Result<u8, Failure> {
    let bucket = runs::bucket(&log_path(None)?);
    let mut runs = runs::living();
    let living: Vec<String> = runs.iter().map(|run| run.record.run.to_string()).collect();
    // One that ended between the two looks is in both.
    runs.extend(
        runs::ended().into_iter().filter(|run| !living.contains(&run.record.run.to_string())),
    );
    runs.sort_by(|a, b| a.record.started.cmp(&b.record.started));
    let Some((run, of)) = runs::newest(&runs, &args.name, &bucket) else {
        return Err(unknown(args, &runs, &bucket));
    };
    if of > 1 {
        ui::line(&format!("run {}, the newest of {of} of {}", run.record.run, args.name));
    }
    let kept = run.log().map_err(|error| unread(run, &error))?;
    Printer { args, run, lines: Lines::default(), first: args.tail.map(|_| VecDeque::new()) }
        .print(kept)?;
    Ok(exit::OK)
}

struct Printer<'a> {
    args: &'a LogsArgs,
    run: &'a Run,
    lines: Lines,
    /// With `--tail`: the last lines, until what was there at the start is read.
    first: Option<VecDeque<String>>,
}

impl Printer<'_> {
    fn print(&mut self, mut kept: Kept) -> Result<(), Failure> {
        loop {
            // Before it is read, so that nothing that it said last is missed.
            let lives = self.run.lives();
            let new = kept.read().map_err(|error| unread(self.run, &error))?;
            if new.dropped > 0 {
                let what = format!("jail: {} bytes before this are not kept", new.dropped);
                let first = new.frames.first().map_or_else(now, |frame| frame.time);
                self.own(first, &what, None)?;
            }
            let over = new.end.is_some() || !lives;
            for frame in &new.frames {
                self.frame(frame)?;
            }
            if over || !self.args.follow {
                if let Some(line) = self.lines.rest() {
                    self.line(&line, None)?;
                }
                self.end(new.end.as_ref(), over)?;
                return self.flush();
            }
            self.flush()?;
            if ui::wait_while_read(PollTimeout::from(PAUSE)) {
                return Ok(());
            }
        }
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), Failure> {
        if self.args.raw {
            let mut bytes = frame.bytes.clone();
            if frame.source == Source::Jail {
                bytes.push(b'\n');
            }
            return raw(&bytes);
        }
        for line in self.lines.take(frame) {
            self.line(&line, None)?;
        }
        Ok(())
    }

    fn end(&mut self, end: Option<&(u64, End)>, over: bool) -> Result<(), Failure> {
        match end {
            Some((time, end)) => {
                let what = format!("jail: {}, code {}", end.how, end.code);
                self.own(*time, &what, Some(end))
            }
            None if over => self.own(now(), "jail: its supervisor was killed", None),
            None => Ok(()),
        }
    }

    /// Something that is no line of the log.
    fn own(&mut self, time: u64, text: &str, end: Option<&End>) -> Result<(), Failure> {
        if self.args.raw {
            return Ok(());
        }
        self.line(&Line { time, source: Source::Jail, bytes: text.into() }, end)
    }

    fn line(&mut self, line: &Line, end: Option<&End>) -> Result<(), Failure> {
        let text = shown(&line.bytes);
        let connector = line.source == Source::Connector;
        let text = if self.args.json {
            let time = UNIX_EPOCH + Duration::from_millis(line.time.min(TIMES));
            let time = humantime::format_rfc3339_millis(time).to_string();
            let from = if connector { "connector" } else { "jail" };
            serde_json::to_string(&LineJson { run: &self.run.record.run, time, from, text, end })
                .map_err(unprinted)?
        } else if connector {
            format!("| {text}")
        } else {
            text
        };
        match (&mut self.first, self.args.tail) {
            (Some(last), Some(most)) => {
                last.push_back(text);
                if last.len() > most {
                    last.pop_front();
                }
                Ok(())
            }
            _ => ui::data(&format!("{text}\n")).map_err(unprinted),
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        for line in self.first.take().into_iter().flatten() {
            ui::data(&format!("{line}\n")).map_err(unprinted)?;
        }
        Ok(())
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// What RFC 3339 has a year for.
const TIMES: u64 = LAST * 1000 + 999;

fn raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(unprinted(error)),
        _ => Ok(()),
    }
}

fn unprinted(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Io, "cannot print the log").because(error)
}

fn unread(run: &Run, error: &std::io::Error) -> Failure {
    let what = format!("cannot read the log of run {}", run.record.run);
    Failure::new(Kind::Io, what).because(error)
}

fn unknown(args: &LogsArgs, runs: &[Run], bucket: &str) -> Failure {
    let failure =
        Failure::new(Kind::Usage, format!("no log of {} is kept", shown(args.name.as_bytes())));
    let mut there: Vec<String> = runs
        .iter()
        .filter(|run| run.bucket == bucket)
        .map(|run| format!("{} ({})", run.record.run, run.record.connector))
        .collect();
    let all = there.len();
    there.reverse();
    there.truncate(10);
    match all {
        0 => failure
            .because("no run of this workspace has a log")
            .hint("jail audit show has the records of all runs"),
        _ => failure
            .because(format!("the newest of {all} are {}", there.join(", ")))
            .hint("jail audit show has the records of all runs"),
    }
}

//! What crosses the report pipe: fixed-size records, written with one write(2) each.
//!
//! A pipe write of up to PIPE_BUF bytes is atomic (pipe(7)), so that init and payload can share it.
//! The pipe ends (EOF) when the payload has become the connector and init has closed its copy… init
//! keeps its copy to report the end of the connector; the payload's copy is close-on-exec.

use crate::plan::Stage;
use crate::sys::seccomp::Pass;
use crate::sys::{Call, Sys, SysError, SysResult, passed};
use std::os::fd::BorrowedFd;

/// Bytes of one record.
pub const RECORD: usize = 16;

/// A failed step: where in the order, and which call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub stage: Stage,
    /// Index of the step within the stage.
    pub step: u16,
    pub error: SysError,
}

impl Fault {
    /// Is it init's own, of what it can only do once the payload has become the connector? Until then
    /// the two share one table of descriptors (see [`crate::sys::clone::spawn_sharing`]).
    pub fn is_after_the_start(&self) -> bool {
        self.stage == Stage::Payload && matches!(self.step, 1 | 4 | 5)
    }
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// The set-up failed; nothing of the connector ran, but for [`Fault::is_after_the_start`].
    Failed(Fault),
    /// Something optional did not work; another control closes the same hole.
    Noted(Fault),
    /// A probe was refused with this errno, as it must be.
    Refused { probe: u8, errno: i32 },
    /// A probe succeeded, which it must not.
    Escaped { probe: u8 },
    /// All stages but exec are done.
    Confined,
    /// The connector ended, and no process of it is left: wait status as waitpid(2) gives it, and
    /// the processor time of all of them.
    Ended { status: i32, cpu_ms: u32 },
}

impl Message {
    /// Layout: kind, stage or probe, call, 0, step (u16), 0 (u16), value (i32), more (u32); native
    /// order, both ends being the same binary.
    pub fn encode(self) -> [u8; RECORD] {
        let fault = |kind, f: Fault| {
            (kind, f.stage as u8, f.error.call.to_wire(), f.step, f.error.errno, 0)
        };
        let (kind, a, b, step, value, more): (u8, u8, u8, u16, i32, u32) = match self {
            Self::Failed(f) => fault(1, f),
            Self::Noted(f) => fault(2, f),
            Self::Refused { probe, errno } => (3, probe, 0, 0, errno, 0),
            Self::Escaped { probe } => (4, probe, 0, 0, 0, 0),
            Self::Confined => (5, 0, 0, 0, 0, 0),
            Self::Ended { status, cpu_ms } => (6, 0, 0, 0, status, cpu_ms),
        };
        let mut record = [0; RECORD];
        record[0] = kind;
        record[1] = a;
        record[2] = b;
        record[4..6].copy_from_slice(&step.to_ne_bytes());
        record[8..12].copy_from_slice(&value.to_ne_bytes());
        record[12..16].copy_from_slice(&more.to_ne_bytes());
        record
    }

    /// `None` for bytes that no version of this binary writes.
    pub fn decode(record: &[u8; RECORD]) -> Option<Self> {
        let step = u16::from_ne_bytes([record[4], record[5]]);
        let value = i32::from_ne_bytes([record[8], record[9], record[10], record[11]]);
        let cpu_ms = u32::from_ne_bytes([record[12], record[13], record[14], record[15]]);
        let fault = || {
            Some(Fault {
                stage: Stage::from_wire(record[1])?,
                step,
                error: SysError { call: Call::from_wire(record[2])?, errno: value },
            })
        };
        Some(match record[0] {
            1 => Self::Failed(fault()?),
            2 => Self::Noted(fault()?),
            3 => Self::Refused { probe: record[1], errno: value },
            4 => Self::Escaped { probe: record[1] },
            5 => Self::Confined,
            6 => Self::Ended { status: value, cpu_ms },
            _ => return None,
        })
    }
}

/// The writing end, as init and payload use it; the payload under its filter too, hence the pass.
#[derive(Clone, Copy)]
pub struct Reporter<'a>(pub BorrowedFd<'a>, pub Pass);

impl Reporter<'_> {
    /// Sends one record. Where the supervisor is gone there is nobody to tell, and the lifeline ends
    /// this process; `false` says so.
    pub fn send(self, message: Message) -> bool {
        self.tell(message).is_ok()
    }

    /// Sends one record that the run cannot do without.
    pub fn tell(self, message: Message) -> SysResult<()> {
        put(self, &message.encode())
    }
}

fn put(to: Reporter<'_>, bytes: &[u8]) -> SysResult<()> {
    let written = passed::write(to.0, bytes, to.1).sys(Call::Write)?;
    if written == bytes.len() { Ok(()) } else { Err(SysError::unverified()) }
}

/// Far below PIPE_BUF, so that the write stays atomic.
const BATCH: usize = RECORD * 32;

/// Records that are sent together: one wake-up of the supervisor instead of many.
pub struct Batch<'a> {
    reporter: Reporter<'a>,
    bytes: [u8; BATCH],
    length: usize,
    sent: SysResult<()>,
}

impl<'a> Batch<'a> {
    pub fn new(reporter: Reporter<'a>) -> Self {
        Self { reporter, bytes: [0; BATCH], length: 0, sent: Ok(()) }
    }

    pub fn add(&mut self, message: Message) {
        if self.length == self.bytes.len() {
            self.flush();
        }
        if let Some(room) = self.bytes.get_mut(self.length..self.length + RECORD) {
            room.copy_from_slice(&message.encode());
            self.length += RECORD;
        }
    }

    /// Sends what was added; an error where any of it did not arrive.
    pub fn send(&mut self) -> SysResult<()> {
        self.flush();
        self.sent
    }

    /// The same, where a fault follows that says more.
    pub fn flush(&mut self) {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        self.sent = self.sent.and(put(self.reporter, bytes));
        self.length = 0;
    }
}

/// Says at which stage and step a call failed.
pub trait At<T> {
    fn at(self, stage: Stage, step: usize) -> Result<T, Fault>;
}

impl<T> At<T> for Result<T, SysError> {
    fn at(self, stage: Stage, step: usize) -> Result<T, Fault> {
        self.map_err(|error| Fault { stage, step: u16::try_from(step).unwrap_or(u16::MAX), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    #[test]
    fn every_message_survives_the_wire() {
        let fault = Fault {
            stage: Stage::Mounts,
            step: 513,
            error: SysError::new(Call::MoveMount, Errno::EACCES),
        };
        for message in [
            Message::Failed(fault),
            Message::Noted(fault),
            Message::Refused { probe: 7, errno: 13 },
            Message::Escaped { probe: 9 },
            Message::Confined,
            Message::Ended { status: -1, cpu_ms: 70_000 },
        ] {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn foreign_bytes_are_no_message() {
        assert_eq!(Message::decode(&[0; RECORD]), None);
        assert_eq!(Message::decode(&[0xff; RECORD]), None);
        let mut bad_stage = [0; RECORD];
        bad_stage[0] = 1;
        bad_stage[1] = 200;
        assert_eq!(Message::decode(&bad_stage), None);
    }
}

//! Reads the tables of one network namespace.

use super::{Bad, Inet, Table, Transport, inet, sctp, unix};
use std::collections::HashSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// That of the thread that reads, which need not be the one of its process.
pub const OWN: &str = "/proc/thread-self/net";

/// Everything that `/proc/net` shows.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub inet: Vec<Inet>,
    pub unix: Vec<unix::Unix>,
    /// Files in which lines were not understood.
    pub bad: Vec<(&'static str, Bad)>,
    /// Files that this kernel does not have: the protocol is not there, or not loaded.
    pub absent: Vec<&'static str>,
}

/// A table could not be read, so that nothing can be said of its sockets.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ReadError {
    pub path: PathBuf,
    pub source: io::Error,
}

const INET: [(&str, Transport, bool); 10] = [
    ("tcp", Transport::Tcp, false),
    ("tcp6", Transport::Tcp, true),
    ("udp", Transport::Udp, false),
    ("udp6", Transport::Udp, true),
    ("udplite", Transport::UdpLite, false),
    ("udplite6", Transport::UdpLite, true),
    ("raw", Transport::Raw, false),
    ("raw6", Transport::Raw, true),
    ("icmp", Transport::Icmp, false),
    ("icmp6", Transport::Icmp, true),
];

/// Reads the folder of one namespace: [`OWN`], or `/proc/PID/net`.
pub fn read(folder: &Path) -> Result<Tables, ReadError> {
    let mut tables = Tables::default();
    for (name, transport, v6) in INET {
        if let Some(bytes) = tables.file(folder, name)? {
            let Table { rows, bad } = inet::parse(transport, v6, &bytes);
            tables.inet.extend(rows);
            tables.note(name, bad);
        }
    }
    type Parser = fn(&[u8]) -> Table<sctp::Endpoint>;
    let files: [(&str, Parser); 2] =
        [("sctp/eps", sctp::endpoints), ("sctp/assocs", sctp::associations)];
    for (name, parse) in files {
        if let Some(bytes) = tables.file(folder, name)? {
            let Table { rows, bad } = parse(&bytes);
            tables.inet.extend(rows.iter().flat_map(sctp::Endpoint::rows));
            tables.note(name, bad);
        }
    }
    if let Some(bytes) = tables.file(folder, "unix")? {
        let Table { rows, bad } = unix::parse(&bytes);
        tables.unix = rows;
        tables.note("unix", bad);
    }
    tables.once();
    Ok(tables)
}

impl Tables {
    /// The kernel writes a page at a time, and finds its place again by counting: where sockets come and go
    /// meanwhile, it shows one twice, or leaves one out.
    fn once(&mut self) {
        let mut seen = HashSet::with_capacity(self.inet.len());
        // Those without a file are none of the same.
        self.inet.retain(|it| it.inode == 0 || seen.insert((it.inode, it.local)));
    }

    /// Adds what was read again and was left out before.
    pub fn merge(&mut self, again: Self) {
        self.inet.extend(again.inet);
        self.once();
        self.unix = again.unix;
    }

    /// Only what TCP must have is needed: every other protocol may be left out of a kernel.
    fn file(&mut self, folder: &Path, name: &'static str) -> Result<Option<Vec<u8>>, ReadError> {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound && name != "tcp" => {
                self.absent.push(name);
                Ok(None)
            }
            Err(source) => Err(ReadError { path, source }),
        }
    }

    fn note(&mut self, name: &'static str, bad: Bad) {
        if bad.count > 0 {
            self.bad.push((name, bad));
        }
    }
}

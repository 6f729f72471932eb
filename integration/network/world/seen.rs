//! What arrived in the world: the evidence.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

/// More than any attack leaves; what is beyond is not needed to convict it.
const MOST: usize = 200_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// On the loopback, by whoever: the first packet of each kind. For TCP, a SYN.
    Packet { to: IpAddr, protocol: u8, port: u16 },
    /// A connection was accepted; these came first (at most 2 KiB).
    Bytes { to: SocketAddr, first: Vec<u8> },
    /// A request. `sni`: it came over TLS, for this name.
    Request { to: SocketAddr, sni: Option<String>, head: String, body: Vec<u8> },
    /// `spelled`: with the capitals that it came with.
    Question { name: String, spelled: String, kind: String, to: IpAddr },
}

#[derive(Default)]
pub struct Log(Mutex<Vec<Seen>>);

impl Log {
    pub fn add(&self, seen: Seen) {
        let mut all = self.0.lock().expect("the log");
        if all.len() < MOST {
            all.push(seen);
        }
    }

    pub fn add_once(&self, seen: Seen) {
        let mut all = self.0.lock().expect("the log");
        if !all.contains(&seen) {
            all.push(seen);
        }
    }

    pub fn forget(&self) {
        self.0.lock().expect("the log").clear();
    }

    /// The first that fits, in words.
    pub fn find(&self, fits: impl Fn(&Seen) -> bool) -> Option<String> {
        super::packets::settle();
        self.0.lock().expect("the log").iter().find(|seen| fits(seen)).map(|s| format!("{s:.300?}"))
    }

    pub fn each(&self, look: impl FnMut(&Seen)) {
        super::packets::settle();
        self.0.lock().expect("the log").iter().for_each(look);
    }

    pub fn count(&self, fits: impl Fn(&Seen) -> bool) -> usize {
        super::packets::settle();
        self.0.lock().expect("the log").iter().filter(|seen| fits(seen)).count()
    }

    /// Any packet to this address, of any protocol.
    pub fn packet_to(&self, address: IpAddr) -> Option<String> {
        self.find(|seen| matches!(seen, Seen::Packet { to, .. } if *to == address))
    }

    pub fn packet(&self, address: IpAddr, number: u8, to_port: u16) -> Option<String> {
        self.find(|seen| {
            matches!(seen, Seen::Packet { to, protocol, port }
                if (*to, *protocol, *port) == (address, number, to_port))
        })
    }

    /// A request whose head holds this text, in whatever case.
    pub fn request_with(&self, text: &str) -> Option<String> {
        let text = text.to_lowercase();
        self.find(|seen| {
            matches!(seen, Seen::Request { head, .. } if head.to_lowercase().contains(&text))
        })
    }

    pub fn bytes_to(&self, address: IpAddr, port: u16, marker: &[u8]) -> Option<String> {
        self.find(|seen| {
            matches!(seen, Seen::Bytes { to, first } if to.ip() == address && to.port() == port
                && first.windows(marker.len()).any(|part| part == marker))
        })
    }

    /// A question for this name or one below it.
    pub fn question_of(&self, zone: &str) -> Option<String> {
        let below = format!(".{zone}");
        self.find(|seen| {
            matches!(seen, Seen::Question { name, .. } if name == zone || name.ends_with(&below))
        })
    }
}

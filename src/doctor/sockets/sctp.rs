//! `/proc/net/sctp/{eps,assocs}`. One row has all addresses of an endpoint, in text, the one that is used
//! first marked with `*`. `assocs` separates the two ends with `<->`.

use super::{Inet, State, Table, Transport, number, table, words};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// One endpoint with all of its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub state: State,
    pub uid: u32,
    pub inode: u64,
    pub local: Vec<SocketAddr>,
    /// Empty where nobody is connected.
    pub remote: Vec<SocketAddr>,
}

/// `ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS`
pub fn endpoints(bytes: &[u8]) -> Table<Endpoint> {
    table(bytes, |line| {
        let mut words = words(line);
        let state = State(number(words.nth(3)?)?);
        let port = number(words.nth(1)?)?;
        let uid = number(words.next()?)?;
        let inode = number(words.next()?)?;
        let local = words.map_while(|word| address(word, port)).collect();
        Some(Endpoint { state, uid, inode, local, remote: Vec::new() })
    })
}

/// `ASSOC SOCK STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS …`
pub fn associations(bytes: &[u8]) -> Table<Endpoint> {
    table(bytes, |line| {
        let mut words = words(line);
        let state = State(number(words.nth(3)?)?);
        let uid = number(words.nth(5)?)?;
        let inode = number(words.next()?)?;
        let port = number(words.next()?)?;
        let other = number(words.next()?)?;
        let local = words.by_ref().take_while(|word| *word != b"<->");
        let local = local.map(|word| address(word, port)).collect::<Option<_>>()?;
        let remote = words.map_while(|word| address(word, other)).collect();
        Some(Endpoint { state, uid, inode, local, remote })
    })
}

fn address(word: &[u8], port: u16) -> Option<SocketAddr> {
    let text = std::str::from_utf8(word.strip_prefix(b"*").unwrap_or(word)).ok()?;
    // The counters after the addresses are no addresses: those have dots or colons.
    let ip: IpAddr = text.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

impl Endpoint {
    /// One row per address: each can be reached by itself.
    pub fn rows(&self) -> impl Iterator<Item = Inet> {
        let remote = self.remote.first().copied();
        self.local.iter().map(move |local| Inet {
            transport: Transport::Sctp,
            v6: local.is_ipv6(),
            local: *local,
            remote: remote.unwrap_or(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)),
            state: self.state,
            uid: self.uid,
            inode: self.inode,
            told: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_and_associations() {
        let eps = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n\
                   ffff8880 ffff8881 2   10  29   5000    1000 77001 127.0.0.1 0000:0000:0000:0000:0000:0000:0000:0001 \n";
        let table = endpoints(eps.as_bytes());
        assert_eq!((table.rows.len(), table.bad.count), (1, 0));
        let rows: Vec<_> = table.rows[0].rows().collect();
        assert_eq!(rows[0].local, "127.0.0.1:5000".parse().unwrap());
        assert_eq!(rows[1].local, "[::1]:5000".parse().unwrap());
        assert!(rows.iter().all(|row| row.is_open() && row.uid == 1000 && row.inode == 77001));

        let assocs = " ASSOC     SOCK   STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS HBINT INS OUTS MAXRT T1X T2X RTXC wmema wmemq sndbuf rcvbuf\n\
                      ffff8880 ffff8881 2   1   3  0       1        0        0    1000 77002 5000  40000 *127.0.0.1 <-> *127.0.0.2 \t    7500    10    10   10    0    0        0        1        0   212992   212992\n";
        let table = associations(assocs.as_bytes());
        let [one] = &table.rows[..] else { panic!("{table:?}") };
        assert_eq!(one.local, ["127.0.0.1:5000".parse().unwrap()]);
        assert_eq!(one.remote, ["127.0.0.2:40000".parse().unwrap()]);
        assert_eq!((one.state, one.inode), (State::ESTABLISHED, 77002));
    }

    #[test]
    fn half_a_row_is_counted() {
        let table = endpoints(
            b"head\nffff ffff 2 10 29 5000 1000\nffff ffff 2 10 29 70000 0 1 127.0.0.1\n",
        );
        assert_eq!((table.rows.len(), table.bad.count, table.bad.first), (0, 2, 2));
        let table =
            associations(b"head\na b 2 1 3 0 1 0 0 1000 7 5000 40000 gibberish <-> 127.0.0.1\n");
        assert_eq!((table.rows.len(), table.bad.count), (0, 1));
    }
}

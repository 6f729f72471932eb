//! `/proc/net/{tcp,udp,udplite,raw,icmp}` and their IPv6 twins: one format. man: proc_pid_net(5)
//!
//! Addresses are 32-bit words in hexadecimal, each as the machine holds it in memory: on a little-endian
//! one 127.0.0.1 is `0100007F`. Neither the scope of a link-local address nor IPV6_V6ONLY is in there.

use super::{Inet, State, Table, Transport, hex, number, table, words};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// All rows of one file. Columns after those that are known are left alone.
pub fn parse(transport: Transport, v6: bool, bytes: &[u8]) -> Table<Inet> {
    table(bytes, |line| row(transport, v6, line))
}

fn row(transport: Transport, v6: bool, line: &[u8]) -> Option<Inet> {
    let mut words = words(line);
    words.next()?.strip_suffix(b":")?;
    let local = end(words.next()?, v6)?;
    let remote = end(words.next()?, v6)?;
    let state = State(u8::try_from(hex(words.next()?)?).ok()?);
    // tx_queue:rx_queue, tr:tm->when, retrnsmt; then uid, timeout, inode.
    let uid = number(words.nth(3)?)?;
    let inode = number(words.nth(1)?)?;
    Some(Inet { transport, v6, local, remote, state, uid, inode, told: None })
}

/// `0100007F:1F90`
fn end(word: &[u8], v6: bool) -> Option<SocketAddr> {
    let (digits, port) = word.split_at_checked(if v6 { 32 } else { 8 })?;
    let port = port.strip_prefix(b":").filter(|port| port.len() == 4)?;
    let port = u16::try_from(hex(port)?).ok()?;
    let ip = if v6 {
        let mut octets = [0u8; 16];
        for (to, from) in octets.chunks_exact_mut(4).zip(digits.chunks_exact(8)) {
            to.copy_from_slice(&hex(from)?.to_ne_bytes());
        }
        IpAddr::V6(Ipv6Addr::from(octets))
    } else {
        IpAddr::V4(Ipv4Addr::from(hex(digits)?.to_ne_bytes()))
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn word(bytes: &[u8]) -> String {
        let words = bytes.chunks(4).map(|four| u32::from_ne_bytes(four.try_into().unwrap()));
        words.map(|word| format!("{word:08X}")).collect()
    }

    /// As the kernel prints it.
    fn line(at: usize, socket: &Inet, more: &str) -> String {
        let end = |end: SocketAddr| match end.ip() {
            IpAddr::V4(ip) => format!("{}:{:04X}", word(&ip.octets()), end.port()),
            IpAddr::V6(ip) => format!("{}:{:04X}", word(&ip.octets()), end.port()),
        };
        let (local, remote) = (end(socket.local), end(socket.remote));
        let Inet { state, uid, inode, .. } = socket;
        format!(
            "{at:>4}: {local} {remote} {:02X} 00000000:00000000 00:00000000 00000000 {uid:>5}        0 {inode}{more}\n",
            state.0
        )
    }

    fn socket(local: &str, remote: &str, state: State) -> Inet {
        let local: SocketAddr = local.parse().unwrap();
        Inet {
            transport: Transport::Tcp,
            v6: local.is_ipv6(),
            local,
            remote: remote.parse().unwrap(),
            state,
            uid: 1000,
            inode: 4242,
            told: None,
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_file_as_it_was_seen() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 5190 1 ffff8880036a4000 100 0 0 10 0                         \n";
        let table = parse(Transport::Tcp, false, text.as_bytes());
        assert_eq!(table.bad.count, 0);
        let [row] = &table.rows[..] else { panic!("{table:?}") };
        assert_eq!(row.local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((row.uid, row.inode, row.state), (1000, 5190, State::LISTEN));
        let six = "   0: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 x\n";
        let rows = parse(Transport::Tcp, true, six.as_bytes()).rows;
        assert_eq!(rows[0].local, "[::1]:22".parse().unwrap());
    }

    #[test]
    fn columns_of_the_future_do_not_matter() {
        let socket = socket("[fe80::1]:53", "[::]:0", State::CLOSE);
        for more in ["", " ", " 2 0000000000000000 0", " 1 x 100 0 0 10 0 new columns 7"] {
            let text = format!("{HEAD}{}", line(20_000, &socket, more));
            let table = parse(Transport::Tcp, true, text.as_bytes());
            assert_eq!((table.rows, table.bad.count), (vec![socket], 0), "{more:?}");
        }
    }

    #[test]
    fn what_is_no_row_is_counted() {
        let good = line(0, &socket("127.0.0.1:1", "0.0.0.0:0", State::LISTEN), "");
        for bad in [
            "x",
            "   0: 0100007F:1F90",
            &good.replace(":0001", ":00011"),
            &good.replace("0100007F", "0100007G").replace("7F000001", "7F00000G"),
            &good.replace(" 1000 ", " 99999999999 "),
            &good.replace("4242", "-4"),
        ] {
            let text = format!("{HEAD}{good}{}\n{good}", bad.trim_end());
            let table = parse(Transport::Tcp, false, text.as_bytes());
            assert_eq!((table.rows.len(), table.bad.count, table.bad.first), (2, 1, 3), "{bad}");
        }
    }

    fn any_socket(v6: bool) -> impl Strategy<Value = Inet> {
        let ip = move || {
            any::<[u8; 16]>().prop_map(move |bytes| match v6 {
                true => IpAddr::from(bytes),
                false => IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]),
            })
        };
        (ip(), ip(), any::<(u16, u16, u8, u32, u64)>()).prop_map(
            move |(local, remote, (port, other, state, uid, inode))| Inet {
                transport: Transport::Udp,
                v6,
                local: SocketAddr::new(local, port),
                remote: SocketAddr::new(remote, other),
                state: State(state),
                uid,
                inode,
                told: None,
            },
        )
    }

    proptest! {
        #[test]
        fn what_the_kernel_prints_is_what_is_read(sockets in any::<bool>().prop_flat_map(
            |v6| (Just(v6), prop::collection::vec(any_socket(v6), 0..20))), more in "( [a-z0-9]{0,9}){0,4}"
        ) {
            let (v6, sockets) = sockets;
            let mut text = HEAD.to_owned();
            for (at, socket) in sockets.iter().enumerate() {
                text += &line(at, socket, &more);
            }
            let table = parse(Transport::Udp, v6, text.as_bytes());
            prop_assert_eq!(table.bad.count, 0);
            prop_assert_eq!(table.rows, sockets);
        }

        #[test]
        fn any_bytes_are_rows_or_counted(bytes: Vec<u8>, v6: bool) {
            let table = parse(Transport::Udp, v6, &bytes);
            let lines = bytes.split(|b| *b == b'\n').count();
            prop_assert!(table.rows.len() + table.bad.count <= lines);
        }
    }
}

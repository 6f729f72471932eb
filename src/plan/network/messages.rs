//! The netlink messages of a proxied network, as bytes: the child only sends them. rtnetlink(7).
//!
//! Built with the types of the `rtnetlink` crate, but not sent by it: its connection is a task on a
//! runtime, which cannot live between clone and exec.

use crate::egress::config::{JAIL_V4, JAIL_V6, PROXY_V4, PROXY_V6};
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoVeth, LinkAttribute, LinkMessage,
};
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::{RouteHeader, RouteMessage, RouteScope, RouteType};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use rtnetlink::{AddressMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Interface numbers are given, so that nothing has to be looked up; 1 is `lo`.
const LO: u32 = 1;
const JAIL_END: u32 = 2;
const PROXY_END: u32 = 3;

/// Locally administered. Fixed, so that neighbours need not be discovered.
const JAIL_MAC: [u8; 6] = [0x02, b'j', b'a', b'i', b'l', 0x02];
const PROXY_MAC: [u8; 6] = [0x02, b'j', b'a', b'i', b'l', 0x01];

/// Stands where the descriptor of the proxy namespace goes.
const PLACEHOLDER: i32 = 0x5eed_fd00;

/// Messages that are sent together; the kernel acknowledges each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    pub bytes: Vec<u8>,
    pub messages: u32,
}

/// All requests, by the namespace whose socket sends them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// To the jail's: makes the pair, its other end born in the proxy namespace (creating both ends
    /// here and moving one would wait for an RCU grace period).
    pub create: Batch,
    /// Byte offset in `create` of the proxy namespace's descriptor, an `i32`.
    pub create_fd_at: usize,
    pub jail: Side,
    pub proxy: Side,
}

/// The requests to one namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    pub addresses: Batch,
    pub up: Batch,
    /// RTM_GETLINK makes the kernel look at the carrier now (linkwatch_sync_dev); otherwise the end
    /// that came up first drops packets for up to a second.
    pub settle: Batch,
    pub routes: Batch,
}

impl Requests {
    pub fn new(ipv6: bool) -> Self {
        let mut create = Batch::default();
        create.add(NLM_F_CREATE | NLM_F_EXCL, Message::NewLink(pair()));
        let needle = PLACEHOLDER.to_ne_bytes();
        let at = create.bytes.windows(4).position(|window| window == needle);
        Self {
            create,
            create_fd_at: at.unwrap_or(0),
            jail: side(ipv6, JAIL_END, (JAIL_V4, JAIL_V6), &jail_routes(ipv6)),
            proxy: side(ipv6, PROXY_END, (PROXY_V4, PROXY_V6), &proxy_routes(ipv6)),
        }
    }
}

impl Batch {
    fn add(&mut self, flags: u16, message: Message) {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.header.sequence_number = self.messages;
        if matches!(message.payload, NetlinkPayload::InnerMessage(_)) {
            message.finalize();
        }
        let start = self.bytes.len();
        self.bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
        if let Some(room) = self.bytes.get_mut(start..) {
            message.serialize(room);
        }
        self.messages += 1;
    }
}

fn pair() -> LinkMessage {
    // One queue: the default is one for every possible processor, and each costs time to make.
    let queues = |builder: rtnetlink::LinkMessageBuilder<LinkUnspec>| {
        builder
            .append_extra_attribute(LinkAttribute::NumTxQueues(1))
            .append_extra_attribute(LinkAttribute::NumRxQueues(1))
    };
    let peer = queues(
        LinkUnspec::new_with_name("jail0")
            .index(PROXY_END)
            .address(PROXY_MAC.to_vec())
            .setns_by_fd(PLACEHOLDER),
    );
    LinkVeth::new("eth0", "jail0")
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
        .index(JAIL_END)
        .address(JAIL_MAC.to_vec())
        .append_extra_attribute(LinkAttribute::NumTxQueues(1))
        .append_extra_attribute(LinkAttribute::NumRxQueues(1))
        .build()
}

fn side(ipv6: bool, end: u32, own: (Ipv4Addr, Ipv6Addr), routes: &[Message]) -> Side {
    let (mut addresses, mut up) = (Batch::default(), Batch::default());
    let (mut settle, mut all) = (Batch::default(), Batch::default());
    let create = NLM_F_CREATE | NLM_F_EXCL;
    addresses.add(create, Message::NewAddress(v4_address(end, own.0)));
    if ipv6 {
        addresses.add(create, Message::NewAddress(v6_address(end, own.1)));
        // No link-local address: its duplicate detection would run beside us. Not at creation, where
        // the kernel does not take it (EAFNOSUPPORT).
        up.add(0, Message::SetLink(without_link_local(end)));
    }
    for index in [LO, end] {
        up.add(0, Message::SetLink(LinkUnspec::new_with_index(index).up().build()));
    }
    settle.add(0, Message::GetLink(LinkUnspec::new_with_index(end).build()));
    for message in routes {
        all.add(create, message.clone());
    }
    Side { addresses, up, settle, routes: all }
}

fn v4_address(index: u32, address: Ipv4Addr) -> AddressMessage {
    AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, 30).build()
}

fn v6_address(index: u32, address: Ipv6Addr) -> AddressMessage {
    let builder = AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(address, 126);
    let mut message = builder.build();
    message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    message
}

fn without_link_local(index: u32) -> LinkMessage {
    let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
    LinkUnspec::new_with_index(index)
        .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![mode])]))
        .build()
}

fn jail_routes(ipv6: bool) -> Vec<Message> {
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().gateway(PROXY_V4).output_interface(JAIL_END);
    let mut all = vec![Message::NewRoute(v4.build())];
    if ipv6 {
        let v6 =
            RouteMessageBuilder::<Ipv6Addr>::new().gateway(PROXY_V6).output_interface(JAIL_END);
        all.push(own_v6(JAIL_END, JAIL_V6));
        all.push(Message::NewRoute(v6.build()));
    }
    all.extend(neighbours(ipv6, JAIL_END, (PROXY_V4, PROXY_V6), PROXY_MAC));
    all
}

/// `local default dev lo` makes every address one of this namespace. In table main, since in table
/// local the jail's own address would be local here too, and answers would never leave.
fn proxy_routes(ipv6: bool) -> Vec<Message> {
    let any = |mut route: RouteMessage| {
        route.header.kind = RouteType::Local;
        route.header.table = RouteHeader::RT_TABLE_MAIN;
        Message::NewRoute(route)
    };
    let v4 = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(LO).scope(RouteScope::Host);
    let mut all = vec![any(v4.build())];
    if ipv6 {
        all.push(own_v6(PROXY_END, PROXY_V6));
        all.push(any(RouteMessageBuilder::<Ipv6Addr>::new().output_interface(LO).build()));
    }
    all.extend(neighbours(ipv6, PROXY_END, (JAIL_V4, JAIL_V6), JAIL_MAC));
    all
}

/// The kernel adds this route too, but later, by a worker, even for an address without DAD.
fn own_v6(index: u32, address: Ipv6Addr) -> Message {
    let route = RouteMessageBuilder::<Ipv6Addr>::new()
        .destination_prefix(address, 128)
        .output_interface(index)
        .kind(RouteType::Local)
        .table_id(u32::from(libc::RT_TABLE_LOCAL));
    Message::NewRoute(route.build())
}

fn neighbours(
    ipv6: bool,
    index: u32,
    other: (Ipv4Addr, Ipv6Addr),
    mac: [u8; 6],
) -> impl Iterator<Item = Message> {
    let v6 = ipv6.then_some(IpAddr::V6(other.1));
    std::iter::once(IpAddr::V4(other.0)).chain(v6).map(move |address| {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = index;
        message.header.state = NeighbourState::Permanent;
        let (family, destination) = match address {
            IpAddr::V4(v4) => (AddressFamily::Inet, NeighbourAddress::Inet(v4)),
            IpAddr::V6(v6) => (AddressFamily::Inet6, NeighbourAddress::Inet6(v6)),
        };
        message.header.family = family;
        message.attributes = vec![
            NeighbourAttribute::Destination(destination),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        Message::NewNeighbour(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_has_one_place() {
        let requests = Requests::new(true);
        let needle = PLACEHOLDER.to_ne_bytes();
        let places: Vec<usize> = (0..requests.create.bytes.len())
            .filter(|at| requests.create.bytes[*at..].starts_with(&needle))
            .collect();
        assert_eq!(places, [requests.create_fd_at]);
        assert!(requests.create_fd_at > 0 && requests.create_fd_at.is_multiple_of(4));
    }

    #[test]
    fn every_message_of_a_batch_is_framed() {
        for ipv6 in [false, true] {
            let requests = Requests::new(ipv6);
            for side in [&requests.jail, &requests.proxy] {
                for batch in [&side.addresses, &side.up, &side.settle, &side.routes] {
                    let (mut at, mut seen) = (0, 0);
                    while at < batch.bytes.len() {
                        let length =
                            u32::from_ne_bytes(batch.bytes[at..at + 4].try_into().unwrap());
                        let read = NetlinkMessage::<Message>::deserialize(&batch.bytes[at..]);
                        assert_eq!(read.unwrap().header.sequence_number, seen);
                        at += (length as usize).next_multiple_of(4);
                        seen += 1;
                    }
                    assert_eq!((at, seen), (batch.bytes.len(), batch.messages));
                }
            }
        }
    }
}

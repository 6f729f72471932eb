//! The world's DNS server: over UDP and TCP, with a time to live of nothing.

use super::seen::Seen;
use super::zone::{self, Entry};
use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::IpAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

pub async fn serve_udp(socket: UdpSocket, to: IpAddr) {
    let mut bytes = vec![0; 4096];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut bytes).await else { continue };
        if let Some(answer) = answer(&bytes[..length], to) {
            drop(socket.send_to(&answer, peer).await);
        }
    }
}

pub async fn serve_tcp(mut stream: TcpStream) -> std::io::Result<()> {
    let to = stream.local_addr()?.ip();
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await?;
        let Some(answer) = answer(&question, to) else { return Ok(()) };
        stream.write_u16(u16::try_from(answer.len()).expect("short")).await?;
        stream.write_all(&answer).await?;
    }
}

fn answer(question: &[u8], to: IpAddr) -> Option<Vec<u8>> {
    let question = Message::from_vec(question).ok()?;
    let mut answer = Message::response(question.metadata.id, OpCode::Query);
    answer.metadata.recursion_desired = true;
    answer.metadata.recursion_available = true;
    for query in question.queries {
        let spelled = query.name().to_string();
        let name = spelled.trim_end_matches('.').to_lowercase();
        let kind = query.query_type();
        let seen = Seen::Question { name: name.clone(), spelled, kind: kind.to_string(), to };
        super::get().seen.add(seen);
        match records(&name, kind) {
            Some(records) => drop(answer.add_answers(records)),
            None => answer.metadata.response_code = ResponseCode::NXDomain,
        }
        answer.add_query(query);
    }
    answer.to_vec().ok()
}

fn records(name: &str, kind: RecordType) -> Option<Vec<Record>> {
    let (mut records, mut name) = (Vec::new(), name);
    let addresses = loop {
        match zone::look_up(name)? {
            Entry::Addresses(addresses) => break addresses,
            Entry::Alias(to) => {
                let alias = RData::CNAME(CNAME(absolute(to)));
                records.push(Record::from_rdata(absolute(name), 0, alias));
                name = to;
            }
        }
    };
    for address in addresses {
        let data = match (address, kind) {
            (IpAddr::V4(v4), RecordType::A) => RData::A(A(v4)),
            (IpAddr::V6(v6), RecordType::AAAA) => RData::AAAA(AAAA(v6)),
            _ => continue,
        };
        records.push(Record::from_rdata(absolute(name), 0, data));
    }
    Some(records)
}

fn absolute(name: &str) -> Name {
    Name::from_ascii(format!("{name}.")).expect("a name")
}

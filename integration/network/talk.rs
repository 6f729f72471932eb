//! A client that is told on stdin what to try, one try a line: the payload of the scenarios.

use crate::client;
use crate::harness::Verdict;
use crate::world::REACHED;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;

/// `--client talk`, `--client serve PORT`.
pub fn act(args: &[String]) -> ExitCode {
    match args[0].as_str() {
        "talk" => talk(),
        "serve" => serve(args[1].parse().expect("a port")),
        other => panic!("no client does `{other}`"),
    }
    ExitCode::SUCCESS
}

/// | line | what it does |
/// |---|---|
/// | `doors NAME PORT` | a request over each door; says which opened |
/// | `get NAME PORT PATH` | a request by the HTTP proxy; `open` or why not |
/// | `nonsense COUNT` | so many different SOCKS requests for what is no name; says how many were refused |
/// | `hold DOOR` | an endless answer of allowed.test; says `open`, and `cut` when it ends |
fn talk() {
    say("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["doors", name, port] => say(&doors(name, port.parse().expect("a port"))),
            ["get", name, port, path] => say(&get(name, port, path)),
            ["hold", door] => hold(door),
            ["nonsense", count] => nonsense(count.parse().expect("a count")),
            _ => panic!("`{line}` is no order"),
        }
    }
}

fn say(text: &str) {
    println!("{}", text.replace('\n', " "));
    std::io::stdout().flush().expect("stdout");
}

fn doors(name: &str, port: u16) -> String {
    let mut open = Vec::new();
    let mut shut = Vec::new();
    for (door, verdict) in client::by_every_door(name, port) {
        match verdict {
            Verdict::Refused(why) => shut.push(format!("{door}: {why}")),
            _ => open.push(door),
        }
    }
    format!("open [{}] shut [{}]", open.join(" "), shut.join("; "))
}

fn get(name: &str, port: &str, path: &str) -> String {
    let request = format!(
        "GET http://{name}:{port}{path} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"
    );
    match client::judge_reply(client::http_door(request.as_bytes())) {
        Verdict::Refused(why) => why,
        _ => "open".to_owned(),
    }
}

fn nonsense(count: usize) {
    let name = |number: usize| {
        let mut name = vec![0xff; 255];
        name[..8].copy_from_slice(&number.to_be_bytes());
        name
    };
    let refused = (0..count).filter(|number| client::socks_name(&name(*number), 443).is_err());
    say(&format!("{} refused", refused.count()));
}

fn hold(door: &str) {
    let request = b"GET /drip HTTP/1.1\r\nHost: allowed.test\r\n\r\n";
    let stream = match door {
        "connect" => client::tunnel("allowed.test:80"),
        "socks" => client::socks_name(b"allowed.test", 80),
        _ => {
            let address = client::resolve("allowed.test")[0];
            client::dial(address, 80)
        }
    };
    let mut stream = match stream {
        Ok(stream) => stream,
        Err(error) => return say(&format!("shut: {error}")),
    };
    stream.write_all(request).expect("a request");
    let (mut got, mut piece) = (Vec::new(), [0; 1024]);
    let mut told = false;
    // The answer comes byte by byte and never ends by itself; silence would be an end as well.
    while let Ok(length) = stream.read(&mut piece) {
        if length == 0 {
            break;
        }
        got.extend(&piece[..length]);
        if !told && crate::kit::contains(&got, REACHED) {
            say("open");
            told = true;
        }
        got = got.split_off(got.len().saturating_sub(256));
    }
    say("cut");
}

fn serve(port: u16) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).expect("a listener");
    say("ready");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut request = [0; 1024];
        drop(stream.read(&mut request));
        drop(stream.write_all(format!("HTTP/1.0 200 OK\r\n\r\n{REACHED}").as_bytes()));
    }
}

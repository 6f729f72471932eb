//! A client that is told on stdin what to try, one try a line: the payload of the scenarios.

use crate::client;
use crate::harness::Verdict;
use crate::world::REACHED;
use std::io::{BufRead, Read, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

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
/// | `patient SECONDS` | waits so much longer from now on |
/// | `by DOOR NAME PORT` | a request over one door; `open` or why not |
/// | `flood COUNT` | tunnels to so many different hosts, many at once; says how many were refused |
/// | `escapes` | names with sequences for terminals, at every door; says how many were let out |
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
            ["patient", seconds] => {
                client::MORE.store(seconds.parse().expect("seconds"), Ordering::Relaxed);
                say("patient");
            }
            ["by", door, name, port] => by(door, name, port.parse().expect("a port")),
            ["flood", count] => flood(count.parse().expect("a count")),
            ["escapes"] => escapes(),
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

fn by(door: &str, name: &str, port: u16) {
    match client::by_door(door, name, port) {
        Verdict::Refused(why) => say(why.strip_prefix("answer: ").unwrap_or(&why)),
        _ => say("open"),
    }
}

/// More at once than can be held.
fn flood(count: usize) {
    let next = AtomicU64::new(0);
    let refused = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count as u64 {
                        return;
                    }
                    let refusal = client::tunnel(&format!("host-{number}.test:443")).is_err();
                    refused.fetch_add(u64::from(refusal), Ordering::Relaxed);
                }
            });
        }
    });
    say(&format!("{} refused", refused.load(Ordering::Relaxed)));
}

fn escapes() {
    let names = [
        "\u{1b}[2Jx.test",
        "\u{9b}2Jx.test",
        "x\u{202e}.test",
        "x\u{7}.test",
        "\u{1b}]0;x\u{7}.test",
    ];
    let mut open = 0;
    for name in names {
        let mut tries = vec![
            client::http_door(&client::get_absolute(&format!("{name}:80"))),
            client::http_door(
                format!("GET http://allowed.test/ HTTP/1.1\r\nHost: {name}\r\n\r\n").as_bytes(),
            ),
            client::tunnel(&format!("{name}:443")).map(|_| crate::world::REACHED.into()),
            client::socks_name(name.as_bytes(), 443).map(|_| crate::world::REACHED.into()),
        ];
        // The name of a ClientHello, in a tunnel that is allowed.
        let plain = format!("{}.test", "a".repeat(name.len() - 5));
        let mut hello = crate::tls::hello(Some(&plain));
        let at = hello.windows(plain.len()).position(|bytes| bytes == plain.as_bytes());
        let at = at.expect("the name is in the hello");
        hello[at..at + plain.len()].copy_from_slice(name.as_bytes());
        tries.push(
            client::tunnel("allowed.test:443").and_then(|stream| client::exchange(stream, &hello)),
        );
        open += tries
            .into_iter()
            .filter(|reply| reply.as_ref().is_ok_and(|bytes| client::reached(bytes)))
            .count();
    }
    say(&format!("{open} open"));
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

//! Git's own protocol over HTTP, by `git http-backend`, as a web server runs it: below `/git/`.

use super::http::field;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The answer to a request whose path begins with `/git/`.
pub fn answer(folder: &Path, head: &str, body: &[u8]) -> Vec<u8> {
    let mut words = head.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.strip_prefix("/git").unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let first = |name| field(head, name).next().unwrap_or_default();
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", folder).env("GIT_HTTP_EXPORT_ALL", "1");
    // The world's owner may be another than that of the repository, as far as git can see.
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "safe.directory");
    command.env("GIT_CONFIG_VALUE_0", "*").env("HOME", folder);
    command.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("CONTENT_TYPE", first("content-type"));
    command.env("CONTENT_LENGTH", body.len().to_string());
    command.env("HTTP_CONTENT_ENCODING", first("content-encoding"));
    command.env("GIT_PROTOCOL", first("git-protocol"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("git");
    let mut stdin = child.stdin.take().expect("stdin");
    let body = body.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let output = child.wait_with_output().expect("git").stdout;
    writer.join().expect("a thread");
    as_http(&output)
}

/// What a program of CGI says, as an answer of HTTP.
fn as_http(said: &[u8]) -> Vec<u8> {
    let end = said.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or(said.len());
    let (fields, body) = (&said[..end], said.get(end + 4..).unwrap_or_default());
    let fields = String::from_utf8_lossy(fields).into_owned();
    let mut status = "200 OK";
    let mut rest = String::new();
    for line in fields.lines() {
        match line.strip_prefix("Status: ") {
            Some(other) => status = other,
            None => rest += &format!("{line}\r\n"),
        }
    }
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{rest}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

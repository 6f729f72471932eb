//! Who is not let in at the unix socket is told why.

use super::guard;
use super::problem::Problem;
use crate::cli::ui;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

/// So many are told at one time; where there are more, the connection is closed and that is all.
const AT_ONCE: usize = 16;
/// For its request and for our answer.
const PATIENCE: Duration = Duration::from_secs(2);
const MOST_HEAD: usize = 16 << 10;
const MOST_BODY: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Refusals(Arc<Semaphore>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Refusals {
    /// Answers, whatever was asked for, and closes.
    pub(super) fn tell(&self, stream: UnixStream, why: String) {
        ui::line(&format!("jail: refused a connection at the unix socket: {why}"));
        let Ok(turn) = self.0.clone().try_acquire_owned() else { return };
        tokio::spawn(async move {
            // One that does not listen is refused all the same.
            drop(tokio::time::timeout(PATIENCE, answer(stream, why)).await);
            drop(turn);
        });
    }
}

async fn answer(mut stream: UnixStream, why: String) -> std::io::Result<()> {
    // Not before it has asked: it could not write to a socket that is closed, and would read nothing then.
    let mut asked = Vec::new();
    while !asked.windows(4).any(|end| end == b"\r\n\r\n") && asked.len() < MOST_HEAD {
        if stream.read_buf(&mut asked).await? == 0 {
            break;
        }
    }
    let problem = Problem::new(StatusCode::FORBIDDEN, "this process is not let in here");
    let mut response = problem.because(why).into_response();
    guard::close(&mut response);
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, MOST_BODY).await.map_err(std::io::Error::other)?;
    let mut text = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n".to_vec();
    for (name, value) in &parts.headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    text.extend(body);
    stream.write_all(&text).await?;
    stream.shutdown().await
}

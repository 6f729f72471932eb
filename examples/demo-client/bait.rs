//! What a connector must not get at: made here, and removed when the demo ends.

use std::io::{self, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// The variable that stands for any secret in a user's environment.
pub(crate) const SECRET_NAME: &str = "DEMO_API_TOKEN";

pub(crate) struct Bait {
    /// In the user's home folder, readable by the user only, as a private key would be.
    file: NamedTempFile,
    secret: String,
    listener: TcpListener,
    /// The working folder of the connector that runs without jail.
    scratch: TempDir,
}

impl Bait {
    pub(crate) fn lay() -> io::Result<Self> {
        let home = std::env::home_dir().ok_or_else(|| io::Error::other("no home folder"))?;
        let mut file = tempfile::Builder::new().prefix(".demo-key-").tempfile_in(home)?;
        // The random part of the file's name makes a secret that nothing else can print by chance.
        let secret = format!("secret of {}", file.path().display());
        file.write_all(secret.as_bytes())?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self { file, secret, listener, scratch: tempfile::tempdir()? })
    }

    pub(crate) fn file(&self) -> &Path {
        self.file.path()
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }

    pub(crate) fn address(&self) -> io::Result<String> {
        Ok(self.listener.local_addr()?.to_string())
    }

    /// True where somebody connected since the last call: what the listener saw counts, whatever
    /// the connector said.
    pub(crate) fn was_visited(&self) -> io::Result<bool> {
        let mut visited = false;
        loop {
            match self.listener.accept() {
                Ok(_) => visited = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(visited),
                Err(error) => return Err(error),
            }
        }
    }

    /// A new empty working folder.
    pub(crate) fn workspace(&self) -> io::Result<PathBuf> {
        Ok(tempfile::Builder::new().tempdir_in(self.scratch.path())?.keep())
    }
}

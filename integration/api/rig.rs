//! A workspace with a server.

use super::http::{self, Answer};
use jail::approvals::{Asker, Occurrence, Recorded, Subject, record};
use jail::policy::load::WorkspaceRoot;
use jail::state::{PATIENCE, State};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};

pub struct Rig {
    folder: tempfile::TempDir,
    pub server: Server,
}

pub struct Server {
    pub child: Child,
    pub unix: String,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub fn jail() -> PathBuf {
    std::env::var_os("JAIL").map_or_else(|| env!("CARGO_BIN_EXE_jail").into(), PathBuf::from)
}

impl Rig {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["work/.cloned", "run"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let server = start(folder.path());
        Self { folder, server }
    }

    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub fn cloned(&self, name: &str) -> PathBuf {
        self.work().join(".cloned").join(name)
    }

    pub fn restart(&mut self) {
        self.server = start(self.folder.path());
    }

    pub fn state(&self) -> State {
        State::open(&self.root(), PATIENCE).unwrap()
    }

    pub fn root(&self) -> WorkspaceRoot {
        WorkspaceRoot { path: self.work() }
    }

    pub fn command(&self, words: &[&str]) -> Output {
        command(self.folder.path()).args(words).output().unwrap()
    }

    /// A new code.
    pub fn code(&self) -> String {
        let done = self.command(&["api", "pair"]);
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    pub fn pair(&self, code: &str) -> Answer {
        let body = serde_json::json!({ "code": code, "name": "tests" }).to_string();
        self.tcp("POST /v1/pair", &[], Some(&body))
    }

    /// The token and the id of a new device.
    pub fn device(&self) -> (String, String) {
        let answer = self.pair(&self.code());
        assert_eq!(answer.status, 201, "{answer:?}");
        let json = answer.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&json["token"]), text(&json["device"]["id"]))
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.server.port)
    }

    pub fn own_origin(&self) -> String {
        format!("http://{}", self.host())
    }

    /// Over TCP, with the right host and these headers.
    pub fn tcp(&self, line: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let host = self.host();
        let mut all = vec![("Host", host.as_str())];
        all.extend_from_slice(headers);
        http::exchange(http::tcp(self.server.port), &http::text(line, &all, body))
    }

    /// As a browser calls it.
    pub fn browser(&self, line: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let host = self.browsers_host();
        let mut all = vec![("Host", host.as_str())];
        all.extend_from_slice(headers);
        http::exchange(http::tcp(self.server.port), &http::text(line, &all, body))
    }

    pub fn browsers_host(&self) -> String {
        format!("jail.localhost:{}", self.server.port)
    }

    pub fn with(&self, token: &str, line: &str, body: Option<&str>) -> Answer {
        self.tcp(line, &[("Authorization", &format!("Bearer {token}"))], body)
    }

    /// At the unix socket.
    pub fn unix(&self, line: &str, body: Option<&str>) -> Answer {
        let text = http::text(line, &[("Host", "localhost")], body);
        http::exchange(http::unix(&self.server.unix), &text)
    }

    /// A connector asks for a host.
    pub fn asked(&self, host: &str) -> String {
        let asker = Asker::connector("search".parse().unwrap(), None);
        let subject = Subject::Egress { host: host.parse().unwrap(), port: 443, private: false };
        let latest = Occurrence::now("not-listed".into());
        match record(&mut self.state(), &asker, &subject, &latest, 1).unwrap() {
            Recorded::New(id) | Recorded::Again(id) => id.to_string(),
            Recorded::Full => panic!("full"),
        }
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.cloned(name)).unwrap_or_default()
    }
}

pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(jail());
    command.current_dir(folder.join("work")).env("XDG_RUNTIME_DIR", folder.join("run"));
    command.env("HOME", folder).env_remove("XDG_CONFIG_HOME").stdin(Stdio::null());
    command
}

fn start(folder: &Path) -> Server {
    let mut command = command(folder);
    command.args(["api", "--json", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    let tcp = said["tcp"].as_str().unwrap();
    let port = tcp.rsplit(':').next().unwrap().parse().unwrap();
    Server { child, unix: said["unix"].as_str().unwrap().to_owned(), port }
}

/// This program, where everybody can start it.
pub fn for_all(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let copy = folder.join("ask");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    for path in [folder, &copy] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    copy
}

/// Asks once, and prints the status; 0 where there is no answer.
pub fn ask_as_a_stranger(path: &str) -> ExitCode {
    let Ok(stream) = std::os::unix::net::UnixStream::connect(path) else {
        println!("no connection");
        return ExitCode::SUCCESS;
    };
    let text = http::text("GET /v1/runs", &[("Host", "localhost")], None);
    println!("{}", http::exchange(stream, &text).status);
    ExitCode::SUCCESS
}

/// A filter of system calls that allows all of them: what counts is that there is one.
pub fn filter_nothing() {
    let allow = libc::sock_filter {
        code: u16::try_from(libc::BPF_RET | libc::BPF_K).unwrap(),
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_ALLOW,
    };
    let mut filters = [allow];
    let program = libc::sock_fprog { len: 1, filter: filters.as_mut_ptr() };
    // SAFETY: integers only. man: prctl(2)
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: the kernel copies the program, which lives over the call. man: seccomp(2)
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(done, 0);
}

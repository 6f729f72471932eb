//! Real programs under the profiles, each in a network namespace of its own that has no way out.

use libtest_mimic::{Failed, Trial};
use nix::sched::CloneFlags;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, io};

/// A program, what it is to do, and the profile that it is to work under.
struct Case {
    profile: &'static str,
    name: &'static str,
    needs: &'static [&'static str],
    /// For bash, in an empty folder. Ends with 0 where all is well.
    script: &'static str,
}

/// Written for what they exercise, not for what they print: a script that ends with 0 was refused
/// nothing that it needs.
const CASES: &[Case] = &[
    Case {
        profile: "default",
        name: "bash: pipes, substitution, jobs, traps",
        needs: &["sort", "tr"],
        script: r#"set -euo pipefail
            [ "$(printf 'b\na\n' | sort | tr a-z A-Z | paste -sd,)" = A,B ]
            diff <(echo x) <(echo x); sleep 0.05 & wait $!; (ulimit -n 64; true)
            trap 'echo caught >t' USR1; kill -USR1 $$; grep -q caught t
            mkfifo f; (echo through >f) & read -r line <f; [ "$line" = through ]
            cp -a t u; mv u v; ln -s v w; tar cf x.tar v w; mkdir y; tar xf x.tar -C y; timeout 5 true
            nice true; touch -d yesterday v; find . -name v -newermt 2000-01-01 | grep -q v"#,
    },
    Case {
        profile: "default",
        name: "git: init, commit, branch, clone, gc",
        needs: &["git"],
        script: r#"set -euo pipefail
            git init -q a; cd a; git config user.email a@b; git config user.name n
            for i in 1 2 3; do echo $i >f$i; git add .; git commit -qm $i; done
            git checkout -qb other; git rebase -q master 2>/dev/null || git rebase -q main
            cd ..; git clone -q a b; cd b; git log --oneline | grep -c . | grep -qx 3; git gc -q
            git worktree add -q ../c; git status --porcelain; git stash list; git fsck"#,
    },
    Case {
        profile: "default",
        name: "gcc: compile, link, run",
        needs: &["gcc"],
        script: r#"set -eu; echo 'int puts(const char*); int main(void){return puts("hi")<0;}' >h.c
            gcc -O1 -o h h.c; ./h | grep -qx hi"#,
    },
    Case {
        profile: "default",
        name: "node: workers, children, watching, sockets, wasm",
        needs: &["node"],
        script: include_str!("node.sh"),
    },
    Case {
        profile: "default",
        name: "npm, npx: version, init, pack, run",
        needs: &["npm"],
        script: r#"set -eu; mkdir p; cd p; npm --version; npx --version; npm init -y >/dev/null
            npm pkg set scripts.hi='node -p 1+1'; npm run -s hi | grep -qx 2; npm pack --silent
            ls *.tgz"#,
    },
    Case {
        profile: "default",
        name: "python: ssl, threads, pools, asyncio, sqlite, pty",
        needs: &["/usr/bin/python3"],
        script: include_str!("python.sh"),
    },
    Case {
        profile: "default",
        name: "openssl, curl, perl, make",
        needs: &["openssl", "curl", "perl", "make"],
        script: r#"set -eu; openssl rand -hex 8; openssl genrsa -out k 1024 2>/dev/null; curl --version
            perl -e 'use Socket; socketpair(my $a,my $b,AF_UNIX,SOCK_STREAM,0) or die; fork or exit; wait'
            printf 'all: a b\na b:\n\t@echo $@\n' >Makefile; make -j2"#,
    },
    Case {
        profile: "default",
        name: "refused: namespaces, tracing, sockets of other families",
        needs: &["unshare", "/usr/bin/python3"],
        script: include_str!("refused.sh"),
    },
    Case {
        profile: "browser",
        name: "node and python under the browser's profile",
        needs: &["node", "/usr/bin/python3"],
        script: r#"set -eu; node -e 'new (require("worker_threads").Worker)("0",{eval:true})'
            /usr/bin/python3 -c 'import socket as s; s.socket(s.AF_NETLINK,s.SOCK_RAW,15)'"#,
    },
];

/// Programs under `strict`, started without a shell: under it a shell cannot start anything.
const STRICT: &[(&str, &str, &[&str])] = &[
    (
        "a python server on stdio",
        "/usr/bin/python3",
        &[
            "-c",
            "import sys, json, ssl, threading, tempfile, sqlite3\n\
             t = threading.Thread(target=print, args=('x',), kwargs={'file': sys.stderr})\n\
             t.start(); t.join()\n\
             tempfile.TemporaryFile().write(b'x'); sqlite3.connect(':memory:').execute('select 1')\n\
             for line in sys.stdin: print(json.dumps({'id': json.loads(line)['id']}), flush=True)",
        ],
    ),
    (
        "a node server on stdio",
        "node",
        &[
            "-e",
            "const rl = require('readline').createInterface({input: process.stdin});\
             const {Worker} = require('worker_threads'); require('zlib').gzip('x', () => {});\
             require('crypto').pbkdf2('a', 'b', 9, 9, 'sha256', () => {});\
             require('fs').mkdtempSync(require('os').tmpdir() + '/s');\
             rl.on('line', l => new Worker('0', {eval: true}).on('exit', () => {\
               console.log(JSON.stringify({id: JSON.parse(l).id})); }));",
        ],
    ),
];

/// What must not work under `strict`.
const STRICT_REFUSED: &str = r#"
import os, socket, sys
def refused(act):
    try: act()
    except PermissionError: return
    sys.exit(f'not refused: {act.__code__.co_consts}')
refused(lambda: os.fork())
refused(lambda: os.posix_spawn('/bin/true', ['true'], {}))
for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
    refused(lambda: socket.socket(family, socket.SOCK_DGRAM))
refused(lambda: socket.socketpair())
refused(lambda: os.unshare(0) if hasattr(os, 'unshare') else os.chroot('/'))
"#;

/// The tests of this file.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for case in CASES {
        let missing = case.needs.iter().find(|program| which(program).is_none());
        let name = format!("{}/{}", case.profile, case.name);
        trials.push(unless(missing.copied(), name, || {
            let folder = tempfile::tempdir()?;
            let mut command = jailed(case.profile, "bash", folder.path())?;
            finish(command.arg("-c").arg(case.script))
        }));
    }
    for (what, program, args) in STRICT {
        let missing = which(program).is_none().then_some(*program);
        trials.push(unless(missing, format!("strict/{what}"), || {
            let folder = tempfile::tempdir()?;
            let mut command = jailed("strict", program, folder.path())?;
            answers(command.args(*args))
        }));
    }
    let missing = which("/usr/bin/python3").is_none().then_some("/usr/bin/python3");
    trials.push(unless(missing, "strict/no child, no socket".to_owned(), || {
        let folder = tempfile::tempdir()?;
        finish(jailed("strict", "/usr/bin/python3", folder.path())?.arg("-c").arg(STRICT_REFUSED))
    }));
    let missing = which("rustc").is_none().then_some("rustc");
    trials.push(unless(missing, "strict/a static program of rust".to_owned(), static_rust));
    trials
}

/// A test, ignored for want of a program, or failed where none may be wanting.
fn unless(
    missing: Option<&str>,
    name: String,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    let must = env::var("JAIL_TEST_MUST_RUN").is_ok_and(|list| list.contains("programs"));
    match missing {
        None => Trial::test(name, test),
        Some(program) if must => {
            let why = format!("{program} is not installed");
            Trial::test(name, move || Err(why.into()))
        }
        Some(program) => {
            Trial::test(format!("{name} (no {program})"), || Ok(())).with_ignored_flag(true)
        }
    }
}

fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// `program` under a profile, without a network, at home in `folder`.
fn jailed(profile: &str, program: &str, folder: &Path) -> Result<Command, Failed> {
    let filter = jail::seccomp::built_in(profile).ok_or("no such profile")?;
    let mut command = Command::new(which(program).ok_or("no such program")?);
    let path = env::var_os("PATH").unwrap_or_default();
    command.current_dir(folder).env_clear().env("PATH", path).env("HOME", folder);
    command.env("TMPDIR", folder).env("RUSTUP_HOME", env::var("RUSTUP_HOME").unwrap_or_default());
    let confine = move || {
        let root = nix::unistd::geteuid().is_root();
        let user = if root { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
        nix::sched::unshare(CloneFlags::CLONE_NEWNET | user)?;
        nix::sys::prctl::set_no_new_privs()?;
        jail::sys::seccomp::load(filter).map_err(io::Error::from)
    };
    // SAFETY: `confine` makes system calls only, and `filter` is static: nothing that a process
    // between fork and exec must not do.
    unsafe { command.pre_exec(confine) };
    Ok(command)
}

fn finish(command: &mut Command) -> Result<(), Failed> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)).into())
}

/// Sends one request and wants its answer.
fn answers(command: &mut Command) -> Result<(), Failed> {
    use std::io::Write;
    let (input, output, errors) = (Stdio::piped(), Stdio::piped(), Stdio::piped());
    let mut child = command.stdin(input).stdout(output).stderr(errors).spawn()?;
    child.stdin.take().ok_or("no stdin")?.write_all(b"{\"id\": 7}\n")?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.split_whitespace().collect::<String>() == r#"{"id":7}"# {
        return Ok(());
    }
    Err(format!("{}: {said}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

fn static_rust() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("main.rs");
    std::fs::write(
        &source,
        "fn main() { let t = std::thread::spawn(|| std::fs::write(\"f\", \"x\")); \
         t.join().unwrap().unwrap(); let mut s = String::new(); \
         std::io::stdin().read_line(&mut s).unwrap(); println!(\"{}\", s.trim()); }",
    )?;
    let mut rustc = Command::new("rustc");
    rustc.args(["-Ctarget-feature=+crt-static", "-o"]).arg(folder.path().join("main")).arg(&source);
    finish(&mut rustc)?;
    let program = folder.path().join("main");
    answers(&mut jailed("strict", program.to_str().ok_or("a plain path")?, folder.path())?)
}

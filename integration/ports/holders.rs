//! Other processes that hold sockets: this binary again, or another program with an inherited one.

use crate::make::{Shape, TCP, UDP, try_socket};
use crate::world::World;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

/// `--hold WHAT…`: makes sockets, says `ready`, and waits for the end of stdin.
pub fn hold(args: &[String]) -> ExitCode {
    let number = |at: usize| args[at].parse::<u16>().expect("a number");
    let mut held = Vec::new();
    let mut unix = Vec::new();
    match args[0].as_str() {
        // KIND IP PORT
        kind @ ("tcp" | "udp" | "tcp-shared" | "udp-shared" | "udp-reused") => {
            let shape = Shape {
                reuse_port: kind.ends_with("-shared"),
                reuse_address: kind.ends_with("-reused"),
                ..if kind.starts_with("udp") { UDP } else { TCP }
            };
            held.push(try_socket(shape, &args[1], number(2)).expect("a socket"));
        }
        // FIRST COUNT: so many of TCP and of UDP, on as many addresses
        "many" => {
            for n in 0..number(2) {
                let ip = format!("127.1.{}.{}", n / 250, n % 250 + 1);
                held.push(try_socket(TCP, &ip, number(1)).expect("a socket"));
                held.push(try_socket(UDP, &ip, number(1)).expect("a socket"));
            }
        }
        "elsewhere" => {
            held.push(try_socket(TCP, "127.0.0.1", number(1)).expect("a socket"));
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a namespace");
            // This one is of the other namespace.
            held.push(try_socket(UDP, "0.0.0.0", number(1)).expect("a socket"));
        }
        // Sockets that are there for a moment, until killed.
        "churn" => {
            churn(number(1));
            return ExitCode::SUCCESS;
        }
        "unix" => unix.push(std::os::unix::net::UnixListener::bind(&args[1]).expect("a socket")),
        other => panic!("{other}"),
    }
    println!("ready");
    std::io::stdout().flush().expect("stdout");
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
    ExitCode::SUCCESS
}

/// Children that listen and end at once, for ten seconds at most.
fn churn(port: u16) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    println!("ready");
    std::io::stdout().flush().expect("stdout");
    let mut next = 0;
    while std::time::Instant::now() < until {
        next = (next + 1) % 200;
        // SAFETY: the child makes a socket and leaves; it shares nothing that it would destroy.
        match unsafe { libc::fork() } {
            0 => {
                let made = try_socket(TCP, "127.0.0.1", port + next);
                std::thread::sleep(std::time::Duration::from_micros(500));
                unsafe { libc::_exit(i32::from(made.is_err())) }
            }
            child => unsafe {
                libc::waitpid(child, std::ptr::null_mut(), 0);
            },
        }
    }
}

impl World {
    /// Starts `--hold …` and waits until its sockets are there; its pid.
    pub fn holder(&mut self, args: &[&str]) -> u32 {
        let mut command = Command::new(std::env::current_exe().expect("my path"));
        command.arg("--hold").args(args);
        self.ready(command)
    }

    /// The same as another program: a copy of this one.
    pub fn other_holder(&mut self, program: &Path, args: &[&str]) -> u32 {
        if !program.exists() {
            fs::copy(std::env::current_exe().expect("my path"), program).expect("a copy");
        }
        let mut command = Command::new(program);
        command.arg("--hold").args(args);
        self.ready(command)
    }

    fn ready(&mut self, mut command: Command) -> u32 {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("a holder");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n");
        self.keep(child)
    }

    pub fn keep(&mut self, child: Child) -> u32 {
        let pid = child.id();
        self.children.push(child);
        pid
    }

    /// Starts a program with nothing but this socket, at descriptor 9.
    pub fn inherit(&mut self, program: &Path, socket: &impl AsFd) -> u32 {
        let from = socket.as_fd().as_raw_fd();
        let mut command = Command::new(program);
        command.arg("60").stdin(Stdio::null()).stdout(Stdio::null());
        // SAFETY: dup2 alone, which is fit for the time between fork and exec.
        unsafe {
            command.pre_exec(move || match libc::dup2(from, 9) {
                -1 => Err(std::io::Error::last_os_error()),
                _ => Ok(()),
            });
        }
        let child = command.spawn().expect("a program");
        self.keep(child)
    }

    /// A copy of sleep(1), which is another program.
    pub fn sleeper(&self, name: &str) -> std::path::PathBuf {
        let program = self.folder.path().join(name);
        fs::copy("/bin/sleep", &program).expect("sleep");
        program
    }
}

//! Other proxies, told to let the same host through and nothing else.

use super::server::NAME;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy that runs until it is dropped.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) at: SocketAddr,
    process: Child,
}

impl Drop for Rival {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// `Err`: why it takes no part.
pub(crate) fn tinyproxy(folder: &Path) -> Result<Rival, String> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 8881));
    let (config, filter) = (folder.join("tinyproxy.conf"), folder.join("tinyproxy.filter"));
    fs::write(&filter, format!("^{}$\n", NAME.replace('.', "\\."))).unwrap();
    let text = format!(
        "Listen {}\nPort {}\nMaxClients 256\nLogLevel Error\nLogFile \"/dev/null\"\n\
         Filter \"{}\"\nFilterDefaultDeny Yes\nFilterExtended On\nDisableViaHeader Yes\n",
        at.ip(),
        at.port(),
        filter.display()
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(program("tinyproxy")?);
    command.arg("-d").arg("-c").arg(&config);
    start("tinyproxy", at, command)
}

/// Without a cache: jail has none either.
pub(crate) fn squid(folder: &Path) -> Result<Rival, String> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 8882));
    let config = folder.join("squid.conf");
    let text = format!(
        "http_port {at}\nacl allowed dstdomain {NAME}\nhttp_access allow allowed\n\
         http_access deny all\ncache deny all\ncache_mem 0\naccess_log none\n\
         cache_log /dev/null\npid_filename none\npinger_enable off\ncoredump_dir none\n\
         netdb_filename none\nvisible_hostname bench\nshutdown_lifetime 0 seconds\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = Command::new(program("squid")?);
    command.arg("-N").arg("-f").arg(&config);
    start("squid", at, command)
}

/// Debian has squid where only root's PATH looks.
fn program(name: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders =
        std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(PathBuf::from));
    let found = folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()));
    found.ok_or_else(|| format!("{name} is not installed (apt install {name})"))
}

fn start(name: &'static str, at: SocketAddr, mut command: Command) -> Result<Rival, String> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = command.spawn().map_err(|error| format!("{name} does not start: {error}"))?;
    let mut rival = Rival { name, at, process };
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if TcpStream::connect(at).is_ok() {
            return Ok(rival);
        }
        if let Ok(Some(status)) = rival.process.try_wait() {
            return Err(format!("{name} ended with {status}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("{name} does not listen"))
}

//! The programs that load the rules, and what else they have loaded.

use super::world::run;
use jail::ports::Registry;
use jail::ports::export::{Egress, Format, export, removal};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

pub const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

pub struct Tool {
    pub name: &'static str,
    pub format: Format,
    /// What must be there.
    pub program: &'static str,
    package: &'static str,
}

pub const ALL: &[Tool] = &[
    Tool {
        name: "nftables",
        format: Format::Nftables,
        program: "/usr/sbin/nft",
        package: "nftables",
    },
    Tool {
        name: "iptables_nft",
        format: Format::Iptables,
        program: "/usr/sbin/xtables-nft-multi",
        package: "iptables",
    },
    Tool {
        name: "iptables_legacy",
        format: Format::Iptables,
        program: "/usr/sbin/xtables-legacy-multi",
        package: "iptables",
    },
];

impl Tool {
    pub fn named(name: &str) -> Self {
        let Self { name, format, program, package } =
            ALL.iter().find(|tool| tool.name == name).expect("a tool");
        Self { name, format: *format, program, package }
    }

    /// Why it cannot be used here. The rest of the host's rules is nft's in every scene.
    pub fn missing(&self) -> Option<String> {
        let need = [(self.program, self.package), ("/usr/sbin/nft", "nftables")];
        let (program, package) =
            need.into_iter().find(|(program, _)| !Path::new(program).exists())?;
        Some(format!("{program} is not installed ({package})"))
    }

    pub fn iptables(&self) -> bool {
        self.format == Format::Iptables
    }

    /// `PATH` with this iptables, in a folder.
    pub fn path(&self, folder: &Path) -> String {
        if self.iptables() {
            for name in ["iptables", "ip6tables"] {
                for more in ["", "-restore", "-save"] {
                    let link = folder.join(format!("{name}{more}"));
                    if !link.exists() {
                        symlink(self.program, link).expect("a link");
                    }
                }
            }
        }
        format!("{}:{PATH}", folder.display())
    }

    fn load_text(&self, text: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rules");
        fs::write(&file, text).expect("a file");
        let mut command = if self.iptables() { Command::new("sh") } else { Command::new("nft") };
        if !self.iptables() {
            command.arg("-f");
        }
        command.env("PATH", self.path(folder.path()));
        command.env("XTABLES_LOCKFILE", folder.path().join("lock"));
        run(command.arg(file));
    }

    pub fn load(&self, registry: &Registry, egress: Option<&Egress>) {
        self.load_text(&export(self.format, registry, egress));
    }

    pub fn unload(&self) {
        self.load_text(&removal(self.format));
    }

    /// All rules of the host, whoever made them, without what counts or tells the time.
    pub fn everything(&self) -> String {
        let mut all = run(Command::new("nft").env("PATH", PATH).args(["-s", "list", "ruleset"]));
        if self.iptables() {
            for family in ["iptables", "ip6tables"] {
                let mut save = Command::new(self.program);
                let text = run(save.arg(format!("{family}-save")));
                let lines = text.lines().filter(|line| !line.starts_with('#'));
                let chain = |line: &str| line.split(" [").next().unwrap_or_default().to_owned();
                all.extend(lines.map(|line| chain(line) + "\n"));
            }
            // nft prints the rules of this iptables, too, and counts in them.
            all = all
                .lines()
                .filter(|it| !it.contains("counter packets"))
                .map(|it| format!("{it}\n"))
                .collect();
        }
        all
    }

    /// Rules of others, so that there is something to leave alone.
    pub fn furnish(&self) {
        nft(
            "table inet others { chain any { type filter hook input priority 0; policy accept; tcp dport 1-65535 counter accept; }; }",
        );
        if self.iptables() {
            for family in ["iptables", "ip6tables"] {
                for (table, chain) in
                    [("mangle", "PREROUTING"), ("mangle", "INPUT"), ("filter", "OUTPUT")]
                {
                    let words = ["-t", table, "-A", chain, "-p", "tcp", "-j", "ACCEPT"];
                    let lock =
                        std::env::temp_dir().join(format!("jail-lock-{}", std::process::id()));
                    run(Command::new(self.program)
                        .arg(family)
                        .args(words)
                        .env("XTABLES_LOCKFILE", &lock));
                    drop(fs::remove_file(lock));
                }
            }
        }
    }
}

/// A ruleset of nftables, as somebody else would load it.
pub fn nft(rules: &str) {
    run(Command::new("nft").env("PATH", PATH).arg(rules));
}

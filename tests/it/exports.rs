//! What `jail firewall export` writes, in the programs that it is for: on a loopback of their own, in
//! network namespaces that end with the test. Where a program or a namespace is not to be had, that is
//! told on stderr, and a failure where `JAIL_TEST_MUST_RUN` names the program (`all` names everything).

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Why this cannot run here; `None` where it can.
fn unmet(program: &str, package: &str) -> Option<String> {
    if !Path::new(program).exists() {
        return Some(format!("{program} is not there ({package})"));
    }
    let own = Command::new("unshare").args(["-Urnm", "true"]).stderr(Stdio::null()).status();
    let own = own.is_ok_and(|status| status.success());
    (!own).then(|| "no network namespace for this user".to_owned())
}

/// True where the test is to be skipped, which is told.
fn skipped(test: &str, program: &str, package: &str) -> bool {
    let Some(reason) = unmet(program, package) else { return false };
    let list = std::env::var("JAIL_TEST_MUST_RUN").unwrap_or_default();
    let must = list.split(',').any(|word| word == "all" || word == package);
    assert!(!must, "{test} must run: {reason}");
    // Past the capture of the harness: scripts/test.sh counts these.
    let line = format!("skipped {test}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    true
}

fn jail(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jail"));
    let output = command.arg("firewall").args(args).current_dir(dir).env_clear().output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    output
}

fn workspace(rules: &[&[&str]]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join(".cloned")).unwrap();
    rules.iter().for_each(|args| drop(jail(dir.path(), args)));
    dir
}

fn export(dir: &Path, format: &str) {
    let text = jail(dir, &["export", "--format", format]).stdout;
    fs::write(dir.join(format), text).unwrap();
}

/// A script of sh in a network namespace of its own, with nothing but a loopback.
fn alone(dir: &Path, script: &str) -> Output {
    let up = format!("set -eu; ip link set lo up; {script}");
    let mut command = Command::new("timeout");
    command.args(["60", "unshare", "-Urnm", "--pid", "--fork", "--kill-child", "sh", "-c", &up]);
    command.current_dir(dir).output().unwrap()
}

fn told(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    format!("{text}{}", String::from_utf8_lossy(&output.stderr))
}

/// Answers every connection with one byte; at the ports that follow.
const ANSWER: &str = r#"
import socket, sys, threading
def serve(address):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    server = socket.create_server(address, family=family)
    while True:
        client, _ = server.accept()
        client.sendall(b"!")
        client.close()
for port in sys.argv[1:]:
    threading.Thread(target=serve, args=(("127.0.0.1", int(port)),)).start()
"#;

/// Waits until a port is listened on.
const WAIT: &str = r#"
import socket, sys, time
for _ in range(200):
    try:
        socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1).close()
        sys.exit(0)
    except OSError:
        time.sleep(0.05)
sys.exit("nobody listens")
"#;

/// Connects; prints what came of it.
const CONNECT: &str = r#"
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).close()
    print(sys.argv[1] + ":" + sys.argv[2] + " passes")
except OSError as error:
    print(sys.argv[1] + ":" + sys.argv[2] + " refused")
"#;

/// Asks the proxy for a tunnel; prints the status.
const TUNNEL: &str = r#"
import socket, sys
proxy = socket.create_connection(("127.0.0.1", 3128), 10)
proxy.settimeout(20)
target = sys.argv[1]
proxy.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
print(target, proxy.recv(4096).split(b" ")[1].decode())
"#;

#[test]
fn squid_lets_the_allowed_host_pass_and_no_other() {
    if skipped("squid", "/usr/sbin/squid", "squid") {
        return;
    }
    let dir = workspace(&[
        &["allow", "--private", "good.example.com:4430"],
        &["allow", "public.example.com:4430"],
        &["allow", "--private", "*.wild.example.com:4430"],
        &["deny", "evil.wild.example.com"],
        &["allow", "127.0.0.2:4430"],
        &["allow", "[::1]:4430"],
    ]);
    let dir = dir.path();
    export(dir, "squid");
    for (name, text) in [("answer", ANSWER), ("wait", WAIT), ("tunnel", TUNNEL)] {
        fs::write(dir.join(name), text).unwrap();
    }
    let hosts = "127.0.0.1 good.example.com public.example.com other.example.com \
                 a.wild.example.com evil.wild.example.com wild.example.com\n";
    fs::write(dir.join("hosts"), hosts).unwrap();
    let own = dir.display();
    let config = format!(
        "http_port 127.0.0.1:3128\ninclude {own}/squid\nhosts_file {own}/hosts\npid_filename {own}/pid\n\
         cache_log {own}/log\naccess_log none\ncache deny all\ncoredump_dir {own}\n\
         dns_nameservers 127.0.0.1\nshutdown_lifetime 0 seconds\n\
         pinger_enable off\nnetdb_filename none\n"
    );
    fs::write(dir.join("conf"), config).unwrap();
    // It does not run as root, not even as that of a namespace.
    // A copy: where AppArmor knows squid by its path, it may not read here.
    let script = "cp /usr/sbin/squid own; PATH=.:$PATH; squid() { ./own \"$@\"; }; squid -k parse -f conf 2>parsed; ! grep -E 'ERROR|FATAL|WARNING' parsed; \
        python3 answer 4430 4431 & \
        unshare -U --map-user=1000 --map-group=1000 squid -N -f conf & \
        python3 wait 3128; python3 wait 4430; \
        for target in good.example.com:4430 good.example.com:4431 other.example.com:4430 \
          public.example.com:4430 a.wild.example.com:4430 evil.wild.example.com:4430 \
          wild.example.com:4430 127.0.0.1:4430; do python3 tunnel $target; done";
    let output = alone(dir, &format!("PATH=$PATH:/usr/sbin; {script}"));
    let text = told(&output);
    for line in [
        "good.example.com:4430 200",
        "good.example.com:4431 403",
        "other.example.com:4430 403",
        // Its rule does not say `private`, and its address is this machine's.
        "public.example.com:4430 403",
        "a.wild.example.com:4430 200",
        "evil.wild.example.com:4430 403",
        "wild.example.com:4430 403",
        "127.0.0.1:4430 403",
    ] {
        let log = fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(text.contains(line), "no {line:?} in:\n{text}\n{log}");
    }
}

#[test]
fn nftables_lets_the_allowed_address_pass_and_no_other() {
    if skipped("nftables", "/usr/sbin/nft", "nftables") {
        return;
    }
    let dir = workspace(&[
        &["allow", "127.0.0.1:4430"],
        &["allow", "[2001:db8::1]:4430"],
        &["allow", "name.example.com:4431"],
        &["allow", "*.example.com"],
        &["deny", "evil.example.com"],
    ]);
    let dir = dir.path();
    export(dir, "nftables");
    for (name, text) in [("answer", ANSWER), ("wait", WAIT), ("connect", CONNECT)] {
        fs::write(dir.join(name), text).unwrap();
    }
    let script = "nft -c -f nftables; nft -f nftables; nft -f nftables; \
        python3 answer 4430 4431 4432 & python3 wait 4432; \
        python3 connect 127.0.0.1 4432 | sed 's/^/before /'; \
        nft add chain inet jail_firewall out '{ type filter hook output priority 0; }'; \
        nft add rule inet jail_firewall out jump allowlist; \
        python3 connect 127.0.0.1 4430; python3 connect 127.0.0.1 4432; \
        python3 connect 127.0.0.1 4431 | sed 's/^/empty /'; \
        set=$(nft list table inet jail_firewall | sed -n 's/.*daddr @\\(allow_[0-9]*_v4\\) tcp dport 4431.*/\\1/p'); \
        nft add element inet jail_firewall $set '{ 127.0.0.1 timeout 5m }'; \
        python3 connect 127.0.0.1 4431 | sed 's/^/filled /'";
    let output = alone(dir, &format!("PATH=$PATH:/usr/sbin; {script}"));
    let text = told(&output);
    for line in [
        "before 127.0.0.1:4432 passes",
        "\n127.0.0.1:4430 passes",
        "\n127.0.0.1:4432 refused",
        "empty 127.0.0.1:4431 refused",
        "filled 127.0.0.1:4431 passes",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
}

/// Where tests/exports/install.sh puts Envoy and its published API.
fn installed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build/exports").join(path)
}

/// A rule of each kind: names, a wildcard with a hole in it, addresses, ports, one that ends.
fn every_kind() -> TempDir {
    workspace(&[
        &["allow", "good.example.com:4430"],
        &["allow", "*.wild.example.com:4430"],
        &["deny", "evil.wild.example.com"],
        &["allow", "127.0.0.2:4430"],
        &["allow", "[::1]:4430"],
        &["allow", "plain.example.com:80", "--expires", "2h"],
    ])
}

/// What the published API says against this bootstrap; `None` where it knows all of it.
fn against_schema(bootstrap: &str) -> Option<String> {
    let mut command = Command::new(installed("venv/bin/python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exports/schema.py"));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(bootstrap.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (!output.status.success()).then(|| told(&output))
}

#[test]
fn envoy_configuration_has_nothing_that_its_published_api_does_not_know() {
    let python = installed("venv/bin/python");
    if skipped("envoy_schema", &python.display().to_string(), "tests/exports/install.sh") {
        return;
    }
    for dir in [every_kind(), workspace(&[])] {
        let text = jail(dir.path(), &["export", "--format", "envoy"]).stdout;
        let value: serde_json::Value =
            serde_saphyr::from_str(&String::from_utf8(text).unwrap()).unwrap();
        assert_eq!(against_schema(&value.to_string()), None);
    }
    // A schema that takes everything would show nothing: what is misspelt is refused, and named.
    let text = jail(every_kind().path(), &["export", "--format", "envoy"]).stdout;
    let value: serde_json::Value =
        serde_saphyr::from_str(&String::from_utf8(text).unwrap()).unwrap();
    let right = value.to_string();
    for (word, misspelt, told) in [
        ("\"static_resources\"", "\"statik_resources\"", "no field named \"statik_resources\""),
        ("\"stat_prefix\"", "\"stat_prefx\"", "no field named \"stat_prefx\""),
        ("\"connect_matcher\"", "\"connect_match\"", "no field named \"connect_match\""),
        ("\"dns_cache_config\"", "\"dns_cash_config\"", "no field named \"dns_cash_config\""),
        (".router.v3.Router\"", ".router.v3.Rooter\"", "router.v3.Rooter"),
        ("\"V4_PREFERRED\"", "\"V4_BEST\"", "Invalid enum value V4_BEST"),
        ("\"port_value\":3128", "\"port_value\":\"none\"", "port_value"),
    ] {
        let wrong = right.replace(word, misspelt);
        assert_ne!(wrong, right, "{word}");
        let why = against_schema(&wrong).unwrap_or_else(|| panic!("{misspelt} is not refused"));
        assert!(why.contains(told), "{misspelt}: {why}");
    }
}

#[test]
fn envoy_lets_the_allowed_host_pass_and_no_other() {
    let envoy = installed("server/envoy/_bin/envoy").display().to_string();
    if skipped("envoy", &envoy, "tests/exports/install.sh") {
        return;
    }
    let dir = every_kind();
    let dir = dir.path();
    export(dir, "envoy");
    for (name, text) in [("answer", ANSWER), ("wait", WAIT), ("tunnel", TUNNEL)] {
        fs::write(dir.join(name), text).unwrap();
    }
    let hosts = "127.0.0.1 good.example.com other.example.com plain.example.com \
                 a.wild.example.com evil.wild.example.com wild.example.com\n";
    fs::write(dir.join("hosts"), hosts).unwrap();
    fs::write(dir.join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    // It knows YAML by the name of the file.
    let script = format!(
        "mv envoy envoy.yaml; mount --bind hosts /etc/hosts; \
         mount --bind resolv.conf \"$(realpath /etc/resolv.conf)\"; \
         {envoy} --mode validate -c envoy.yaml -l warn; \
         python3 answer 80 4430 4431 & \
         {envoy} -c envoy.yaml --disable-hot-restart --concurrency 1 -l warn & \
         python3 wait 3128; python3 wait 4430; \
         for target in good.example.com:4430 GOOD.example.com:4430 good.example.com:4431 \
           other.example.com:4430 plain.example.com:80 plain.example.com:4430 \
           a.wild.example.com:4430 evil.wild.example.com:4430 EVIL.wild.example.com:4430 \
           evil.wild.example.com.:4430 wild.example.com:4430 127.0.0.1:4430; \
         do python3 tunnel $target; done"
    );
    let text = told(&alone(dir, &script));
    for line in [
        "configuration 'envoy.yaml' OK",
        "\ngood.example.com:4430 200",
        "GOOD.example.com:4430 200",
        "good.example.com:4431 404",
        "other.example.com:4430 404",
        "plain.example.com:80 200",
        "plain.example.com:4430 404",
        "a.wild.example.com:4430 200",
        "evil.wild.example.com:4430 403",
        "EVIL.wild.example.com:4430 403",
        "evil.wild.example.com.:4430 404",
        "\nwild.example.com:4430 404",
        "127.0.0.1:4430 404",
    ] {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
}

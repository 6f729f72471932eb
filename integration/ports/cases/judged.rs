//! What is found, with a registry and without.

use super::{case, must};
use crate::make::{TCP, UDP, socket};
use crate::world::{V4, World};
use crate::{Case, Outcome};
use std::fs;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

#[allow(clippy::too_many_lines, reason = "a table")]
pub fn all() -> Vec<Case> {
    let program = fs::read_link("/proc/self/exe").unwrap();
    let program = program.to_str().unwrap().to_owned();
    let uid = nix::unistd::geteuid().as_raw();
    let mut all = Vec::new();
    // A registry, where the socket is, and what must be found.
    let mut with = |name: &str,
                    registry: String,
                    bind: &'static str,
                    port: u16,
                    rules: &'static [&'static str],
                    code: i32| {
        all.push(case(name, move |world| {
            let held = socket(TCP, bind, port);
            world.registry(&registry);
            let done = world.expect_rules(rules, code);
            drop(held);
            done
        }));
    };
    let web = |more: &str| format!("services: {{web: {{port: 8080{more}}}}}");
    with("registered", web(""), "127.0.0.1", 8080, &[], 0);
    with(
        "registered_with_everything",
        web(&format!(", owner: \"{uid}\", program: {program}")),
        "127.0.0.1",
        8080,
        &[],
        0,
    );
    with(
        "registered_for_another_program",
        web(", program: nginx"),
        "127.0.0.1",
        8080,
        &["wrong-holder"],
        1,
    );
    with(
        "registered_for_another_user",
        web(", owner: \"54321\""),
        "127.0.0.1",
        8080,
        &["wrong-holder"],
        1,
    );
    with(
        "registered_for_a_container",
        web(", container: web"),
        "127.0.0.1",
        8080,
        &["wrong-holder"],
        1,
    );
    with(
        "registered_for_a_connector",
        web(", connector: search"),
        "127.0.0.1",
        8080,
        &["wrong-holder"],
        1,
    );
    with("registered_but_on_every_address", web(""), "0.0.0.0", 8080, &["not-loopback"], 1);
    with("registered_for_every_address", web(", bind: 0.0.0.0"), "0.0.0.0", 8080, &[], 0);
    with("registered_for_one_address", web(&format!(", bind: {V4}")), V4, 8080, &[], 0);
    with(
        "registered_narrower",
        web(&format!(", bind: {V4}")),
        "0.0.0.0",
        8080,
        &["not-loopback"],
        1,
    );
    with(
        "registered_for_another_loopback",
        web(", bind: 127.0.0.2"),
        "127.0.0.1",
        8080,
        &["bind-differs"],
        0,
    );
    with("registered_for_v4_listens_on_v6", web(""), "::1", 8080, &["bind-differs"], 0);
    with(
        "registered_as_udp",
        web(", proto: udp"),
        "127.0.0.1",
        8080,
        &["not-listening", "unregistered"],
        0,
    );
    with(
        "registered_below_1024",
        "services: {web: {port: 81}}".into(),
        "127.0.0.1",
        81,
        &["privileged"],
        0,
    );
    with(
        "registered_among_client_ports",
        "services: {web: {port: 40000}}".into(),
        "127.0.0.1",
        40000,
        &["ephemeral"],
        0,
    );
    with(
        "unregistered_is_denied",
        "policy: {unregistered: deny}".into(),
        "127.0.0.1",
        8080,
        &["unregistered"],
        1,
    );
    with(
        "unregistered_is_allowed",
        "policy: {unregistered: allow}".into(),
        "127.0.0.1",
        8080,
        &[],
        0,
    );
    with(
        "non_loopback_is_a_warning",
        "policy: {unregistered: allow, non_loopback: warn}".into(),
        "0.0.0.0",
        8080,
        &["not-loopback"],
        0,
    );
    with(
        "non_loopback_is_allowed",
        "policy: {unregistered: allow, non_loopback: allow}".into(),
        "0.0.0.0",
        8080,
        &[],
        0,
    );
    with(
        "in_the_range_of_a_connector",
        "reserved: {web-preview: [8000-8099]}".into(),
        "127.0.0.1",
        8080,
        &["reserved"],
        1,
    );
    with(
        "a_registry_that_is_wrong",
        "services: {web: {port: 0}}".into(),
        "127.0.0.1",
        8080,
        &["registry"],
        1,
    );
    with(
        "a_registry_that_contradicts_itself",
        "services: {a: {port: 8080}, b: {port: 8080}}".into(),
        "0.0.0.0",
        8080,
        &["not-loopback", "registry"],
        1,
    );
    all.extend([
        case("registered_and_nobody_listens", nobody),
        case("a_setting_keeps_the_port_from_clients", kept),
        case("a_setting_makes_the_port_free_for_all", unprivileged),
        case("two_programs_share_a_port", |world| shared(world, "tcp-shared", "127.0.0.1")),
        case("two_programs_share_a_udp_port", |world| shared(world, "udp-shared", "127.0.0.1")),
        case("two_programs_reuse_a_udp_port", |world| shared(world, "udp-reused", "127.0.0.1")),
        case("a_second_program_beside_the_wildcard", |world| {
            shared(world, "tcp-shared", "0.0.0.0")
        }),
        case("a_second_program_beside_dual_stack", |world| shared(world, "udp-reused", "::")),
        case("unix_abstract_of_a_service", |world| unix_abstract(world, true)),
        case("unix_abstract_of_somebody_else", |world| unix_abstract(world, false)),
        case("unix_abstract_datagrams", unix_datagram),
        case("unix_for_everybody", |world| unix_path(world, 0o666, 0o755, &["unix-open"])),
        case("unix_for_everybody_in_a_closed_folder", |world| unix_path(world, 0o666, 0o700, &[])),
        case("unix_for_its_owner", |world| unix_path(world, 0o600, 0o755, &[])),
        case("unix_with_a_name_that_is_two_lines", unix_two_lines),
    ]);
    all
}

fn nobody(world: &mut World) -> Outcome {
    world.registry("services: {web: {port: 8080}}");
    world.expect_rules(&["not-listening"], 0)?;
    let (_, code) = world.json(&["--fail-on", "info"])?;
    must(code == 1, format!("exit code {code}"))
}

fn kept(world: &mut World) -> Outcome {
    let held = socket(TCP, "127.0.0.1", 40000);
    world.registry("services: {web: {port: 40000}}");
    world.set("ip_local_reserved_ports", "39990-40010");
    let done = world.expect_rules(&[], 0);
    drop(held);
    done
}

fn unprivileged(world: &mut World) -> Outcome {
    world.set("ip_unprivileged_port_start", "81");
    let held = socket(TCP, "127.0.0.1", 81);
    world.registry("services: {web: {port: 81}}");
    let done = world.expect_rules(&[], 0);
    drop(held);
    done
}

fn shared(world: &mut World, kind: &str, first: &str) -> Outcome {
    world.registry("policy: {unregistered: allow, non_loopback: allow}");
    world.holder(&[kind, first, "5353"]);
    world.expect_rules(&[], 0)?;
    let other = world.folder.path().join("other");
    world.other_holder(&other, &[kind, "127.0.0.1", "5353"]);
    world.like_ss()?;
    world.expect_rules(&["two-holders"], 1)
}

const SERVICE: &str = "services: {web: {port: 8080}}";

fn unix_abstract(world: &mut World, same: bool) -> Outcome {
    world.registry(SERVICE);
    let name = SocketAddr::from_abstract_name("jail-test-abstract").unwrap();
    let held = UnixListener::bind_addr(&name).unwrap();
    let port = if same { Some(socket(TCP, "127.0.0.1", 8080)) } else { None };
    if !same {
        world.holder(&["tcp", "127.0.0.1", "8080"]);
    }
    let done = world.expect_rules(if same { &["unix-abstract"] } else { &[] }, 0);
    drop((held, port));
    done
}

fn unix_datagram(world: &mut World) -> Outcome {
    world.registry(SERVICE);
    let name = SocketAddr::from_abstract_name(b"two\0parts").unwrap();
    let held = UnixDatagram::bind_addr(&name).unwrap();
    let port = socket(TCP, "127.0.0.1", 8080);
    let done = world.expect_rules(&["unix-abstract"], 0);
    drop((held, port));
    done
}

fn unix_path(world: &mut World, mode: u32, folder: u32, rules: &[&str]) -> Outcome {
    world.registry(SERVICE);
    let place = world.folder.path().join("run");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(world.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(folder)).unwrap();
    let path = place.join("web.sock");
    let held = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    let port = socket(TCP, "127.0.0.1", 8080);
    let done = world.expect_rules(rules, 0);
    drop((held, port));
    done
}

/// Whoever chooses a name chooses what the table looks like: the rest of it must not suffer, and the line
/// that is none must be said.
fn unix_two_lines(world: &mut World) -> Outcome {
    world.registry(SERVICE);
    let name = SocketAddr::from_abstract_name("a\nb").unwrap();
    let held = UnixListener::bind_addr(&name).unwrap();
    let port = socket(TCP, "127.0.0.1", 8080);
    let udp = socket(UDP, "127.0.0.1", 5353);
    let (report, code) = world.json(&[])?;
    let notes = report["notes"].to_string();
    must(code == 0 && notes.contains("1 line of /proc/net/unix"), format!("{code}: {notes}"))?;
    let done = world.expect_rules(&["unix-abstract", "unregistered"], 0);
    drop((held, port, udp));
    done
}

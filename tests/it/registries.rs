//! Every file of `tests/registries` through the decoder of `.cloned/ports.yaml`: each is a test of its own.
//!
//! A bad one says in its first line, `# expect: …`, what part of its error must be; the part starts with
//! the line and column.

use jail::policy::Problem;
use jail::ports::{Judgement, Registry, store::decode};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registries").join(kind)
}

fn read(kind: &str, stem: &str) -> (String, Result<Registry, Vec<Problem>>) {
    let text = fs::read_to_string(folder(kind).join(format!("{stem}.yaml"))).unwrap();
    let registry = decode::registry(Path::new("ports.yaml"), text.as_bytes());
    (text, registry)
}

/// What `jail check` shows, one problem a line.
fn shown(problems: &[Problem]) -> String {
    let line = |problem: &Problem| match &problem.hint {
        Some(hint) => format!("{problem}; {hint}\n"),
        None => format!("{problem}\n"),
    };
    problems.iter().map(line).collect()
}

fn refused(stem: &str) {
    let (text, registry) = read("bad", stem);
    let expected = text.lines().next().and_then(|line| line.strip_prefix("# expect: "));
    let expected = expected.expect("the first line is `# expect: …`");
    let shown = shown(&registry.expect_err("the registry was accepted"));
    assert!(expected.starts_with(':') && shown.starts_with("ports.yaml:"), "{shown}");
    // ` … ` stands for anything in between.
    let mut rest = shown.as_str();
    for part in expected.split(" … ") {
        let found = rest.find(part).map(|start| start + part.len());
        let end = found.unwrap_or_else(|| panic!("expected: {expected}\n   found: {shown}"));
        rest = &rest[end..];
    }
}

fn accepted(stem: &str) {
    let (_, registry) = read("good", stem);
    registry.unwrap_or_else(|problems| panic!("{}", shown(&problems)));
}

#[test]
fn a_registry_says_what_its_file_says() {
    let registry = read("good", "everything").1.unwrap();
    let told: Vec<String> = registry
        .services
        .iter()
        .map(|it| format!("{} {} {} {} ({})", it.name, it.proto, it.bind, it.port, it.origin))
        .collect();
    assert_eq!(
        told,
        [
            "localai tcp 127.0.0.1 8080 (ports.yaml:5)",
            "dns udp 127.0.0.53 53 (ports.yaml:6)",
            "dns-tcp tcp 127.0.0.53 53 (ports.yaml:7)",
            "preview tcp 127.0.0.1 3100 (ports.yaml:8)",
            "open tcp :: 443 (ports.yaml:11)",
        ]
    );
    let first = &registry.services[0];
    assert_eq!(first.owner.as_deref(), Some("alice"));
    assert_eq!(first.container.as_deref(), Some("cloned-localai"));
    assert_eq!(first.note.as_deref(), Some("the model: 7B"));
    let ranges: Vec<String> = registry.reserved.iter().map(|it| it.range.to_string()).collect();
    assert_eq!(ranges, ["3100-3199", "4000-4000"]);
    assert_eq!(registry.policy.unregistered, Judgement::Deny);
    assert_eq!(registry.policy.non_loopback, Judgement::Warn);
    assert_eq!(read("good", "comments_alone").1.unwrap(), Registry::default());
}

/// One test per file, and one that no file was forgotten.
macro_rules! every_file {
    ($kind:ident, $check:ident: $($stem:ident)*) => {
        mod $kind {
            $(#[test]
            fn $stem() {
                super::$check(stringify!($stem));
            })*

            #[test]
            fn no_file_is_forgotten() {
                super::complete(stringify!($kind), &[$(stringify!($stem)),*]);
            }
        }
    };
}

fn complete(kind: &str, listed: &[&str]) {
    let files = fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().file_name());
    let files: BTreeSet<String> = files.map(|file| file.into_string().unwrap()).collect();
    let listed: BTreeSet<String> = listed.iter().map(|stem| format!("{stem}.yaml")).collect();
    assert_eq!(files, listed);
}

every_file! { bad, refused:
    bind_localhost
    bind_mapped
    bind_multicast
    bind_octal
    bind_range
    bind_star
    connector_beyond_loopback
    bind_with_port
    connector_upper_case
    container_with_slash
    name_long
    name_of_a_field
    name_reversed
    name_twice
    name_upper_case
    name_with_blank
    note_empty
    owner_with_blank
    policy_is_a_word
    port_is_a_list
    port_is_a_name
    port_large
    port_missing
    port_negative
    port_twice
    port_twice_below_a_wildcard
    port_without_value
    port_zero
    program_climbs
    program_relative
    proto_sctp
    proto_upper_case
    reserved_backwards
    reserved_empty
    reserved_is_text
    reserved_name
    reserved_overlap
    reserved_zero
    service_in_a_reserved_range
    service_is_a_port
    service_of_another_in_a_reserved_range
    service_without_value
    services_is_a_list
    several_at_once
    two_kinds
    unknown_in_policy
    unknown_in_service
    unknown_judgement
    unknown_top_field
    version_missing
    version_two
    yaml_anchor
    yaml_list
    yaml_tab
    yaml_two_documents
}

every_file! { good, accepted:
    comments_alone
    empty_sections
    everything
    json_is_yaml
    same_port_elsewhere
    windows_lines
}

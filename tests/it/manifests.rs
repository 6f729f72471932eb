//! Every file of `tests/manifests` through the pure part of the loader: each is a test of its own.
//!
//! A bad manifest says in its first line, `# expect: …`, what part of its error must be; the part
//! starts with the line and column.

use jail::policy::{self, Places, Policy};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(kind)
}

fn places() -> Places {
    Places {
        root: "/w".into(),
        home: Some("/home/a".into()),
        protected: vec!["/w/.cloned".into(), "/home/a/.config/jail".into()],
    }
}

fn decode(kind: &str, stem: &str) -> (Vec<u8>, Result<Policy, Vec<policy::Problem>>) {
    let name = format!("{stem}.yaml");
    let bytes = fs::read(folder(kind).join(&name)).unwrap();
    let policy = policy::manifest(Path::new(&name), stem, &bytes, &places());
    (bytes, policy)
}

/// What `jail check` shows of a manifest, one problem a line.
fn shown(problems: &[policy::Problem]) -> String {
    let line = |problem: &policy::Problem| match &problem.hint {
        Some(hint) => format!("{problem}; {hint}\n"),
        None => format!("{problem}\n"),
    };
    problems.iter().map(line).collect()
}

fn refused(stem: &str) {
    let (bytes, policy) = decode("bad", stem);
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let expected = std::str::from_utf8(first).unwrap().strip_prefix("# expect: ");
    let expected = expected.expect("the first line is `# expect: …`");
    let problems = policy.expect_err("the manifest was accepted");
    let shown = shown(&problems);
    // ` … ` stands for anything in between.
    let mut rest = shown.as_str();
    for part in expected.split(" … ") {
        let found = rest.find(part).map(|start| start + part.len());
        let end = found.unwrap_or_else(|| panic!("expected: {expected}\n   found: {shown}"));
        rest = &rest[end..];
    }
    let place = expected.strip_prefix(':').and_then(|rest| rest.split_once(": "));
    let place = place.and_then(|(place, _)| place.split_once(':'));
    let place = place.expect("the expectation starts with :LINE:COLUMN: ");
    assert!(place.0.parse::<u32>().is_ok() && place.1.parse::<u32>().is_ok());
}

fn accepted(stem: &str) {
    let (_, policy) = decode("good", stem);
    policy.unwrap_or_else(|problems| panic!("{}", shown(&problems)));
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
    allow_missing_unknown
    args_is_text
    args_with_mapping
    args_with_nul
    args_with_null
    command_and_package
    command_climbs
    command_empty
    command_is_a_list
    command_missing
    command_with_arguments
    command_with_nul
    cpus_exponent
    cpus_four_decimals
    cpus_infinite
    cpus_zero
    env_is_a_list
    env_name_empty
    env_name_twice
    env_name_with_dash
    env_name_with_digit
    env_value_is_a_list
    env_value_with_nul
    engine_unknown
    eof_grace_word
    eof_grace_zero
    files_few
    host_bare_ipv6
    host_decimal_address
    host_look_alike
    host_octal_address
    host_port_large
    host_port_zero
    host_punycode
    host_star_alone
    host_star_hosting
    host_star_inside
    host_star_suffix
    host_url
    host_with_user
    host_zone
    image_like_an_option
    inject_format_with_line_end
    inject_format_without_place
    inject_header_of_the_proxy
    inject_header_with_line_end
    inject_into_many
    inject_into_raw
    inject_secret_in_the_file
    inject_twice
    inject_unknown_secret
    inject_without_secrets
    inject_without_value_secret
    io_empty
    io_is_a_size
    limits_is_a_list
    loopback_yes
    max_frame_zero
    memory_decimal_unit
    memory_fraction
    memory_is_a_mapping
    memory_lower_case
    memory_negative
    memory_overflow
    memory_without_value
    memory_wraps
    memory_zero
    name_is_a_list
    name_missing
    name_of_another_file
    name_upper_case
    name_with_slash
    network_allow_and_deny
    network_allow_is_a_list
    network_allow_is_text
    network_allow_twice
    network_allow_without_host
    network_bandwidth_unit
    network_connections_zero
    network_deny_raw
    network_mode_auto
    network_mode_unknown
    network_none_and_allow
    network_raw_is_a_word
    network_reason_empty
    nice_negative
    package_latest
    package_option_injection
    package_range
    package_short_version
    package_unknown_registry
    package_without_registry
    pids_many
    pids_zero
    port_listen_twice
    port_negative
    port_publish_everywhere
    port_publish_name
    port_publish_twice
    port_without_listen
    read_and_write
    read_bare_tilde
    read_climbs
    read_climbs_inside
    read_control_character
    read_empty_path
    read_is_text
    read_other_home
    read_reversed_text
    read_variable
    rpc_empty
    rpc_method_empty
    rpc_without_value
    sandbox_unknown
    scratch_zero
    seccomp_name
    seccomp_path_climbs
    secret_empty_command
    secret_file_climbs
    secret_from_nothing
    secret_from_stdin
    secret_from_two_sources
    secret_name_with_space
    secret_same_name
    secret_same_target
    secret_target_clashes_with_env
    secret_to_a_word
    secret_to_egress_false
    secret_to_two_targets
    secret_value_in_the_file
    secret_without_name
    secret_without_source
    secret_without_target
    several_at_once
    system_unknown
    timeout_days
    timeout_long
    timeout_without_unit
    timeout_zero
    tool_with_empty_part
    tool_without_version
    unknown_field_wrong_case
    unknown_in_filesystem
    unknown_in_network
    unknown_in_port
    unknown_in_rpc
    unknown_in_secret
    unknown_in_source
    unknown_in_workspace
    unknown_limit
    unknown_top_field
    unknown_without_a_near_word
    unprotect_climbs
    unprotect_policy
    workspace_copy_zero
    workspace_empty
    workspace_host_above_home
    workspace_host_disk
    workspace_host_home
    workspace_host_home_quoted
    workspace_host_policy
    workspace_is_a_list
    workspace_is_a_number
    workspace_size_of_host
    workspace_two_forms
    workspace_unknown_word
    write_config
    write_inside_config
    write_policy
    write_whole_disk
    write_workspace_root
    yaml_alias_bomb
    yaml_alias_unknown
    yaml_anchor
    yaml_bad_indent
    yaml_control_character
    yaml_deep
    yaml_duplicate_key
    yaml_duplicate_key_quoted
    yaml_empty
    yaml_list
    yaml_list_as_key
    yaml_long_key
    yaml_merge_key
    yaml_not_utf8
    yaml_null_key
    yaml_only_marker
    yaml_reversed_key
    yaml_scalar
    yaml_tab
    yaml_tag
    yaml_tag_on_a_scalar
    yaml_two_documents
    yaml_unclosed
    yaml_unfinished_text
}

every_file! { good, accepted:
    byte_order_mark
    container
    cpus
    edges
    empty_lists
    everything
    hosts
    json_is_yaml
    minimal
    names_with_dots
    network_deny_other_port
    network_inject
    network_limits
    network_none
    network_stars
    no_sandbox
    package_npm
    package_pypi
    read_the_whole_disk
    read_under_write
    seccomp_file
    sizes
    texts
    times
    windows_lines
    workspace_copy
    workspace_host
    workspace_sized
    workspace_word
}

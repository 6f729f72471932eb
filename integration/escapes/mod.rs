//! Every attack, one file each.

#[allow(unused_imports)]
mod prelude {
    pub(super) use crate::fixture::Fixture;
    pub(super) use crate::harness::{Attack, Control, Env, Outcome, Verdict};
    pub(super) use crate::kit::{self, judge, judge_secret};
    pub(super) use crate::{requires, syscall};
    pub(super) use std::fs;
    pub(super) use std::io;
}

macro_rules! attacks {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*
        pub const ALL: &[&crate::harness::Attack] = &[$(&$name::ATTACK),*];
        const FILES: &[&str] = &[$(stringify!($name)),*];
    };
}

attacks! {
    alg_socket,
    api_socket,
    approve_itself,
    audit_lock,
    become_root,
    bind_any,
    bpf,
    chroot,
    copy_workspace,
    datagram_as_stdin,
    descriptor_fill,
    device_modes,
    device_node,
    disk_fill,
    dotdot,
    environ_inherited,
    environ_of_others,
    exe_of_others,
    file_handle,
    folder_as_stdin,
    fork_bomb,
    git_bare,
    git_commondir,
    git_config,
    git_config_replaced,
    git_file,
    git_hooks,
    git_link,
    git_moved_away,
    git_submodule,
    git_worktree,
    hard_link,
    high_bits,
    host_name,
    inode_fill,
    int80,
    io_uring,
    kcmp,
    kernel_addresses,
    kernel_log,
    kernel_settings,
    keyring_add,
    keyring_read,
    keys_list,
    kill_neighbour,
    leaked_descriptors,
    leaked_folder,
    linger,
    memfd_exec,
    memory_fill,
    metadata,
    modify_ldt,
    mount,
    mount_paths,
    mptcp,
    nested_trap,
    netlink_links,
    netlink_protocols,
    new_mount_api,
    nice_lower,
    null_as_stdin,
    oom_score,
    orphan,
    orphan_of_killed,
    other_jail,
    own_binary,
    packet_socket,
    perf,
    personality,
    pivot_root,
    planted_grant,
    planted_link,
    policy_by_link,
    policy_from_above,
    policy_rewrite,
    proc_root,
    process_memory,
    ptrace,
    raw_socket,
    read_home,
    redial_mptcp,
    redial_stdin,
    reopen_stdout,
    runs_granted,
    runs_read,
    schedule_io,
    schedule_realtime,
    sctp,
    secrets_of_init,
    setns,
    setuid_plant,
    setuid_program,
    socket_in_grant,
    state_rewrite,
    stream_as_stdin,
    swap_race,
    system_files,
    tcp_fast_open,
    tcp_loopback,
    tcp_loopback6,
    tcp_mapped,
    trap_locked_folder,
    trap_mcp_json,
    trap_name_taken,
    trap_vscode,
    truncate_stdout,
    tty_controlling,
    tty_job_control,
    tty_push,
    tty_push_own,
    tty_selection,
    tty_stall,
    udp_loopback,
    unix_abstract,
    unix_datagram,
    unix_listen,
    unix_runtime,
    unix_tmp,
    userfaultfd,
    userns_clone,
    userns_clone3,
    userns_unshare,
    vsock,
    watch_fill,
    write_home,
    write_system,
    x32,
}

/// A file that is forgotten in the list above, or named otherwise than its attack, is a failure.
pub fn every_file_is_an_attack() -> Result<(), libtest_mimic::Failed> {
    for (file, attack) in FILES.iter().zip(ALL) {
        if *file != attack.name {
            return Err(format!("{file}.rs calls itself {}", attack.name).into());
        }
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/integration/escapes");
    // The suite also runs where its sources are not.
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().replace(".rs", "");
        if name != "mod" && !FILES.contains(&name.as_str()) {
            return Err(format!("{name}.rs is not in the list of attacks").into());
        }
    }
    Ok(())
}

/// Nor is anything said in the table of the weaker tier about an attack that is not there.
pub fn every_entry_is_an_attack() -> Result<(), libtest_mimic::Failed> {
    match crate::tier::names().find(|name| !FILES.contains(name)) {
        Some(name) => Err(format!("{name} in tier.rs is no attack").into()),
        None => Ok(()),
    }
}

//! The exit codes of `jail`: stable, documented, and apart from the connector's own.
//!
//! `jail run` ends with the connector's own status. The codes it adds are those that shells, docker
//! and timeout(1) made customary, so that scripts need not learn new ones. Where a connector itself
//! ends with one of them, `--report json` tells the two apart (`"ended_by"`).

/// All went well, or a check found nothing.
pub const OK: u8 = 0;
/// A check (`jail check`, `jail doctor`, `jail audit verify`) found something; for `jail stop`: something
/// still runs.
pub const FINDINGS: u8 = 1;
/// The command line is wrong, or what was to be looked at could not be read.
pub const USAGE: u8 = 2;
/// `jail run`: the wall-clock limit ended the connector, as timeout(1) says it.
pub const TIMEOUT: u8 = 124;
/// `jail run`: jail refused to run the connector, and nothing of it was started; or it ran, and its init
/// could not be confined or its end not be recorded, which the message says.
pub const REFUSED: u8 = 125;
/// `jail run`: the command was found but cannot be started.
pub const CANNOT_START: u8 = 126;
/// `jail run`: the command was not found.
pub const NOT_FOUND: u8 = 127;

/// `jail run`: the connector was ended by signal `n`: 128 + n, as shells say it.
pub const fn signalled(signal: u8) -> u8 {
    128u8.wrapping_add(signal)
}

/// Every code with its meaning: the source of `docs/exit-codes.md`.
pub const TABLE: &[(u8, &str)] = &[
    (OK, "success; for `jail run`: the connector ended with 0"),
    (
        FINDINGS,
        "a check found something (`jail check`, `jail doctor`, `jail audit verify`); for `jail stop`: something that was named still runs",
    ),
    (
        USAGE,
        "wrong command line, or the subject of a check could not be read (all verbs but `run`)",
    ),
    (TIMEOUT, "`jail run`: the wall-clock limit ended the connector"),
    (
        REFUSED,
        "`jail run`: refused by jail (bad policy, a control that cannot be applied, a failed proof), or the run was ended because init could not be confined, or its end could not be recorded",
    ),
    (CANNOT_START, "`jail run`: the command was found but cannot be started"),
    (NOT_FOUND, "`jail run`: the command was not found"),
];

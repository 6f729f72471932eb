//! Times as people and files have them: RFC 3339, up to the end of its calendar.

use std::time::SystemTime;

/// The last second since 1970 that RFC 3339 can say: the end of the year 9999.
pub(crate) const LAST: u64 = 253_402_300_799;

/// A time in whole seconds, as the firewall's files have it.
///
/// # Panics
/// Where it is after [`LAST`]: whoever takes a time in has compared.
pub(crate) fn stamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

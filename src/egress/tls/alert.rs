//! What a refused client is told in its own language, so that it fails at once and says why.
//!
//! Source: RFC 8446, section 6; RFC 6066, section 3.

/// A fatal alert, before any key is agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Alert {
    AccessDenied = 49,
    DecodeError = 50,
    UnrecognizedName = 112,
}

impl Alert {
    /// The record, complete. Its version is the one that every TLS version accepts here.
    pub fn record(self) -> [u8; 7] {
        [21, 3, 3, 0, 2, 2, self as u8]
    }
}

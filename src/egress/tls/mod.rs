//! As much of TLS as the first message of a client has: no more is ever read, and none is decrypted.

pub mod alert;
pub mod client_hello;

//! Looks at things and says what is wrong with them, what it costs and how to fix it.

pub mod host;
mod probes;

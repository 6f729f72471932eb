//! The only unsafe code: what the kernel offers and no crate of ours wraps.

pub mod probe;
pub mod xattr;

//! Tests of the whole: a request in, needs out; and of each part against hostile input.

mod arguments;
mod errors;
mod fixture;
mod guard;
mod host;
mod hostile;
mod libraries;
mod managers;
mod packages;
mod rooted;
mod shebang;
mod shims;

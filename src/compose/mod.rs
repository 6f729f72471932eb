//! Compose files: what they set up, judged.
//!
//! ```text
//! files ─► yaml ─► interpolate ─► extends, include, merge ─► canonical ─► model ─► rules ─► allow ─► findings
//!          trees with places      project                    long forms            one file a family
//! ```
//!
//! Everything is pure but `disk`, which finds and reads files. `fix` edits them.

pub mod allow;
mod canonical;
pub mod check;
pub mod disk;
mod dotenv;
mod environment;
mod fields;
pub mod fix;
mod included;
pub mod interpolate;
mod merge;
pub mod model;
pub mod node;
mod paths;
pub mod ports;
pub mod profiles;
pub mod project;
mod refer;
pub mod report;
pub mod rules;
mod secret;
pub mod yaml;

//! What confines a connector: one file per mechanism.

pub mod cgroup;

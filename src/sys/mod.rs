#![expect(unsafe_code, reason = "the only folder that talks to the kernel past safe wrappers")]

pub mod seccomp;

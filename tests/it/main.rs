//! Tests that need no privileges, in one binary. One module per subject.

mod manifests;

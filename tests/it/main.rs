//! Tests of the binary that need no privileges. One file per verb.

mod doctor;

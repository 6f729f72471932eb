//! Tests of the whole: a request in, needs out. Tests of one file's details are in that file.

mod host;

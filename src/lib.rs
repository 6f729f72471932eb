//! `jail` runs connectors so that they cannot hurt the person who runs them.

pub mod cli;
pub mod confine;
pub mod doctor;
pub mod exit;
pub mod failure;
pub mod plan;
pub mod policy;
pub mod sys;

//! The file of the registry: `.cloned/ports.yaml`.

pub mod decode;
mod edit;
mod forms;
mod raw;
mod rules;
mod write;

pub use raw::schema;
pub use write::{Put, add, fits, put, remove};

use super::{FILE, Registry};
use crate::failure::Failure;
use crate::policy::load::{FOLDER, Rejection, WorkspaceRoot};
use std::path::PathBuf;

/// Where the registry of this workspace is; the file need not exist.
pub fn path(workspace: &WorkspaceRoot) -> PathBuf {
    folder(workspace).join(FILE)
}

fn folder(workspace: &WorkspaceRoot) -> PathBuf {
    workspace.path.join(FOLDER)
}

/// What the file says; without it, nothing is registered.
pub fn read(workspace: &WorkspaceRoot) -> Result<Registry, Failure> {
    inspect(workspace).map_err(Failure::from)
}

/// As `read`, with all problems apart.
pub fn inspect(workspace: &WorkspaceRoot) -> Result<Registry, Rejection> {
    let path = path(workspace);
    match crate::edit::read(&path)? {
        Some(bytes) => Ok(decode::registry(&path, &bytes)?),
        None => Ok(Registry::default()),
    }
}

#[cfg(test)]
mod tests;

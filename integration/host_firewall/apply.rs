//! `--apply`, on the host of a scene.

use super::Scene;

pub const ALL: &[Scene] = &[];

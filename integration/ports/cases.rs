//! The cases.

mod doctor;
mod held;
mod jails;
mod judged;
mod shapes;

use crate::world::World;
use crate::{Case, Outcome};

pub fn case(name: &str, run: impl Fn(&mut World) -> Outcome + 'static) -> Case {
    Case { name: name.to_owned(), run: Box::new(run) }
}

pub fn all() -> Vec<Case> {
    [shapes::all(), held::all(), judged::all(), doctor::all(), jails::all()]
        .into_iter()
        .flatten()
        .collect()
}

/// What must be; else says what is there instead.
pub fn must(right: bool, otherwise: impl Into<String>) -> Outcome {
    if right { Ok(()) } else { Err(otherwise.into().into()) }
}

//! One file per subject.

mod acts;
mod events;
mod limits;
mod manners;
mod pairing;
mod socket;

pub type Case = (&'static str, bool, fn());

/// The name, whether it needs root, and what it does.
pub fn all() -> Vec<Case> {
    [socket::ALL, manners::ALL, pairing::ALL, limits::ALL, acts::ALL, events::ALL].concat()
}

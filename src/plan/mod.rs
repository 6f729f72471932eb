//! Policy and host facts become a plan; a plan is a pure value.

mod stage;

pub use stage::Stage;

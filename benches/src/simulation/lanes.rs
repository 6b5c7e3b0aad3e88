//! The three lanes: what waits in each, what their next step is, and what comes of it.

mod hearing;
mod replying;
mod speaking;

pub(super) use self::{hearing::Hearing, replying::Replying, speaking::Speaking};

use trunkline_inference::schedule::Step;

/// What a lane asks for.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// The next step.
    pub(super) step: Step,
    /// When each thing that it serves is due, and the amount of work that is left until then.
    pub(super) claims: Vec<(f64, f64)>,
}

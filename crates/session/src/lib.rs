//! One call, end to end.

pub mod event;
pub mod leg;
pub mod plan;

pub use event::{CallId, HangupReason, Observer, Record, StageTimes, What};
pub use leg::{Leg, LegInput, LegOutput, Overrun};
pub use plan::{Agent, Models, Plan};

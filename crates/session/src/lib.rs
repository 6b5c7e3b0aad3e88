//! One call, end to end.

mod announcements;
mod book;
mod chronicle;
pub mod clauses;
mod direction;
pub mod event;
mod flow;
mod hearing;
mod herald;
pub mod leg;
mod milestones;
mod mouth;
mod news;
mod orders;
pub mod plan;
mod reply;
pub mod session;
pub mod sessions;
pub mod speakable;

pub use announcements::Announcements;
pub use direction::{Direction, ItemKey, Modality, ReplyOrder};
pub use event::{CallId, HangupReason, Observer, Record, StageTimes, What};
pub use leg::{Leg, LegInput, LegOutput, Overrun};
pub use news::{Ending, News, Origin, Refused, Usage};
pub use plan::{Agent, Models, Plan};
pub use session::{Session, Watch};
pub use sessions::{Place, Sessions};

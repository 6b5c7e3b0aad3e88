//! What a GPU carries: a roofline of the models of a call, and how many GPUs so many calls take. Pure.
//!
//! A step of a model takes the longer of what its memory traffic and its arithmetic take, and whatever it
//! takes to start it (Williams, Waterman and Patterson, "Roofline", CACM 2009). The figures are computed, not
//! measured: `benches/RESULTS.md` says how far they were checked.

mod gpu;
mod load;
mod models;
mod plan;

pub use gpu::{GPUS, Gpu};
pub use load::Load;
pub use models::{LANGUAGE_MODELS, LanguageModel, Models, Recognizer, VoiceModel};
pub use plan::{MOST_BUSY, Plan, Stage, Use, plan};

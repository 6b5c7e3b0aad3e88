//! Fakes and worlds for tests: engines that hear, answer and speak by script behind the real traits, a
//! leg that plays a caller, an observer that remembers, and a model file of random weights.

mod caller;
mod embedding;
mod fakes;
mod hearing;
mod live;
mod observer;
mod speaking;
mod voices;
mod whisper_file;
mod world;

pub use caller::{Act, ScriptedLeg, Sent};
pub use embedding::FakeEmbedder;
pub use fakes::{Fakes, fake_models, fake_models_at_once};
pub use hearing::{FakeEndOfTurn, FakeStt, FakeVad};
pub use live::Live;
pub use observer::Remembered;
pub use speaking::{FakeTts, ScriptedLlm};
pub use voices::FakeSpeakers;
pub use whisper_file::WhisperShape;
pub use world::{Speech, World};

//! Fakes and worlds for tests: engines that hear, answer and speak by script behind the real traits, a
//! leg that plays a caller, and an observer that remembers.

mod caller;
mod hearing;
mod observer;
mod speaking;
mod world;

pub use caller::{Act, ScriptedLeg, Sent};
pub use hearing::{FakeEndOfTurn, FakeStt, FakeVad};
pub use observer::Remembered;
pub use speaking::{FakeTts, ScriptedLlm};
pub use world::{Speech, World};

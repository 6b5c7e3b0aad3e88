//! Whole calls with fake models and a scripted caller, in virtual time.

mod any;
mod ending;
mod failing;
mod interrupting;
mod many;
mod stage;
mod turns;

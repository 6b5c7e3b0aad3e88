//! Whole calls with fake models and a scripted caller, in virtual time.

mod any;
mod anything;
mod directing;
mod editing;
mod ending;
mod failing;
mod interrupting;
mod manual;
mod many;
mod stage;
mod turns;
mod yielding;

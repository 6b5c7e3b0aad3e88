//! The C boundary between Trunkline and the modules that it loads at run time: libraries whose parts may
//! not be linked into the program, or cannot be where a driver is missing.
//!
//! A module exports one function, which gives a table of functions whose first field is a version. Whatever
//! passes is of plain C layout; nothing unwinds across.

#![expect(unsafe_code, reason = "this is a C boundary")]

mod library;
pub mod network;
mod outcome;

pub use library::{Unusable, find, table};
pub use outcome::{ErrorText, Status, free, guarded, handed_over, tell};

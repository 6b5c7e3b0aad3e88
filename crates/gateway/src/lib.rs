//! The HTTP face, the store and the journal.

//! Many devices.

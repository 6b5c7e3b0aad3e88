//! What no order of steps could exceed.

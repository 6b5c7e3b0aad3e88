//! The Realtime API (`/v1/realtime`): a WebSocket as the caller's end of a call like any other.

pub(crate) mod client;
mod codec;
mod ear;
mod fault;
mod house;
mod ids;
mod item_wire;
mod items;
mod playout;
mod response;
mod settings;
mod translator;
mod wire;

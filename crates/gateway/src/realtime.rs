//! The Realtime API (`/v1/realtime`): a WebSocket as the caller's end of a call like any other.
//!
//! | step | file |
//! |---|---|
//! | a client connects, or gets an ephemeral key | `routes.rs`, `desk.rs`, `secrets.rs` |
//! | frames cross the WebSocket | `socket.rs`, `outbox.rs` |
//! | the leg moves by frames and ticks | `leg.rs` |
//! | events become orders, news become events | `translator.rs`, `response.rs` |
//! | what a session may be set to | `settings.rs` |
//! | sound in, sound out | `codec.rs`, `ear.rs`, `playout.rs` |

mod client;
mod codec;
mod desk;
mod ear;
mod fault;
mod house;
mod ids;
mod item_wire;
mod items;
mod leg;
mod legacy;
mod outbox;
mod playout;
mod response;
pub(crate) mod routes;
mod secrets;
mod settings;
mod socket;
mod translator;
#[cfg(test)]
mod whole_calls;
mod wire;

pub(crate) use desk::Realtime;
pub use desk::RealtimeDesk;

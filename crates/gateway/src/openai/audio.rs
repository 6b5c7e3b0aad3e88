//! Sound over the API: uploads become text, text becomes sound.

mod cast;
mod decode;
mod encode;
mod languages;
mod listening;
mod order;
mod pauses;
pub(crate) mod speech;
mod subtitles;
pub(crate) mod transcriptions;
mod upload;
mod wire;

pub(crate) use upload::{Places, body_limit};

//! What a Whisper lane needs of a device's memory.

use std::fs;

use trunkline_inference::{
    ModelError,
    budget::{Footprint, Item, Part},
};
use trunkline_native::Sizes;

use crate::{
    WhisperConfig,
    loudness::RATE_HZ,
    recognizer::{Engine, desks},
};

/// Seconds of sound that a turn keeps at most.
const TURN_SECONDS: u64 = 30;
/// Bytes of a sample: f32.
const SAMPLE: u64 = 4;
const HALF: u64 = 2;
const FLOAT: u64 = 4;
/// whisper.cpp rounds positions up to a multiple of this.
const TILE: u64 = 256;
/// Rows of the model's width that whisper.cpp's graphs of convolutions, encoder and decoder's keys and values
/// work with at once. Estimated for flash attention from what whisper.cpp reports of its largest model.
const ROWS_AT_WORK: u64 = 14;

/// Positions of windows that candle's module encodes together.
const POSITIONS_AT_ONCE: u64 = 6_000;

/// What the lane needs on its device: the GPU where it runs on one, else the machine's memory.
///
/// Says [`ModelError::Missing`] or [`ModelError::Corrupt`] of a file that cannot be used.
pub fn footprint(config: &WhisperConfig) -> Result<Footprint, ModelError> {
    let mut footprint = match Engine::of(config) {
        Engine::WhisperCpp(_) => of_whisper_cpp(config)?,
        Engine::Candle(_) => of_candle(config)?,
        Engine::Cpu => {
            let threads = usize::try_from(config.threads).unwrap_or(1);
            trunkline_native::footprint(&config.model, threads, desks(config))?
        }
    };
    if !config.gpu {
        let slots = u64::try_from(config.slots).unwrap_or(u64::MAX);
        let factors = [
            (slots, "slots"),
            (TURN_SECONDS, "seconds"),
            (RATE_HZ.into(), "samples a second"),
            (SAMPLE, "bytes"),
        ];
        footprint.items.push(Item::product(Part::Kv, "sound of turns", &factors));
    }
    Ok(footprint)
}

/// By candle: halves on a GPU, floats on the CPU.
fn of_candle(config: &WhisperConfig) -> Result<Footprint, ModelError> {
    let sizes = Sizes::of_file(&config.model)?;
    let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let number = if config.gpu { HALF } else { FLOAT };
    let memory = [
        (size(desks(config)), "desks"),
        (size(sizes.text_layers), "layers"),
        (2, "keys and values"),
        (size(sizes.audio_positions + sizes.text_positions), "positions"),
        (size(sizes.width), "numbers"),
        (number, "bytes"),
    ];
    let heads = sizes.width / 64;
    let weights_of_attention = [
        (POSITIONS_AT_ONCE, "positions at once"),
        (size(sizes.audio_positions), "positions that each looks at"),
        (size(heads), "heads"),
        (number, "bytes"),
        (2, "before and after they are made to weights"),
    ];
    let rows = [
        (POSITIONS_AT_ONCE, "positions at once"),
        (size(sizes.width), "numbers"),
        (number, "bytes"),
        (ROWS_AT_WORK, "at once, estimated"),
    ];
    let items = vec![
        Item::product(
            Part::Weights,
            "weights",
            &[(size(sizes.weights()), "numbers"), (number, "bytes")],
        ),
        Item::product(Part::Kv, "keys and values", &memory),
        Item::product(Part::Workspace, "attention", &weights_of_attention),
        Item::product(Part::Workspace, "layers at work", &rows),
    ];
    Ok(Footprint { items })
}

/// By whisper.cpp: one window at a time.
fn of_whisper_cpp(config: &WhisperConfig) -> Result<Footprint, ModelError> {
    let sizes = Sizes::of_file(&config.model)?;
    let file = fs::metadata(&config.model).map_or(0, |found| found.len());
    let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
    let [audio, text] = [size(sizes.audio_positions), size(sizes.text_positions)];
    let [width, layers] = [size(sizes.width), size(sizes.text_layers)];
    let positions = audio.next_multiple_of(TILE) + text.next_multiple_of(TILE);
    let kv = [
        (layers, "layers"),
        (2, "keys and values"),
        (positions, "positions"),
        (width, "numbers"),
        (HALF, "bytes"),
    ];
    let logits = [(text, "positions"), (size(sizes.words), "words"), (FLOAT, "bytes")];
    let graphs = [
        (audio, "positions"),
        (width, "numbers"),
        (FLOAT, "bytes"),
        (ROWS_AT_WORK, "at once, estimated"),
    ];
    let items = vec![
        Item::amount(Part::Weights, "weights", file, "the file"),
        Item::product(Part::Kv, "keys and values", &kv),
        Item::product(Part::Workspace, "logits", &logits),
        Item::product(Part::Workspace, "graphs", &graphs),
    ];
    Ok(Footprint { items })
}

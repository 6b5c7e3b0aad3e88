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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a file of whisper-base's sizes, which is all there is of it, by candle on a GPU.
    fn of_base(slots: usize) -> Footprint {
        let numbers = [0x6767_6d6c, 51_865, 1500, 512, 8, 6, 448, 512, 8, 6, 80, 1_u32];
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("ggml.bin");
        fs::write(&model, numbers.map(u32::to_le_bytes).concat()).unwrap();
        let network = Some("candle.so".into());
        let config = WhisperConfig { network, slots, gpu: true, ..WhisperConfig::new(model) };
        footprint(&config).unwrap()
    }

    #[test]
    fn on_a_gpu_numbers_have_two_bytes_and_every_desk_its_memory() {
        let one = of_base(1);
        // 72.6 million numbers.
        assert!((144_000_000..147_000_000).contains(&one.part(Part::Weights)), "{one:#?}");
        assert_eq!(one.part(Part::Kv), 6 * 2 * (1500 + 448) * 512 * 2);
        assert_eq!(of_base(16).part(Part::Kv), 16 * one.part(Part::Kv));
        assert_eq!(of_base(500).part(Part::Kv), 64 * one.part(Part::Kv), "no more desks than that");
    }
}

//! What a model and its transcriptions need of the machine's memory, from the sizes that its file begins with.

use std::{fs, path::Path};

use trunkline_inference::{
    ModelError,
    budget::{Footprint, Item, Part},
};

use super::file::Sizes;
use crate::kernel::{attention::QUERIES, matrix::Matrix};

const FLOAT: usize = size_of::<f32>();
/// What the texts of the tokens and the maps of them take for each token, measured.
const WORD_BYTES: usize = 130;

/// What the model at `path` needs for so many transcriptions at a time, each of a window of 30 s.
///
/// Says [`ModelError::Missing`] or [`ModelError::Corrupt`] of a file that cannot be used.
pub fn footprint(path: &Path, threads: usize, desks: usize) -> Result<Footprint, ModelError> {
    let sizes = Sizes::of_file(path)?;
    let file = fs::metadata(path).map_or(0, |found| found.len());
    let Sizes { words, width, .. } = sizes;
    // The embeddings of words are the largest of the tensors that are brought to 8 bits one by one.
    let largest = bytes(words * width * FLOAT);
    let items = vec![
        Item::amount(
            Part::Weights,
            "weights",
            bytes(weights(sizes)),
            "8 bits a weight and 12 bytes an output of each matrix",
        ),
        desk(sizes, desks),
        Item::product(
            Part::Workspace,
            "layers at work",
            &[
                (bytes(sizes.audio_positions), "positions"),
                (bytes(layers_at_work(width, threads)), "bytes"),
            ],
        ),
        Item::product(
            Part::Workspace,
            "words and their odds",
            &[(bytes(words), "words"), (bytes(WORD_BYTES + desks * FLOAT), "bytes")],
        ),
        Item::amount(
            Part::Loading,
            "the file in memory",
            file.saturating_add(largest),
            "the file and its largest tensor as floats",
        ),
    ];
    Ok(Footprint { items })
}

/// What one transcription remembers: keys and values of what was heard and of what was said, and features.
fn desk(sizes: Sizes, desks: usize) -> Item {
    let Sizes { audio_positions, text_positions, text_layers, width, mels, .. } = sizes;
    // The text grows word by word, its room by doubling.
    let positions = audio_positions + text_positions.next_power_of_two();
    let memory = text_layers * 2 * positions * width * FLOAT;
    let features = 2 * audio_positions * mels * FLOAT;
    let factors =
        [(bytes(desks), "windows at a time"), (bytes(memory + features), "bytes of a window")];
    Item::product(Part::Kv, "keys, values and features", &factors)
}

fn weights(sizes: Sizes) -> usize {
    let Sizes { words, audio_positions, width, audio_layers, .. } = sizes;
    let Sizes { text_positions, text_layers, mels, .. } = sizes;
    let [one, two, three, four] = [1, 2, 3, 4].map(|times| Matrix::bytes(times * width, width));
    let mlp = four + Matrix::bytes(width, 4 * width);
    let encoder = Matrix::bytes(width, 3 * mels)
        + Matrix::bytes(width, 3 * width)
        + audio_positions * width * FLOAT
        + audio_layers * (three + one + mlp);
    // Twice a query and what is made of the values, once the keys and values of what was heard.
    let decoder = Matrix::bytes(words, width)
        + text_positions * width * FLOAT
        + text_layers * (three + 3 * one + two + mlp);
    encoder + decoder
}

/// Bytes for each position of the window that is being encoded.
fn layers_at_work(width: usize, threads: usize) -> usize {
    // Beside four times the width: the layer's input, what it attends to, the window's rows, and the three
    // neighbours of each that a convolution sees; the same in 8 bits.
    let rows = (4 + 1 + 1 + 1 + 3) * width * FLOAT + 4 * width;
    let attention = threads.max(1) * QUERIES * FLOAT;
    rows + attention
}

fn bytes(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a file of whisper-base's sizes, which is all there is of it.
    fn of_base(desks: usize) -> Footprint {
        let numbers = [0x6767_6d6c, 51_865, 1500, 512, 8, 6, 448, 512, 8, 6, 80, 1_u32];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ggml.bin");
        fs::write(&path, numbers.map(u32::to_le_bytes).concat()).unwrap();
        footprint(&path, 2, desks).unwrap()
    }

    #[test]
    fn a_model_is_as_large_as_its_matrices_and_each_window_costs_the_same() {
        let one = of_base(1);
        // 72.6 million weights, a few of them as floats.
        assert!((72_000_000..82_000_000).contains(&one.part(Part::Weights)), "{one:#?}");
        assert_eq!(of_base(8).part(Part::Kv), 8 * one.part(Part::Kv));
        // Keys and values of 1500 positions heard and 512 said, in 6 layers, and 3000 frames of 80.
        assert_eq!(one.part(Part::Kv), 6 * 2 * 2012 * 512 * 4 + 3000 * 80 * 4);
    }

    #[test]
    fn a_file_that_is_no_model_is_corrupt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ggml.bin");
        assert!(matches!(footprint(&path, 1, 1), Err(ModelError::Missing { .. })));
        fs::write(&path, "not a model").unwrap();
        assert!(matches!(footprint(&path, 1, 1), Err(ModelError::Corrupt { .. })));
    }
}

//! MiniLM's two halves: the tokenizer, and the transformer with the pooling that follows it.

use std::path::Path;

use ort::{session::Session, value::TensorRef};
use tokenizers::Tokenizer;
use trunkline_inference::ModelError;

use super::{ENGINE, MiniLmConfig, engine::Network};
use crate::runtime::{Runtime, corrupt, engine_error};

/// Word pieces the model was made for (`max_seq_length` of its sentence-transformers configuration).
/// Its table of positions goes on to 512, but longer texts were never trained on.
const LIMIT: usize = 256;

/// The model and its tokenizer.
pub(crate) struct BertNetwork {
    tokenizer: Tokenizer,
    session: Session,
}

impl BertNetwork {
    pub(super) fn load(runtime: &Runtime, config: &MiniLmConfig) -> Result<Self, ModelError> {
        let tokenizer = open_tokenizer(&config.tokenizer)?;
        Ok(Self { tokenizer, session: runtime.open(&config.model, config.threads)? })
    }

    fn states(&mut self, rows: &Rows) -> ort::Result<Vec<Vec<f32>>> {
        let ids = TensorRef::from_array_view((rows.shape(), rows.ids.as_slice()))?;
        let mask = TensorRef::from_array_view((rows.shape(), rows.mask.as_slice()))?;
        let kinds = TensorRef::from_array_view((rows.shape(), rows.kinds.as_slice()))?;
        let outputs = self.session.run(ort::inputs![
            "input_ids" => ids, "attention_mask" => mask, "token_type_ids" => kinds
        ])?;
        let (shape, states) = outputs[0].try_extract_tensor::<f32>()?;
        let dimensions = shape.last().map_or(0, |&size| size as usize);
        Ok(rows.pool(states, dimensions))
    }
}

impl Network for BertNetwork {
    fn read(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        let read = self.tokenizer.encode_fast(text, true);
        let read =
            read.map_err(|error| ModelError::Engine { engine: ENGINE, reason: error.to_string() })?;
        Ok(read.get_ids().iter().map(|&id| i64::from(id)).collect())
    }

    fn limit(&self) -> usize {
        LIMIT
    }

    fn run(&mut self, rows: &[&[i64]]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.states(&Rows::new(rows)).map_err(engine_error(ENGINE))
    }
}

/// The tokenizer without what its file says about cutting and padding.
fn open_tokenizer(path: &Path) -> Result<Tokenizer, ModelError> {
    if !path.is_file() {
        return Err(ModelError::Missing { path: path.to_owned() });
    }
    let mut tokenizer = Tokenizer::from_file(path).map_err(|error| corrupt(path, error))?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| corrupt(path, error))?;
    Ok(tokenizer)
}

/// Rows of one length, the shorter ones filled up with pieces that no other pays attention to.
struct Rows {
    count: usize,
    longest: usize,
    ids: Vec<i64>,
    mask: Vec<i64>,
    kinds: Vec<i64>,
}

impl Rows {
    fn new(rows: &[&[i64]]) -> Self {
        let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        let size = rows.len() * longest;
        let (mut ids, mut mask) = (vec![0; size], vec![0; size]);
        for (n, row) in rows.iter().enumerate() {
            ids[n * longest..][..row.len()].copy_from_slice(row);
            mask[n * longest..][..row.len()].fill(1);
        }
        Self { count: rows.len(), longest, ids, mask, kinds: vec![0; size] }
    }

    fn shape(&self) -> [usize; 2] {
        [self.count, self.longest]
    }

    /// The means over each row's own pieces of `states` (`[count, longest, dimensions]`), of length 1.
    fn pool(&self, states: &[f32], dimensions: usize) -> Vec<Vec<f32>> {
        let (states, masks) = (
            states.chunks_exact((self.longest * dimensions).max(1)),
            self.mask.chunks_exact(self.longest.max(1)),
        );
        states.zip(masks).map(|(states, mask)| mean(states, mask, dimensions)).collect()
    }
}

fn mean(states: &[f32], mask: &[i64], dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f32; dimensions];
    for (state, _) in states.chunks_exact(dimensions).zip(mask).filter(|&(_, &own)| own == 1) {
        for (sum, number) in sum.iter_mut().zip(state) {
            *sum += number;
        }
    }
    // A sum points where the mean does.
    let length =
        sum.iter().map(|number| number * number).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    sum.into_iter().map(|number| number / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_filled_up_to_the_longest() {
        let rows = Rows::new(&[&[5, 6, 7], &[8]]);
        assert_eq!(rows.shape(), [2, 3]);
        assert_eq!(rows.ids, [5, 6, 7, 8, 0, 0]);
        assert_eq!(rows.mask, [1, 1, 1, 1, 0, 0]);
        assert_eq!(rows.kinds, [0; 6]);
    }

    #[test]
    fn what_a_row_is_filled_up_with_has_no_part_in_its_vector() {
        let rows = Rows::new(&[&[1, 2], &[3]]);
        let states = [3.0, 0.0, 3.0, 8.0, 5.0, 0.0, 900.0, 900.0];
        assert_eq!(rows.pool(&states, 2), [vec![0.6, 0.8], vec![1.0, 0.0]]);
    }

    #[test]
    fn a_row_of_zeros_has_a_finite_vector() {
        let vectors = Rows::new(&[&[1]]).pool(&[0.0, 0.0], 2);
        assert_eq!(vectors, [vec![0.0, 0.0]]);
    }

    #[test]
    fn a_missing_or_broken_tokenizer_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let missing = open_tokenizer(&path).unwrap_err();
        assert!(matches!(missing, ModelError::Missing { .. }), "{missing}");
        std::fs::write(&path, "{}").unwrap();
        let broken = open_tokenizer(&path).unwrap_err();
        assert!(matches!(broken, ModelError::Corrupt { .. }), "{broken}");
        assert!(broken.to_string().contains("tokenizer.json"), "{broken}");
    }
}

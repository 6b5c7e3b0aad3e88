//! Rewrites packaged model weights into the files that the backends load.

mod ctranslate2;
mod ggml;
mod mel;
mod vocabulary;
mod whisper;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use ctranslate2::Variables;

pub use ggml::Quantisation;

/// Why weights could not be rewritten, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} is not a usable Whisper model of CTranslate2: {reason}; fetch it again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Rewrites a CTranslate2 Whisper model as the ggml file that whisper.cpp loads.
///
/// `ct2_dir` holds `model.bin` (float16, bfloat16 or float32) and `vocabulary.txt` or
/// `vocabulary.json`; everything else follows from them. `progress` is told tensor bytes read and
/// to read. `out_file` appears whole or not at all.
pub fn convert_whisper(
    ct2_dir: &Path,
    out_file: &Path,
    quantisation: Quantisation,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), WeightsError> {
    let model_path = ct2_dir.join("model.bin");
    let mut variables = Variables::open(&model_path)?;
    let words = vocabulary::read(ct2_dir)?;
    let shape = whisper::Shape::of(&mut variables)?;
    let part = out_file.with_extension("part");
    let written = write_model(&part, &mut variables, &shape, &words, (quantisation, progress));
    let moved = written
        .and_then(|()| fs::rename(&part, out_file).map_err(|source| failed(out_file, source)));
    if moved.is_err() {
        // The first failure is the one to tell; a half file that cannot be removed is harmless.
        drop(fs::remove_file(&part));
    }
    moved
}

fn write_model(
    part: &Path,
    variables: &mut Variables,
    shape: &whisper::Shape,
    words: &[Vec<u8>],
    (quantisation, progress): (Quantisation, &mut dyn FnMut(u64, u64)),
) -> Result<(), WeightsError> {
    let file = File::create(part).map_err(|source| failed(part, source))?;
    let mut out = ggml::Writer::new(BufWriter::with_capacity(1 << 20, file), quantisation);
    let write = |source| failed(part, source);
    out.hyperparameters(&shape.hyperparameters(quantisation)).map_err(write)?;
    out.mel_filters(shape.mels, &mel::filterbank(shape.mels)).map_err(write)?;
    out.vocabulary(shape.text_words(words)).map_err(write)?;

    let plan = shape.tensors();
    let total = plan.iter().map(|t| variables.rows_len(&t.source, &t.rows)).sum::<Option<u64>>();
    let total = total.ok_or_else(|| variables.malformed("a tensor is missing"))?;
    let mut done = 0;
    for tensor in &plan {
        progress(done, total);
        let (values, dims) = variables.rows(&tensor.source, &tensor.rows)?;
        done += variables.rows_len(&tensor.source, &tensor.rows).unwrap_or(0);
        out.tensor(&tensor.name, tensor.role, &dims, &values).map_err(write)?;
    }
    progress(total, total);
    let mut file = out.into_inner();
    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(write)
}

fn failed(path: &Path, source: io::Error) -> WeightsError {
    WeightsError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;

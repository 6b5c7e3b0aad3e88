//! whisper.cpp's model file: sizes, filters, words, tensors.

use std::{
    collections::HashMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use trunkline_inference::ModelError;

use super::mel::BINS;
use crate::kernel::attention::HEAD;

const MAGIC: u32 = 0x6767_6d6c;
/// Values of a block of ggml's quantised kinds.
const BLOCK: usize = 32;
/// Above every size of a model.
const LARGEST: usize = 1 << 20;
/// Above every width.
const WIDEST: usize = 1 << 16;
/// Above every number of layers.
const DEEPEST: usize = 1 << 10;
/// Tokens of the smallest Whisper.
const LEAST_WORDS: usize = 51_864;
/// Above every name, word and count of dimensions there is.
const LONGEST_NAME: usize = 1 << 16;

/// The sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Tokens that it knows.
    pub words: usize,
    /// Encoder positions of 30 s.
    pub audio_positions: usize,
    /// Numbers of a position.
    pub width: usize,
    /// The encoder's layers.
    pub audio_layers: usize,
    /// Decoder positions.
    pub text_positions: usize,
    /// The decoder's layers.
    pub text_layers: usize,
    /// Numbers of a frame of the spectrogram.
    pub mels: usize,
}

/// Bytes that the sizes take at the beginning of a file.
const HEAD_BYTES: u64 = 48;

impl Sizes {
    /// The sizes that a file begins with; nothing else of it is read.
    pub fn of_file(path: &Path) -> Result<Self, ModelError> {
        let file = File::open(path).map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        let mut bytes = Vec::new();
        let read = file.take(HEAD_BYTES).read_to_end(&mut bytes).map_err(|e| e.to_string());
        read.and_then(|_| Self::read(&mut Cursor { bytes: &bytes, at: 0 }))
            .map_err(|reason| ModelError::Corrupt { path: path.to_owned(), reason })
    }

    /// Numbers of all its layers and tables.
    pub fn weights(&self) -> usize {
        let Self { words, audio_positions, width, audio_layers, text_positions, text_layers, mels } =
            *self;
        // Of an attention four matrices, of what follows it twice four, of keys no bias, of norms two rows.
        let attention = 4 * width * width + 5 * width;
        let mlp = 8 * width * width + 7 * width;
        let encoder = 3 * mels * width
            + 3 * width * width
            + 4 * width
            + audio_positions * width
            + audio_layers * (attention + mlp);
        let decoder = (words + text_positions + 2) * width + text_layers * (2 * attention + mlp);
        encoder + decoder
    }

    fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        if cursor.u32()? != MAGIC {
            return Err("not a model file of whisper.cpp".to_owned());
        }
        let mut number = || cursor.count();
        let [words, audio_positions, width, _, audio_layers, text_positions] =
            [number()?, number()?, number()?, number()?, number()?, number()?];
        let [_, _, text_layers, mels, _] = [number()?, number()?, number()?, number()?, number()?];
        let sizes =
            Self { words, audio_positions, width, audio_layers, text_positions, text_layers, mels };
        sizes.check()?;
        Ok(sizes)
    }

    fn check(self) -> Result<(), String> {
        let Self { words, audio_positions, width, text_positions, mels, .. } = self;
        let is_whisper = (LEAST_WORDS..LARGEST).contains(&words)
            && [audio_positions, text_positions, mels].iter().all(|n| (1..LARGEST).contains(n))
            && (1..WIDEST).contains(&width)
            && [self.audio_layers, self.text_layers].iter().all(|n| (1..DEEPEST).contains(n))
            && width.is_multiple_of(HEAD);
        if is_whisper { Ok(()) } else { Err(format!("these are no sizes of a Whisper: {self:?}")) }
    }
}

/// A model file, all of it in memory.
pub struct ModelFile {
    path: PathBuf,
    /// What it begins with.
    pub sizes: Sizes,
    /// `[mels, 201]`.
    pub(crate) filters: Vec<f32>,
    /// Texts of the tokens below the special ones.
    pub(crate) words: Vec<Vec<u8>>,
    bytes: Vec<u8>,
    tensors: HashMap<String, Place>,
}

/// Where a tensor lies.
struct Place {
    kind: Kind,
    values: usize,
    at: usize,
}

/// How values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    F32,
    F16,
    Bf16,
    Q8_0,
    Q5_0,
}

impl Kind {
    fn of(number: usize) -> Option<Self> {
        match number {
            0 => Some(Self::F32),
            1 => Some(Self::F16),
            6 => Some(Self::Q5_0),
            8 => Some(Self::Q8_0),
            30 => Some(Self::Bf16),
            _ => None,
        }
    }

    fn bytes(self, values: usize) -> usize {
        match self {
            Self::F32 => values * 4,
            Self::F16 | Self::Bf16 => values * 2,
            Self::Q8_0 => values / BLOCK * 34,
            Self::Q5_0 => values / BLOCK * 22,
        }
    }

    fn read(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Self::F16 => {
                bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect()
            }
            Self::Bf16 => {
                bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect()
            }
            Self::Q8_0 => bytes.as_chunks::<34>().0.iter().flat_map(q8_0).collect(),
            Self::Q5_0 => bytes.as_chunks::<22>().0.iter().flat_map(q5_0).collect(),
        }
    }
}

fn q8_0(block: &[u8; 34]) -> impl Iterator<Item = f32> {
    let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
    block[2..].iter().map(move |&b| f32::from(b.cast_signed()) * scale)
}

fn q5_0(block: &[u8; 22]) -> impl Iterator<Item = f32> {
    let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
    let fifths = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    (0..BLOCK).map(move |n| {
        let byte = block[6 + n % 16];
        let low = if n < 16 { byte & 15 } else { byte >> 4 };
        let whole = u32::from(low) | (fifths >> n & 1) << 4;
        (whole as f32 - 16.0) * scale
    })
}

impl ModelFile {
    /// Reads a file; [`ModelError::Missing`] and [`ModelError::Corrupt`] tell what is wrong with it.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let bytes =
            std::fs::read(path).map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        Self::read(path, bytes)
            .map_err(|reason| ModelError::Corrupt { path: path.to_owned(), reason })
    }

    fn read(path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        let mut cursor = Cursor { bytes: &bytes, at: 0 };
        let sizes = Sizes::read(&mut cursor)?;
        let filters =
            cursor.count()?.checked_mul(cursor.count()?).ok_or("its filters are too many")?;
        let filters = Kind::F32.read(cursor.take(filters.saturating_mul(4))?);
        let count = cursor.count()?;
        let mut texts = Vec::new();
        for _ in 0..count {
            let length = cursor.count()?;
            texts.push(cursor.take(length)?.to_vec());
        }
        let mut tensors = HashMap::new();
        while cursor.at < bytes.len() {
            let (name, place) = cursor.tensor()?;
            tensors.insert(name, place);
        }
        if filters.len() != sizes.mels * BINS {
            return Err(format!("it has {} numbers of filters", filters.len()));
        }
        Ok(Self { path: path.to_owned(), sizes, filters, words: texts, bytes, tensors })
    }

    /// A tensor's values by its name in OpenAI's checkpoints, the last dimension first; there must be so many.
    pub fn tensor(&self, name: &str, values: usize) -> Result<Vec<f32>, ModelError> {
        let bad = |reason| ModelError::Corrupt { path: self.path.clone(), reason };
        let place = self.tensors.get(name).ok_or_else(|| bad(format!("{name} is missing")))?;
        if place.values != values {
            return Err(bad(format!("{name} has {} values, not {values}", place.values)));
        }
        Ok(place.kind.read(&self.bytes[place.at..place.at + place.kind.bytes(values)]))
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end =
            end.ok_or_else(|| format!("it ends at byte {}, in the middle", self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32, String> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn count(&mut self) -> Result<usize, String> {
        let count = self.u32()?;
        usize::try_from(count).map_err(|_| format!("{count} is no count"))
    }

    fn tensor(&mut self) -> Result<(String, Place), String> {
        let (dimensions, length) = (self.count()?, self.count()?);
        if dimensions > 4 || length > LONGEST_NAME {
            return Err(format!("what lies at byte {} is no tensor", self.at));
        }
        let number = self.count()?;
        let mut values = 1_usize;
        for _ in 0..dimensions {
            values = values.checked_mul(self.count()?).ok_or("a tensor is too large")?;
        }
        let name = String::from_utf8_lossy(self.take(length)?).into_owned();
        let kind = Kind::of(number)
            .ok_or_else(|| format!("{name} is of ggml's kind {number}: take f16, q8_0 or q5_0"))?;
        let at = self.at;
        self.take(kind.bytes(values))?;
        Ok((name, Place { kind, values, at }))
    }
}

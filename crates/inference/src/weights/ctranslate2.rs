//! Reads the variables of a CTranslate2 `model.bin` (binary versions 4 to 6).

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use half::{bf16, f16};

use super::{WeightsError, failed};

/// More variables, dimensions or aliases than any model has: the file is something else.
const MOST_VARIABLES: u32 = 100_000;
const MOST_DIMS: u8 = 8;

/// An open `model.bin`: its index in memory, its values on disk.
pub(super) struct Variables {
    path: PathBuf,
    file: BufReader<File>,
    index: HashMap<String, Variable>,
}

#[derive(Clone)]
struct Variable {
    dims: Vec<usize>,
    kind: ElementKind,
    at: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ElementKind {
    F32,
    I8,
    I16,
    I32,
    F16,
    Bf16,
}

impl ElementKind {
    fn of(id: u8) -> Option<Self> {
        [Self::F32, Self::I8, Self::I16, Self::I32, Self::F16, Self::Bf16]
            .get(usize::from(id))
            .copied()
    }

    fn size(self) -> u64 {
        match self {
            Self::F32 | Self::I32 => 4,
            Self::I16 | Self::F16 | Self::Bf16 => 2,
            Self::I8 => 1,
        }
    }
}

impl Variables {
    /// Reads the index of the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = File::open(path).map_err(|source| failed(path, source))?;
        let length = file.metadata().map_err(|source| failed(path, source))?.len();
        let mut this =
            Self { path: path.to_owned(), file: BufReader::new(file), index: HashMap::new() };
        match this.read_index(length) {
            Ok(None) => Ok(this),
            Ok(Some(reason)) => Err(this.malformed(reason)),
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Err(this.malformed("it is cut short"))
            }
            Err(source) => Err(failed(path, source)),
        }
    }

    /// The shape of a variable, outermost dimension first.
    pub(super) fn dims(&self, name: &str) -> Option<&[usize]> {
        self.index.get(name).map(|v| v.dims.as_slice())
    }

    /// A whole number kept as a scalar variable.
    pub(super) fn integer(&mut self, name: &str) -> Result<i32, WeightsError> {
        let (values, _) = self.rows(name, &Range { start: 0, end: usize::MAX })?;
        let value = *values.first().ok_or_else(|| self.malformed(format!("{name} is empty")))?;
        #[expect(clippy::cast_possible_truncation, reason = "such scalars are small counts")]
        Ok(value as i32)
    }

    /// How many bytes of the file rows `rows` of a variable take.
    pub(super) fn rows_len(&self, name: &str, rows: &Range<usize>) -> Option<u64> {
        let variable = self.index.get(name)?;
        let rows = clamp(variable, rows);
        Some((rows.len() * row_width(variable)) as u64 * variable.kind.size())
    }

    /// The values of rows `rows` (of the outermost dimension) and the shape they have; an end
    /// beyond the last row means all.
    pub(super) fn rows(
        &mut self,
        name: &str,
        rows: &Range<usize>,
    ) -> Result<(Vec<f32>, Vec<usize>), WeightsError> {
        let missing = || format!("{name} is missing");
        let variable = self.index.get(name).cloned().ok_or_else(|| self.malformed(missing()))?;
        let rows = clamp(&variable, rows);
        let width = row_width(&variable);
        let start = variable.at + (rows.start * width) as u64 * variable.kind.size();
        let length = (rows.len() * width) as u64 * variable.kind.size();
        let mut bytes = Vec::new();
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| (&mut self.file).take(length).read_to_end(&mut bytes))
            .map_err(|source| failed(&self.path, source))?;
        if bytes.len() as u64 != length {
            return Err(self.malformed("it is cut short"));
        }
        let values = decode(variable.kind, &bytes)
            .ok_or_else(|| self.malformed(format!("{name} is quantised, not floating point")))?;
        let mut dims = variable.dims;
        if let Some(first) = dims.first_mut() {
            *first = rows.len();
        }
        Ok((values, dims))
    }

    /// An error about this file.
    pub(super) fn malformed(&self, reason: impl Into<String>) -> WeightsError {
        WeightsError::Malformed { path: self.path.clone(), reason: reason.into() }
    }

    /// Fills the index; a reason where the file is not a Whisper model.
    fn read_index(&mut self, length: u64) -> io::Result<Option<String>> {
        let version = self.u32()?;
        if !(4..=6).contains(&version) {
            return Ok(Some(format!("binary version {version} is not one of 4 to 6")));
        }
        let kind = self.string()?;
        if kind != "WhisperSpec" {
            return Ok(Some(format!("it holds a {kind:?}")));
        }
        self.u32()?;
        let count = self.u32()?;
        if count > MOST_VARIABLES {
            return Ok(Some(format!("it claims {count} variables")));
        }
        for _ in 0..count {
            if let Some(reason) = self.read_variable(length)? {
                return Ok(Some(reason));
            }
        }
        self.read_aliases()
    }

    fn read_variable(&mut self, length: u64) -> io::Result<Option<String>> {
        let name = self.string()?;
        let rank = self.u8()?;
        if rank > MOST_DIMS {
            return Ok(Some(format!("{name} has {rank} dimensions")));
        }
        let dims =
            (0..rank).map(|_| self.u32().map(|d| d as usize)).collect::<io::Result<Vec<_>>>()?;
        let id = self.u8()?;
        let Some(kind) = ElementKind::of(id) else {
            return Ok(Some(format!("{name} has elements of unknown kind {id}")));
        };
        let bytes = u64::from(self.u32()?);
        let elements = dims.iter().try_fold(1_u64, |n, &d| n.checked_mul(d as u64));
        if elements.and_then(|n| n.checked_mul(kind.size())) != Some(bytes) {
            return Ok(Some(format!("{name} has {bytes} bytes for shape {dims:?}")));
        }
        let at = self.file.stream_position()?;
        if at + bytes > length {
            return Ok(Some("it is cut short".to_owned()));
        }
        self.file.seek_relative(i64::from(u32::try_from(bytes).unwrap_or(u32::MAX)))?;
        self.index.insert(name, Variable { dims, kind, at });
        Ok(None)
    }

    fn read_aliases(&mut self) -> io::Result<Option<String>> {
        let count = self.u32()?;
        if count > MOST_VARIABLES {
            return Ok(Some(format!("it claims {count} aliases")));
        }
        for _ in 0..count {
            let (alias, name) = (self.string()?, self.string()?);
            if let Some(variable) = self.index.get(&name).cloned() {
                self.index.insert(alias, variable);
            }
        }
        Ok(None)
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u8(&mut self) -> io::Result<u8> {
        self.bytes::<1>().map(|[b]| b)
    }

    fn u32(&mut self) -> io::Result<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn string(&mut self) -> io::Result<String> {
        let length = u16::from_le_bytes(self.bytes()?);
        let mut text = vec![0; usize::from(length)];
        self.file.read_exact(&mut text)?;
        Ok(String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned())
    }
}

fn clamp(variable: &Variable, rows: &Range<usize>) -> Range<usize> {
    let all = variable.dims.first().copied().unwrap_or(1);
    rows.start.min(all)..rows.end.min(all)
}

fn row_width(variable: &Variable) -> usize {
    variable.dims.iter().skip(1).product()
}

fn decode(kind: ElementKind, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = bytes.as_chunks::<2>().0.iter();
    let quads = bytes.as_chunks::<4>().0.iter();
    match kind {
        ElementKind::F32 => Some(quads.map(|&b| f32::from_le_bytes(b)).collect()),
        ElementKind::F16 => Some(pairs.map(|&b| f16::from_le_bytes(b).to_f32()).collect()),
        ElementKind::Bf16 => Some(pairs.map(|&b| bf16::from_le_bytes(b).to_f32()).collect()),
        ElementKind::I16 if bytes.len() == 2 => {
            Some(pairs.map(|&b| f32::from(i16::from_le_bytes(b))).collect())
        }
        ElementKind::I8 if bytes.len() == 1 => {
            Some(bytes.iter().map(|&b| f32::from(b.cast_signed())).collect())
        }
        ElementKind::I8 | ElementKind::I16 | ElementKind::I32 => None,
    }
}

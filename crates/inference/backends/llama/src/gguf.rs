//! The header of a GGUF file: the sizes of a model and where its weights are.
//!
//! The format is ggml's `docs/gguf.md`, versions 2 and 3.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use trunkline_inference::ModelError;

const MAGIC: &[u8; 4] = b"GGUF";
/// Above every count and length there is in a header.
const MOST: u64 = 1 << 28;
/// Above the length of every text that is kept.
const LONGEST_TEXT: u64 = 1 << 16;
/// Above every number of layers: longer arrays are only counted.
const MOST_LAYERS: u64 = 1 << 12;
/// Bytes that tensors are aligned to unless the file says otherwise.
const ALIGNMENT: u64 = 32;

/// A value of the header, as far as it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(u64),
    /// Of 32 bits, not whole.
    Real(f32),
    Text(String),
    /// Numbers, one a layer.
    Numbers(Vec<u64>),
    /// So many values.
    Array(u64),
    Other,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    /// ggml's number for how it is written.
    pub(crate) kind: u32,
    /// Its share of the file, and where that begins.
    pub(crate) bytes: u64,
    pub(crate) at: u64,
}

/// A header.
#[derive(Debug)]
pub(crate) struct Header {
    values: HashMap<String, Value>,
    pub(crate) tensors: Vec<Tensor>,
}

impl Header {
    /// Reads the header of a file.
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let file = File::open(path).map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        let length = file.metadata().map_or(0, |found| found.len());
        Self::read(file, length).map_err(|error| {
            let reason = format!("it has no GGUF header that can be read: {error}");
            ModelError::Corrupt { path: path.to_owned(), reason }
        })
    }

    fn read(source: impl Read + Seek, length: u64) -> io::Result<Self> {
        let mut source = Source(BufReader::with_capacity(1 << 16, source));
        if &source.array::<4>()? != MAGIC {
            return Err(wrong("it does not begin with GGUF"));
        }
        let version = source.u32()?;
        if !(2..=3).contains(&version) {
            return Err(wrong(format!("its version is {version}, not 2 or 3")));
        }
        let (tensors, pairs) = (source.count()?, source.count()?);
        let mut values = HashMap::new();
        for _ in 0..pairs {
            let key = source.text()?;
            let kind = source.u32()?;
            values.insert(key, source.value(kind)?);
        }
        let mut places = Vec::new();
        for _ in 0..tensors {
            places.push(source.tensor()?);
        }
        let alignment = match values.get("general.alignment") {
            Some(Value::Number(alignment)) => (*alignment).clamp(1, MOST),
            _ => ALIGNMENT,
        };
        let start = source.0.stream_position()?.next_multiple_of(alignment);
        let tensors = sizes(places, start, length.saturating_sub(start));
        Ok(Self { values, tensors })
    }

    /// A value of the model's architecture, such as `block_count`.
    pub(crate) fn of_architecture(&self, key: &str) -> Option<&Value> {
        let Value::Text(architecture) = self.values.get("general.architecture")? else {
            return None;
        };
        self.values.get(&format!("{architecture}.{key}"))
    }

    /// A number of the model's architecture.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        match self.of_architecture(key)? {
            Value::Number(number) => Some(*number),
            Value::Numbers(numbers) => numbers.iter().max().copied(),
            Value::Text(_) | Value::Real(_) | Value::Array(_) | Value::Other => None,
        }
    }

    /// A number of the model's architecture that is not whole.
    pub(crate) fn real(&self, key: &str) -> Option<f32> {
        if let Value::Real(number) = self.of_architecture(key)? { Some(*number) } else { None }
    }

    /// The name of the model's architecture.
    pub(crate) fn architecture(&self) -> Option<&str> {
        let name = self.values.get("general.architecture")?;
        if let Value::Text(name) = name { Some(name) } else { None }
    }

    /// A tensor as it is in the file that the header was read from.
    pub(crate) fn tensor(&self, path: &Path, name: &str) -> Result<Option<Vec<u8>>, ModelError> {
        let Some(tensor) = self.tensors.iter().find(|tensor| tensor.name == name) else {
            return Ok(None);
        };
        let read = || {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(tensor.at))?;
            let mut bytes = Vec::new();
            file.take(tensor.bytes).read_to_end(&mut bytes).map(|_| bytes)
        };
        let failed = |error: io::Error| ModelError::Corrupt {
            path: path.to_owned(),
            reason: format!("its tensor {name} cannot be read: {error}"),
        };
        read().map(Some).map_err(failed)
    }

    /// Tokens that it knows.
    pub(crate) fn vocabulary(&self) -> u64 {
        match self.values.get("tokenizer.ggml.tokens") {
            Some(Value::Array(count)) => *count,
            Some(_) | None => 0,
        }
    }
}

/// Tensors with their places in the file to tensors with their sizes: each ends where the next begins.
fn sizes(mut places: Vec<(u64, Tensor)>, start: u64, all: u64) -> Vec<Tensor> {
    places.sort_by_key(|(at, _)| *at);
    let ends: Vec<_> = places.iter().skip(1).map(|(at, _)| *at).chain([all]).collect();
    let sized = places.into_iter().zip(ends);
    let sized = sized.map(|((at, tensor), end)| Tensor {
        bytes: end.saturating_sub(at),
        at: start.saturating_add(at),
        ..tensor
    });
    sized.collect()
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

struct Source<R>(BufReader<R>);

impl<R: Read + Seek> Source<R> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn count(&mut self) -> io::Result<u64> {
        let count = self.u64()?;
        if count > MOST { Err(wrong(format!("{count} is no count"))) } else { Ok(count) }
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        let bytes = i64::try_from(bytes).map_err(|_| wrong("it is too long"))?;
        self.0.seek_relative(bytes)
    }

    fn text(&mut self) -> io::Result<String> {
        let length = self.count()?;
        if length > LONGEST_TEXT {
            // Only chat templates are so long, and nobody looks at them here.
            self.skip(length)?;
            return Ok(String::new());
        }
        let mut bytes = Vec::new();
        Read::by_ref(&mut self.0).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn value(&mut self, kind: u32) -> io::Result<Value> {
        match kind {
            TEXT => self.text().map(Value::Text),
            ARRAY => self.values(),
            FLOAT_32 => Ok(Value::Real(f32::from_le_bytes(self.array()?))),
            kind => Ok(match (kind, self.number(width(kind)?)?) {
                (FLOAT_64 | BOOL, _) => Value::Other,
                (_, number) => Value::Number(number),
            }),
        }
    }

    fn values(&mut self) -> io::Result<Value> {
        let (kind, count) = (self.u32()?, self.count()?);
        if kind == TEXT {
            for _ in 0..count {
                let length = self.count()?;
                self.skip(length)?;
            }
            return Ok(Value::Array(count));
        }
        let width = width(kind)?;
        if count > MOST_LAYERS || matches!(kind, FLOAT_32 | FLOAT_64 | BOOL) {
            self.skip(count * width)?;
            return Ok(Value::Array(count));
        }
        (0..count).map(|_| self.number(width)).collect::<io::Result<_>>().map(Value::Numbers)
    }

    /// A number of so many bytes; one below zero is a very large one.
    fn number(&mut self, width: u64) -> io::Result<u64> {
        Ok(match width {
            1 => u64::from(self.array::<1>()?[0]),
            2 => u64::from(u16::from_le_bytes(self.array()?)),
            4 => u64::from(self.u32()?),
            _ => self.u64()?,
        })
    }

    fn tensor(&mut self) -> io::Result<(u64, Tensor)> {
        let name = self.text()?;
        let dimensions = self.u32()?;
        if dimensions > 8 {
            return Err(wrong(format!("{name} has {dimensions} dimensions")));
        }
        self.skip(u64::from(dimensions) * 8)?;
        let kind = self.u32()?;
        Ok((self.u64()?, Tensor { name, kind, bytes: 0, at: 0 }))
    }
}

const FLOAT_32: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;
const FLOAT_64: u32 = 12;

/// Bytes of a value of this kind.
fn width(kind: u32) -> io::Result<u64> {
    match kind {
        0 | 1 | BOOL => Ok(1),
        2 | 3 => Ok(2),
        4 | 5 | FLOAT_32 => Ok(4),
        10..=FLOAT_64 => Ok(8),
        _ => Err(wrong(format!("it has a value of the unknown kind {kind}"))),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    /// Writes headers as `docs/gguf.md` says.
    #[derive(Default)]
    pub(crate) struct Writer {
        pairs: (u64, Vec<u8>),
        tensors: (u64, Vec<u8>),
        weights: Vec<u8>,
    }

    impl Writer {
        fn key(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
            let bytes = &mut self.pairs.1;
            for part in [&(key.len() as u64).to_le_bytes()[..], key.as_bytes(), &kind.to_le_bytes()]
            {
                bytes.extend(part);
            }
            bytes.extend(value);
            self.pairs.0 += 1;
            self
        }

        pub(crate) fn number(self, key: &str, value: u32) -> Self {
            self.key(key, 4, &value.to_le_bytes())
        }

        pub(crate) fn numbers(self, key: &str, values: &[u32]) -> Self {
            let mut bytes = 5_u32.to_le_bytes().to_vec();
            bytes.extend((values.len() as u64).to_le_bytes());
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            self.key(key, ARRAY, &bytes)
        }

        pub(crate) fn float(self, key: &str, value: f32) -> Self {
            self.key(key, FLOAT_32, &value.to_le_bytes())
        }

        pub(crate) fn truth(self, key: &str, value: bool) -> Self {
            self.key(key, BOOL, &[u8::from(value)])
        }

        pub(crate) fn floats(self, key: &str, values: &[f32]) -> Self {
            let mut bytes = FLOAT_32.to_le_bytes().to_vec();
            bytes.extend((values.len() as u64).to_le_bytes());
            bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            self.key(key, ARRAY, &bytes)
        }

        pub(crate) fn text(self, key: &str, value: &str) -> Self {
            let mut bytes = (value.len() as u64).to_le_bytes().to_vec();
            bytes.extend(value.as_bytes());
            self.key(key, TEXT, &bytes)
        }

        pub(crate) fn texts(self, key: &str, values: &[String]) -> Self {
            let mut bytes = TEXT.to_le_bytes().to_vec();
            bytes.extend((values.len() as u64).to_le_bytes());
            for value in values {
                bytes.extend((value.len() as u64).to_le_bytes());
                bytes.extend(value.as_bytes());
            }
            self.key(key, ARRAY, &bytes)
        }

        pub(crate) fn tokens(self, count: usize) -> Self {
            self.texts("tokenizer.ggml.tokens", &vec!["abc".to_owned(); count])
        }

        /// A tensor of so many zeros, wherever its shape does not matter.
        pub(crate) fn tensor(self, name: &str, kind: u32, bytes: usize) -> Self {
            self.weights(name, kind, &[7], &vec![0; bytes])
        }

        /// A tensor, its dimensions from the innermost on.
        pub(crate) fn weights(
            mut self,
            name: &str,
            kind: u32,
            shape: &[u64],
            bytes: &[u8],
        ) -> Self {
            let out = &mut self.tensors.1;
            out.extend((name.len() as u64).to_le_bytes());
            out.extend(name.as_bytes());
            out.extend(u32::try_from(shape.len()).unwrap().to_le_bytes());
            out.extend(shape.iter().flat_map(|dimension| dimension.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend((self.weights.len() as u64).to_le_bytes());
            self.weights.extend(bytes);
            self.weights.resize(self.weights.len().next_multiple_of(32), 0);
            self.tensors.0 += 1;
            self
        }

        /// The file.
        pub(crate) fn bytes(self) -> Vec<u8> {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(3_u32.to_le_bytes());
            bytes.extend(self.tensors.0.to_le_bytes());
            bytes.extend(self.pairs.0.to_le_bytes());
            bytes.extend(self.pairs.1);
            bytes.extend(self.tensors.1);
            bytes.resize(bytes.len().next_multiple_of(32), 0);
            bytes.extend(self.weights);
            bytes
        }
    }

    fn read(bytes: &[u8]) -> io::Result<Header> {
        Header::read(Cursor::new(bytes), bytes.len() as u64)
    }

    fn small() -> Writer {
        Writer::default()
            .text("general.architecture", "qwen2")
            .float("general.factor", 1.5)
            .number("qwen2.block_count", 24)
            .numbers("qwen2.attention.head_count_kv", &[2, 0, 3])
            .tokens(5)
            .tensor("token_embd.weight", 12, 320)
            .tensor("blk.0.attn_norm.weight", 0, 64)
    }

    #[test]
    fn a_header_tells_numbers_tokens_and_the_sizes_of_tensors() {
        let header = read(&small().bytes()).unwrap();
        assert_eq!(header.number("block_count"), Some(24));
        assert_eq!(header.number("attention.head_count_kv"), Some(3));
        let heads = header.of_architecture("attention.head_count_kv");
        assert_eq!(heads, Some(&Value::Numbers(vec![2, 0, 3])));
        assert_eq!(header.number("attention.key_length"), None);
        assert_eq!(header.vocabulary(), 5);
        let tensors: Vec<_> =
            header.tensors.iter().map(|t| (t.name.as_str(), t.kind, t.bytes)).collect();
        let expected = [("token_embd.weight", 12, 320), ("blk.0.attn_norm.weight", 0, 64)];
        assert_eq!(tensors, expected);
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        assert!(read(b"RIFF and more than that").is_err());
        assert!(read(b"GGUF\x01\0\0\0 and more than that").is_err());
        assert!(
            Header::open(Path::new("/no/model.gguf"))
                .is_err_and(|error| { matches!(error, ModelError::Missing { .. }) })
        );
    }

    proptest! {
        #[test]
        fn a_damaged_header_never_panics(at in 0_usize..400, byte: u8, end in 0_usize..500) {
            let mut bytes = small().bytes();
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.truncate(end);
            drop(read(&bytes));
        }
    }
}

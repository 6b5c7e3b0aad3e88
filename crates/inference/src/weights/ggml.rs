//! Writes whisper.cpp's model file: header, mel filters, words, tensors.

use std::io::{self, Write};

use half::{bf16, f16};

use super::mel;

const MAGIC: u32 = 0x6767_6d6c;
/// ggml packs its quantisation format's version (2) into the file type, in thousands.
const QUANTISED: i32 = 2000;
/// Values that share a scale in `q8_0`.
const BLOCK: usize = 32;

/// How the big matrices are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantisation {
    /// 16-bit floats: exact where the source is float16.
    F16,
    /// 16-bit floats with eight bits of precision: fastest where the processor multiplies them.
    Bf16,
    /// 8-bit whole numbers, 32 to a scale: half the memory, fastest on a CPU, no less accurate.
    #[default]
    Q8_0,
}

impl Quantisation {
    /// ggml's number for a whole file.
    pub(super) fn file_type(self) -> i32 {
        match self {
            Self::F16 => 1,
            Self::Bf16 => 24,
            Self::Q8_0 => QUANTISED + 7,
        }
    }

    /// ggml's number for one tensor.
    fn tensor_type(self) -> i32 {
        match self {
            Self::F16 => 1,
            Self::Bf16 => 30,
            Self::Q8_0 => 8,
        }
    }
}

/// What a tensor is, which says how it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Multiplied with everything heard: quantised.
    Matrix,
    /// A convolution's weights: always f16.
    Convolution,
    /// A convolution's bias: f32, as a column.
    ConvolutionBias,
    /// Biases, norms, positions: f32.
    Plain,
}

/// A model file being written.
pub(super) struct Writer<W> {
    out: W,
    quantisation: Quantisation,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, quantisation: Quantisation) -> Self {
        Self { out, quantisation }
    }

    pub(super) fn into_inner(self) -> W {
        self.out
    }

    pub(super) fn hyperparameters(&mut self, values: &[i32; 11]) -> io::Result<()> {
        self.out.write_all(&MAGIC.to_le_bytes())?;
        values.iter().try_for_each(|&v| self.i32(v))
    }

    pub(super) fn mel_filters(&mut self, mels: usize, filters: &[f32]) -> io::Result<()> {
        self.count(mels)?;
        self.count(mel::BINS)?;
        self.f32s(filters)
    }

    pub(super) fn vocabulary(&mut self, words: &[Vec<u8>]) -> io::Result<()> {
        self.count(words.len())?;
        for word in words {
            self.count(word.len())?;
            self.out.write_all(word)?;
        }
        Ok(())
    }

    /// Writes a tensor whose shape is given outermost dimension first.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        role: Role,
        dims: &[usize],
        values: &[f32],
    ) -> io::Result<()> {
        let mut dims = dims.to_vec();
        let kind = match role {
            Role::Matrix => self.quantisation.tensor_type(),
            Role::Convolution => Quantisation::F16.tensor_type(),
            Role::ConvolutionBias | Role::Plain => 0,
        };
        if role == Role::ConvolutionBias {
            dims.push(1);
        }
        self.count(dims.len())?;
        self.count(name.len())?;
        self.i32(kind)?;
        dims.iter().rev().try_for_each(|&d| self.count(d))?;
        self.out.write_all(name.as_bytes())?;
        match role {
            Role::Matrix => self.out.write_all(&encode(self.quantisation, values)),
            Role::Convolution => self.out.write_all(&encode(Quantisation::F16, values)),
            Role::ConvolutionBias | Role::Plain => self.f32s(values),
        }
    }

    fn i32(&mut self, value: i32) -> io::Result<()> {
        self.out.write_all(&value.to_le_bytes())
    }

    fn count(&mut self, value: usize) -> io::Result<()> {
        let value = i32::try_from(value).map_err(|_| io::ErrorKind::InvalidData)?;
        self.i32(value)
    }

    fn f32s(&mut self, values: &[f32]) -> io::Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.out.write_all(&bytes)
    }
}

fn encode(quantisation: Quantisation, values: &[f32]) -> Vec<u8> {
    match quantisation {
        Quantisation::F16 => values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
        Quantisation::Bf16 => {
            values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect()
        }
        Quantisation::Q8_0 => values.chunks(BLOCK).flat_map(q8_0).collect(),
    }
}

/// One block: the scale as f16, then a whole number of -127..=127 a value.
fn q8_0(block: &[f32]) -> Vec<u8> {
    let largest = block.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    let scale = largest / 127.0;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut bytes = f16::from_f32(scale).to_le_bytes().to_vec();
    #[expect(clippy::cast_possible_truncation, reason = "at most 127 by the scale")]
    bytes.extend(block.iter().map(|v| ((v * inverse).round() as i8).cast_unsigned()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_comes_back_within_half_a_step() {
        let block: Vec<f32> = (0..32_u8).map(|i| (f32::from(i) - 13.0) / 7.0).collect();
        let bytes = q8_0(&block);
        assert_eq!(bytes.len(), 34);
        let scale = f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
        for (value, &byte) in block.iter().zip(&bytes[2..]) {
            assert!((value - scale * f32::from(byte.cast_signed())).abs() <= scale * 0.51);
        }
        assert_eq!(bytes[2..].iter().map(|b| b.cast_signed()).max(), Some(127));
    }

    #[test]
    fn a_block_of_zeros_divides_by_nothing() {
        assert_eq!(q8_0(&[0.0; 32]), vec![0; 34]);
    }

    #[test]
    fn a_tensor_is_written_with_its_innermost_dimension_first() {
        let mut out = Writer::new(Vec::new(), Quantisation::F16);
        out.tensor("w", Role::Matrix, &[2, 3], &[1.0; 6]).unwrap();
        let bytes = out.into_inner();
        let heads: Vec<i32> =
            bytes[..20].chunks(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert_eq!(heads, [2, 1, 1, 3, 2]);
        assert_eq!(&bytes[20..23], [b'w', 0x00, 0x3c]);
        assert_eq!(bytes.len(), 21 + 12);
    }

    #[test]
    fn biases_stay_whole_and_a_convolutions_is_a_column() {
        let mut out = Writer::new(Vec::new(), Quantisation::Q8_0);
        out.tensor("b", Role::ConvolutionBias, &[2], &[1.5, -2.5]).unwrap();
        let bytes = out.into_inner();
        assert_eq!(bytes[..4], 2_i32.to_le_bytes());
        assert_eq!(bytes[8..20], [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(bytes[21..], [1.5_f32.to_le_bytes(), (-2.5_f32).to_le_bytes()].concat());
    }
}

//! GGUF's blocks of weights (ggml's `ggml-common.h`), brought into the order that the product reads them in.

use half::f16;
use rayon::prelude::*;

use super::{Blocks, DEPTH, Halves, LINE, Line, WIDTH};

pub(super) const FOUR_BITS: usize = 4;
pub(super) const FIVE_BITS: usize = 5;
const EIGHT_BITS: usize = 8;
/// Numbers of a block.
const LONG: usize = 32;
const SHORT: usize = 16;
/// Inputs whose numbers are in one line, two a byte.
const PAIR: usize = 2 * DEPTH;
/// The line of a block of 5 bits that has the fifth bits.
pub(super) const HIGH_LINE: usize = LONG / PAIR;
/// Numbers of a block of GGUF's `_K` kinds.
const SUPER: usize = 256;

/// How GGUF writes a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl Kind {
    /// The kind that ggml has this number for, if its blocks are known here.
    pub(crate) fn of(number: u32) -> Option<Self> {
        Some(match number {
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            _ => return None,
        })
    }

    /// Bytes of a block in the file, and the numbers in it.
    pub(crate) fn written(self) -> (usize, usize) {
        match self {
            Self::Q4_0 => (18, LONG),
            Self::Q4_1 => (20, LONG),
            Self::Q5_0 => (22, LONG),
            Self::Q5_1 => (24, LONG),
            Self::Q8_0 => (34, LONG),
            Self::Q4K => (144, SUPER),
            Self::Q5K => (176, SUPER),
            Self::Q6K => (210, SUPER),
        }
    }

    /// Inputs that share a scale.
    pub(super) fn block(self) -> usize {
        if self == Self::Q6K { SHORT } else { LONG }
    }

    /// Bits that a number is kept in.
    pub(super) fn bits(self) -> usize {
        match self {
            Self::Q4_0 | Self::Q4_1 | Self::Q4K => FOUR_BITS,
            Self::Q5_0 | Self::Q5_1 | Self::Q5K => FIVE_BITS,
            Self::Q8_0 | Self::Q6K => EIGHT_BITS,
        }
    }

    /// The number that stands for 0, where it is the same in all blocks.
    pub(super) fn zero(self) -> f32 {
        match self {
            Self::Q4_0 => 8.0,
            Self::Q5_0 => 16.0,
            Self::Q6K => 32.0,
            Self::Q8_0 => 128.0,
            Self::Q4_1 | Self::Q5_1 | Self::Q4K | Self::Q5K => 0.0,
        }
    }

    /// Whether each block has a number for what its 0 stands for.
    pub(super) fn has_floors(self) -> bool {
        matches!(self, Self::Q4_1 | Self::Q5_1 | Self::Q4K | Self::Q5K)
    }

    /// Lines of a block of a panel.
    pub(super) fn lines(self) -> usize {
        let pairs = self.block() / PAIR;
        match self.bits() {
            FOUR_BITS => pairs,
            FIVE_BITS => pairs + 1,
            _ => 2 * pairs,
        }
    }

    /// A number of a panel's block.
    pub(super) fn whole(self, lines: &[Line], place: usize, input: usize) -> u8 {
        let lane = place * DEPTH + input % DEPTH;
        if self.bits() == EIGHT_BITS {
            return lines[input / DEPTH].0[lane];
        }
        let both = lines[input / PAIR].0[lane];
        let low = if input % PAIR < DEPTH { both & 15 } else { both >> 4 };
        match self.bits() {
            FIVE_BITS => low | (fifth_bit(lines, lane, input) << 4),
            _ => low,
        }
    }

    /// The numbers of a panel's block: of each four inputs those of all outputs.
    pub(super) fn unpack(self, lines: &[Line], to: &mut [u8]) {
        for (group, to) in to.as_chunks_mut::<{ WIDTH * DEPTH }>().0.iter_mut().enumerate() {
            if self.bits() == EIGHT_BITS {
                *to = lines[group].0;
                continue;
            }
            let shift = 4 * (group % 2);
            for (to, both) in to.iter_mut().zip(lines[group / 2].0) {
                *to = both >> shift & 15;
            }
            if self.bits() == FIVE_BITS {
                let high = &lines[HIGH_LINE].0[8 * group..8 * group + 8];
                for (eight, bits) in to.as_chunks_mut::<8>().0.iter_mut().zip(high) {
                    for (lane, to) in eight.iter_mut().enumerate() {
                        *to |= (bits >> lane & 1) << 4;
                    }
                }
            }
        }
    }

    fn put(self, lines: &mut [Line], place: usize, numbers: &[u8]) {
        for (input, &number) in numbers.iter().enumerate() {
            let lane = place * DEPTH + input % DEPTH;
            if self.bits() == EIGHT_BITS {
                lines[input / DEPTH].0[lane] = number;
                continue;
            }
            let shift = if input % PAIR < DEPTH { 0 } else { 4 };
            lines[input / PAIR].0[lane] |= (number & 15) << shift;
            if self.bits() == FIVE_BITS {
                lines[HIGH_LINE].0[input / DEPTH * 8 + lane / 8] |= (number >> 4) << (lane % 8);
            }
        }
    }
}

impl Blocks {
    /// Of the bytes of a matrix `[outputs, inputs]` as the file has it; `None` when they are not as many as
    /// that takes.
    pub(crate) fn read(kind: Kind, bytes: &[u8], outputs: usize, inputs: usize) -> Option<Self> {
        let (block_bytes, block_numbers) = kind.written();
        let row_bytes = inputs / block_numbers * block_bytes;
        if !inputs.is_multiple_of(block_numbers) || bytes.len() < outputs.checked_mul(row_bytes)? {
            return None;
        }
        let deep = inputs / kind.block();
        let blocks = outputs.div_ceil(WIDTH) * deep;
        let none = Halves([f16::ZERO; WIDTH]);
        let mut numbers = vec![Line([0; LINE]); blocks * kind.lines()];
        let mut scales = vec![none; blocks];
        let mut floors = vec![none; if kind.has_floors() { blocks } else { 0 }];
        let mut spare = vec![none; if kind.has_floors() { 0 } else { blocks }];
        let all_floors = if kind.has_floors() { &mut floors } else { &mut spare };
        numbers
            .par_chunks_mut(deep * kind.lines())
            .zip(scales.par_chunks_mut(deep))
            .zip(all_floors.par_chunks_mut(deep))
            .enumerate()
            .for_each(|(panel, ((lines, scales), floors))| {
                let first = panel * WIDTH;
                for output in first..outputs.min(first + WIDTH) {
                    let row = &bytes[output * row_bytes..][..row_bytes];
                    let mut at = 0;
                    for written in row.chunks_exact(block_bytes) {
                        decode(kind, written, |numbers, scale, floor| {
                            let place = output - first;
                            kind.put(&mut lines[at * kind.lines()..], place, numbers);
                            scales[at].0[place] = f16::from_f32(scale);
                            floors[at].0[place] = f16::from_f32(floor);
                            at += 1;
                        });
                    }
                }
            });
        Some(Self { inputs, outputs, kind, numbers, scales, floors })
    }
}

fn fifth_bit(lines: &[Line], lane: usize, input: usize) -> u8 {
    lines[HIGH_LINE].0[input / DEPTH * 8 + lane / 8] >> (lane % 8) & 1
}

/// Hands on the blocks of a written one: numbers, their scale, and what 0 stands for where the kind says so.
fn decode(kind: Kind, written: &[u8], mut take: impl FnMut(&[u8], f32, f32)) {
    let half = |at: usize| f16::from_le_bytes([written[at], written[at + 1]]).to_f32();
    match kind {
        Kind::Q4_0 => take(&nibbles(&written[2..], 0), half(0), 0.0),
        Kind::Q4_1 => take(&nibbles(&written[4..], 0), half(0), half(2)),
        Kind::Q5_0 => take(&nibbles(&written[6..], bits(&written[2..])), half(0), 0.0),
        Kind::Q5_1 => take(&nibbles(&written[8..], bits(&written[4..])), half(0), half(2)),
        Kind::Q8_0 => {
            let numbers: [u8; LONG] = std::array::from_fn(|n| written[2 + n].wrapping_add(128));
            take(&numbers, half(0), 0.0);
        }
        Kind::Q4K => super_blocks(written, &written[16..], None, take),
        Kind::Q5K => super_blocks(written, &written[48..], Some(&written[16..48]), take),
        Kind::Q6K => six_bits(written, take),
    }
}

fn bits(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// 16 numbers in the low halves of bytes, then 16 in the high ones; their fifth bits apart.
fn nibbles(bytes: &[u8], fifth: u32) -> [u8; LONG] {
    std::array::from_fn(|n| {
        let both = bytes[n % SHORT];
        let low = if n < SHORT { both & 15 } else { both >> 4 };
        low | ((fifth >> n & 1) as u8) << 4
    })
}

/// Eight blocks of 4 bits, or of 5 with the fifth ones apart, with scales and floors of 6 bits.
fn super_blocks(
    written: &[u8],
    numbers: &[u8],
    fifth: Option<&[u8]>,
    mut take: impl FnMut(&[u8], f32, f32),
) {
    let half = |at: usize| f16::from_le_bytes([written[at], written[at + 1]]).to_f32();
    let (all, all_floors, packed) = (half(0), half(2), &written[4..16]);
    for block in 0..SUPER / LONG {
        let (scale, floor) = if block < 4 {
            (packed[block] & 63, packed[block + 4] & 63)
        } else {
            let both = packed[block + 4];
            ((both & 15) | (packed[block - 4] >> 6) << 4, (both >> 4) | (packed[block] >> 6) << 4)
        };
        let bytes = &numbers[block / 2 * LONG..][..LONG];
        let whole: [u8; LONG] = std::array::from_fn(|n| {
            let high = fifth.map_or(0, |fifth| fifth[n] >> block & 1);
            (bytes[n] >> (4 * (block % 2)) & 15) | high << 4
        });
        take(&whole, all * f32::from(scale), -all_floors * f32::from(floor));
    }
}

/// Sixteen blocks of 6 bits, two of them apart, with scales of 8 bits.
fn six_bits(written: &[u8], mut take: impl FnMut(&[u8], f32, f32)) {
    let all = f16::from_le_bytes([written[208], written[209]]).to_f32();
    for block in 0..SUPER / SHORT {
        let (part, quarter, from) = (block / 8, block % 8 / 2, block % 2 * SHORT);
        let low = &written[part * 64 + quarter % 2 * LONG + from..];
        let high = &written[128 + part * LONG + from..];
        let whole: [u8; SHORT] = std::array::from_fn(|n| {
            (low[n] >> (4 * (quarter / 2)) & 15) | (high[n] >> (2 * quarter) & 3) << 4
        });
        take(&whole, all * f32::from(written[192 + block].cast_signed()), 0.0);
    }
}

//! The decoder of a Piper voice (HiFi-GAN with blocks of kind 2, Kong et al. 2020) without a runtime, for
//! processors with AVX-512: ONNX Runtime keeps their units about half busy with narrow convolutions over
//! time.

mod conv;

use std::{collections::HashMap, ops::Range};

use self::conv::{Conv, Into, Padded, is_supported};
use super::graph::layers::Layer;

/// Of the leaky rectifiers inside, and of that before the last layer.
const SLOPES: [f32; 2] = [0.1, 0.01];

/// A decoder, in two pieces: the trunk makes features from frames, the head sound from features.
pub(super) struct HifiGan {
    first: Conv,
    stages: Vec<Stage>,
    last: Last,
    room: Room,
}

/// An upsampling, and the blocks that work on what it makes.
struct Stage {
    /// One a phase.
    up: Vec<Conv>,
    blocks: Vec<Vec<Conv>>,
}

/// The last layer: one output, `[taps, inputs]`.
struct Last {
    weights: Vec<f32>,
    inputs: usize,
    bias: f32,
}

/// Space to work in: several megabytes, which would take long to get anew each time.
#[derive(Default)]
struct Room {
    seen: Padded,
    inner: Padded,
    up: Vec<f32>,
    blocks: [Vec<f32>; 2],
    /// What comes in, and what goes out.
    rows: Vec<f32>,
}

impl HifiGan {
    /// A decoder of the layers, by the names of their weights; none where the processor is an older
    /// one or the voice is built otherwise.
    pub(super) fn new(layers: &HashMap<String, Layer>) -> Option<Self> {
        if !is_supported() {
            return None;
        }
        let first = conv(layers.get("dec.conv_pre.weight")?)?;
        let ups = (0..).map_while(|n| layers.get(&format!("dec.ups.{n}.weight")));
        let ups: Vec<&Layer> = ups.collect();
        let block = |n: usize| {
            let name = |m: usize| format!("dec.resblocks.{n}.convs.{m}.weight");
            let convs: Vec<&Layer> = (0..).map_while(|m| layers.get(&name(m))).collect();
            (!convs.is_empty()).then_some(convs)
        };
        let blocks: Vec<Vec<&Layer>> = (0..).map_while(block).collect();
        let each = blocks.len().checked_div(ups.len())?;
        if each == 0 || blocks.len() != each * ups.len() {
            return None;
        }
        let stage = |(up, blocks): (&&Layer, &[Vec<&Layer>])| {
            let block = |block: &Vec<&Layer>| block.iter().map(|layer| conv(layer)).collect();
            let blocks = blocks.iter().map(block).collect::<Option<_>>()?;
            Some(Stage { up: phases(up)?, blocks })
        };
        let stages = ups.iter().zip(blocks.chunks(each)).map(stage).collect::<Option<_>>()?;
        let last = Last::new(layers.get("dec.conv_post.weight")?)?;
        Some(Self { first, stages, last, room: Room::default() })
    }

    /// Features of `frames`, `[count, width]`: rows, some to a frame.
    pub(super) fn trunk(&mut self, frames: &[f32], width: usize) -> &[f32] {
        let Self { first, stages, room, .. } = self;
        room.seen.fill(frames, width, first.reach(), |value| value);
        first.run(&room.seen, Into::rows(&mut room.rows));
        if let Some(stage) = stages.first() {
            stage.run(room);
        }
        &room.rows
    }

    /// The sound of a range, counted in values, of the features that the trunk has just made.
    pub(super) fn head(&mut self, range: Range<usize>) -> Vec<f32> {
        let Self { stages, last, room, .. } = self;
        room.rows.truncate(range.end);
        room.rows.drain(..range.start);
        for stage in stages.iter().skip(1) {
            stage.run(room);
        }
        last.run(&room.rows, &mut room.up)
    }
}

impl Stage {
    fn outputs(&self) -> usize {
        self.up.first().map_or(0, Conv::outputs)
    }

    /// Works on the room's rows.
    fn run(&self, room: &mut Room) {
        let Some(phase) = self.up.first() else { return };
        let reach = self.up.iter().map(Conv::reach).max().unwrap_or_default();
        room.seen.fill(&room.rows, phase.inputs(), reach, leaky);
        for (phase, conv) in self.up.iter().enumerate() {
            let stride = self.up.len();
            conv.run(&room.seen, Into { stride, phase, ..Into::rows(&mut room.up) });
        }
        let width = self.outputs();
        let first = self.blocks.iter().filter_map(|block| block.first());
        let reach = first.map(Conv::reach).max().unwrap_or_default();
        room.seen.fill(&room.up, width, reach, leaky);
        room.rows.clear();
        room.rows.resize(room.up.len(), 0.0);
        let share = 1.0 / self.blocks.len() as f32;
        for block in &self.blocks {
            room.block(block, width);
            let made = room.blocks[0].iter();
            room.rows.iter_mut().zip(made).for_each(|(sum, made)| *sum += made * share);
        }
    }
}

impl Room {
    /// Makes of `up`, which `seen` holds already, what a block of kind 2 does, into the first of
    /// `blocks`: each layer adds to what it sees.
    fn block(&mut self, block: &[Conv], width: usize) {
        let [made, next] = &mut self.blocks;
        for (n, conv) in block.iter().enumerate() {
            if n == 0 {
                conv.run(&self.seen, Into { residual: Some(&self.up), ..Into::rows(made) });
                continue;
            }
            self.inner.fill(made, width, conv.reach(), leaky);
            conv.run(&self.inner, Into { residual: Some(made), ..Into::rows(next) });
            std::mem::swap(made, next);
        }
    }
}

impl Last {
    fn new(layer: &Layer) -> Option<Self> {
        let &[1, inputs, taps] = &layer.shape[..] else { return None };
        let at = |tap, input| layer.weights.get(input * taps + tap).copied();
        let weights = (0..taps).flat_map(|tap| (0..inputs).map(move |input| at(tap, input)));
        let bias = layer.bias.first().copied().unwrap_or_default();
        Some(Self { weights: weights.collect::<Option<_>>()?, inputs, bias })
    }

    /// The sound of `rows`, by the space `seen`.
    fn run(&self, rows: &[f32], seen: &mut Vec<f32>) -> Vec<f32> {
        let margin = self.weights.len() / self.inputs / 2 * self.inputs;
        seen.clear();
        seen.resize(margin, 0.0);
        seen.extend(rows.iter().map(|&value| sloped(value, SLOPES[1])));
        seen.resize(seen.len() + margin, 0.0);
        let windows = seen.windows(self.weights.len()).step_by(self.inputs);
        windows.map(|window| (dot(window, &self.weights) + self.bias).tanh()).collect()
    }
}

/// A convolution that keeps the number of rows.
fn conv(layer: &Layer) -> Option<Conv> {
    let &[outputs, inputs, taps] = &layer.shape[..] else { return None };
    let middle = (taps / 2) as isize;
    let offsets = (0..taps as isize).map(|tap| (tap - middle) * layer.dilation as isize).collect();
    let weights = weights(layer)?;
    let weight = |output, input, tap| weights[(output * inputs + input) * taps + tap];
    Conv::new((outputs, inputs), offsets, &layer.bias, weight)
}

/// A transposed convolution as ordinary ones, one for each of the rows that a row becomes.
fn phases(layer: &Layer) -> Option<Vec<Conv>> {
    let (&[inputs, outputs, taps], stride) = (&layer.shape[..], layer.stride) else { return None };
    let padding = taps.checked_sub(stride)? / 2;
    let weights = weights(layer)?;
    let phase = |phase: usize| {
        // Row t adds to output t * stride + tap - padding.
        let taps_of: Vec<usize> =
            (0..taps).filter(|tap| (phase + padding).abs_diff(*tap) % stride == 0).collect();
        let offset = |tap: &usize| (phase + padding) as isize - *tap as isize;
        let offsets = taps_of.iter().map(|tap| offset(tap).div_euclid(stride as isize)).collect();
        let weight =
            |output, input, n: usize| weights[(input * outputs + output) * taps + taps_of[n]];
        Conv::new((outputs, inputs), offsets, &layer.bias, weight)
    };
    (0..stride).map(phase).collect()
}

/// Its weights, if they are as many as its shape says.
fn weights(layer: &Layer) -> Option<&[f32]> {
    let fits = layer.weights.len() == layer.shape.iter().product::<usize>();
    fits.then_some(&layer.weights[..])
}

fn leaky(value: f32) -> f32 {
    sloped(value, SLOPES[0])
}

fn sloped(value: f32, slope: f32) -> f32 {
    if value > 0.0 { value } else { value * slope }
}

/// In lanes, which the compiler turns into vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

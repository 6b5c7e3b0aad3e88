//! A Piper voice's network: sentences' latent frames at once, then their sound stretch by stretch.

use ort::{session::Session, value::TensorRef};
use trunkline_inference::ModelError;

use super::{
    PiperConfig,
    graph::{Cuts, cut},
    stretch::{Stretch, columns},
};
#[cfg(target_arch = "x86_64")]
use super::{graph::layers::layers, hifigan::HifiGan};
use crate::runtime::{Runtime, corrupt};

/// Frames of the first stretch, about 280 ms of sound: what stands between a text and its voice.
const FIRST_FRAMES: usize = 24;
/// The same beside other replies, which may be more urgent than the second stretch: about 460 ms. Much more, and
/// others wait for the long second stretch.
const FIRST_FRAMES_AMONG_OTHERS: usize = 40;
/// Frames of the longest stretch, about 1.5 s. Each is twice as long as the one before up to here.
const MOST_FRAMES: usize = 128;

/// Frames of the trial that decides whether two decoders sound the same.
#[cfg(target_arch = "x86_64")]
const TRIAL_FRAMES: usize = 40;
/// Samples that differ by no more sound the same: -80 dBFS, below what 14 bits of a telephone hold.
#[cfg(target_arch = "x86_64")]
const SAME: f32 = 1e-4;

/// The network, cut in pieces where it can be.
pub(super) enum Network {
    /// Sound stretch by stretch, of several parts together.
    Cut(Box<Pieces>),
    /// Sound all at once.
    Whole(Session),
}

/// The pieces that a network is cut into.
pub(super) struct Pieces {
    /// Symbols to frames.
    front: Session,
    /// Frames to features.
    trunk: Session,
    /// Features to sound.
    head: Session,
    /// Both, made for this processor.
    #[cfg(target_arch = "x86_64")]
    swift: Option<HifiGan>,
}

/// A part of a clause between symbols and sound.
pub(crate) enum Latent {
    /// Frames, some of them said.
    Frames(Frames),
    /// Sound that is whole already.
    Sound(Option<Vec<f32>>),
}

/// The frames of a part.
pub(crate) struct Frames {
    /// `[width, count]`.
    values: Vec<f32>,
    count: usize,
    /// How many have been said.
    said: usize,
    /// How many to say next.
    next: usize,
}

impl Latent {
    /// The frames of the next stretch.
    pub(super) fn work(&self) -> f64 {
        match self {
            Self::Frames(frames) => frames.next.min(frames.count - frames.said) as f64,
            Self::Sound(_) => 0.0,
        }
    }

    /// Makes the first stretch longer.
    pub(super) fn lengthen(&mut self) {
        if let Self::Frames(frames) = self
            && frames.said == 0
        {
            frames.next = FIRST_FRAMES_AMONG_OTHERS;
        }
    }

    /// Whether a stretch of this can be made together with the next one of `leader`.
    pub(super) fn goes_with(&self, leader: &Self) -> bool {
        let (Self::Frames(own), Self::Frames(leader)) = (self, leader) else { return false };
        let fits = |frames: &Frames| {
            frames.said < frames.count
                && Stretch::among(frames.said, leader.next, frames.count).is_some()
        };
        fits(leader) && fits(own)
    }
}

impl Network {
    /// Opens the model at `path`, cut in pieces unless it is built in an unknown way.
    ///
    /// On a GPU, it is the runtime that decodes; else the decoder made for this processor, if there is
    /// one.
    pub(super) fn open(runtime: &Runtime, config: &PiperConfig) -> Result<Self, ModelError> {
        let PiperConfig { model: path, threads, gpu, .. } = config;
        let bytes =
            std::fs::read(path).map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        if let Some(cuts) = cut(&bytes) {
            match Pieces::open(runtime, &cuts, *threads, *gpu) {
                Ok(mut pieces) => {
                    if !gpu {
                        pieces.hasten(&bytes);
                    }
                    return Ok(Self::Cut(Box::new(pieces)));
                }
                Err(error) => tracing::debug!(%error, "the voice cannot be cut in pieces"),
            }
        }
        tracing::info!(path = %path.display(), "the voice is said in whole sentences");
        let session = runtime.open_bytes(&bytes, *threads).map_err(|e| corrupt(path, e))?;
        Ok(Self::Whole(session))
    }

    /// Makes the frames of one or more parts from their symbols, in order.
    ///
    /// `scales` are those of the noise, the pace and the pace's noise. A network that is not cut
    /// takes one part only.
    pub(super) fn front(
        &mut self,
        texts: &[Vec<i64>],
        scales: [f32; 3],
    ) -> ort::Result<Vec<Latent>> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let (session, whole) = match self {
            Self::Cut(pieces) => (&mut pieces.front, false),
            Self::Whole(session) => (session, true),
        };
        let lengths: Vec<i64> = texts.iter().map(|ids| ids.len() as i64).collect();
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        let mut ids = Vec::with_capacity(texts.len() * longest);
        for (n, text) in (1..).zip(texts) {
            ids.extend_from_slice(text);
            ids.resize(n * longest, 0);
        }
        let outputs = session.run(ort::inputs![
            TensorRef::from_array_view(([texts.len(), longest], ids.as_slice()))?,
            TensorRef::from_array_view(([texts.len()], lengths.as_slice()))?,
            TensorRef::from_array_view(([3], scales.as_slice()))?,
        ])?;
        let (shape, values) = outputs[0].try_extract_tensor::<f32>()?;
        if whole {
            return Ok(vec![Latent::Sound(Some(values.to_vec()))]);
        }
        let most = shape.last().map_or(0, |&frames| frames as usize);
        let (_, mask) = outputs[1].try_extract_tensor::<f32>()?;
        let texts = values.chunks_exact(values.len() / texts.len()).zip(mask.chunks_exact(most));
        Ok(texts.map(|(values, mask)| Latent::Frames(Frames::new(values, mask))).collect())
    }

    /// Makes the next stretch of a part; none when it has been said.
    pub(super) fn back(&mut self, latent: &mut Latent) -> ort::Result<Option<Vec<f32>>> {
        let frames = match latent {
            Latent::Sound(sound) => return Ok(sound.take()),
            Latent::Frames(frames) => frames,
        };
        let Self::Cut(pieces) = self else { return Ok(None) };
        if frames.said >= frames.count {
            return Ok(None);
        }
        let stretch = Stretch::alone(frames.said, frames.next, frames.count);
        let sound = pieces.sound(&[&*frames], std::slice::from_ref(&stretch))?.pop();
        frames.advance(&stretch);
        Ok(sound)
    }

    /// Makes a stretch of each part, as long as the first's next would be. They all
    /// [go with](Latent::goes_with) the first.
    pub(super) fn back_together(
        &mut self,
        latents: &mut [&mut Latent],
    ) -> ort::Result<Vec<Vec<f32>>> {
        let mut parts: Vec<&mut Frames> = latents.iter_mut().filter_map(|l| l.frames()).collect();
        let len = parts.first().map_or(0, |leader| leader.next);
        let stretches: Vec<_> =
            parts.iter().filter_map(|p| Stretch::among(p.said, len, p.count)).collect();
        let Self::Cut(pieces) = self else { return Ok(Vec::new()) };
        let seen: Vec<&Frames> = parts.iter().map(|part| &**part).collect();
        let sounds = pieces.sound(&seen, &stretches)?;
        parts.iter_mut().zip(&stretches).for_each(|(part, stretch)| part.advance(stretch));
        Ok(sounds)
    }
}

impl Latent {
    fn frames(&mut self) -> Option<&mut Frames> {
        match self {
            Self::Frames(frames) => Some(frames),
            Self::Sound(_) => None,
        }
    }
}

impl Frames {
    /// Those of `values`, `[width, frames]`, that `mask` counts.
    fn new(values: &[f32], mask: &[f32]) -> Self {
        let count = mask.iter().filter(|&&counts| counts > 0.5).count();
        let mut counted = Vec::with_capacity(values.len() / mask.len() * count);
        columns(values, mask.len(), 1, &(0..count), &mut counted);
        Self { values: counted, count, said: 0, next: FIRST_FRAMES }
    }

    fn advance(&mut self, stretch: &Stretch) {
        self.said = stretch.says.end;
        self.next = (stretch.says.len() * 2).clamp(self.next, MOST_FRAMES);
    }
}

#[cfg(target_arch = "x86_64")]
impl Frames {
    fn sound(&self, stretch: &Stretch, decoder: &mut HifiGan) -> Vec<f32> {
        let Stretch { trunk, head, .. } = stretch;
        let width = self.values.len() / self.count;
        let row = |frame| (0..width).map(move |value| self.values[value * self.count + frame]);
        let rows: Vec<f32> = trunk.clone().flat_map(row).collect();
        let a_frame = decoder.trunk(&rows, width).len() / trunk.len();
        let seen = (head.start - trunk.start) * a_frame..(head.end - trunk.start) * a_frame;
        said(&decoder.head(seen), stretch)
    }
}

impl Pieces {
    fn open(runtime: &Runtime, cuts: &Cuts, threads: usize, gpu: bool) -> ort::Result<Self> {
        let open = if gpu { Runtime::open_bytes_on_gpu } else { Runtime::open_bytes };
        Ok(Self {
            front: open(runtime, &cuts.front, threads)?,
            trunk: open(runtime, &cuts.trunk, threads)?,
            head: open(runtime, &cuts.head, threads)?,
            #[cfg(target_arch = "x86_64")]
            swift: None,
        })
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn hasten(&mut self, _model: &[u8]) {}

    /// Takes the decoder made for this processor, if it sounds as the runtime's does.
    #[cfg(target_arch = "x86_64")]
    fn hasten(&mut self, model: &[u8]) {
        let Some(layers) = layers(model) else { return };
        let width = layers.get("dec.conv_pre.weight").and_then(|layer| layer.shape.get(1));
        let (Some(&width), Some(swift)) = (width, HifiGan::new(&layers)) else { return };
        let values: Vec<f32> = (0..width * TRIAL_FRAMES).map(|n| (n as f32 * 0.7).sin()).collect();
        let frames = Frames { values, count: TRIAL_FRAMES, said: 0, next: FIRST_FRAMES };
        let stretch = [Stretch::alone(0, TRIAL_FRAMES, TRIAL_FRAMES)];
        let Ok(reference) = self.sound(&[&frames], &stretch) else { return };
        self.swift = Some(swift);
        let sound = self.sound(&[&frames], &stretch).unwrap_or_default();
        let furthest = furthest(&sound.concat(), &reference.concat());
        tracing::debug!(furthest, "the decoder made for this processor, against the runtime's");
        if furthest > SAME {
            self.swift = None;
        }
    }

    /// The sound of a stretch of each part; the stretches see equally many frames.
    fn sound(&mut self, parts: &[&Frames], stretches: &[Stretch]) -> ort::Result<Vec<Vec<f32>>> {
        #[cfg(target_arch = "x86_64")]
        if let Some(swift) = &mut self.swift {
            let sound = |(part, stretch): (&&Frames, &Stretch)| part.sound(stretch, swift);
            return Ok(parts.iter().zip(stretches).map(sound).collect());
        }
        let Some(first) = stretches.first() else { return Ok(Vec::new()) };
        let (trunk_sees, head_sees) = (first.trunk.len(), first.head.len());
        let mut seen = Vec::new();
        for (part, stretch) in parts.iter().zip(stretches) {
            columns(&part.values, part.count, 1, &stretch.trunk, &mut seen);
        }
        let shape = [parts.len(), seen.len() / parts.len() / trunk_sees, trunk_sees];
        let made = self.trunk.run(ort::inputs![TensorRef::from_array_view((shape, &seen[..]))?])?;
        let (shape, features) = made[0].try_extract_tensor::<f32>()?;
        let steps = shape.last().map_or(0, |&steps| steps as usize) / trunk_sees;
        seen.clear();
        let each = features.chunks_exact(features.len() / parts.len());
        for (features, stretch) in each.zip(stretches) {
            let Stretch { trunk, head, .. } = stretch;
            let head = head.start - trunk.start..head.end - trunk.start;
            columns(features, trunk_sees, steps, &head, &mut seen);
        }
        let width = head_sees * steps;
        let shape = [parts.len(), seen.len() / parts.len() / width, width];
        let made = self.head.run(ort::inputs![TensorRef::from_array_view((shape, &seen[..]))?])?;
        let (_, sound) = made[0].try_extract_tensor::<f32>()?;
        let each = sound.chunks_exact(sound.len() / parts.len()).zip(stretches);
        Ok(each.map(|(sound, stretch)| said(sound, stretch)).collect())
    }
}

/// The part of the head's `sound` that belongs to the stretch itself.
fn said(sound: &[f32], Stretch { head, says, .. }: &Stretch) -> Vec<f32> {
    let samples_a_frame = sound.len() / head.len();
    let start = (says.start - head.start) * samples_a_frame;
    sound[start..start + says.len() * samples_a_frame].to_vec()
}

/// The largest difference; without end where one is longer or no number.
#[cfg(any(test, target_arch = "x86_64"))]
fn furthest(a: &[f32], b: &[f32]) -> f32 {
    let apart = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    let furthest = apart.fold(0.0, |most: f32, d| if d > most || d.is_nan() { d } else { most });
    if a.len() == b.len() && furthest.is_finite() { furthest } else { f32::INFINITY }
}

#[cfg(test)]
mod real_tests;

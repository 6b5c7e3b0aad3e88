//! Who speaks in an upload: the voices of its segments, grouped.

use std::{ops::Range, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use trunkline_audio::MediaTime;
use trunkline_inference::{
    Segment, SpeakerEncoder,
    speakers::{Speakers, VoicedPart},
};

use super::{
    decode::{HEARD_HZ, Sound},
    upload::{Fields, Upload},
};
use crate::refusal::Refusal;

/// Persons that may be known beforehand, as OpenAI has it.
const MOST_KNOWN: usize = 4;
/// How long a recording of a known person may be.
const LONGEST_REFERENCE: Duration = Duration::from_secs(30);
/// A voice is looked for in at least this much sound: a word alone says little of it.
const LEAST_SAMPLES: usize = HEARD_HZ as usize;
const NAMES: &str = "known_speaker_names";
const REFERENCES: &str = "known_speaker_references";

/// Persons that a form names, with a recording of each.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<(String, Vec<u8>)>);

impl Known {
    /// Reads `known_speaker_names` and `known_speaker_references`, a data URL for each name.
    pub(super) fn parse(fields: &Fields) -> Result<Self, Refusal> {
        let names: Vec<&str> = fields.all(NAMES).collect();
        let references: Vec<&str> = fields.all(REFERENCES).collect();
        if names.len() > MOST_KNOWN {
            return Err(Refusal::bad_param(NAMES, format!("at most {MOST_KNOWN} may be known")));
        }
        if names.len() != references.len() {
            let (names, given) = (names.len(), references.len());
            let message = format!("each name needs a recording: {names} names, {given} recordings");
            return Err(Refusal::bad_param(REFERENCES, message));
        }
        let pairs = names.into_iter().zip(references);
        let known = pairs.map(|(name, url)| Ok((name.to_owned(), recording(url)?)));
        known.collect::<Result<_, _>>().map(Self)
    }

    /// Whether nobody is known.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The bytes of a data URL (RFC 2397) in base64.
fn recording(url: &str) -> Result<Vec<u8>, Refusal> {
    let wrong = || Refusal::bad_param(REFERENCES, "each is a data URL: data:audio/wav;base64,...");
    let (head, body) = url.split_once(',').ok_or_else(wrong)?;
    if !(head.starts_with("data:") && head.ends_with(";base64")) {
        return Err(wrong());
    }
    STANDARD.decode(body.trim()).map_err(|_| wrong())
}

/// Tells persons apart by their voices.
#[derive(Clone)]
pub(super) struct Cast {
    encoder: Arc<dyn SpeakerEncoder>,
    known: Vec<(String, Vec<f32>)>,
}

impl Cast {
    /// A cast of whoever speaks, the `known` persons by their names.
    pub(super) async fn of(
        encoder: Arc<dyn SpeakerEncoder>,
        known: Known,
    ) -> Result<Self, Refusal> {
        let mut voices = Vec::with_capacity(known.0.len());
        for (name, recording) in known.0 {
            let samples = decoded(recording).await?;
            voices.push((name, encoder.embed(samples).await?));
        }
        Ok(Self { encoder, known: voices })
    }

    /// The voice of each segment of a piece; the segments' times count from the piece's start.
    pub(super) async fn voices(
        &self,
        samples: &[i16],
        segments: &[Segment],
    ) -> Result<Vec<Vec<f32>>, Refusal> {
        let mut voices = Vec::with_capacity(segments.len());
        for segment in segments {
            let part = part_of(segment, samples.len());
            let sound = samples.get(part).unwrap_or_default();
            voices.push(self.encoder.embed(sound.into()).await?);
        }
        Ok(voices)
    }

    /// The speaker of each segment.
    pub(super) fn label(&self, segments: &[(&Segment, &[f32])]) -> Vec<String> {
        let parts: Vec<VoicedPart> = segments
            .iter()
            .map(|(segment, voice)| VoicedPart {
                voice: voice.to_vec(),
                seconds: segment.end.since(segment.start).to_duration().as_secs_f32(),
            })
            .collect();
        Speakers { known: self.known.clone(), ..Speakers::default() }.label(&parts)
    }
}

/// The samples of a segment; of a short one so much around it that there is something to go by.
fn part_of(segment: &Segment, samples: usize) -> Range<usize> {
    let place = |time: MediaTime| {
        let at = time.to_ms().saturating_mul(u64::from(HEARD_HZ)) / 1000;
        usize::try_from(at).unwrap_or(usize::MAX).min(samples)
    };
    let (start, end) = (place(segment.start), place(segment.end).max(place(segment.start)));
    let missing = LEAST_SAMPLES.saturating_sub(end - start);
    let start = start.saturating_sub(missing / 2);
    start..(start + LEAST_SAMPLES.max(end - start)).min(samples)
}

async fn decoded(recording: Vec<u8>) -> Result<Arc<[i16]>, Refusal> {
    let mut sound = Sound::decode(Upload::small(recording), LONGEST_REFERENCE);
    let mut samples = Vec::new();
    while let Some(frame) = sound.next().await {
        let frame = frame.map_err(|refusal| refusal.about(REFERENCES))?;
        samples.extend_from_slice(frame.samples());
    }
    if samples.is_empty() {
        return Err(Refusal::bad_param(REFERENCES, "there is no sound in it"));
    }
    Ok(samples.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.push(name, (*value).to_owned());
        }
        fields
    }

    #[test]
    fn each_known_person_has_a_recording() {
        let known = |pairs: &[(&str, &str)]| Known::parse(&fields(pairs));
        assert!(known(&[]).unwrap().is_empty());
        let url = "data:audio/wav;base64,UklGRg==";
        let one = known(&[(NAMES, "Ann"), (REFERENCES, url)]).unwrap();
        assert_eq!(one.0, [("Ann".to_owned(), b"RIFF".to_vec())]);
        for (wrong, param) in [
            (vec![(NAMES, "Ann")], REFERENCES),
            (vec![(NAMES, "Ann"), (REFERENCES, "https://example.com/a.wav")], REFERENCES),
            (vec![(NAMES, "Ann"), (REFERENCES, "data:audio/wav;base64,%%%")], REFERENCES),
            (vec![(NAMES, "A"); 5], NAMES),
        ] {
            assert_eq!(known(&wrong).unwrap_err().error()["param"], param, "{wrong:?}");
        }
    }

    #[test]
    fn a_short_segment_is_looked_at_with_what_is_around_it() {
        let segment = |start, end| Segment {
            start: MediaTime::from_ms(start),
            end: MediaTime::from_ms(end),
            ..Segment::default()
        };
        assert_eq!(part_of(&segment(1000, 3000), 80_000), 16_000..48_000);
        assert_eq!(part_of(&segment(1000, 1200), 80_000), 9_600..25_600);
        assert_eq!(part_of(&segment(0, 100), 80_000), 0..16_000);
        assert_eq!(part_of(&segment(0, 100), 5_000), 0..5_000);
        assert_eq!(part_of(&segment(9_000, 9_500), 5_000), 0..5_000);
    }
}

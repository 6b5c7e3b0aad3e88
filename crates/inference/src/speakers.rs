//! Who spoke when: parts of speech grouped by voice. Pure: vectors in, labels out.

mod groups;

use self::groups::Groups;

/// Parts shorter than this, in seconds, do not found a group of their own: their vectors say too little.
const TELLING_SECONDS: f32 = 1.0;
/// Parts that are compared with all others; of a longer recording the rest joins the nearest group.
const MOST_COMPARED: usize = 1500;

/// A part in which one person speaks.
#[derive(Clone, Debug, PartialEq)]
pub struct VoicedPart {
    /// The voice, of length 1 (L2), from a [`SpeakerEncoder`](crate::SpeakerEncoder).
    pub voice: Vec<f32>,
    /// How long it is.
    pub seconds: f32,
}

/// How parts are grouped by speaker.
#[derive(Clone, Debug, PartialEq)]
pub struct Speakers {
    /// Groups whose parts are less alike than this on average (cosine) are two persons.
    pub likeness: f32,
    /// The most persons there can be, where that is known.
    pub most: Option<usize>,
    /// Persons known by name, each with the voice in a reference recording.
    pub known: Vec<(String, Vec<f32>)>,
}

impl Default for Speakers {
    /// The likeness that tells the voices of GE2E apart best, measured on clips of several corpora.
    fn default() -> Self {
        Self { likeness: 0.72, most: None, known: Vec::new() }
    }
}

impl Speakers {
    /// Names the speaker of each part: a known one by name, the others `A`, `B` and so on in the order
    /// in which they first speak. Average-linkage clustering: the two groups most alike become one until
    /// none are alike enough. Known persons are never taken for one another.
    pub fn label(&self, parts: &[VoicedPart]) -> Vec<String> {
        let mut groups = Groups::new(self.known.iter().map(|(_, voice)| voice.as_slice()));
        let founders = founders(parts);
        let mut founded = vec![None; parts.len()];
        for &part in &founders {
            founded[part] = Some(groups.found(&parts[part].voice));
        }
        groups.merge(self.likeness, self.most);
        let spoken = founded.iter().zip(parts).map(|(group, part)| {
            group.map_or_else(|| groups.nearest(&part.voice), |group| groups.now(group))
        });
        self.names(&spoken.collect::<Vec<_>>())
    }

    fn names(&self, groups: &[usize]) -> Vec<String> {
        let mut strangers: Vec<usize> = Vec::new();
        let mut name = |&group: &usize| {
            if let Some((name, _)) = self.known.get(group) {
                return name.clone();
            }
            let number = strangers.iter().position(|&stranger| stranger == group);
            letters(number.unwrap_or_else(|| {
                strangers.push(group);
                strangers.len() - 1
            }))
        };
        groups.iter().map(&mut name).collect()
    }
}

/// The parts that found groups: those long enough to tell by, or all where none is.
fn founders(parts: &[VoicedPart]) -> Vec<usize> {
    let long = |&part: &usize| parts[part].seconds >= TELLING_SECONDS;
    let mut founders: Vec<usize> = (0..parts.len()).filter(long).collect();
    if founders.is_empty() {
        founders = (0..parts.len()).collect();
    }
    founders.truncate(MOST_COMPARED);
    founders
}

/// `A` to `Z`, then `AA`, `AB` and so on.
fn letters(number: usize) -> String {
    let last = char::from(b'A' + u8::try_from(number % 26).unwrap_or(0));
    let before = if number < 26 { String::new() } else { letters(number / 26 - 1) };
    format!("{before}{last}")
}

#[cfg(test)]
mod tests;

//! English text to Kokoro's sounds: a dictionary first, then espeak-ng, then spelling.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use misaki_rs::{Fallback, G2P, Language, fallback::FallbackError};
use trunkline_inference::ModelError;

use super::ENGINE;
use crate::espeak::Espeak;

/// Knows how English words sound, in both accents; each is loaded when it is first spoken.
pub(super) struct Phonemizer {
    espeak: PathBuf,
    american: Option<G2P>,
    british: Option<G2P>,
}

impl Phonemizer {
    /// Makes one that asks the program `espeak` for words outside the dictionary.
    pub(super) fn new(espeak: PathBuf) -> Self {
        Self { espeak, american: None, british: None }
    }

    /// The sounds of `text`, punctuation included.
    pub(super) fn phonemes(&mut self, text: &str, british: bool) -> Result<String, ModelError> {
        let (dictionary, language, voice) = if british {
            (&mut self.british, Language::EnglishGB, "en-gb")
        } else {
            (&mut self.american, Language::EnglishUS, "en-us")
        };
        let dictionary = dictionary.get_or_insert_with(|| {
            let strangers = Strangers::new(&self.espeak, voice, british);
            G2P::with_fallback(language, Some(Box::new(strangers)))
        });
        let (sounds, _) = dictionary
            .g2p(text)
            .map_err(|error| ModelError::Engine { engine: ENGINE, reason: error.to_string() })?;
        Ok(sounds)
    }
}

/// Sounds the words that are in no dictionary.
struct Strangers {
    espeak: Option<Mutex<Espeak>>,
    british: bool,
}

impl Strangers {
    fn new(program: &std::path::Path, voice: &str, british: bool) -> Self {
        let espeak = Espeak::start(program, voice).inspect_err(|error| {
            tracing::warn!(%error, "words outside the dictionary are spelled");
        });
        Self { espeak: espeak.ok().map(Mutex::new), british }
    }
}

impl Fallback for Strangers {
    fn phonemize(&self, word: &str) -> Result<String, FallbackError> {
        let Some(espeak) = &self.espeak else { return Ok(spelled(word)) };
        let mut espeak = espeak.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(espeak.phonemes(word).map_or_else(|_| spelled(word), |ipa| kokoro(&ipa, self.british)))
    }
}

/// espeak-ng's IPA in the symbols that Kokoro was trained on: one for a diphthong or an affricate,
/// no length in American.
fn kokoro(ipa: &str, british: bool) -> String {
    let mut sounds = ipa.to_owned();
    let accent: &[(&str, &str)] = if british { &BRITISH } else { &AMERICAN };
    for (from, to) in SHARED.iter().chain(accent) {
        sounds = sounds.replace(from, to);
    }
    sounds
}

/// In this order: longer sequences before their parts.
const SHARED: [(&str, &str); 16] = [
    ("n\u{329}", "ᵊn"),
    ("l\u{329}", "ᵊl"),
    ("aɪ", "I"),
    ("aʊ", "W"),
    ("eɪ", "A"),
    ("ɔɪ", "Y"),
    ("tʃ", "ʧ"),
    ("dʒ", "ʤ"),
    ("əl", "ᵊl"),
    ("ɐ", "ə"),
    ("ʲ", ""),
    ("ç", "k"),
    ("x", "k"),
    ("ɬ", "l"),
    ("r", "ɹ"),
    ("g", "ɡ"),
];
const AMERICAN: [(&str, &str); 9] = [
    ("oʊ", "O"),
    ("ɜːɹ", "ɜɹ"),
    ("ɜː", "ɜɹ"),
    ("ɚ", "əɹ"),
    ("ɾ", "T"),
    ("ʔ", "t"),
    ("ː", ""),
    ("o", "ɔ"),
    ("e", "A"),
];
const BRITISH: [(&str, &str); 5] =
    [("əʊ", "Q"), ("eə", "ɛː"), ("iə", "ɪə"), ("o", "ɒ"), ("e", "ɛ")];

/// A word letter by letter.
fn spelled(word: &str) -> String {
    let name = |c: char| LETTERS.get((c.to_ascii_lowercase() as usize).checked_sub('a' as usize)?);
    word.chars().filter_map(name).copied().collect::<Vec<_>>().join(" ")
}

/// The names of the letters, A to Z.
const LETTERS: [&str; 26] = [
    "ˈA",
    "bˈi",
    "sˈi",
    "dˈi",
    "ˈi",
    "ˈɛf",
    "ʤˈi",
    "ˈAʧ",
    "ˈI",
    "ʤˈA",
    "kˈA",
    "ˈɛl",
    "ˈɛm",
    "ˈɛn",
    "ˈO",
    "pˈi",
    "kjˈu",
    "ˈɑɹ",
    "ˈɛs",
    "tˈi",
    "jˈu",
    "vˈi",
    "dˈʌbᵊlju",
    "ˈɛks",
    "wˈI",
    "zˈi",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn american(text: &str) -> String {
        Phonemizer::new("espeak-ng".into()).phonemes(text, false).unwrap()
    }

    #[test]
    fn words_come_from_the_dictionary_with_their_punctuation() {
        assert_eq!(american("Hello, world!"), "həlˈO, wˈɜɹld!");
    }

    #[test]
    fn espeak_sounds_are_written_as_kokoro_reads_them() {
        assert_eq!(kokoro("dʒˈeɪd tʃˈaʊ ɡˈoʊ bˈʌtɚ bˈɜːd", false), "ʤˈAd ʧˈW ɡˈO bˈʌtəɹ bˈɜɹd");
        assert_eq!(kokoro("ɡˈəʊ ˈiːzi", true), "ɡˈQ ˈiːzi");
    }

    #[test]
    fn a_name_outside_the_dictionary_is_still_spoken() {
        for program in ["espeak-ng", "/nowhere/espeak-ng"] {
            let mut phonemizer = Phonemizer::new(program.into());
            let sounds = phonemizer.phonemes("Ask for Xyqwolt.", false).unwrap();
            assert!(!sounds.contains('❓'), "{sounds}");
            assert!(sounds.chars().count() > 12, "{sounds}");
        }
    }

    #[test]
    fn spelling_names_each_letter() {
        assert_eq!(spelled("AB-c1"), "ˈA bˈi sˈi");
    }

    #[test]
    fn the_two_accents_differ() {
        let mut phonemizer = Phonemizer::new("espeak-ng".into());
        let american = phonemizer.phonemes("Go to the car.", false).unwrap();
        let british = phonemizer.phonemes("Go to the car.", true).unwrap();
        assert_ne!(american, british);
    }
}

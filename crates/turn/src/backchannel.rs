//! What listeners say to show that they listen, without wanting the floor.

use crate::words::words;

/// Longer than this, even such words are an answer.
const MOST_WORDS: usize = 4;

/// Whether `text` is only a listener's noise: "uh-huh", "mm-hmm, okay", "sí, claro".
pub(crate) fn is_backchannel(text: &str) -> bool {
    let words = words(text);
    let mut rest: &[String] = &words;
    while !rest.is_empty() {
        let Some(length) = phrase_length(rest) else { return false };
        rest = rest.get(length..).unwrap_or_default();
    }
    !words.is_empty() && words.len() <= MOST_WORDS
}

fn phrase_length(words: &[String]) -> Option<usize> {
    let is_at_start = |phrase: &&str| {
        let mut phrase = phrase.split(' ');
        let mut given = words.iter();
        phrase.all(|word| given.next().is_some_and(|w| w == word))
    };
    PHRASES
        .iter()
        .flat_map(|language| language.iter())
        .filter(|phrase| is_at_start(phrase))
        .map(|phrase| phrase.split(' ').count())
        .max()
}

const PHRASES: [&[&str]; 8] = [
    &[
        "uh huh",
        "uhuh",
        "uhhuh",
        "mm",
        "mmm",
        "mhm",
        "hmm",
        "hm",
        "huh",
        "mmhmm",
        "mmhm",
        "ah",
        "aha",
        "oh",
        "uh",
        "um",
        "yeah",
        "yea",
        "yep",
        "yup",
        "yes",
        "ok",
        "okay",
        "k",
        "right",
        "sure",
        "alright",
        "all right",
        "i see",
        "got it",
        "of course",
        "cool",
        "great",
        "good",
        "fine",
        "exactly",
        "true",
        "really",
        "wow",
    ],
    &["sí", "si", "vale", "claro", "ajá", "ya", "bueno", "de acuerdo", "entiendo", "perfecto"],
    &["oui", "ouais", "d'accord", "bien sûr", "voilà", "très bien", "je vois", "hein"],
    &["ja", "genau", "ach so", "stimmt", "klar", "gut", "doch"],
    &["sì", "certo", "va bene", "capisco", "esatto", "sim", "tá", "tá bom", "pois é"],
    &["haan", "han", "haa", "accha", "achha", "theek hai", "ji", "हाँ", "हां", "जी", "अच्छा", "ठीक है"],
    &["はい", "うん", "ええ", "そう", "嗯", "对", "好", "是", "네", "응"],
    &["да", "угу", "ага", "так", "نعم", "ايوه", "tak", "evet", "tamam"],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_noises_are_told_in_many_languages() {
        for text in [
            "Uh-huh.",
            "Mm-hmm.",
            "mhm",
            "Yeah.",
            "Yeah, yeah.",
            "Okay, right.",
            "I see.",
            "Haan",
            "Haan ji",
            "Sí, claro.",
            "Oui, d'accord.",
            "Ja, genau.",
            "ठीक है।",
            "はい、はい",
            "Да, да.",
            "Oh, okay.",
            "Got it.",
            "Mm.",
        ] {
            assert!(is_backchannel(text), "{text}");
        }
    }

    #[test]
    fn words_with_something_to_say_are_not() {
        for text in [
            "",
            "...",
            "No.",
            "Wait.",
            "Stop.",
            "Yeah, but no.",
            "Okay, what about Sunday?",
            "I",
            "I see the problem",
            "Got",
            "Sorry?",
            "What?",
            "Hello?",
            "yes yes yes yes yes",
            "Of",
            "one",
            "thank you",
        ] {
            assert!(!is_backchannel(text), "{text}");
        }
    }
}

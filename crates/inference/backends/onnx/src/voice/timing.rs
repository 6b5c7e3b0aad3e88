//! Estimates when each word has been spoken, from how many sounds it has.

use std::time::Duration;

use trunkline_inference::WordTiming;

/// How long each group of `phonemes` (IPA or Kokoro's symbols, groups apart by spaces) takes, in
/// units of a consonant. A rule of thumb: the models here tell no durations.
pub(crate) fn sound_weights(phonemes: &str) -> Vec<f32> {
    phonemes.split_whitespace().map(|group| group.chars().map(sound_weight).sum()).collect()
}

fn sound_weight(sound: char) -> f32 {
    match sound {
        'A' | 'I' | 'O' | 'Q' | 'W' | 'Y' => 2.0,
        'ə' | 'ɪ' | 'ᵻ' | 'ɐ' | 'ᵊ' | 'ʊ' => 0.9,
        'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'æ' | 'ɑ' | 'ɒ' | 'ɔ' | 'ɛ' | 'ɜ' | 'ɚ' | 'ʌ' | 'ø'
        | 'œ' => 1.4,
        'ː' => 0.5,
        ',' | ';' | ':' | '.' | '!' | '?' => 2.5,
        c if c.is_alphabetic() && !('\u{2b0}'..='\u{2ff}').contains(&c) => 1.0,
        _ => 0.0,
    }
}

/// Where each of `words` ends, as a part of the whole, 0..=1.
///
/// By the weights where each word has one; letters stand in where words and groups of sounds do not
/// correspond ("of the" is one group).
pub(super) fn word_ends(words: &[&str], weights: &[f32]) -> Vec<f32> {
    let lengths: Vec<f32> = if weights.len() == words.len() {
        weights.iter().map(|w| w + 0.2).collect()
    } else {
        words.iter().map(|word| word.chars().count() as f32 + 0.5).collect()
    };
    let total: f32 = lengths.iter().sum();
    let mut end = 0.0;
    lengths
        .iter()
        .map(|length| {
            end += length;
            (end / total).min(1.0)
        })
        .collect()
}

/// Gives the words of `text` the times of the words `spoken` in their place ("$5" was spoken as
/// "five dollars").
///
/// Equal words are matched in order; the words between two matches share the time between them.
pub(super) fn align(text: &str, spoken: &[(String, Duration)]) -> Vec<WordTiming> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let matches = matches(&words, spoken);
    let mut timings: Vec<WordTiming> = Vec::with_capacity(words.len());
    let (mut before, mut heard) = (Duration::ZERO, 0);
    let last = [(words.len(), spoken.len())];
    for (word, place) in matches.into_iter().chain(last) {
        let between = words.get(timings.len()..word).unwrap_or_default();
        let until = if place > heard { spoken[place - 1].1 } else { before };
        let step = (until.saturating_sub(before)) / (between.len().max(1) as u32);
        for (n, between) in (1_u32..).zip(between) {
            let end = if n as usize == words.len() { until } else { before + step * n };
            timings.push(WordTiming { word: (*between).to_owned(), end });
        }
        if let (Some(word), Some((_, end))) = (words.get(word), spoken.get(place)) {
            timings.push(WordTiming { word: (*word).to_owned(), end: *end });
            (before, heard) = (*end, place + 1);
        }
    }
    timings
}

/// Pairs of equal words, in order: a longest common subsequence.
fn matches(words: &[&str], spoken: &[(String, Duration)]) -> Vec<(usize, usize)> {
    let a: Vec<String> = words.iter().map(|word| bare(word)).collect();
    let b: Vec<String> = spoken.iter().map(|(word, _)| bare(word)).collect();
    let mut longest = vec![vec![0_u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i][j] = if !a[i].is_empty() && a[i] == b[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if !a[i].is_empty() && a[i] == b[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if longest[i + 1][j] >= longest[i][j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn bare(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spoken(words: &[(&str, u64)]) -> Vec<(String, Duration)> {
        words.iter().map(|&(w, ms)| (w.to_owned(), Duration::from_millis(ms))).collect()
    }

    fn aligned(text: &str, words: &[(&str, u64)]) -> Vec<(String, u128)> {
        let timings = align(text, &spoken(words));
        timings.into_iter().map(|t| (t.word, t.end.as_millis())).collect()
    }

    #[test]
    fn long_words_take_longer() {
        let ends = word_ends(&["a", "receptionist"], &sound_weights("ɐ ɹᵻsˈɛpʃənˌɪst"));
        assert!(ends[0] < 0.2, "{ends:?}");
        assert!((ends[1] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn words_without_a_group_each_go_by_letters() {
        let ends = word_ends(&["of", "the", "house"], &sound_weights("ʌvðə hˈaʊs"));
        assert_eq!(ends.len(), 3);
        assert!(ends[0] < ends[1] && ends[1] < ends[2]);
    }

    #[test]
    fn the_same_words_keep_their_times() {
        let said = [("Hello,", 300), ("there.", 700)];
        let expected = [("Hello,".into(), 300), ("there.".into(), 700)];
        assert_eq!(aligned("Hello, there.", &said), expected);
    }

    #[test]
    fn what_is_written_shorter_ends_when_its_long_form_ends() {
        let said = [("it", 100), ("costs", 400), ("five", 700), ("dollars", 1200), ("now", 1500)];
        let expected = [("It", 100), ("costs", 400), ("$5", 1200), ("now.", 1500)];
        let expected: Vec<_> = expected.iter().map(|&(w, ms)| (w.to_owned(), ms)).collect();
        assert_eq!(aligned("It costs $5 now.", &said), expected);
    }

    #[test]
    fn a_word_that_is_not_spoken_ends_with_the_one_before() {
        let said = [("sure", 300), ("thing", 600)];
        let expected = [("Sure".to_owned(), 300), ("—".into(), 300), ("thing".into(), 600)];
        assert_eq!(aligned("Sure — thing", &said), expected);
    }

    #[test]
    fn nothing_spoken_takes_no_time() {
        assert_eq!(aligned("😀 👍", &[]), [("😀".to_owned(), 0), ("👍".into(), 0)]);
    }

    proptest! {
        #[test]
        fn every_word_of_the_text_has_a_time_in_order_and_within_what_was_spoken(
            text in proptest::collection::vec("[a-c]{1,2}|\\$", 0..12),
            said in proptest::collection::vec(("[a-c]{1,2}", 1_u64..500), 0..12),
        ) {
            let mut end = 0;
            let said: Vec<_> = said.into_iter().map(|(word, ms)| {
                end += ms;
                (word, Duration::from_millis(end))
            }).collect();
            let timings = align(&text.join(" "), &said);
            prop_assert_eq!(timings.len(), text.len());
            prop_assert!(timings.is_sorted_by_key(|t| t.end));
            prop_assert!(timings.iter().all(|t| t.end <= Duration::from_millis(end)));
        }
    }
}

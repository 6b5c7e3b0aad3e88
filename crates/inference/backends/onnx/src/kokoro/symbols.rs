//! The alphabet of Kokoro v1.0: which number the model reads for which symbol.

/// Put before and after the symbols of a sentence.
const EDGE: i64 = 0;
/// The most symbols the model reads at once.
const MOST: usize = 510;

/// The numbers of `symbols`, an edge at either end. Symbols the model does not know are left out.
pub(super) fn token_ids(symbols: &str) -> Vec<i64> {
    let known = symbols.chars().filter_map(|c| {
        let place = SYMBOLS.binary_search_by_key(&c, |&(symbol, _)| symbol).ok();
        if place.is_none() {
            tracing::trace!(symbol = %c, "Kokoro does not know a symbol, which is left out");
        }
        place.map(|place| i64::from(SYMBOLS[place].1))
    });
    std::iter::once(EDGE).chain(known.take(MOST)).chain([EDGE]).collect()
}

/// By code point.
const SYMBOLS: [(char, u8); 114] = [
    (' ', 16),
    ('!', 5),
    ('"', 11),
    ('(', 12),
    (')', 13),
    (',', 3),
    ('.', 4),
    (':', 2),
    (';', 1),
    ('?', 6),
    ('A', 24),
    ('I', 25),
    ('O', 31),
    ('Q', 33),
    ('S', 35),
    ('T', 36),
    ('W', 39),
    ('Y', 41),
    ('a', 43),
    ('b', 44),
    ('c', 45),
    ('d', 46),
    ('e', 47),
    ('f', 48),
    ('h', 50),
    ('i', 51),
    ('j', 52),
    ('k', 53),
    ('l', 54),
    ('m', 55),
    ('n', 56),
    ('o', 57),
    ('p', 58),
    ('q', 59),
    ('r', 60),
    ('s', 61),
    ('t', 62),
    ('u', 63),
    ('v', 64),
    ('w', 65),
    ('x', 66),
    ('y', 67),
    ('z', 68),
    ('æ', 72),
    ('ç', 78),
    ('ð', 81),
    ('ø', 116),
    ('ŋ', 112),
    ('œ', 120),
    ('ɐ', 70),
    ('ɑ', 69),
    ('ɒ', 71),
    ('ɔ', 76),
    ('ɕ', 77),
    ('ɖ', 80),
    ('ə', 83),
    ('ɚ', 85),
    ('ɛ', 86),
    ('ɜ', 87),
    ('ɟ', 90),
    ('ɡ', 92),
    ('ɣ', 139),
    ('ɤ', 140),
    ('ɥ', 99),
    ('ɨ', 101),
    ('ɪ', 102),
    ('ɯ', 110),
    ('ɰ', 111),
    ('ɲ', 114),
    ('ɳ', 113),
    ('ɴ', 115),
    ('ɸ', 118),
    ('ɹ', 123),
    ('ɻ', 126),
    ('ɽ', 129),
    ('ɾ', 125),
    ('ʁ', 128),
    ('ʂ', 130),
    ('ʃ', 131),
    ('ʈ', 132),
    ('ʊ', 135),
    ('ʋ', 136),
    ('ʌ', 138),
    ('ʎ', 143),
    ('ʒ', 147),
    ('ʔ', 148),
    ('ʝ', 103),
    ('ʣ', 18),
    ('ʤ', 82),
    ('ʥ', 19),
    ('ʦ', 20),
    ('ʧ', 133),
    ('ʨ', 21),
    ('ʰ', 162),
    ('ʲ', 164),
    ('ˈ', 156),
    ('ˌ', 157),
    ('ː', 158),
    ('\u{303}', 17),
    ('β', 75),
    ('θ', 119),
    ('χ', 142),
    ('ᵊ', 42),
    ('ᵝ', 22),
    ('ᵻ', 177),
    ('—', 9),
    ('“', 14),
    ('”', 15),
    ('…', 10),
    ('→', 171),
    ('↓', 169),
    ('↗', 172),
    ('↘', 173),
    ('\u{ab67}', 23),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_number_is_used_twice() {
        assert!(SYMBOLS.is_sorted_by(|a, b| a.0 < b.0));
        let mut numbers: Vec<u8> = SYMBOLS.iter().map(|s| s.1).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), SYMBOLS.len());
        assert!(numbers.iter().all(|n| (1..178).contains(n)));
    }

    #[test]
    fn a_word_lies_between_edges() {
        assert_eq!(token_ids("hˈI."), [0, 50, 156, 25, 4, 0]);
        assert_eq!(token_ids(""), [0, 0]);
        assert_eq!(token_ids("a❓b"), [0, 43, 44, 0]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_long_for_the_model(text in "[aɪ ˈ.]{0,700}") {
            let ids = token_ids(&text);
            prop_assert!((2..=MOST + 2).contains(&ids.len()));
        }
    }
}

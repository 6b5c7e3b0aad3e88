//! How a text is cut: a harmful sentence among harmless ones is found only alone.

/// The longest piece, bytes: well below what an embedder takes.
const MOST: usize = 160;

/// The sentences of a text; of one that is too long, windows that half overlap.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = String> {
    sentences(text).flat_map(windows)
}

/// A sentence ends with its line, and with a full stop, an exclamation or a question mark before a space.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    let mut last = ' ';
    text.split_inclusive(move |c: char| {
        let ends = c == '\n' || (c.is_whitespace() && ['.', '!', '?'].contains(&last));
        last = c;
        ends
    })
}

fn windows(sentence: &str) -> Vec<String> {
    let words: Vec<&str> = sentence.split_whitespace().flat_map(parts).collect();
    let (mut windows, mut start) = (Vec::new(), 0);
    while start < words.len() {
        let end = start + fitting(&words[start..]);
        windows.push(words[start..end].join(" "));
        if end == words.len() {
            break;
        }
        start += ((end - start) / 2).max(1);
    }
    windows
}

/// How many of the words fit, one at least.
fn fitting(words: &[&str]) -> usize {
    let mut length = 0;
    let fits = |word: &&&str| {
        length += word.len() + 1;
        length <= MOST + 1
    };
    words.iter().take_while(fits).count().max(1)
}

/// A word, cut where it is longer than a piece may be.
fn parts(mut word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while word.len() > MOST {
        let (part, rest) = word.split_at(word.floor_char_boundary(MOST));
        parts.push(part);
        word = rest;
    }
    parts.push(word);
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<String> {
        pieces(text).collect()
    }

    #[test]
    fn sentences_are_pieces() {
        let text = "One  two. Three?\tFour!\nv1.5 is out\n\n ... \"Five.\" six";
        let expected = ["One two.", "Three?", "Four!", "v1.5 is out", "...", "\"Five.\" six"];
        assert_eq!(cut(text), expected);
        assert!(cut(" \n ").is_empty());
    }

    #[test]
    fn a_long_sentence_becomes_windows_that_half_overlap() {
        let text = (0..60).map(|n| format!("word{n:02}")).collect::<Vec<_>>().join(" ");
        let pieces = cut(&text);
        assert_eq!(pieces.len(), 5);
        assert!(pieces[0].starts_with("word00") && pieces[0].ends_with("word22"));
        assert!(pieces[1].starts_with("word11"));
        assert!(pieces[4].ends_with("word59"));
    }

    proptest! {
        #[test]
        fn every_word_is_in_a_piece_and_none_is_too_long(text in "(\\PC|[ \n.]){0,900}") {
            let pieces = cut(&text);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= MOST && !piece.is_empty()));
            for word in text.split_whitespace().flat_map(parts) {
                prop_assert!(pieces.iter().any(|piece| piece.contains(word)), "{word}");
            }
        }
    }
}

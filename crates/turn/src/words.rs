//! Words of a recognized text, without what is not spoken: punctuation, case, stage directions.

/// The words of `text` in lower case, cut at everything but letters, digits and inner apostrophes.
pub(crate) fn words(text: &str) -> Vec<String> {
    text.replace('’', "'")
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && !is_combining(c))
        .map(|word| word.trim_matches('\'').to_owned())
        .filter(|word| !word.is_empty())
        .collect()
}

/// The words in a form in which two transcripts of the same speech are equal.
pub(crate) fn normalized(text: &str) -> String {
    words(text).join(" ")
}

/// `text` without stage directions: `[Music]`, `(wind blowing)`, `*sighs*`, `♪ la la ♪`.
pub(crate) fn without_stage_directions(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut awaited = None;
    for c in text.chars() {
        match awaited {
            Some(end) if c == end => awaited = None,
            Some(_) => {}
            None => match closing(c) {
                Some(end) => awaited = Some(end),
                None => kept.push(c),
            },
        }
    }
    kept
}

fn closing(c: char) -> Option<char> {
    Some(match c {
        '[' => ']',
        '(' => ')',
        '（' => '）',
        '【' => '】',
        '*' => '*',
        '♪' => '♪',
        '♫' => '♫',
        _ => return None,
    })
}

/// Vowel signs that belong to a word but are not letters, as in Hindi.
fn is_combining(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0900}'..='\u{0903}' | '\u{093a}'..='\u{094d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_case_do_not_tell_two_transcripts_apart() {
        let cases = [
            ("Yes, please.", "yes please"),
            ("It’s  John's!", "it's john's"),
            ("uh-huh", "uh huh"),
            ("'quoted'", "quoted"),
            ("¿Qué tal?", "qué tal"),
            ("हाँ।", "हाँ"),
            ("...", ""),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(normalized(text), expected, "{text}");
        }
    }

    #[test]
    fn stage_directions_are_not_words() {
        let cases = [
            ("[Music]", ""),
            ("(wind blowing) Hello", " Hello"),
            ("*sighs* well", " well"),
            ("♪ la la la ♪", ""),
            ("no [unclosed", "no "),
            ("plain", "plain"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_stage_directions(text), expected, "{text}");
        }
    }
}

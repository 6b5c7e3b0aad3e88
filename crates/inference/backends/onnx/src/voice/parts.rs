//! Cuts a clause into what a model says at one go, and tells what pause follows.

use std::time::Duration;

/// The longest part, in characters: about 8 s of speech, so that no reply holds the lane for long.
const LONGEST: usize = 140;

/// The parts of a clause: sentences, and pieces of sentences too long for one go. None where there
/// is nothing to say, as in an empty clause or one of emoji.
pub(super) fn parts(text: &str) -> Vec<String> {
    let text = sayable(text);
    let mut parts = Vec::new();
    for sentence in sentences(&text) {
        cut(&sentence, &mut parts);
    }
    parts.retain(|part| part.chars().any(char::is_alphanumeric));
    parts
}

/// The pause that belongs after `part`.
pub(super) fn pause_after(part: &str) -> Duration {
    let closing = |c: char| matches!(c, '"' | '\'' | ')' | '”' | '’' | ' ');
    match part.trim_end_matches(closing).chars().next_back() {
        Some('.' | '!' | '?' | '…') => Duration::from_millis(200),
        Some(',' | ';' | ':' | '-' | '–' | '—') => Duration::from_millis(100),
        Some(_) | None => Duration::from_millis(40),
    }
}

/// Words and punctuation, one space apart; whatever has no sound is a gap.
fn sayable(text: &str) -> String {
    let has_sound = |c: char| {
        c.is_alphanumeric()
            || ('\u{300}'..='\u{36f}').contains(&c)
            || ".,;:!?¿¡…'’\"“”()-–—%&@#+=/*$€£°".contains(c)
    };
    let marked: String = text.chars().map(|c| if has_sound(c) { c } else { ' ' }).collect();
    marked.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sentences(text: &str) -> Vec<String> {
    let mut sentences = vec![String::new()];
    let mut words = text.split(' ').peekable();
    while let Some(word) = words.next() {
        let sentence = sentences.last_mut().expect("there is always one");
        if !sentence.is_empty() {
            sentence.push(' ');
        }
        sentence.push_str(word);
        if words.peek().is_some_and(|next| ends_sentence(word, next)) {
            sentences.push(String::new());
        }
    }
    sentences
}

/// A stop ends a sentence where a capital or a digit follows, except after an initial.
fn ends_sentence(word: &str, next: &str) -> bool {
    let bare = word.trim_end_matches(['"', '\'', ')', '”', '’']);
    let stopped = bare.ends_with(['!', '?', '…'])
        || (bare.ends_with('.') && bare.chars().filter(|c| c.is_alphanumeric()).count() > 1);
    let first = next.chars().find(|c| c.is_alphanumeric());
    stopped && first.is_some_and(|c| !c.is_lowercase())
}

/// Cuts `sentence` where it is too long: after punctuation, else between words, else anywhere.
fn cut(sentence: &str, parts: &mut Vec<String>) {
    let mut rest: Vec<char> = sentence.chars().collect();
    while rest.len() > LONGEST {
        let spaces = || (LONGEST / 3..LONGEST).rev().filter(|&at| rest[at] == ' ');
        let at = spaces()
            .find(|&at| matches!(rest[at - 1], ',' | ';' | ':' | '.' | '!' | '?' | '–' | '—'))
            .or_else(|| spaces().next())
            .unwrap_or(LONGEST);
        parts.push(rest.drain(..at).collect::<String>().trim().to_owned());
    }
    parts.push(rest.into_iter().collect::<String>().trim().to_owned());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_short_clause_is_one_part() {
        assert_eq!(parts(" Hello there,\n how are you? "), ["Hello there, how are you?"]);
    }

    #[test]
    fn sentences_are_said_one_by_one() {
        assert_eq!(parts("Yes. We do! Is that all?"), ["Yes.", "We do!", "Is that all?"]);
        assert_eq!(parts("He said \"No.\" Then left."), ["He said \"No.\"", "Then left."]);
    }

    #[test]
    fn initials_and_stops_within_a_sentence_do_not_end_it() {
        assert_eq!(
            parts("John F. Kennedy spoke approx. two hours"),
            ["John F. Kennedy spoke approx. two hours"]
        );
        assert_eq!(parts("It costs 3.50 now"), ["It costs 3.50 now"]);
    }

    #[test]
    fn nothing_to_say_gives_no_part() {
        for silent in ["", "  \n", "😀👍🏽", "...", "— !", "\u{200d}"] {
            assert!(parts(silent).is_empty(), "{silent:?}");
        }
        assert_eq!(parts("Sure 😀!"), ["Sure !"]);
    }

    #[test]
    fn a_long_sentence_is_cut_after_a_comma_where_there_is_one() {
        let text = format!("{}, and {}", "word ".repeat(20).trim(), "more ".repeat(20).trim());
        let parts = parts(&text);
        assert_eq!(parts.len(), 2);
        assert!(parts[0].ends_with("word,"), "{parts:?}");
    }

    #[test]
    fn pauses_follow_punctuation() {
        assert_eq!(pause_after("Done.\""), Duration::from_millis(200));
        assert_eq!(pause_after("Well,"), Duration::from_millis(100));
        assert_eq!(pause_after("and"), Duration::from_millis(40));
    }

    proptest! {
        #[test]
        fn no_letter_is_lost_and_no_part_too_long(text in "([a-zé]{1,12}[,.!?]? ?|[A-Z]{1,300} |😀){0,60}") {
            let parts = parts(&text);
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            prop_assert_eq!(letters(&parts.concat()), letters(&text));
            for part in &parts {
                prop_assert!(part.chars().count() <= LONGEST);
            }
        }
    }
}

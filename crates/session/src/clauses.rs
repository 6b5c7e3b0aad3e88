//! Cuts a reply's text into clauses while it is being generated, the first one as short as it can
//! be spoken, so that the caller hears something early.

use futures::stream;
use trunkline_inference::{Clause, ClauseStream};

use crate::speakable::speakable;

/// A first clause is cut at its first comma, and without any punctuation at a word boundary after this many
/// words: each word more costs about 40 ms on two cores, and fewer sound torn.
const FIRST_CLAUSE_MAX_WORDS: usize = 5;
/// A second clause may have this many words without any punctuation,
const NEXT_CLAUSE_MAX_WORDS: usize = 8;
/// and this many more for each word that was said before: while those sound it can be made.
const GROWTH: usize = 2;
/// but not more than are written meanwhile: on a busy machine this many for each word that was said,
const WRITTEN_MEANWHILE: usize = 3;
/// and these before the first of them sounds.
const HEAD_START: usize = 2;
/// A clause is cut at a comma only when it is at least this long, in bytes, or as long as was said before.
const CLAUSE_BYTES: usize = 60;
/// No clause is longer than this, in bytes; it is cut at a word boundary.
const CLAUSE_MAX_BYTES: usize = 240;

/// Words that a full stop follows without ending a sentence.
const ABBREVIATIONS: [&str; 22] = [
    "mr", "mrs", "ms", "dr", "st", "prof", "jr", "sr", "vs", "etc", "no", "approx", "dept", "inc",
    "ltd", "co", "fig", "e.g", "i.e", "a.m", "p.m", "u.s",
];

/// Collects text and gives out clauses.
#[derive(Debug, Default)]
pub struct ClauseCutter {
    text: String,
    language: Option<String>,
    given: Given,
}

/// What has been given out.
#[derive(Clone, Copy, Debug, Default)]
struct Given {
    words: usize,
}

impl Given {
    /// With so many words a clause may end at a comma.
    fn least_words(self) -> usize {
        self.words.max(1)
    }

    /// With so many words it ends without one: longer, and it would not be ready in time.
    fn most_words(self) -> usize {
        match self.words {
            0 => FIRST_CLAUSE_MAX_WORDS,
            said => {
                let written = HEAD_START + WRITTEN_MEANWHILE * said;
                written.min(NEXT_CLAUSE_MAX_WORDS + GROWTH * said)
            }
        }
    }
}

impl ClauseCutter {
    /// A cutter for text in `language` (ISO 639-1), which decides how numbers are spoken.
    pub fn new(language: Option<String>) -> Self {
        Self { language, ..Self::default() }
    }

    /// Takes more text.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The next clause that is certain to be one, whatever text follows.
    pub fn next_clause(&mut self) -> Option<Clause> {
        while let Some(end) = cut(&self.text, self.given) {
            if let Some(clause) = self.take(end) {
                return Some(clause);
            }
        }
        None
    }

    /// What is left when no more text comes.
    pub fn finish(&mut self) -> Option<Clause> {
        match self.next_clause() {
            Some(clause) => Some(clause),
            None => self.take(self.text.len()),
        }
    }

    fn take(&mut self, end: usize) -> Option<Clause> {
        let rest = self.text.split_off(end);
        let text = std::mem::replace(&mut self.text, rest);
        let text = text.trim();
        let speakable = speakable(text, self.language.as_deref());
        if speakable.is_empty() {
            return None;
        }
        self.given.words += text.split_whitespace().count();
        Some(Clause { text: text.to_owned(), speakable })
    }
}

/// The clauses of a whole text, whose language (ISO 639-1) decides how numbers are spoken.
pub fn of_text(text: &str, language: Option<String>) -> ClauseStream {
    let mut cutter = ClauseCutter::new(language);
    cutter.push(text);
    Box::pin(stream::iter(std::iter::from_fn(move || cutter.finish()).map(Ok)))
}

/// Where the first clause of `text` ends, when that is certain.
fn cut(text: &str, given: Given) -> Option<usize> {
    for (at, ch) in text.char_indices() {
        let end = at + ch.len_utf8();
        let (before, after) = text.split_at(end);
        let stops = match ch {
            '.' | '!' | '?' | '…' => ends_sentence(before, after)?,
            '。' | '！' | '？' | '\n' => true,
            ',' | ';' | ':' | '—' | '–' => {
                pauses(before, after)? && is_long_enough(before, given)
            }
            _ => ch.is_whitespace() && is_too_long(before, given),
        };
        if stops && before.chars().any(char::is_alphanumeric) {
            return Some(end);
        }
    }
    None
}

/// Whether the stop at the end of `before` ends a sentence; `None` while that cannot be known.
fn ends_sentence(before: &str, after: &str) -> Option<bool> {
    let next = after.chars().next()?;
    if !next.is_whitespace() {
        return Some(false);
    }
    let word = before.split_whitespace().next_back().unwrap_or_default();
    let bare = word.trim_end_matches('.').trim_start_matches(['(', '"', '\'']).to_lowercase();
    let initial = bare.chars().count() == 1 && bare.chars().all(char::is_alphabetic) && bare != "i";
    let list_number = before.trim_start().len() == word.len()
        && bare.chars().all(|c| c.is_ascii_digit())
        && word.ends_with('.');
    Some(!initial && !list_number && !ABBREVIATIONS.contains(&bare.as_str()))
}

/// Whether the comma at the end of `before` is a pause, not part of a number or a time.
fn pauses(before: &str, after: &str) -> Option<bool> {
    if before.ends_with(['—', '–']) {
        return Some(true);
    }
    match after.chars().next() {
        Some(next) => Some(next.is_whitespace()),
        // Between digits it may go on ("1,000", "10:30"); elsewhere waiting would only cost time.
        None if before.chars().rev().nth(1).is_some_and(|c| c.is_ascii_digit()) => None,
        None => Some(true),
    }
}

fn is_long_enough(before: &str, given: Given) -> bool {
    before.len() >= CLAUSE_BYTES || before.split_whitespace().count() >= given.least_words()
}

fn is_too_long(before: &str, given: Given) -> bool {
    before.len() >= CLAUSE_MAX_BYTES || before.split_whitespace().count() >= given.most_words()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `text` in pieces of `size` bytes' worth of chars and collects the clauses' texts.
    fn clauses(text: &str, size: usize) -> Vec<String> {
        let mut cutter = ClauseCutter::new(Some("en".into()));
        let mut found = Vec::new();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            cutter.push(&piece.iter().collect::<String>());
            while let Some(clause) = cutter.next_clause() {
                found.push(clause.text);
            }
        }
        while let Some(clause) = cutter.finish() {
            found.push(clause.text);
        }
        found
    }

    #[test]
    fn sentences_become_clauses_and_the_first_may_end_at_a_comma() {
        let cases: [(&str, &[&str]); 9] = [
            ("We are open until six. Come by!", &["We are open until six.", "Come by!"]),
            (
                "Of course, we open at nine. Anything else?",
                &["Of course,", "we open at nine.", "Anything else?"],
            ),
            ("Yes, it is.", &["Yes,", "it is."]),
            ("Dr. Smith is in. He is free.", &["Dr. Smith is in.", "He is free."]),
            ("It costs 3.50 today. Fine.", &["It costs 3.50 today.", "Fine."]),
            ("About 1,000 people. Yes.", &["About 1,000 people.", "Yes."]),
            ("At 10:30 sharp. Good.", &["At 10:30 sharp.", "Good."]),
            ("Write to a.b@example.com today. Bye.", &["Write to a.b@example.com today.", "Bye."]),
            ("Hello", &["Hello"]),
        ];
        for (text, expected) in cases {
            for size in [1, 3, 100] {
                assert_eq!(clauses(text, size), expected, "{text} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_first_clause_without_punctuation_is_cut_after_five_words() {
        let found = clauses("one two three four five six seven eight nine ten eleven", 4);
        assert_eq!(found, ["one two three four five", "six seven eight nine ten eleven"]);
    }

    #[test]
    fn clauses_grow_with_what_sounds_while_they_are_made() {
        let text =
            "Sure, one two three four five six seven eight nine ten, eleven twelve, thirteen.";
        let found = [
            "Sure,",
            "one two three four five",
            "six seven eight nine ten, eleven twelve,",
            "thirteen.",
        ];
        assert_eq!(clauses(text, 4), found);
        let text = "No, I am afraid that there is no room on any of these days at all.";
        let found = ["No,", "I am afraid that there", "is no room on any of these days at all."];
        assert_eq!(clauses(text, 4), found);
        let text = "I'm sorry, but I do not know what you mean by the other word for it.";
        let found = ["I'm sorry,", "but I do not know what you mean", "by the other word for it."];
        assert_eq!(clauses(text, 4), found);
        let text =
            "Well, yes, I can do that, if you tell me on which day, and at what time, you come.";
        let found = [
            "Well,",
            "yes,",
            "I can do that,",
            "if you tell me on which day,",
            "and at what time, you come.",
        ];
        assert_eq!(clauses(text, 4), found);
    }

    #[test]
    fn no_words_are_lost_or_changed_by_cutting() {
        let text = "First, a list: 1. apples, 2. pears; then e.g. plums — and, at 9:15 a.m., tea. \
                    Is that all? It is… Good, then we are done with this long sentence, which goes \
                    on, and on, and never seems to stop, until it does.";
        for size in [1, 2, 5, 17] {
            assert_eq!(
                clauses(text, size).join(" "),
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            );
        }
    }

    #[test]
    fn a_text_without_spaces_or_stops_is_one_clause_and_blank_text_is_none() {
        assert_eq!(clauses(&"x".repeat(1000), 10).len(), 1);
        assert!(clauses("  \n \n ", 1).is_empty());
    }

    #[test]
    fn what_cannot_be_spoken_is_no_clause_and_hides_none() {
        assert!(clauses("...", 1).is_empty());
        assert!(clauses("😀 🎉", 1).is_empty());
        assert_eq!(clauses("<b>.</b>. Yes. 😀", 100), ["Yes."]);
    }
}

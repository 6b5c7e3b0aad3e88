//! How long a silence must last before the caller's turn is over.

use std::time::Duration;

use crate::words::words;

/// Silences that end a turn, and when which of them applies. Measured from the end of the sound.
#[derive(Clone, Debug, PartialEq)]
pub struct PatienceConfig {
    /// Words and end-of-turn model both say finished. 480 ms: read speech pauses for 300 to 450 ms
    /// between sentences, and the reply takes about as long to prepare meanwhile on two cores.
    pub finished: Duration,
    /// Nothing speaks against the end. 620 ms: a pause inside a sentence rarely passes that.
    pub typical: Duration,
    /// The words or the model say that something is missing. 850 ms: a search for a word.
    pub unfinished: Duration,
    /// Digits, letters or an address are being given. 1400 ms: people pause between groups to read on.
    pub dictating: Duration,
    /// No silence is waited out longer. 2 s: after that callers ask whether anyone is there.
    pub longest: Duration,
    /// From this end-of-turn probability on the model counts as saying finished. 0.7: it says 0.5 of
    /// many clips cut in their middle.
    pub sure: f32,
    /// Below this probability the model counts as saying unfinished. 0.3.
    pub unsure: f32,
}

impl Default for PatienceConfig {
    fn default() -> Self {
        Self {
            finished: Duration::from_millis(480),
            typical: Duration::from_millis(620),
            unfinished: Duration::from_millis(850),
            dictating: Duration::from_millis(1400),
            longest: Duration::from_secs(2),
            sure: 0.7,
            unsure: 0.3,
        }
    }
}

/// How a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEnd {
    /// As a sentence does: `.`, `!` or `?` after a word that can stand last.
    Sentence,
    /// Without punctuation, on a word that can stand last.
    Bare,
    /// On a comma, a dash, a conjunction, an article, a filler: more must come.
    Open,
}

/// The silence after which a turn with these words is over.
///
/// The end-of-turn model never decides alone: it shortens the wait only when the words end like a
/// sentence too, and a model that is not there or has not answered (`None`) shortens nothing.
pub fn patience(
    text: &str,
    end_probability: Option<f32>,
    is_dictating: bool,
    config: &PatienceConfig,
) -> Duration {
    let score = Score::of(end_probability, config);
    let wait = match (text_end(text), score) {
        _ if is_dictating => config.dictating,
        (TextEnd::Sentence, Score::Finished) => config.finished,
        (TextEnd::Sentence, Score::Unknown) | (TextEnd::Bare, Score::Finished) => config.typical,
        (TextEnd::Sentence | TextEnd::Bare, Score::Unfinished)
        | (TextEnd::Bare, Score::Unknown)
        | (TextEnd::Open, _) => config.unfinished,
    };
    wait.min(config.longest)
}

/// What the end-of-turn model says.
#[derive(Clone, Copy)]
enum Score {
    Finished,
    Unknown,
    Unfinished,
}

impl Score {
    fn of(end_probability: Option<f32>, config: &PatienceConfig) -> Self {
        match end_probability {
            Some(p) if p >= config.sure => Self::Finished,
            Some(p) if p < config.unsure => Self::Unfinished,
            Some(_) | None => Self::Unknown,
        }
    }
}

/// How `text` ends.
pub fn text_end(text: &str) -> TextEnd {
    let text = text
        .trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '”' | '’' | ')'));
    if text.ends_with("...") || text.ends_with(['…', ',', ';', ':', '-', '—', '–', '、', '，'])
    {
        return TextEnd::Open;
    }
    let words = words(text);
    let Some(last) = words.last() else { return TextEnd::Open };
    let is_stopped = text.ends_with(['.', '!', '?', '。', '！', '？', '।']);
    let is_filler = FILLERS.contains(&last.as_str());
    // "Yes, I am." and "Come in." are sentences; the full stop after "the" or "and" is a guess.
    let is_never_last = NEVER_LAST.contains(&last.as_str());
    let is_rarely_last = RARELY_LAST.contains(&last.as_str());
    match (is_stopped, is_filler || is_never_last, is_rarely_last) {
        (_, true, _) | (false, false, true) => TextEnd::Open,
        (true, false, _) => TextEnd::Sentence,
        (false, false, false) => TextEnd::Bare,
    }
}

const FILLERS: [&str; 18] = [
    "um",
    "uh",
    "er",
    "erm",
    "uhm",
    "hmm",
    "eh",
    "euh",
    "äh",
    "ähm",
    "este",
    "pues",
    "well",
    "like",
    "actually",
    "basically",
    "alors",
    "also",
];

/// Words that no sentence ends on, with or without a full stop.
const NEVER_LAST: [&str; 45] = [
    "the", "a", "an", "and", "or", "but", "because", "if", "when", "while", "than", "my", "your",
    "our", "their", "its", "i'm", "i'd", "i'll", "we're", "you're", "they're", "gonna", "wanna",
    "el", "los", "las", "una", "y", "pero", "porque", "mi", "le", "les", "une", "et", "mais", "ou",
    "parce", "der", "das", "und", "oder", "aber", "weil",
];

/// Words that end a sentence only with something before them ("that is what I came for.").
const RARELY_LAST: [&str; 50] = [
    "so", "that", "which", "who", "what", "where", "to", "of", "in", "on", "at", "for", "from",
    "with", "by", "about", "into", "is", "are", "was", "were", "am", "be", "been", "have", "has",
    "had", "do", "does", "did", "can", "could", "will", "would", "should", "may", "might", "i",
    "we", "they", "he", "she", "de", "en", "que", "con", "por", "para", "du", "von",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(duration: Duration) -> u128 {
        duration.as_millis()
    }

    fn wait(text: &str, p: Option<f32>) -> u128 {
        ms(patience(text, p, false, &PatienceConfig::default()))
    }

    #[test]
    fn the_wait_is_short_only_when_words_and_model_agree() {
        let cases = [
            ("What time do you open?", Some(0.95), 480),
            ("What time do you open?", Some(0.70), 480),
            ("What time do you open?", Some(0.69), 620),
            ("What time do you open?", None, 620),
            ("What time do you open?", Some(0.30), 620),
            ("What time do you open?", Some(0.29), 850),
            ("what time do you open", Some(0.95), 620),
            ("what time do you open", Some(0.5), 850),
            ("what time do you open", None, 850),
            ("what time do you open", Some(0.1), 850),
        ];
        for (text, p, expected) in cases {
            assert_eq!(wait(text, p), expected, "{text} {p:?}");
        }
    }

    #[test]
    fn a_sure_model_does_not_end_an_open_sentence_early() {
        for text in
            ["I would like to,", "I want the", "It is for me and", "um", "Well..", "well", ""]
        {
            assert_eq!(wait(text, Some(1.0)), 850, "{text}");
        }
    }

    #[test]
    fn dictation_waits_longest_whatever_the_model_says() {
        let config = PatienceConfig::default();
        for p in [None, Some(0.0), Some(0.5), Some(1.0)] {
            assert_eq!(ms(patience("Five two six.", p, true, &config)), 1400, "{p:?}");
        }
    }

    #[test]
    fn no_wait_is_longer_than_the_longest() {
        let config = PatienceConfig {
            dictating: Duration::from_secs(9),
            unfinished: Duration::from_secs(9),
            ..PatienceConfig::default()
        };
        assert_eq!(patience("five two", None, true, &config), config.longest);
        assert_eq!(patience("and", None, false, &config), config.longest);
    }

    #[test]
    fn text_ends_are_told_apart() {
        let cases = [
            ("Yes.", TextEnd::Sentence),
            ("Yes", TextEnd::Bare),
            ("Yes,", TextEnd::Open),
            ("What is it for?", TextEnd::Sentence),
            ("what is it for", TextEnd::Open),
            ("I want to speak to the.", TextEnd::Open),
            ("Yes, I am.", TextEnd::Sentence),
            ("I was thinking...", TextEnd::Open),
            ("I was thinking…", TextEnd::Open),
            ("He said \"hello.\"", TextEnd::Sentence),
            ("So I would -", TextEnd::Open),
            ("Um.", TextEnd::Open),
            ("¿A qué hora abren?", TextEnd::Sentence),
            ("Quiero una mesa para", TextEnd::Open),
            ("Je voudrais une", TextEnd::Open),
            ("はい。", TextEnd::Sentence),
            ("", TextEnd::Open),
            ("...", TextEnd::Open),
        ];
        for (text, expected) in cases {
            assert_eq!(text_end(text), expected, "{text}");
        }
    }
}

//! How long a silence must last before the caller's turn is over.

use std::time::Duration;

use crate::words::words;

/// Silences that end a turn, and when which of them applies. Measured from the end of the sound.
#[derive(Clone, Debug, PartialEq)]
pub struct PatienceConfig {
    /// Words and end-of-turn model both say finished. 560 ms: recorded readers pause for 450 to
    /// 650 ms between sentences, and the reply takes as long to prepare meanwhile on two cores.
    pub finished: Duration,
    /// The words say finished, the model is of two minds or not there. 1000 ms: the longest
    /// such pauses of the same readers.
    pub typical: Duration,
    /// The words or the model say that something is missing. 1100 ms: a search for a word.
    pub unfinished: Duration,
    /// Digits, letters or an address are being given. 1700 ms: people pause for 1.5 s between groups
    /// to read on.
    pub dictating: Duration,
    /// No silence is waited out longer. 2 s: after that callers ask whether anyone is there.
    pub longest: Duration,
    /// From this end-of-turn probability on the model counts as saying finished. 0.93: half of all
    /// ends are above it and one in six of the pauses inside a turn.
    pub sure: f32,
    /// Below this probability the model counts as saying unfinished. Between the two the wait grows
    /// evenly from `finished` to `typical`. 0.5: three in ten pauses inside a turn are above it.
    pub unsure: f32,
}

impl Default for PatienceConfig {
    fn default() -> Self {
        Self {
            finished: Duration::from_millis(560),
            typical: Duration::from_secs(1),
            unfinished: Duration::from_millis(1100),
            dictating: Duration::from_millis(1700),
            longest: Duration::from_secs(2),
            sure: 0.93,
            unsure: 0.5,
        }
    }
}

impl PatienceConfig {
    /// Every turn ends after this much silence, whatever was said.
    pub fn fixed(silence: Duration) -> Self {
        Self {
            finished: silence,
            typical: silence,
            unfinished: silence,
            dictating: silence,
            longest: silence,
            ..Self::default()
        }
    }

    /// The same with all silences `factor` times as long.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        Self {
            finished: self.finished.mul_f32(factor),
            typical: self.typical.mul_f32(factor),
            unfinished: self.unfinished.mul_f32(factor),
            dictating: self.dictating.mul_f32(factor),
            longest: self.longest.mul_f32(factor),
            ..self
        }
    }
}

/// How a text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEnd {
    /// As a question does, which hands the floor over: `?` after a word that can stand last.
    Question,
    /// As a sentence does: `.` or `!` after a word that can stand last.
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
        (TextEnd::Question, Score::Finished { .. }) => config.finished,
        (TextEnd::Sentence, Score::Finished { doubt }) => {
            config.finished + config.typical.saturating_sub(config.finished).mul_f32(doubt)
        }
        (TextEnd::Question | TextEnd::Sentence, Score::Unknown)
        | (TextEnd::Bare, Score::Finished { .. }) => config.typical,
        (TextEnd::Question | TextEnd::Sentence | TextEnd::Bare, Score::Unfinished)
        | (TextEnd::Bare, Score::Unknown)
        | (TextEnd::Open, _) => config.unfinished,
    };
    wait.min(config.longest)
}

/// What the end-of-turn model says.
#[derive(Clone, Copy)]
enum Score {
    /// With a doubt of 0 where it is sure, up to 1 where it is of two minds.
    Finished {
        doubt: f32,
    },
    Unknown,
    Unfinished,
}

impl Score {
    fn of(end_probability: Option<f32>, config: &PatienceConfig) -> Self {
        match end_probability {
            None => Self::Unknown,
            Some(p) if p >= config.sure => Self::Finished { doubt: 0.0 },
            Some(p) if p >= config.unsure => {
                Self::Finished { doubt: (config.sure - p) / (config.sure - config.unsure) }
            }
            Some(_) => Self::Unfinished,
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
    let asks = text.ends_with(['?', '？', '؟']);
    let is_stopped = asks || text.ends_with(['.', '!', '。', '！', '।']);
    let is_filler = FILLERS.contains(&last.as_str());
    // "Yes, I am." and "Come in." are sentences; the full stop after "the" or "and" is a guess.
    let is_never_last = NEVER_LAST.contains(&last.as_str());
    let is_rarely_last = RARELY_LAST.contains(&last.as_str());
    match (is_stopped, is_filler || is_never_last, is_rarely_last) {
        (_, true, _) | (false, false, true) => TextEnd::Open,
        (true, false, _) if asks => TextEnd::Question,
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
            ("I have a toothache.", Some(0.93), 560),
            ("I have a toothache.", Some(0.86), 632),
            ("I have a toothache.", Some(0.5), 1000),
            ("I have a toothache.", Some(0.49), 1100),
            ("I have a toothache.", None, 1000),
            ("What time do you open?", Some(0.95), 560),
            ("What time do you open?", Some(0.5), 560),
            ("What time do you open?", None, 1000),
            ("What time do you open?", Some(0.49), 1100),
            ("what time do you open", Some(0.95), 1000),
            ("what time do you open", Some(0.5), 1000),
            ("what time do you open", None, 1100),
            ("what time do you open", Some(0.1), 1100),
        ];
        for (text, p, expected) in cases {
            assert!(wait(text, p).abs_diff(expected) <= 1, "{text} {p:?}: {}", wait(text, p));
        }
    }

    #[test]
    fn a_sure_model_does_not_end_an_open_sentence_early() {
        for text in
            ["I would like to,", "I want the", "It is for me and", "um", "Well..", "well", ""]
        {
            assert_eq!(wait(text, Some(1.0)), 1100, "{text}");
        }
    }

    #[test]
    fn dictation_waits_longest_whatever_the_model_says() {
        let config = PatienceConfig::default();
        for p in [None, Some(0.0), Some(0.5), Some(1.0)] {
            assert_eq!(ms(patience("Five two six.", p, true, &config)), 1700, "{p:?}");
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
    fn a_patient_agent_waits_longer_for_everything() {
        let config = PatienceConfig::default().scaled(1.5);
        let wait = |text, p| ms(patience(text, p, false, &config));
        assert_eq!(wait("When do you open?", Some(0.99)), 840);
        assert_eq!(wait("I want the", Some(0.99)), 1650);
        assert_eq!(ms(patience("five two", None, true, &config)), 2550);
    }

    #[test]
    fn text_ends_are_told_apart() {
        let cases = [
            ("Yes.", TextEnd::Sentence),
            ("Yes", TextEnd::Bare),
            ("Yes,", TextEnd::Open),
            ("What is it for?", TextEnd::Question),
            ("what is it for", TextEnd::Open),
            ("I want to speak to the.", TextEnd::Open),
            ("Yes, I am.", TextEnd::Sentence),
            ("I was thinking...", TextEnd::Open),
            ("I was thinking…", TextEnd::Open),
            ("He said \"hello.\"", TextEnd::Sentence),
            ("So I would -", TextEnd::Open),
            ("Um.", TextEnd::Open),
            ("¿A qué hora abren?", TextEnd::Question),
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

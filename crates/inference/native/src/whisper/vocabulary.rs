//! Whisper's tokens: texts, languages, tasks and times.

use std::collections::HashMap;

/// ISO 639-1, in the order of their tokens.
const LANGUAGES: [&str; 100] = [
    "en", "zh", "de", "es", "ru", "ko", "fr", "ja", "pt", "tr", "pl", "ca", "nl", "ar", "sv", "it",
    "id", "hi", "fi", "vi", "he", "uk", "el", "ms", "cs", "ro", "da", "hu", "ta", "no", "th", "ur",
    "hr", "bg", "lt", "la", "mi", "ml", "cy", "sk", "te", "fa", "lv", "bn", "sr", "az", "sl", "kn",
    "et", "mk", "br", "eu", "is", "hy", "ne", "mn", "bs", "kk", "sq", "sw", "gl", "mr", "pa", "si",
    "km", "sn", "yo", "so", "af", "oc", "ka", "be", "tg", "sd", "gu", "am", "yi", "lo", "uz", "fo",
    "ht", "ps", "tk", "nn", "mt", "sa", "lb", "my", "bo", "tl", "mg", "as", "tt", "haw", "ln",
    "ha", "ba", "jw", "su", "yue",
];
/// Tokens of a model of English alone; one more is a model of many languages.
const OF_ENGLISH: usize = 51_864;
/// Texts of a model of English alone.
const ENGLISH_TEXTS: u32 = 50_256;
/// Tokens of a model of many languages, without its languages.
const WITHOUT_LANGUAGES: usize = 51_766;

/// What each token stands for.
pub(crate) struct Vocabulary {
    texts: Vec<Vec<u8>>,
    tokens: HashMap<Vec<u8>, u32>,
    pub(crate) special: Special,
}

/// The tokens that stand for no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Special {
    /// All texts are below it.
    pub(crate) end: u32,
    /// It begins a transcript; the languages follow it.
    pub(crate) start: u32,
    /// 0 for a model of English alone.
    pub(crate) languages: u32,
    pub(crate) translate: u32,
    pub(crate) transcribe: u32,
    /// A prompt follows.
    pub(crate) previous: u32,
    pub(crate) no_speech: u32,
    pub(crate) no_times: u32,
    /// The time 0; each further one is 20 ms later.
    pub(crate) first_time: u32,
    /// The token of a space, with which no transcript begins.
    pub(crate) blank: u32,
}

impl Special {
    /// Of a model with so many tokens.
    fn new(tokens: usize, blank: u32) -> Self {
        let many = tokens > OF_ENGLISH;
        let languages = if many { (tokens - WITHOUT_LANGUAGES) as u32 } else { 0 };
        let end = ENGLISH_TEXTS + u32::from(many);
        let start = end + 1;
        // A model of English alone keeps the place of 99 languages.
        let translate = start + 1 + if many { languages } else { 99 };
        Self {
            end,
            start,
            languages,
            translate,
            transcribe: translate + 1,
            previous: translate + 3,
            no_speech: translate + 4,
            no_times: translate + 5,
            first_time: translate + 6,
            blank,
        }
    }
}

impl Vocabulary {
    /// Of these texts, in a model with so many tokens.
    pub(crate) fn new(texts: Vec<Vec<u8>>, tokens: usize) -> Self {
        let numbered = texts.iter().zip(0..).map(|(text, token)| (text.clone(), token));
        let numbers: HashMap<_, _> = numbered.collect();
        let blank = numbers.get(b" ".as_slice()).copied().unwrap_or(0);
        Self { texts, tokens: numbers, special: Special::new(tokens, blank) }
    }

    /// The text of a token; none of a special one.
    pub(crate) fn text(&self, token: u32) -> &[u8] {
        let text = || self.texts.get(token as usize).map(Vec::as_slice);
        (token < self.special.end).then(text).flatten().unwrap_or_default()
    }

    /// The token of a language.
    pub(crate) fn language(&self, language: &str) -> Option<u32> {
        let known = &LANGUAGES[..self.special.languages as usize];
        known.iter().zip(self.special.start + 1..).find(|(l, _)| **l == language).map(|(_, t)| t)
    }

    /// The language of a token.
    pub(crate) fn language_of(&self, token: u32) -> &'static str {
        let number = token.saturating_sub(self.special.start + 1) as usize;
        LANGUAGES.get(number).copied().unwrap_or("en")
    }

    /// Whether it knows a language (any, for `None`) and can translate.
    pub(crate) fn check(&self, language: Option<&str>, translates: bool) -> Result<(), String> {
        let known = |language: &&str| LANGUAGES.contains(language);
        if let Some(language) = language.filter(|language| !known(language)) {
            return Err(format!(
                "Whisper does not know the language {language:?}: give its ISO 639-1 code"
            ));
        }
        if self.special.languages > 0 {
            let unknown = |language: &&str| self.language(language).is_none();
            return match language.filter(unknown) {
                Some(language) => {
                    Err(format!("this model does not know the language {language:?}"))
                }
                None => Ok(()),
            };
        }
        match language {
            Some(other) if other != "en" => {
                Err(format!("this model understands English only, not {other:?}"))
            }
            _ if translates => {
                Err("this model understands English only: it cannot translate".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The tokens of a text: of each word the longest texts that it begins with.
    pub(crate) fn tokenize(&self, text: &str) -> Vec<u32> {
        words(text).into_iter().flat_map(|word| self.longest(word.as_bytes())).collect()
    }

    fn longest(&self, mut word: &[u8]) -> Vec<u32> {
        let mut tokens = Vec::new();
        while !word.is_empty() {
            let found =
                (1..=word.len()).rev().find_map(|n| Some((n, *self.tokens.get(&word[..n])?)));
            let Some((length, token)) = found else { break };
            tokens.push(token);
            word = &word[length..];
        }
        tokens
    }
}

/// What a word is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letters,
    Digits,
    Signs,
    Space,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            c if c.is_alphabetic() => Self::Letters,
            c if c.is_numeric() => Self::Digits,
            c if c.is_whitespace() => Self::Space,
            _ => Self::Signs,
        }
    }
}

/// A text's runs of letters, digits and signs, each with the space before it. What follows an
/// apostrophe in a word goes with it.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut run: Option<(Kind, char)> = None;
    let mut before = None;
    for (at, c) in text.char_indices() {
        let kind = Kind::of(c);
        let goes_on = match run {
            Some((Kind::Space, ' ')) => kind != Kind::Space && at - start == 1,
            Some((Kind::Signs, '\'')) => kind == Kind::Letters && before == Some(Kind::Letters),
            Some((of, _)) => of == kind,
            None => true,
        };
        if !goes_on {
            words.extend(text.get(start..at));
            (start, before) = (at, run.map(|(kind, _)| kind));
        }
        run = Some((kind, c));
    }
    words.extend(text.get(start..).filter(|word| !word.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(tokens: usize) -> Vocabulary {
        let texts = [" ", " yes", " y", "e", "s", "'s", " it"].map(|text| text.as_bytes().to_vec());
        Vocabulary::new(texts.to_vec(), tokens)
    }

    #[test]
    fn special_tokens_are_where_openai_put_them() {
        let english = vocabulary(51_864).special;
        assert_eq!((english.end, english.start, english.no_times), (50_256, 50_257, 50_362));
        assert_eq!((english.no_speech, english.first_time), (50_361, 50_363));
        let many = vocabulary(51_865).special;
        assert_eq!((many.end, many.transcribe, many.first_time), (50_257, 50_359, 50_364));
        let third = vocabulary(51_866).special;
        assert_eq!((third.languages, third.previous, third.first_time), (100, 50_362, 50_365));
    }

    #[test]
    fn languages_are_found_by_code() {
        let many = vocabulary(51_865);
        assert_eq!(many.language("de"), Some(50_261));
        assert_eq!(many.language_of(50_261), "de");
        assert_eq!(many.language("yue"), None);
        assert!(many.check(Some("yue"), false).is_err());
        assert!(many.check(Some("tlh"), false).unwrap_err().contains("ISO 639-1"));
        assert!(many.check(None, true).is_ok());
    }

    #[test]
    fn a_model_of_english_refuses_what_is_not() {
        let english = vocabulary(51_864);
        assert!(english.check(Some("en"), false).is_ok());
        assert!(english.check(Some("de"), false).is_err());
        assert!(english.check(None, true).unwrap_err().contains("cannot translate"));
    }

    #[test]
    fn a_text_becomes_its_longest_words() {
        let vocabulary = vocabulary(51_864);
        assert_eq!(vocabulary.tokenize(" yes yees"), [1, 2, 3, 3, 4]);
        assert_eq!(vocabulary.tokenize(" it's"), [6, 5]);
        assert_eq!(vocabulary.text(1), b" yes");
        assert!(vocabulary.text(50_300).is_empty());
    }

    #[test]
    fn words_keep_the_space_before_them() {
        assert_eq!(
            words("it's 10:30, no  more"),
            ["it", "'s", " 10", ":", "30", ",", " no", " ", " more"]
        );
        assert_eq!(words(""), [""; 0]);
    }
}

//! Is the caller in the middle of giving digits, a spelled name or an address?

/// Whether `text` ends inside something given piece by piece: a telephone or card number, a
/// postcode, a spelled name, an e-mail address. People pause between the pieces.
pub fn is_dictating(text: &str) -> bool {
    let tokens: Vec<String> = tokens(text);
    if is_whole_address(&tokens) {
        return false;
    }
    let run = trailing_units(&tokens);
    let before = tokens.get(..tokens.len() - run.length).unwrap_or_default();
    run.ends_on_joint || run.is_dictation() || announces(before) || is_spelling_by_words(&tokens)
}

/// Whether a single word is a piece of a dictation: a digit, a letter, a joint.
pub(crate) fn is_unit(word: &str) -> bool {
    DIGITS.contains(&word)
        || word.chars().all(|c| c.is_ascii_digit())
        || (letters(word) > 0 && !is_also_word(word))
}

/// Words in lower case with their inner punctuation: "5-5-5", "john@example.com", "7:30".
fn tokens(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split_whitespace()
        .map(|t| t.trim_matches(|c: char| !c.is_alphanumeric() && c != '@').to_owned())
        .filter(|t| !t.is_empty())
        .collect()
}

/// The pieces that a text ends on.
#[derive(Default)]
struct Run {
    length: usize,
    digits: usize,
    letters: usize,
    /// Letters that are words too.
    words: usize,
    ends_on_joint: bool,
}

impl Run {
    /// Two figures are a time or a price, two letters an abbreviation; more are dictated.
    fn is_dictation(&self) -> bool {
        (self.digits >= 3 && self.length >= 2)
            || self.digits >= 5
            || (self.letters >= 3 && self.letters > self.words)
            || (self.letters > self.words && self.digits >= 2)
    }
}

fn trailing_units(tokens: &[String]) -> Run {
    let mut run = Run::default();
    for token in tokens.iter().rev() {
        let (digits, letters) = (digits(token), letters(token));
        let is_joint = JOINTS.contains(&token.as_str());
        if digits == 0 && letters == 0 && !is_joint {
            break;
        }
        run.ends_on_joint |= run.length == 0 && HANGING.contains(&token.as_str());
        run.length += 1;
        // "Double five" is two digits, and nobody says it of anything else.
        run.digits += digits + if matches!(token.as_str(), "double" | "triple") { 2 } else { 0 };
        run.letters += letters;
        run.words += usize::from(is_also_word(token));
    }
    run
}

/// How many digits a token stands for, when it is nothing else.
fn digits(token: &str) -> usize {
    if DIGITS.contains(&token) {
        return 1;
    }
    let is_number = token.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | '/' | '+'));
    if is_number { token.chars().filter(char::is_ascii_digit).count() } else { 0 }
}

/// How many single letters a token stands for ("j", "j-o-h-n", "j.o."), when it is nothing else.
fn letters(token: &str) -> usize {
    let parts: Vec<&str> = token.split(['-', '.']).filter(|p| !p.is_empty()).collect();
    let is_spelled =
        parts.iter().all(|p| p.chars().count() == 1 && p.chars().all(char::is_alphabetic));
    if is_spelled { parts.len() } else { 0 }
}

/// "a" and "i" are words far more often than letters.
fn is_also_word(token: &str) -> bool {
    matches!(token, "a" | "i")
}

/// "My number is", "the e-mail address is", with nothing after it but pieces.
fn announces(before: &[String]) -> bool {
    let Some((last, rest)) = before.split_last() else { return false };
    let is_link = matches!(
        last.as_str(),
        "is" | "it's" | "its" | "es" | "est" | "ist" | "spelled" | "that's"
    );
    is_link
        && rest.iter().rev().take(4).chain([last]).any(|w| {
            let word: String = w.chars().filter(|c| c.is_alphanumeric()).collect();
            ANNOUNCED.contains(&word.as_str())
        })
}

/// "A as in apple, B for Bravo".
fn is_spelling_by_words(tokens: &[String]) -> bool {
    let tail = tokens.get(tokens.len().saturating_sub(4)..).unwrap_or_default();
    let is_letter = |t: &String| t.chars().count() == 1 && t.chars().all(char::is_alphabetic);
    tail.windows(3).any(|w| is_letter(&w[0]) && w[1] == "as" && w[2] == "in")
        || tail.windows(3).any(|w| {
            is_letter(&w[0]) && w[1] == "for" && w[2].chars().next() == w[0].chars().next()
        })
}

/// An address that has reached its end: "john@example.com", "john at example dot com".
fn is_whole_address(tokens: &[String]) -> bool {
    let Some(last) = tokens.last() else { return false };
    let ends_in_domain =
        |t: &str| t.rsplit_once('.').is_some_and(|(_, end)| DOMAINS.contains(&end));
    let is_dotted = tokens.len() >= 2 && tokens.iter().rev().nth(1).is_some_and(|t| t == "dot");
    ends_in_domain(last) || (is_dotted && DOMAINS.contains(&last.as_str()))
}

const DIGITS: [&str; 42] = [
    "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "cero",
    "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "zéro", "un",
    "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "null", "eins", "zwei", "zwo",
    "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "niner",
];

/// Words inside a dictation that are no pieces themselves.
const JOINTS: [&str; 14] = [
    "dot",
    "at",
    "@",
    "dash",
    "hyphen",
    "underscore",
    "slash",
    "plus",
    "point",
    "double",
    "triple",
    "punto",
    "arroba",
    "tiret",
];

/// Joints after which something must follow.
const HANGING: [&str; 12] = [
    "dot",
    "@",
    "dash",
    "hyphen",
    "underscore",
    "slash",
    "double",
    "triple",
    "point",
    "punto",
    "arroba",
    "tiret",
];

const ANNOUNCED: [&str; 22] = [
    "number",
    "phone",
    "mobile",
    "cell",
    "card",
    "account",
    "code",
    "postcode",
    "zip",
    "pin",
    "email",
    "mail",
    "address",
    "spelled",
    "spelt",
    "reference",
    "número",
    "numéro",
    "nummer",
    "correo",
    "teléfono",
    "téléphone",
];

const DOMAINS: [&str; 20] = [
    "com", "org", "net", "edu", "gov", "io", "co", "uk", "de", "fr", "es", "it", "eu", "info",
    "us", "ca", "in", "ai", "dev", "app",
];

//! Numbers in text: with units, as ranges, fractions, ordinals, years, codes.

use super::{
    numbers::{self, Figure, cardinal},
    reader::{Reader, Spoken},
    units::{Unit, unit},
};

/// `five kilometers`, `ten to fifteen percent`.
pub(super) fn measure(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    let ends = core.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (number, behind) = core.split_at_checked(ends)?;
    let (words, is_one) = amount(number)?;
    if !behind.is_empty() {
        return Some(measured(&words, is_one, unit(behind)?, 1));
    }
    let next = reader.joined(at)?;
    if let Some(after) = reader.joined(at + 1)
        && let Some(unit) = unit(&format!("{next} {after}"))
    {
        return Some(measured(&words, is_one, unit, 3));
    }
    Some(measured(&words, is_one, unit(next)?, 2))
}

/// Every other number that stands by itself.
pub(super) fn number(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    let words = spelled_code(reader, at)
        .or_else(|| prefixed(core))
        .or_else(|| fraction(core))
        .or_else(|| suffixed(core))
        .or_else(|| years(reader, at))
        .or_else(|| amount(core).map(|(words, _)| words))
        .or_else(|| compound(core))?;
    Some(Spoken::new(words, 1))
}

fn measured(words: &str, is_one: bool, unit: &Unit, tokens: usize) -> Spoken {
    let name = if is_one { unit.one } else { unit.many };
    Spoken::new(format!("{words} {name}"), tokens).abbreviated()
}

/// A number or a range of two, and whether it is exactly one.
fn amount(text: &str) -> Option<(String, bool)> {
    if let Some(figure) = Figure::parse(text) {
        return Some((figure.words(), figure.is_one()));
    }
    let (from, to) = text.split_once(['-', '–'])?;
    Some((format!("{} to {}", Figure::parse(from)?.words(), Figure::parse(to)?.words()), false))
}

/// Words before a number that is a name: it is read digit by digit.
const NAMED: [&str; 14] = [
    "code",
    "pin",
    "number",
    "id",
    "zip",
    "zipcode",
    "account",
    "ext",
    "extension",
    "confirmation",
    "reference",
    "passcode",
    "password",
    "case",
];

fn spelled_code(reader: &Reader, at: usize) -> Option<String> {
    let core = reader.core(at);
    let is_code = |word: &str| NAMED.contains(&word.to_ascii_lowercase().as_str());
    let (before, earlier) = (reader.before(at, 1), reader.before(at, 2));
    let is_named = is_code(before) || before == "is" && is_code(earlier);
    let is_extension = before.to_ascii_lowercase().starts_with("ext");
    let digits = !core.is_empty() && core.chars().all(|c| c.is_ascii_digit());
    (digits && is_named && (core.len() >= 3 || is_extension)).then(|| numbers::digits(core))
}

/// `#5`, `~50`, `+3`.
fn prefixed(core: &str) -> Option<String> {
    let (prefix, rest) = [
        ("#", "number"),
        ("~", "about"),
        ("+", "plus"),
        ("≈", "about"),
        ("<", "less than"),
        (">", "more than"),
    ]
    .into_iter()
    .find_map(|(mark, word)| Some((word, core.strip_prefix(mark)?)))?;
    Some(format!("{prefix} {}", amount(rest)?.0))
}

/// `one half`, `three quarters`, `four point five out of five`.
fn fraction(core: &str) -> Option<String> {
    let (above, below) = core.split_once('/')?;
    if (above, below) == ("24", "7") {
        return Some("twenty-four seven".to_owned());
    }
    let (above, below) = (Figure::parse(above)?, Figure::parse(below)?);
    let (Some(parts), Some(whole @ 2..=10)) = (above.value(), below.value()) else {
        return Some(format!("{} out of {}", above.words(), below.words()));
    };
    if parts == 0 || parts >= whole {
        return Some(format!("{} out of {}", above.words(), below.words()));
    }
    let name = match whole {
        2 => "half".to_owned(),
        4 => "quarter".to_owned(),
        _ => numbers::ordinal(whole),
    };
    Some(format!("{} {name}{}", cardinal(parts), if parts == 1 { "" } else { "s" }))
}

/// `21st`, `1990s`.
fn suffixed(core: &str) -> Option<String> {
    let ends = core.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (digits, suffix) = core.split_at_checked(ends)?;
    let value = Figure::parse(digits)?.value()?;
    match suffix {
        "st" | "nd" | "rd" | "th" => Some(numbers::ordinal(value)),
        "s" | "'s" if value % 10 == 0 && value >= 10 => Some(numbers::decade(value)),
        _ => None,
    }
}

/// Words before a number of four digits that make it a year even where it could be a count.
const BEFORE_YEARS: [&str; 9] =
    ["in", "since", "year", "until", "by", "during", "before", "after", "circa"];

fn years(reader: &Reader, at: usize) -> Option<String> {
    let core = reader.core(at);
    if let Some((from, to)) = core.split_once(['-', '–']) {
        let years = [year_in(from, 1_900..=2_099)?, year_in(to, 1_900..=2_099)?];
        return Some(format!("{} to {}", numbers::year(years[0]), numbers::year(years[1])));
    }
    let before = reader.before(at, 1).to_ascii_lowercase();
    let range = if BEFORE_YEARS.contains(&before.as_str()) { 1_100..=2_099 } else { 1_900..=2_099 };
    year_in(core, range).map(numbers::year)
}

fn year_in(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let is_plain = text.len() == 4 && text.chars().all(|c| c.is_ascii_digit());
    if is_plain { text.parse().ok().filter(|year| range.contains(year)) } else { None }
}

/// `20-minute`: a number tied to a word.
fn compound(core: &str) -> Option<String> {
    let (number, word) = core.split_once('-')?;
    let is_word = !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || c == '-');
    is_word.then_some(format!("{}-{word}", Figure::parse(number)?.words()))
}

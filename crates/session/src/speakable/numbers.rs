//! Numbers in English words: cardinals, ordinals, years, digits and decimals.

const ONES: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];

const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

const SCALES: [(u64, &str); 5] = [
    (1_000_000_000_000_000, "quadrillion"),
    (1_000_000_000_000, "trillion"),
    (1_000_000_000, "billion"),
    (1_000_000, "million"),
    (1_000, "thousand"),
];

/// `forty-two`.
pub(super) fn cardinal(number: u64) -> String {
    let small = usize::try_from(number % 1_000).unwrap_or_default();
    if number < 20 {
        return ONES[small].to_owned();
    }
    if number < 100 {
        let tens = TENS[small / 10];
        return if small % 10 == 0 {
            tens.to_owned()
        } else {
            format!("{tens}-{}", ONES[small % 10])
        };
    }
    if number < 1_000 {
        return followed(format!("{} hundred", ONES[small / 100]), number % 100);
    }
    for (scale, name) in SCALES {
        if number >= scale {
            return followed(format!("{} {name}", cardinal(number / scale)), number % scale);
        }
    }
    digits(&number.to_string())
}

fn followed(words: String, rest: u64) -> String {
    if rest == 0 { words } else { format!("{words} {}", cardinal(rest)) }
}

/// `forty-second`.
pub(super) fn ordinal(number: u64) -> String {
    let words = cardinal(number);
    let start = words.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (before, last) = words.split_at(start);
    let last = match last {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        _ => match last.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{last}th"),
        },
    };
    format!("{before}{last}")
}

/// `nineteen ninety-eight`, `two thousand five`, `twenty twenty-four`.
pub(super) fn year(number: u64) -> String {
    let (century, rest) = (number / 100, number % 100);
    if !(1_100..10_000).contains(&number) || number % 1_000 < 10 {
        return cardinal(number);
    }
    match rest {
        0 => format!("{} hundred", cardinal(century)),
        1..=9 => format!("{} oh {}", cardinal(century), cardinal(rest)),
        _ => format!("{} {}", cardinal(century), cardinal(rest)),
    }
}

/// `nineties`, `nineteen nineties`, `two thousands`.
pub(super) fn decade(number: u64) -> String {
    let words = if number < 100 { cardinal(number) } else { year(number) };
    match words.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{words}s"),
    }
}

/// `four one five`: one word a digit; what is no digit goes.
pub(super) fn digits(text: &str) -> String {
    let words: Vec<&str> =
        text.chars().filter_map(|c| c.to_digit(10)).map(|digit| ONES[digit as usize]).collect();
    words.join(" ")
}

/// A number as it is written: sign, digits with or without thousands separators, decimals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figure {
    pub(super) is_negative: bool,
    /// The digits before the point, without separators.
    pub(super) whole: String,
    /// The digits after the point.
    pub(super) fraction: Option<String>,
    has_separators: bool,
}

/// Digits from which a number without separators is a name, not an amount.
const LONG: usize = 7;

impl Figure {
    /// Reads the whole of `text` as a number.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['-', '−']);
        let (is_negative, text) = (unsigned.is_some(), unsigned.unwrap_or(text));
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let are_digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        if fraction.is_some_and(|fraction| !are_digits(fraction)) {
            return None;
        }
        let mut groups = whole.split(',');
        let first = groups.next()?;
        let is_bare_fraction = whole.is_empty() && fraction.is_some();
        if !is_bare_fraction && !are_digits(first) {
            return None;
        }
        let has_separators = whole.contains(',');
        if groups.any(|group| group.len() != 3 || !are_digits(group)) {
            return None;
        }
        let whole = if is_bare_fraction { "0".to_owned() } else { whole.replace(',', "") };
        Some(Self { is_negative, whole, fraction: fraction.map(str::to_owned), has_separators })
    }

    /// The value, where it is a whole number that fits.
    pub(super) fn value(&self) -> Option<u64> {
        if self.fraction.is_some() { None } else { self.whole.parse().ok() }
    }

    /// Whether its noun stands in the singular.
    pub(super) fn is_one(&self) -> bool {
        self.value() == Some(1)
    }

    /// As an amount: `minus three point one four`.
    pub(super) fn words(&self) -> String {
        let sign = if self.is_negative { "minus " } else { "" };
        let whole = self.whole_words();
        match &self.fraction {
            Some(fraction) => format!("{sign}{whole} point {}", digits(fraction)),
            None => format!("{sign}{whole}"),
        }
    }

    /// The digits before the point, as an amount or, where they are a name, one by one.
    pub(super) fn whole_words(&self) -> String {
        let is_name = self.whole.len() > 1 && self.whole.starts_with('0')
            || self.whole.len() >= LONG && !self.has_separators;
        match self.whole.parse() {
            Ok(number) if !is_name => cardinal(number),
            _ => digits(&self.whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn cardinals_of_every_size() {
        for (number, words) in [
            (0, "zero"),
            (13, "thirteen"),
            (40, "forty"),
            (99, "ninety-nine"),
            (100, "one hundred"),
            (1_001, "one thousand one"),
            (12_000, "twelve thousand"),
            (1_000_000, "one million"),
            (2_000_000_003, "two billion three"),
            (5_000_000_000_000_000, "five quadrillion"),
        ] {
            assert_eq!(cardinal(number), words);
        }
        assert!(!cardinal(u64::MAX).is_empty());
    }

    #[test]
    fn no_two_numbers_sound_alike() {
        let cardinals: HashSet<String> = (0..20_000).map(cardinal).collect();
        let ordinals: HashSet<String> = (0..20_000).map(ordinal).collect();
        assert_eq!((cardinals.len(), ordinals.len()), (20_000, 20_000));
        let years: HashSet<String> = (1_100..2_100).map(year).collect();
        assert_eq!(years.len(), 1_000);
    }

    #[test]
    fn irregular_ordinals() {
        let words: Vec<String> = [1, 2, 3, 5, 8, 9, 12, 20, 31, 100, 1_000].map(ordinal).into();
        assert_eq!(
            words.join(" "),
            "first second third fifth eighth ninth twelfth twentieth thirty-first \
             one hundredth one thousandth"
        );
    }

    #[test]
    fn figures_are_whole_or_nothing() {
        for (text, words) in [
            ("1,234.50", "one thousand two hundred thirty-four point five zero"),
            (".5", "zero point five"),
            ("-0.25", "minus zero point two five"),
            ("−3", "minus three"),
            ("1234567", "one two three four five six seven"),
            ("1,234,567", "one million two hundred thirty-four thousand five hundred sixty-seven"),
            ("99999999999999999999,", ""),
        ] {
            let spoken = Figure::parse(text).map(|figure| figure.words()).unwrap_or_default();
            assert_eq!(spoken, words, "{text}");
        }
        for text in ["", "-", ".", "1.", "1,23", "1,,000", "1.2.3", "a1", "1a", "+1", "1 2", ",5"] {
            assert_eq!(Figure::parse(text), None, "{text}");
        }
    }
}

//! Amounts of money.

use super::{
    numbers::{Figure, cardinal},
    reader::{Reader, Spoken},
    words,
};

struct Currency {
    /// How it is written: a symbol, or a code that stands behind the amount.
    written: &'static [&'static str],
    one: &'static str,
    many: &'static str,
    /// One and many of the hundredth, where there is one.
    hundredth: Option<(&'static str, &'static str)>,
}

const CENTS: Option<(&str, &str)> = Some(("cent", "cents"));

const CURRENCIES: [Currency; 9] = [
    Currency { written: &["$", "US$", "USD"], one: "dollar", many: "dollars", hundredth: CENTS },
    Currency { written: &["€", "EUR"], one: "euro", many: "euros", hundredth: CENTS },
    Currency {
        written: &["£", "GBP"],
        one: "pound",
        many: "pounds",
        hundredth: Some(("penny", "pence")),
    },
    Currency { written: &["¥", "JPY"], one: "yen", many: "yen", hundredth: None },
    Currency {
        written: &["₹", "INR"],
        one: "rupee",
        many: "rupees",
        hundredth: Some(("paisa", "paise")),
    },
    Currency { written: &["CHF"], one: "Swiss franc", many: "Swiss francs", hundredth: None },
    Currency {
        written: &["CA$", "C$", "CAD"],
        one: "Canadian dollar",
        many: "Canadian dollars",
        hundredth: CENTS,
    },
    Currency {
        written: &["A$", "AUD"],
        one: "Australian dollar",
        many: "Australian dollars",
        hundredth: CENTS,
    },
    Currency { written: &["¢"], one: "cent", many: "cents", hundredth: None },
];

const SCALES: [(&str, &str); 8] = [
    ("k", "thousand"),
    ("K", "thousand"),
    ("m", "million"),
    ("M", "million"),
    ("mn", "million"),
    ("B", "billion"),
    ("bn", "billion"),
    ("T", "trillion"),
];

/// `forty-five dollars and fifty cents`.
pub(super) fn amount(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    if let Some((amount, unit)) = core.split_once('/')
        && unit.chars().all(char::is_alphabetic)
    {
        let (currency, figure, scale) = with_symbol(amount)?;
        let words = spelled(currency, &figure, scale);
        return Some(Spoken::new(format!("{words} per {}", words::written_out(unit)), 1));
    }
    if let Some(words) = range(core) {
        return Some(Spoken::new(words, 1));
    }
    let next = reader.joined(at);
    if let Some((currency, figure)) = currency(core).zip(next.and_then(Figure::parse)) {
        return Some(Spoken::new(spelled(currency, &figure, None), 2));
    }
    if let Some((currency, figure, scale)) = with_symbol(core) {
        let named =
            next.filter(|next| ["thousand", "million", "billion", "trillion"].contains(next));
        let tokens = 1 + usize::from(named.is_some());
        return Some(Spoken::new(spelled(currency, &figure, scale.or(named)), tokens));
    }
    let currency = next.and_then(currency)?;
    Some(Spoken::new(spelled(currency, &Figure::parse(core)?, None), 2))
}

/// `$10-$20` and `$10-20`.
fn range(core: &str) -> Option<String> {
    let (from, to) = core.split_once(['-', '–'])?;
    let (currency, first, scale) = with_symbol(from)?;
    if let Some((other, second, other_scale)) = with_symbol(to) {
        let (first, second) =
            (spelled(currency, &first, scale), spelled(other, &second, other_scale));
        return Some(format!("{first} to {second}"));
    }
    let second = spelled(currency, &Figure::parse(to)?, None);
    Some(format!("{} to {second}", first.words()))
}

/// The parts of an amount with its symbol before or behind: `-$5`, `20€`, `$5k`.
fn with_symbol(core: &str) -> Option<(&'static Currency, Figure, Option<&'static str>)> {
    let unsigned = core.strip_prefix(['-', '−']);
    let text = unsigned.unwrap_or(core);
    let begins = text.find(|c: char| c.is_ascii_digit() || c == '.')?;
    let (before, amount) = text.split_at(begins);
    let ends = amount.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (amount, behind) = amount.split_at_checked(ends)?;
    let scale = SCALES.iter().find(|(short, _)| *short == behind).map(|(_, scale)| *scale);
    let written = if before.is_empty() { behind } else { before };
    if !before.is_empty() && !behind.is_empty() && scale.is_none() {
        return None;
    }
    let mut figure = Figure::parse(amount)?;
    figure.is_negative = unsigned.is_some();
    Some((currency(written)?, figure, scale))
}

fn currency(written: &str) -> Option<&'static Currency> {
    CURRENCIES.iter().find(|currency| currency.written.contains(&written))
}

fn spelled(currency: &Currency, figure: &Figure, scale: Option<&str>) -> String {
    let sign = if figure.is_negative { "minus " } else { "" };
    if let Some(scale) = scale {
        return format!("{} {scale} {}", figure.words(), currency.many);
    }
    let (Some((one, many)), Some(hundredths)) = (currency.hundredth, hundredths_of(figure)) else {
        let unit = if figure.is_one() { currency.one } else { currency.many };
        return format!("{} {unit}", figure.words());
    };
    let unit = if figure.whole == "1" { currency.one } else { currency.many };
    let whole = format!("{} {unit}", figure.whole_words());
    let part = format!("{} {}", cardinal(hundredths), if hundredths == 1 { one } else { many });
    match (figure.whole.as_str(), hundredths) {
        (_, 0) => format!("{sign}{whole}"),
        ("0", _) => format!("{sign}{part}"),
        (_, _) => format!("{sign}{whole} and {part}"),
    }
}

/// The two digits behind the point; one digit counts tens.
fn hundredths_of(figure: &Figure) -> Option<u64> {
    let fraction = figure.fraction.as_deref()?;
    let digits: u64 = fraction.parse().ok()?;
    match fraction.len() {
        1 => Some(digits * 10),
        2 => Some(digits),
        _ => None,
    }
}

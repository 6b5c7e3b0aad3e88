//! Abbreviations, signs, and words that letters, digits and signs make up together.

use super::{
    numbers::{cardinal, digits},
    reader::{Reader, Spoken},
};

/// Written with a full stop behind, which may be missing only where the last column says so.
const ABBREVIATIONS: [(&str, &str, Stop); 39] = [
    ("Mr", "Mister", Stop::MayMiss),
    ("Mrs", "Missus", Stop::MayMiss),
    ("Ms", "Miz", Stop::MayMiss),
    ("Prof", "Professor", Stop::MayMiss),
    ("Jr", "Junior", Stop::MayMiss),
    ("Sr", "Senior", Stop::MayMiss),
    ("Ave", "Avenue", Stop::MayMiss),
    ("Blvd", "Boulevard", Stop::MayMiss),
    ("Rd", "Road", Stop::MayMiss),
    ("Ln", "Lane", Stop::Needed),
    ("Apt", "Apartment", Stop::MayMiss),
    ("Inc", "Incorporated", Stop::MayMiss),
    ("Ltd", "Limited", Stop::MayMiss),
    ("Corp", "Corporation", Stop::MayMiss),
    ("Co", "Company", Stop::Needed),
    ("e.g", "for example", Stop::MayMiss),
    ("i.e", "that is", Stop::MayMiss),
    ("etc", "et cetera", Stop::MayMiss),
    ("vs", "versus", Stop::MayMiss),
    ("approx", "approximately", Stop::MayMiss),
    ("dept", "department", Stop::MayMiss),
    ("Dept", "Department", Stop::MayMiss),
    ("ext", "extension", Stop::Needed),
    ("Ext", "Extension", Stop::Needed),
    ("incl", "including", Stop::MayMiss),
    ("appt", "appointment", Stop::MayMiss),
    ("est", "established", Stop::Needed),
    ("misc", "miscellaneous", Stop::MayMiss),
    ("tel", "telephone", Stop::Needed),
    ("Mon", "Monday", Stop::Needed),
    ("Tue", "Tuesday", Stop::Needed),
    ("Tues", "Tuesday", Stop::Needed),
    ("Wed", "Wednesday", Stop::Needed),
    ("Thu", "Thursday", Stop::Needed),
    ("Thur", "Thursday", Stop::Needed),
    ("Thurs", "Thursday", Stop::Needed),
    ("Fri", "Friday", Stop::Needed),
    ("Sat", "Saturday", Stop::Needed),
    ("Sun", "Sunday", Stop::Needed),
];

#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Needed,
    MayMiss,
}

/// `Doctor Smith`, `for example`, `and`.
pub(super) fn abbreviation(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    if let Some(sign) = sign(reader, at) {
        return Some(Spoken::new(sign, 1));
    }
    let has_dot = reader.has_dot(at);
    if let Some(word) = title_or_street(reader, at) {
        return Some(expanded(reader, at, word));
    }
    if matches!(core, "No" | "no")
        && has_dot
        && reader.core(at + 1).starts_with(|c: char| c.is_ascii_digit())
    {
        return Some(Spoken::new("number", 1).abbreviated());
    }
    let (_, word, stop) = ABBREVIATIONS.iter().find(|(short, _, _)| *short == core)?;
    if *stop == Stop::Needed && !has_dot {
        return None;
    }
    Some(expanded(reader, at, word))
}

/// Words in which letters, digits and signs are mixed, taken apart.
pub(super) fn mixture(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    let is_plain = |c: char| c.is_alphabetic() || "-'’.,:;!?—–\"()".contains(c);
    if core.chars().all(is_plain) {
        return None;
    }
    Some(Spoken::new(written_out(core), 1))
}

/// `MP three`, `AT and T`, `read slash write`.
pub(super) fn written_out(core: &str) -> String {
    match core {
        "and/or" => return "and or".to_owned(),
        "w/o" => return "without".to_owned(),
        "w/" => return "with".to_owned(),
        _ => {}
    }
    let chars: Vec<char> = core.chars().collect();
    let mut words = String::new();
    let mut at = 0;
    while at < chars.len() {
        if chars[at].is_ascii_digit() {
            let run: String = chars[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
            let spoken = run_of_digits(&run, words.ends_with("point "));
            words.extend([" ", &spoken, " "]);
            at += run.len();
        } else {
            push_sign(&chars, at, &mut words);
            at += 1;
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Up to two digits are a number, more are a name; those behind a point are digits anyway.
fn run_of_digits(run: &str, is_decimal: bool) -> String {
    let is_number = run.len() <= 2 && !run.starts_with('0') || run == "0";
    match run.parse() {
        Ok(number) if is_number && !is_decimal => cardinal(number),
        _ => digits(run),
    }
}

fn push_sign(chars: &[char], at: usize, words: &mut String) {
    let is_digit = |c: Option<&char>| c.is_some_and(char::is_ascii_digit);
    let (before, after) = (at.checked_sub(1).and_then(|at| chars.get(at)), chars.get(at + 1));
    let touches_digit = is_digit(before) || is_digit(after);
    match chars[at] {
        '&' => words.push_str(" and "),
        '/' => words.push_str(" slash "),
        '@' => words.push_str(" at "),
        '%' => words.push_str(" percent "),
        '$' => words.push_str(" dollars "),
        '€' => words.push_str(" euros "),
        '£' => words.push_str(" pounds "),
        '°' => words.push_str(" degrees "),
        '+' => words.push_str(" plus "),
        '=' => words.push_str(" equals "),
        '#' if is_digit(after) => words.push_str(" number "),
        '.' if is_digit(before) && is_digit(after) => words.push_str(" point "),
        '-' | '–' | ':' if touches_digit => words.push(' '),
        '_' | '#' | '*' | '^' | '~' | '<' | '>' | '\\' | '|' | '[' | ']' | '{' | '}' => {
            words.push(' ');
        }
        c => words.push(c),
    }
}

/// A sign that stands alone between spaces.
fn sign(reader: &Reader, at: usize) -> Option<&'static str> {
    let follows_number = reader.before(at, 1).ends_with(|c: char| c.is_ascii_digit());
    Some(match reader.core(at) {
        "&" => "and",
        "+" => "plus",
        "=" => "equals",
        "@" => "at",
        "%" => "percent",
        "/" => "slash",
        "×" | "*" | "x" if follows_number => "times",
        "÷" => "divided by",
        "-" | "−" if follows_number && is_number(reader.core(at + 1)) => "minus",
        "*" | "#" => "",
        _ => return None,
    })
}

fn is_number(core: &str) -> bool {
    core.starts_with(|c: char| c.is_ascii_digit())
}

const TITLES: [&str; 6] = ["Doctor", "Saint", "Mister", "Missus", "Miz", "Professor"];

/// The word for an abbreviation. Before a name, a title's stop never ends the sentence.
fn expanded(reader: &Reader, at: usize, word: &str) -> Spoken {
    let next = reader.core(at + 1);
    let is_title = TITLES.contains(&word) && next.starts_with(char::is_uppercase);
    if is_title && reader.trail(at) == "." {
        return Spoken::new(format!("{word} {next}"), 2);
    }
    Spoken::new(word, 1).abbreviated()
}

/// `Dr` and `St` mean one thing before a name and another behind one.
fn title_or_street(reader: &Reader, at: usize) -> Option<&'static str> {
    let (title, street) = match reader.core(at) {
        "Dr" => ("Doctor", "Drive"),
        "St" => ("Saint", "Street"),
        _ => return None,
    };
    let is_capital = |word: &str| word.starts_with(char::is_uppercase);
    let ends_here =
        !reader.trail(at).trim_start_matches('.').is_empty() || !is_capital(reader.core(at + 1));
    let follows_name = is_capital(reader.before(at, 1)) || reader.before(at, 1).ends_with("th");
    Some(if ends_here && follows_name { street } else { title })
}

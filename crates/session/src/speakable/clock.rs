//! Times of day, dates and days of the week.

use super::{
    numbers::{cardinal, ordinal, year},
    reader::{Reader, Spoken},
};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

#[derive(Clone, Copy)]
struct Time<'a> {
    hour: u64,
    minute: Option<u64>,
    second: Option<u64>,
    half: Option<&'a str>,
}

/// `ten thirty`, `five P M`, `nine A M to five P M`.
pub(super) fn time(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    let half = reader.joined(at).and_then(half_of_day);
    let tokens = 1 + usize::from(half.is_some());
    let words = match core.split_once(['-', '–']) {
        Some((from, to)) => {
            let to = closed(parse(to)?, half)?;
            let from = parse(from).filter(|from| from.minute.is_some() || to.half.is_some())?;
            format!("{} to {}", from.words(), to.words())
        }
        None => closed(parse(core)?, half)?.words(),
    };
    let is_abbreviated = half.is_some() || core.ends_with(['m', 'M']);
    let spoken = Spoken::new(words, tokens);
    Some(if is_abbreviated { spoken.abbreviated() } else { spoken })
}

/// `March fifteenth`, `March first, twenty twenty-five`, `Monday to Friday`.
pub(super) fn date(reader: &Reader, at: usize) -> Option<Spoken> {
    let core = reader.core(at);
    if let Some(words) = numeric_date(core).or_else(|| days(core)) {
        return Some(Spoken::new(words, 1));
    }
    let month = named(&MONTHS, core, 3)?;
    let next = reader.joined_over_dot(at)?;
    let day = next.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let day: u64 = day.parse().ok().filter(|day| (1..=31).contains(day) && next.len() <= 4)?;
    Some(Spoken::new(format!("{month} {}", ordinal(day)), 2))
}

impl Time<'_> {
    fn words(self) -> String {
        let hour = cardinal(self.hour);
        let clock = match (self.minute.unwrap_or(0), self.hour, self.half) {
            (0, _, Some(_)) => hour,
            (0, 0 | 24, None) => "midnight".to_owned(),
            (0, 1..=12, None) => format!("{hour} o'clock"),
            (0, _, None) => format!("{hour} hundred"),
            (minute @ 1..=9, _, _) => format!("{hour} oh {}", cardinal(minute)),
            (minute, _, _) => format!("{hour} {}", cardinal(minute)),
        };
        let seconds = match self.second {
            Some(1) => " and one second".to_owned(),
            Some(second) if second > 0 => format!(" and {} seconds", cardinal(second)),
            Some(_) | None => String::new(),
        };
        let half = self.half.map(|half| format!(" {half}")).unwrap_or_default();
        format!("{clock}{seconds}{half}")
    }
}

/// The time, where a colon or a half of the day shows that it is one.
fn closed<'a>(time: Time<'a>, half: Option<&'a str>) -> Option<Time<'a>> {
    let time = Time { half: time.half.or(half), ..time };
    let is_time = time.minute.is_some() || time.half.is_some_and(|_| (1..=12).contains(&time.hour));
    is_time.then_some(time)
}

fn parse(text: &str) -> Option<Time<'static>> {
    let ends = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (clock, behind) = text.split_at_checked(ends)?;
    let half = if behind.is_empty() { None } else { Some(half_of_day(behind)?) };
    let mut parts = clock.split(':');
    let hour = small(parts.next()?, 24, 1)?;
    let minute = parts.next().map(|part| small(part, 59, 2).ok_or(())).transpose().ok()?;
    let second = parts.next().map(|part| small(part, 59, 2).ok_or(())).transpose().ok()?;
    parts.next().is_none().then_some(Time { hour, minute, second, half })
}

/// A number of one or two digits, at least `digits`, up to `most`.
fn small(text: &str, most: u64, digits: usize) -> Option<u64> {
    let fits = (digits..=2).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
    if fits { text.parse().ok().filter(|number| *number <= most) } else { None }
}

fn half_of_day(text: &str) -> Option<&'static str> {
    match text.to_ascii_lowercase().as_str() {
        "am" | "a.m" | "a.m." => Some("A M"),
        "pm" | "p.m" | "p.m." => Some("P M"),
        _ => None,
    }
}

/// `2025-03-01` and `12/31/2024`; where the first number is no month, the day comes first.
fn numeric_date(core: &str) -> Option<String> {
    let parts: Vec<&str> = core.split(['-', '/', '.']).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let (year_of, month, day) = match parts[..] {
        [y, m, d] if y.len() == 4 => (number(y)?, number(m)?, number(d)?),
        [m, d, y] if y.len() == 4 => {
            let (m, d) = (number(m)?, number(d)?);
            if m > 12 { (number(y)?, d, m) } else { (number(y)?, m, d) }
        }
        _ => return None,
    };
    let month = MONTHS.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    (1..=31).contains(&day).then(|| format!("{month} {}, {}", ordinal(day), year(year_of)))
}

/// `Mon-Fri`.
fn days(core: &str) -> Option<String> {
    let (from, to) = core.split_once(['-', '–'])?;
    Some(format!("{} to {}", named(&DAYS, from, 3)?, named(&DAYS, to, 3)?))
}

/// The name that `text` is, or abbreviates with at least `least` letters.
fn named<'a>(names: &[&'a str], text: &str, least: usize) -> Option<&'a str> {
    let is_word = text.starts_with(|c: char| c.is_ascii_uppercase()) && text.len() >= least;
    names.iter().find(|name| is_word && name.starts_with(text)).copied()
}

//! Telephone numbers, digit by digit, with a pause between the groups.

use super::{
    numbers,
    reader::{Reader, Spoken},
};

/// The most words a number is spread over: `+44 20 7946 09 58`.
const MAX_WORDS: usize = 6;

/// `four one five, five five five, zero one two three`.
pub(super) fn number(reader: &Reader, at: usize) -> Option<Spoken> {
    let longest = (1..=MAX_WORDS).take_while(|&words| goes_on(reader, at, words)).last()?;
    (1..=longest).rev().find_map(|words| {
        let written: Vec<&str> = (at..at + words).map(|at| reader.core(at)).collect();
        let spoken = Spoken::new(dictated(&written)?, words);
        Some(if words > 1 { spoken.with_lead() } else { spoken })
    })
}

/// Whether the word `words - 1` places on may belong to a number that begins at `at`.
fn goes_on(reader: &Reader, at: usize, words: usize) -> bool {
    let last = at + words - 1;
    let is_open = words == 1 || matches!(reader.trail(last - 1), "" | ")");
    let lead_fits = words == 1 || matches!(reader.lead(last), "" | "(");
    let core = reader.core(last);
    is_open
        && lead_fits
        && core.contains(|c: char| c.is_ascii_digit())
        && core.chars().all(|c| c.is_ascii_digit() || "-.()+".contains(c))
}

fn dictated(written: &[&str]) -> Option<String> {
    let joined = written.join(" ");
    let is_international = joined.starts_with('+');
    let groups: Vec<&str> =
        joined.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    if !is_telephone(&joined, &groups, is_international) {
        return None;
    }
    let words: Vec<String> = groups.iter().map(|group| numbers::digits(group)).collect();
    Some(format!("{}{}", if is_international { "plus " } else { "" }, words.join(", ")))
}

fn is_telephone(joined: &str, groups: &[&str], is_international: bool) -> bool {
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let count: usize = lengths.iter().sum();
    if is_international {
        return (8..=15).contains(&count);
    }
    match lengths[..] {
        [3, 4] => joined.contains('-'),
        [3, 3, 4] => true,
        [1, 3, 3, 4] => joined.starts_with('1'),
        [_, _, ..] => joined.starts_with('0') && (9..=12).contains(&count) && !joined.contains('.'),
        _ => false,
    }
}

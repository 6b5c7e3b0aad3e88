//! When each word of a segment was said: the split of its voiced time that best fits the words'
//! lengths, the pauses, and when the model thinks that each begins. Pure.
//!
//! Against whisper.cpp's alignment by cross-attention this needs no second copy of the model and no
//! second decoding, and finds the edges of phrases more exactly (docs/decisions/0003).

use std::ops::Range;

use trunkline_inference::Word;

use crate::{passages::time, understood::Token};

/// What a word costs that lasts e times (or a fraction of) what its letters do.
const WRONG_LENGTH: f32 = 1.0;
/// What a pause within a word costs.
const BROKEN: f32 = 2.0;
/// What a pause after a word, and after a phrase, is worth.
const PAUSE: f32 = 1.0;
const PAUSE_AFTER_PHRASE: f32 = 3.0;
/// The model's most decided "not here"; beyond it counts no more.
const NOT_HERE: f32 = -12.0;
/// Time that a word takes beside its letters, in letters.
const ARTICULATION: f32 = 2.0;
/// No word is longer than two seconds of voice, or four times the mean.
const LONGEST: usize = 100;
const LONGEST_OF_MEAN: usize = 4;

/// A word and what its time depends on.
#[derive(Debug, Default, PartialEq)]
struct Spoken {
    text: String,
    /// In letters.
    length: f32,
    ends_phrase: bool,
    /// When the model thinks that it is over, cell by cell; empty for no opinion.
    is_over: Vec<f32>,
}

/// Where words may begin and end: each point lies between two voiced cells.
struct Grid {
    /// The cell that a word ending at a point ends before.
    ends: Vec<usize>,
    /// The cell that a word beginning at a point begins with.
    begins: Vec<usize>,
    /// Pauses at or before a point.
    pauses: Vec<u16>,
}

/// Times the words of a segment that lasts over the cells of `span` in a window that begins `from`
/// samples after its stream.
pub(crate) fn align(
    tokens: &[Token],
    span: Range<usize>,
    pauses: &[Range<usize>],
    from: usize,
) -> Vec<Word> {
    let spoken = spoken(tokens);
    let spans = spans(&spoken, &span, pauses);
    let word = |(spoken, span): (Spoken, Range<usize>)| Word {
        text: spoken.text,
        start: time(from, span.start),
        end: time(from, span.end),
    };
    spoken.into_iter().zip(spans).map(word).collect()
}

/// Puts tokens together to words.
fn spoken(tokens: &[Token]) -> Vec<Spoken> {
    let mut words: Vec<Vec<&Token>> = Vec::new();
    for token in tokens {
        match words.last_mut() {
            Some(word) if !begins_word(&spelling(word), &token.token.bytes) => word.push(token),
            Some(_) | None => words.push(vec![token]),
        }
    }
    let over = words.iter().scan(0, |at, word| {
        let lettered = word.iter().rposition(|token| letters(&token.token.bytes) > 0);
        let over = *at + lettered.map_or(word.len(), |last| last + 1);
        *at += word.len();
        Some(tokens.get(over).map(|token| token.begins.clone()).unwrap_or_default())
    });
    let spoken = words.iter().zip(over).map(|(word, is_over)| {
        let spelling = spelling(word);
        let text = String::from_utf8_lossy(&spelling).trim().to_owned();
        let letters = u16::try_from(letters(&spelling)).unwrap_or(u16::MAX);
        let ends_phrase = text.ends_with(|c: char| !c.is_alphanumeric() && c != '\'' && c != '"');
        Spoken { text, length: f32::from(letters) + ARTICULATION, ends_phrase, is_over }
    });
    spoken.filter(|spoken| !spoken.text.is_empty()).collect()
}

/// Whether a token begins a word after what was spelled of the one before.
fn begins_word(before: &[u8], token: &[u8]) -> bool {
    let Ok(before) = str::from_utf8(before) else { return false };
    if letters(before.as_bytes()) == 0 {
        return false;
    }
    let token = String::from_utf8_lossy(token);
    let has_letters = letters(token.as_bytes()) > 0 || token.contains(char::REPLACEMENT_CHARACTER);
    token.starts_with(' ') || (has_letters && before.ends_with(is_written_without_spaces))
}

/// Scripts of Chinese, Japanese, Thai, Lao, Burmese and Khmer.
fn is_written_without_spaces(letter: char) -> bool {
    matches!(letter, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}')
}

fn spelling(word: &[&Token]) -> Vec<u8> {
    word.iter().flat_map(|token| token.token.bytes.iter().copied()).collect()
}

fn letters(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).chars().filter(|c| c.is_alphanumeric()).count()
}

/// The cells of each word.
fn spans(words: &[Spoken], span: &Range<usize>, pauses: &[Range<usize>]) -> Vec<Range<usize>> {
    let grid = Grid::new(span, pauses);
    let voiced = grid.ends.len() - 1;
    if voiced < words.len() {
        // Less voice than words: all that can be said is their order.
        let at = |n: usize| span.start + span.len() * n / words.len();
        return (0..words.len()).map(|n| at(n)..at(n + 1)).collect();
    }
    let cuts = grid.best_cuts(words);
    let mut from = 0;
    let spans =
        cuts.into_iter().map(|to| grid.begins[std::mem::replace(&mut from, to)]..grid.ends[to]);
    spans.collect()
}

impl Grid {
    fn new(span: &Range<usize>, pauses: &[Range<usize>]) -> Self {
        let is_quiet = |cell: &usize| pauses.iter().any(|pause| pause.contains(cell));
        let voiced: Vec<usize> = span.clone().filter(|cell| !is_quiet(cell)).collect();
        let begins: Vec<_> = voiced.iter().copied().chain([span.end]).collect();
        let ends: Vec<_> = [span.start].into_iter().chain(voiced.iter().map(|c| c + 1)).collect();
        let is_pause =
            |point: usize| point > 0 && point < voiced.len() && ends[point] < begins[point];
        let pauses = (0..ends.len()).scan(0, |count, point| {
            *count += u16::from(is_pause(point));
            Some(*count)
        });
        Self { pauses: pauses.collect(), ends, begins }
    }

    /// The point that each word ends at: the last one at the last point.
    fn best_cuts(&self, words: &[Spoken]) -> Vec<usize> {
        let points = self.ends.len();
        let letters: f32 = words.iter().map(|word| word.length).sum();
        let pace = float(points - 1) / letters;
        let longest = LONGEST.max(LONGEST_OF_MEAN * points / words.len().max(1));
        let mut scores = vec![f32::NEG_INFINITY; points];
        scores[0] = 0.0;
        let mut origins = Vec::with_capacity(words.len());
        for word in words {
            let here = self.worth_of_ending(word);
            let expected = word.length * pace;
            let lengths: Vec<_> =
                (0..=longest).map(|cells| wrong_length(cells, expected)).collect();
            let best = |to: usize| {
                let score = |from: usize| {
                    let broken = self.pauses[to - 1].saturating_sub(self.pauses[from]);
                    scores[from] + lengths[to - from] - BROKEN * f32::from(broken)
                };
                let from = to.saturating_sub(longest)..to;
                let best = from.map(|from| (from, score(from))).max_by(|a, b| a.1.total_cmp(&b.1));
                best.map_or((0, f32::NEG_INFINITY), |(from, score)| (from, score + here[to]))
            };
            let (origin, score): (Vec<_>, Vec<_>) = (0..points).map(best).unzip();
            origins.push(origin);
            scores = score;
        }
        let (mut cuts, mut at) = (Vec::with_capacity(words.len()), points - 1);
        for origin in origins.iter().rev() {
            cuts.push(at);
            at = origin[at];
        }
        cuts.reverse();
        cuts
    }

    /// How much speaks for a word's end at each point.
    fn worth_of_ending(&self, word: &Spoken) -> Vec<f32> {
        let opinion = |point: usize| {
            let cells = self.ends[point]..=self.begins[point];
            let cells = cells.filter_map(|cell| word.is_over.get(cell));
            cells.fold(NOT_HERE, |a, &b| a.max(b))
        };
        let opinions: Vec<_> = (0..self.ends.len()).map(opinion).collect();
        let sum: f32 = opinions.iter().map(|opinion| opinion.exp()).sum();
        let pause = if word.ends_phrase { PAUSE_AFTER_PHRASE } else { PAUSE };
        let worth = |(point, opinion): (usize, f32)| {
            let is_pause = point > 0 && self.pauses[point] > self.pauses[point - 1];
            let opinion = if word.is_over.is_empty() { 0.0 } else { opinion - sum.ln() };
            opinion.max(NOT_HERE) + if is_pause { pause } else { 0.0 }
        };
        opinions.into_iter().enumerate().map(worth).collect()
    }
}

fn wrong_length(cells: usize, expected: f32) -> f32 {
    let ratio = (float(cells) + 0.5) / (expected + 0.5);
    -WRONG_LENGTH * ratio.ln().powi(2)
}

/// A window has few cells.
fn float(cells: usize) -> f32 {
    f32::from(u16::try_from(cells).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests;

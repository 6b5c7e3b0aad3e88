//! Divides what was understood of a window into segments, at the times that the model wrote between
//! its words, each moved to the pause that it means. Pure.

use std::ops::Range;

use trunkline_audio::MediaTime;
use trunkline_inference::{Segment, SttDetail};

use crate::{
    loudness::{CELL, RATE_HZ},
    understood::{Piece, Token, Understood},
    words,
};

/// Whisper's own rule for silence: improbable speech in an improbable text.
const NO_SPEECH: f32 = 0.6;
const LEAST_LOGPROB: f32 = -1.0;
/// Cells without voice that are a pause: 80 ms.
const PAUSE: usize = 4;
/// A time means a pause this near: half a second. Whisper's times are about that exact.
const NEAR: usize = 25;
/// Voice after the last segment's end that was not listened to: a second.
const UNHEARD: usize = 50;

/// A window's cells of 20 ms, and where it lies in its stream.
pub(crate) struct Heard {
    /// Which cells are voice.
    pub(crate) voiced: Vec<bool>,
    /// Samples of the stream before the window.
    pub(crate) from: usize,
}

/// What is told of a window.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) segments: Vec<Segment>,
    /// Samples of the window after which the model stopped although there is more voice.
    pub(crate) rest: Option<usize>,
}

/// What the model wrote between two times.
struct Passage {
    /// Cells.
    span: Range<usize>,
    /// Whether the model wrote when it ends.
    is_closed: bool,
    tokens: Vec<Token>,
}

/// Divides what was understood, after what is silence is taken out of it.
pub(crate) fn tell(understood: &mut Understood, heard: &Heard, detail: SttDetail) -> Told {
    let mut passages = passages(&understood.pieces, heard.voiced.len());
    let rest = passages.last().and_then(|last| rest(last, &heard.voiced));
    if understood.no_speech > NO_SPEECH && !passages.is_empty() {
        passages.retain(|passage| mean_logprob(&passage.tokens) >= LEAST_LOGPROB);
        take_out_what_is_not_in(&passages, understood);
    }
    let pauses = pauses(&heard.voiced);
    move_to_pauses(&mut passages, &pauses);
    let no_speech = understood.no_speech;
    let segments = passages.into_iter().map(|passage| {
        let words = match detail {
            SttDetail::Text | SttDetail::Segments => Vec::new(),
            SttDetail::Words => {
                words::align(&passage.tokens, passage.span.clone(), &pauses, heard.from)
            }
        };
        Segment {
            text: text(&passage.tokens),
            start: time(heard.from, passage.span.start),
            end: time(heard.from, passage.span.end),
            words,
            tokens: passage.tokens.into_iter().map(|token| token.token).collect(),
            no_speech,
        }
    });
    Told { segments: segments.filter(|segment| !segment.text.is_empty()).collect(), rest }
}

/// The time of a cell in the stream.
pub(crate) fn time(from: usize, cell: usize) -> MediaTime {
    MediaTime::from_samples((from + cell * CELL) as u64, RATE_HZ)
}

fn passages(pieces: &[Piece], cells: usize) -> Vec<Passage> {
    let (mut passages, mut tokens, mut start) = (Vec::new(), Vec::new(), 0);
    for piece in pieces {
        match piece {
            Piece::Text(token) => tokens.push(token.clone()),
            Piece::Time(at) => {
                let at = (*at).clamp(start, cells.max(start));
                if !tokens.is_empty() {
                    let tokens = std::mem::take(&mut tokens);
                    passages.push(Passage { span: start..at, is_closed: true, tokens });
                }
                start = at;
            }
        }
    }
    if !tokens.is_empty() {
        passages.push(Passage { span: start..cells.max(start), is_closed: false, tokens });
    }
    passages
}

fn rest(last: &Passage, voiced: &[bool]) -> Option<usize> {
    let end = last.span.end;
    let unheard = voiced.iter().skip(end).filter(|&&is_voice| is_voice).count();
    (last.is_closed && end >= UNHEARD && unheard >= UNHEARD).then_some(end * CELL)
}

/// Stretches without voice; those at the window's edges may be as short as they like.
fn pauses(voiced: &[bool]) -> Vec<Range<usize>> {
    let (mut pauses, mut from) = (Vec::new(), 0);
    for stretch in voiced.chunk_by(|a, b| a == b) {
        let span = from..from + stretch.len();
        let is_edge = span.start == 0 || span.end == voiced.len();
        if stretch.first() == Some(&false) && (stretch.len() >= PAUSE || is_edge) {
            pauses.push(span.clone());
        }
        from = span.end;
    }
    pauses
}

/// A passage begins where the pause before it ends, and ends where the next begins.
fn move_to_pauses(passages: &mut [Passage], pauses: &[Range<usize>]) {
    let distance = |pause: &Range<usize>, at: usize| {
        pause.start.saturating_sub(at).max(at.saturating_sub(pause.end))
    };
    let meant = |at: usize, is_possible: &dyn Fn(&Range<usize>) -> bool| {
        let near = |pause: &&Range<usize>| distance(pause, at) <= NEAR && is_possible(pause);
        pauses.iter().filter(near).min_by_key(|pause| distance(pause, at))
    };
    let mut free_from = 0;
    for Passage { span, .. } in passages {
        let start = meant(span.start, &|pause| pause.end < span.end);
        let start = start.map_or(span.start, |pause| pause.end).max(free_from);
        let end = meant(span.end, &|pause| pause.start > start);
        let end = end.map_or(span.end, |pause| pause.start);
        *span = if start < end {
            start..end
        } else {
            let start = span.start.max(free_from);
            start..span.end.max(start)
        };
        free_from = span.end;
    }
}

fn mean_logprob(tokens: &[Token]) -> f32 {
    let sum: f32 = tokens.iter().map(|token| token.token.logprob).sum();
    sum / f32::from(u16::try_from(tokens.len().max(1)).unwrap_or(u16::MAX))
}

fn take_out_what_is_not_in(passages: &[Passage], understood: &mut Understood) {
    let tokens: Vec<_> = passages.iter().flat_map(|passage| passage.tokens.clone()).collect();
    understood.text = text(&tokens);
    understood.tokens = u32::try_from(tokens.len()).unwrap_or(u32::MAX);
    understood.logprob_sum = tokens.iter().map(|token| token.token.logprob).sum();
}

fn text(tokens: &[Token]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.token.bytes.clone()).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use trunkline_inference::SttToken;

    use super::*;

    fn said(bytes: &str, logprob: f32) -> Piece {
        let token = SttToken { id: 1, bytes: bytes.as_bytes().to_vec(), logprob };
        Piece::Text(Token { token, begins: Vec::new() })
    }

    fn understood(pieces: Vec<Piece>, no_speech: f32) -> Understood {
        Understood { text: "all of it".into(), pieces, no_speech, ..Understood::default() }
    }

    /// Cells of voice (`x`) and quiet, 100 ms a letter.
    fn heard(pattern: &str, from: usize) -> Heard {
        Heard { voiced: pattern.chars().flat_map(|c| [c == 'x'; 5]).collect(), from }
    }

    /// Text, start and end in milliseconds.
    fn spans(told: &Told) -> Vec<(&str, u64, u64)> {
        let ms = |time: MediaTime| u64::try_from(time.to_duration().as_millis()).unwrap();
        told.segments.iter().map(|s| (s.text.as_str(), ms(s.start), ms(s.end))).collect()
    }

    fn tell_segments(pieces: Vec<Piece>, pattern: &str) -> Told {
        tell(&mut understood(pieces, 0.1), &heard(pattern, 0), SttDetail::Segments)
    }

    #[test]
    fn times_are_moved_to_the_pauses_that_they_mean() {
        let pieces = vec![
            Piece::Time(0),
            said(" Good", -0.1),
            said(" morning.", -0.1),
            Piece::Time(58),
            Piece::Time(58),
            said(" Yes.", -0.1),
            Piece::Time(100),
        ];
        let told = tell_segments(pieces, "..xxxxxxx..xxxxxx...");
        assert_eq!(spans(&told), [("Good morning.", 200, 900), ("Yes.", 1_100, 1_700)]);
        assert_eq!(told.segments[0].tokens.len(), 2);
    }

    #[test]
    fn without_pauses_the_model_s_times_stand_within_the_sound() {
        let pieces = vec![
            Piece::Time(0),
            said(" one", -0.1),
            Piece::Time(40),
            Piece::Time(40),
            said(" two", -0.1),
            Piece::Time(900),
        ];
        let told = tell_segments(pieces, "xxxxxxxxxxxxxxxxxxxx");
        assert_eq!(spans(&told), [("one", 0, 800), ("two", 800, 2_000)]);
    }

    #[test]
    fn a_text_without_times_lasts_from_the_first_voice_to_the_last() {
        let told = tell_segments(vec![said(" hello", -0.1)], ".xxx...");
        assert_eq!(spans(&told), [("hello", 100, 400)]);
    }

    #[test]
    fn times_that_run_backwards_do_not_make_segments_overlap() {
        let pieces = vec![
            Piece::Time(90),
            said(" one", -0.1),
            Piece::Time(30),
            said(" two", -0.1),
            Piece::Time(20),
        ];
        let told = tell_segments(pieces, &"x".repeat(20));
        assert_eq!(spans(&told), [("one", 1_800, 1_800), ("two", 1_800, 1_800)]);
    }

    #[test]
    fn a_window_s_times_count_from_the_stream_s_start() {
        let pieces = vec![Piece::Time(0), said(" yes", -0.1), Piece::Time(25)];
        let heard = heard(".xxxx", 16_000);
        let told = tell(&mut understood(pieces, 0.1), &heard, SttDetail::Segments);
        assert_eq!(spans(&told), [("yes", 1_100, 1_500)]);
    }

    #[test]
    fn improbable_speech_in_an_improbable_text_is_silence() {
        let pieces = vec![
            Piece::Time(0),
            said(" Yes.", -0.2),
            Piece::Time(50),
            Piece::Time(50),
            said(" Thank", -1.5),
            said(" you.", -1.1),
            Piece::Time(100),
        ];
        let mut doubtful = understood(pieces.clone(), 0.7);
        let told = tell(&mut doubtful, &heard(&"x".repeat(20), 0), SttDetail::Segments);
        assert_eq!(spans(&told), [("Yes.", 0, 1_000)]);
        assert_eq!((doubtful.text.as_str(), doubtful.tokens), ("Yes.", 1));
        assert!((doubtful.logprob_sum + 0.2).abs() < 1e-6);
        let mut spoken = understood(pieces, 0.5);
        let told = tell(&mut spoken, &heard(&"x".repeat(20), 0), SttDetail::Segments);
        assert_eq!((told.segments.len(), spoken.text.as_str()), (2, "all of it"));
    }

    #[test]
    fn voice_after_the_last_segment_is_a_rest_to_listen_to() {
        let pieces = vec![Piece::Time(0), said(" one", -0.1), Piece::Time(60)];
        let told = tell_segments(pieces.clone(), &"x".repeat(30));
        assert_eq!(told.rest, Some(60 * CELL));
        assert_eq!(tell_segments(pieces, &"x".repeat(20)).rest, None, "less than a second");
        assert_eq!(tell_segments(vec![said(" one", -0.1)], &"x".repeat(30)).rest, None);
    }

    #[test]
    fn nothing_understood_is_nothing_told() {
        assert_eq!(tell_segments(Vec::new(), "xxxx"), Told::default());
        assert_eq!(tell_segments(vec![said(" ", -0.1)], "xxxx").segments, []);
    }
}

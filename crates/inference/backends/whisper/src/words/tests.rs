//! Segments of words and pauses; cells are 20 ms.

use trunkline_inference::SttToken;

use super::*;

fn token(bytes: &[u8]) -> Token {
    let token = SttToken { id: 1, bytes: bytes.to_vec(), logprob: -0.1 };
    Token { token, begins: Vec::new() }
}

fn tokens(pieces: &[&str]) -> Vec<Token> {
    pieces.iter().map(|piece| token(piece.as_bytes())).collect()
}

fn texts(pieces: &[&str]) -> Vec<String> {
    spoken(&tokens(pieces)).into_iter().map(|spoken| spoken.text).collect()
}

/// The cells of each word.
fn cells(tokens: &[Token], span: Range<usize>, pauses: &[Range<usize>]) -> Vec<Range<usize>> {
    let cell = |time: trunkline_audio::MediaTime| {
        usize::try_from(time.to_duration().as_millis() / 20).unwrap()
    };
    let words = align(tokens, span, pauses, 0);
    words.iter().map(|word| cell(word.start)..cell(word.end)).collect()
}

fn one(pause: Range<usize>) -> Vec<Range<usize>> {
    vec![pause]
}

#[test]
fn tokens_become_words_with_their_punctuation() {
    assert_eq!(
        texts(&[" Good", " mor", "ning", ",", " Ann", "'s", " here", "."]),
        ["Good", "morning,", "Ann's", "here."]
    );
    assert_eq!(texts(&[" said", ",", " \"", "Yes", ".", "\""]), ["said,", "\"Yes.\""]);
    assert_eq!(texts(&[" one", " -", " two"]), ["one", "- two"]);
    assert_eq!(texts(&[]), Vec::<String>::new());
}

#[test]
fn scripts_without_spaces_are_cut_token_by_token_and_never_inside_a_letter() {
    assert_eq!(texts(&["今日", "は", "いい", "天気", "。"]), ["今日", "は", "いい", "天気。"]);
    let sky = "空".as_bytes();
    let halves = [token("青".as_bytes()), token(&sky[..2]), token(&sky[2..])];
    let words: Vec<_> = spoken(&halves).into_iter().map(|spoken| spoken.text).collect();
    assert_eq!(words, ["青", "空"]);
}

#[test]
fn a_word_takes_time_by_its_letters() {
    let words = cells(&tokens(&[" a", " wonderful", " day"]), 10..70, &[]);
    assert_eq!((words[0].start, words[2].end), (10, 70));
    assert!(words.windows(2).all(|pair| pair[0].end == pair[1].start));
    let lengths: Vec<_> = words.iter().map(ExactSizeIterator::len).collect();
    assert!(lengths[1] > 2 * lengths[0] && lengths[2] > lengths[0], "{lengths:?}");
}

#[test]
fn a_pause_falls_between_words_and_belongs_to_none() {
    let words = cells(&tokens(&[" yes", ".", " no", "."]), 0..60, &one(20..40));
    assert_eq!(words, [0..20, 40..60]);
}

#[test]
fn a_phrase_s_end_draws_the_pause() {
    // By their letters alone the first word would take the time up to the pause.
    let words = cells(&tokens(&[" well", ",", " I", " would"]), 0..60, &one(16..26));
    assert_eq!(words[0], 0..16);
    assert_eq!((words[1].start, words[2].end), (26, 60));
}

#[test]
fn the_model_s_own_opinion_moves_a_boundary() {
    let mut said = tokens(&[" one", " two"]);
    assert_eq!(cells(&said, 0..40, &[]), [0..20, 20..40]);
    said[1].begins = vec![-9.0; 41];
    said[1].begins[28] = -0.01;
    assert_eq!(cells(&said, 0..40, &[]), [0..28, 28..40]);
}

#[test]
fn more_words_than_voice_are_told_in_their_order() {
    let words = cells(&tokens(&[" a", " b", " c", " d"]), 10..13, &[]);
    let ends: Vec<_> = words.iter().flat_map(|word| [word.start, word.end]).collect();
    assert!(ends.is_sorted() && ends[0] == 10 && ends[7] == 13, "{ends:?}");
}

#[test]
fn words_of_a_long_segment_stay_in_order_within_it() {
    let said: Vec<_> = (0..90).map(|n| format!(" w{}", "o".repeat(n % 7))).collect();
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    let pauses: Vec<_> = (1..9).map(|n| n * 150..n * 150 + 10).collect();
    let words = cells(&tokens(&said), 5..1_400, &pauses);
    let ends: Vec<_> = words.iter().flat_map(|word| [word.start, word.end]).collect();
    assert!(words.len() == 90 && ends.is_sorted() && ends[0] == 5 && ends[179] == 1_400);
    assert!(words.iter().all(|word| !word.is_empty()));
}

#[test]
fn times_count_from_the_stream_s_start() {
    let words = align(&tokens(&[" yes"]), 5..10, &[], 16_000);
    assert_eq!(words[0].start, trunkline_audio::MediaTime::from_ms(1_100));
}

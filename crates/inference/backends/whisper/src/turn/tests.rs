//! Turns made of tones and silence; the model is played by the tests.

use trunkline_inference::SttToken;

use super::*;
use crate::understood::{Piece, Token};

const GROWTH: usize = SECOND;

/// A turn that wants partial transcripts.
fn turn() -> Turn {
    Turn::new(&SttOptions { partials: true, ..SttOptions::default() }, None)
}

fn say(turn: &mut Turn, ms: usize) {
    hear(turn, ms, 8_000);
}

fn keep_quiet(turn: &mut Turn, ms: usize) {
    hear(turn, ms, 0);
}

fn hear(turn: &mut Turn, ms: usize, level: i16) {
    for _ in 0..ms / 20 {
        turn.hear(&[level; CELL]);
    }
}

fn understood(text: &str) -> Understood {
    let tokens = u32::try_from(text.split_whitespace().count()).unwrap();
    Understood { text: text.to_owned(), tokens, no_speech: 0.1, ..Understood::default() }
}

/// Does the next job as a model that hears `text`.
fn work(turn: &mut Turn, text: &str) -> Why {
    let job = turn.job(GROWTH).unwrap();
    turn.settle(&job, understood(text), Duration::from_millis(7));
    job.why
}

fn texts(answers: &[Transcript]) -> Vec<(Option<u32>, &str)> {
    answers.iter().map(|a| (a.ask, a.text.as_str())).collect()
}

#[test]
fn a_question_is_answered_with_everything_so_far() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(7);
    assert_eq!(turn.answer(), []);
    assert_eq!(work(&mut turn, "yes please"), Why::Owed);
    let answers = turn.answer();
    assert_eq!(texts(&answers), [(Some(7), "yes please")]);
    assert_eq!(answers[0].end, MediaTime::from_ms(600));
    assert_eq!(answers[0].worked, Duration::from_millis(7));
}

#[test]
fn a_question_after_mere_silence_is_answered_without_work() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(1);
    work(&mut turn, "yes");
    turn.answer();
    keep_quiet(&mut turn, 500);
    turn.ask(2);
    assert!(!turn.owes_work());
    let answers = turn.answer();
    assert_eq!(texts(&answers), [(Some(2), "yes")]);
    assert_eq!(answers[0].end, MediaTime::from_ms(1_100));
    assert_eq!(answers[0].worked, Duration::ZERO);
}

#[test]
fn new_voice_after_an_answer_takes_new_work() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(1);
    work(&mut turn, "yes");
    turn.answer();
    say(&mut turn, 200);
    turn.ask(2);
    assert!(turn.owes_work());
    work(&mut turn, "yes please");
    assert_eq!(texts(&turn.answer()), [(Some(2), "yes please")]);
}

#[test]
fn a_pause_is_worked_ahead_and_its_question_costs_nothing() {
    let mut turn = turn();
    say(&mut turn, 600);
    keep_quiet(&mut turn, 60);
    assert_eq!(turn.job(GROWTH), None);
    keep_quiet(&mut turn, 20);
    assert_eq!(work(&mut turn, "yes"), Why::Pause);
    keep_quiet(&mut turn, 200);
    turn.ask(1);
    assert_eq!(texts(&turn.answer()), [(Some(1), "yes")]);
    assert_eq!(turn.job(GROWTH), None);
}

#[test]
fn a_word_that_dies_away_after_its_answer_is_not_worked_on_again_and_a_new_word_is() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(1);
    work(&mut turn, "yes");
    turn.answer();
    say(&mut turn, 180);
    keep_quiet(&mut turn, 200);
    assert_eq!(turn.job(GROWTH), None);
    turn.ask(2);
    assert_eq!(work(&mut turn, "yes"), Why::Owed, "but a question is answered with all of it");
    turn.answer();
    say(&mut turn, 220);
    keep_quiet(&mut turn, 100);
    assert_eq!(work(&mut turn, "yes please"), Why::Pause);
}

#[test]
fn a_long_window_does_not_end_under_a_running_job() {
    let mut turn = turn();
    say(&mut turn, 15_200);
    turn.ask(1);
    work(&mut turn, "a long story");
    turn.answer();
    say(&mut turn, 100);
    turn.ask(2);
    let job = turn.job(GROWTH).unwrap();
    keep_quiet(&mut turn, 400);
    turn.settle(&job, understood("a long story told"), Duration::ZERO);
    assert_eq!(texts(&turn.answer()), [(Some(2), "a long story told")]);
}

#[test]
fn partial_words_come_every_second_of_new_sound() {
    let mut turn = turn();
    say(&mut turn, 980);
    assert_eq!(turn.job(GROWTH), None);
    say(&mut turn, 20);
    let job = turn.job(GROWTH).unwrap();
    assert_eq!(job.why, Why::Growth);
    let partial = turn.settle(&job, understood("i would"), Duration::ZERO).unwrap();
    assert_eq!((partial.ask, partial.text.as_str()), (None, "i would"));
    say(&mut turn, 980);
    assert_eq!(turn.job(GROWTH), None);
}

#[test]
fn without_partials_nothing_is_done_before_it_is_asked_for() {
    let mut turn = Turn::new(&SttOptions::default(), None);
    say(&mut turn, 3_000);
    keep_quiet(&mut turn, 1_000);
    assert_eq!(turn.job(GROWTH), None);
    turn.end();
    assert_eq!(work(&mut turn, "hello there"), Why::Owed);
    assert_eq!(texts(&turn.answer()), [(None, "hello there")]);
    assert!(turn.is_done());
}

#[test]
fn silence_is_never_given_to_the_model() {
    let mut turn = turn();
    keep_quiet(&mut turn, 3_000);
    turn.ask(1);
    assert_eq!(turn.job(GROWTH), None);
    let answers = turn.answer();
    assert_eq!(texts(&answers), [(Some(1), "")]);
    assert!((answers[0].no_speech - 1.0).abs() < f32::EPSILON);
}

#[test]
fn the_model_hears_no_more_than_a_tail_of_silence() {
    let mut turn = turn();
    say(&mut turn, 1_000);
    keep_quiet(&mut turn, 5_000);
    turn.ask(1);
    let job = turn.job(GROWTH).unwrap();
    assert_eq!(turn.sound(&job).len(), SECOND + TAIL);
}

#[test]
fn an_end_after_an_answer_adds_nothing() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(1);
    work(&mut turn, "yes");
    turn.answer();
    turn.end();
    assert_eq!(turn.answer(), []);
    assert!(turn.is_done());
}

#[test]
fn an_end_after_more_sound_answers_once_more() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(1);
    work(&mut turn, "yes");
    turn.answer();
    keep_quiet(&mut turn, 200);
    turn.end();
    assert_eq!(texts(&turn.answer()), [(None, "yes")]);
    assert!(turn.is_done());
}

#[test]
fn a_running_job_that_heard_everything_serves_a_question_that_comes_meanwhile() {
    let mut turn = turn();
    say(&mut turn, 600);
    keep_quiet(&mut turn, 100);
    let job = turn.job(GROWTH).unwrap();
    keep_quiet(&mut turn, 100);
    turn.ask(1);
    assert!(turn.is_served_by(&job));
    say(&mut turn, 20);
    assert!(turn.is_served_by(&job), "what is said after the question is not asked about");
    turn.ask(2);
    assert!(!turn.is_served_by(&job));
}

#[test]
fn a_caller_who_goes_on_speaking_does_not_put_the_answer_off() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(1);
    let job = turn.job(GROWTH).unwrap();
    say(&mut turn, 400);
    turn.settle(&job, understood("at that"), Duration::from_millis(7));
    assert_eq!(texts(&turn.answer()), [(Some(1), "at that")]);
    assert!(!turn.owes_work());
    turn.ask(2);
    assert_eq!(turn.answer(), []);
    assert_eq!(work(&mut turn, "at that level"), Why::Owed);
    assert_eq!(texts(&turn.answer()), [(Some(2), "at that level")]);
}

#[test]
fn a_monologue_is_cut_at_its_quietest_place_and_comes_out_whole() {
    let mut turn = turn();
    say(&mut turn, 22_000);
    hear(&mut turn, 200, 40);
    say(&mut turn, 2_800);
    assert!(!turn.takes_input());
    let job = turn.job(usize::MAX).unwrap();
    assert_eq!(job.why, Why::Full);
    let cut = turn.sound(&job).len();
    assert!((22 * SECOND..=22 * SECOND + SECOND / 5).contains(&cut), "{cut}");
    turn.settle(&job, understood("the first part"), Duration::ZERO);
    assert!(turn.takes_input());
    assert_eq!(turn.prompt(), "the first part");
    turn.ask(3);
    work(&mut turn, "and the second");
    let answers = turn.answer();
    assert_eq!(texts(&answers), [(Some(3), "the first part and the second")]);
    assert_eq!(answers[0].end, MediaTime::from_ms(25_000));
}

#[test]
fn a_long_window_ends_at_a_pause_without_work() {
    let mut turn = turn();
    say(&mut turn, 16_000);
    keep_quiet(&mut turn, 100);
    assert_eq!(work(&mut turn, "a long story"), Why::Pause);
    keep_quiet(&mut turn, 200);
    assert_eq!(turn.prompt(), "a long story");
    say(&mut turn, 500);
    turn.ask(1);
    let job = turn.job(GROWTH).unwrap();
    assert!(turn.sound(&job).len() < SECOND);
    turn.settle(&job, understood("the end"), Duration::ZERO);
    assert_eq!(texts(&turn.answer()), [(Some(1), "a long story the end")]);
}

#[test]
fn a_full_window_of_silence_costs_nothing_and_is_dropped() {
    let mut turn = turn();
    keep_quiet(&mut turn, 25_000);
    let job = turn.job(GROWTH).unwrap();
    assert_eq!((job.why, turn.sound(&job).len()), (Why::Full, 0));
    turn.settle(&job, Understood { no_speech: 1.0, ..Understood::default() }, Duration::ZERO);
    assert!(turn.takes_input());
    turn.ask(1);
    assert_eq!(texts(&turn.answer()), [(Some(1), "")]);
}

/// A file's turn, to be told in segments.
fn file() -> Turn {
    Turn::new(&SttOptions { detail: SttDetail::Segments, ..SttOptions::default() }, None)
}

/// A model that hears `text` from the window's start to `end_ms`.
fn until(text: &str, end_ms: usize) -> Understood {
    let token = SttToken { id: 1, bytes: text.as_bytes().to_vec(), logprob: -0.1 };
    let token = Piece::Text(Token { token, begins: Vec::new() });
    let pieces = vec![Piece::Time(0), token, Piece::Time(end_ms / 20)];
    Understood { pieces, ..understood(text) }
}

fn spans(answer: &Transcript) -> Vec<(&str, MediaTime, MediaTime)> {
    answer.segments.iter().map(|s| (s.text.as_str(), s.start, s.end)).collect()
}

#[test]
fn a_file_s_segments_count_from_its_start_whatever_window_they_are_in() {
    let mut turn = file();
    say(&mut turn, 28_000);
    keep_quiet(&mut turn, 1_000);
    assert!(!turn.takes_input());
    let job = turn.job(usize::MAX).unwrap();
    assert_eq!(job.why, Why::Full);
    turn.settle(&job, until("the first part", 28_000), Duration::ZERO);
    say(&mut turn, 1_000);
    turn.end();
    let job = turn.job(usize::MAX).unwrap();
    turn.settle(&job, until("and the second", 2_000), Duration::ZERO);
    let answers = turn.answer();
    assert_eq!(texts(&answers), [(None, "the first part and the second")]);
    let [first, second] = spans(&answers[0])[..] else { panic!("two segments: {answers:?}") };
    assert_eq!(first, ("the first part", MediaTime::ZERO, MediaTime::from_ms(28_000)));
    assert_eq!(second.1..second.2, MediaTime::from_ms(29_000)..MediaTime::from_ms(30_000));
    assert!(turn.is_done());
}

#[test]
fn a_piece_of_a_file_is_one_window_up_to_29_seconds() {
    let mut turn = file();
    say(&mut turn, 28_900);
    assert!(turn.takes_input());
    turn.end();
    let job = turn.job(usize::MAX).unwrap();
    assert_eq!((job.why, turn.sound(&job).len()), (Why::Owed, 28_900 * 16));
}

#[test]
fn voice_that_the_model_stopped_before_is_listened_to_again() {
    let mut turn = file();
    say(&mut turn, 10_000);
    turn.end();
    let job = turn.job(usize::MAX).unwrap();
    turn.settle(&job, until("the first half", 5_000), Duration::ZERO);
    assert_eq!(turn.answer(), []);
    let job = turn.job(usize::MAX).unwrap();
    assert_eq!(turn.sound(&job).len(), 5 * SECOND);
    turn.settle(&job, until("and the second", 5_000), Duration::ZERO);
    let answers = turn.answer();
    assert_eq!(texts(&answers), [(None, "the first half and the second")]);
    assert_eq!(spans(&answers[0])[1].1, MediaTime::from_ms(5_000));
}

#[test]
fn a_call_is_told_no_segments() {
    let mut turn = turn();
    say(&mut turn, 600);
    turn.ask(1);
    let job = turn.job(GROWTH).unwrap();
    turn.settle(&job, until("yes", 600), Duration::ZERO);
    assert_eq!(turn.answer()[0].segments, []);
}

#[test]
fn a_file_gives_way_three_times_a_window_and_a_call_never() {
    let (mut file, call) = (file(), turn());
    assert!(!call.gives_way());
    say(&mut file, 1_000);
    file.end();
    (0..3).for_each(|_| {
        assert!(file.gives_way());
        file.gave_way();
    });
    assert!(!file.gives_way());
    let job = file.job(usize::MAX).unwrap();
    file.settle(&job, until("yes", 1_000), Duration::ZERO);
    assert!(file.gives_way());
}

#[test]
fn the_prompt_is_the_hint_and_the_frozen_tail() {
    let options = SttOptions { prompt: Some("Doctor Å".into()), ..SttOptions::default() };
    let mut turn = Turn::new(&options, None);
    assert_eq!(turn.prompt(), "Doctor Å");
    turn.frozen.text = "ö".repeat(500);
    assert_eq!(turn.prompt(), format!("Doctor Å {}", "ö".repeat(PROMPT_BYTES / 2)));
}

#[test]
fn a_language_found_is_kept_for_the_stream() {
    let mut turn = turn();
    assert_eq!(turn.language(), None);
    say(&mut turn, 1_000);
    let job = turn.job(GROWTH).unwrap();
    let language = "es".to_owned();
    turn.settle(&job, Understood { language, ..understood("hola") }, Duration::ZERO);
    assert_eq!(turn.language(), Some("es"));
}

#[test]
fn questions_beyond_the_bound_wait_in_the_input() {
    let mut turn = turn();
    (0..16).for_each(|ask| turn.ask(ask));
    assert!(!turn.takes_input());
    assert_eq!(turn.answer().len(), 16);
    assert!(turn.takes_input());
}

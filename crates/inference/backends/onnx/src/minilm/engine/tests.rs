//! The engine with a network whose word pieces are words and whose vectors tell what it read.

use std::sync::{Arc, Mutex};

use futures::{FutureExt, StreamExt, executor::block_on};
use trunkline_inference::{Lane, ModelStream, Priority};

use super::*;

/// Rows of each run: how many, and the longest.
type Runs = Arc<Mutex<Vec<(usize, usize)>>>;

/// A word's piece is its number of letters; a vector holds how many pieces there are and their sum.
struct Words {
    runs: Runs,
    fails: bool,
}

impl Network for Words {
    fn read(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        Ok(text.split_whitespace().map(|word| word.len() as i64).collect())
    }

    fn limit(&self) -> usize {
        100
    }

    fn run(&mut self, rows: &[&[i64]]) -> Result<Vec<Vec<f32>>, ModelError> {
        note(&self.runs, rows);
        if self.fails {
            return Ok(Vec::new());
        }
        Ok(rows.iter().map(|row| vec![row.len() as f32, row.iter().sum::<i64>() as f32]).collect())
    }
}

fn note(runs: &Runs, rows: &[&[i64]]) {
    let longest = rows.iter().map(|row| row.len()).max().unwrap();
    runs.lock().unwrap().push((rows.len(), longest));
}

fn lane(fails: bool) -> (Lane<EmbedEngine<Words>>, Runs) {
    let runs = Runs::default();
    let network = Words { runs: Arc::clone(&runs), fails };
    let load = move || Ok(EmbedEngine::new(network));
    (Lane::start("words", Priority::BehindAudio, load).unwrap(), runs)
}

fn texts(words: &[usize]) -> Vec<String> {
    words.iter().map(|&words| "ab ".repeat(words)).collect()
}

fn only(stream: ModelStream<Embedded>) -> Result<Embedded, ModelError> {
    let (first, rest) = block_on(stream.into_future());
    let first = first.unwrap_or(Err(ModelError::Stopped { engine: "nothing said" }));
    let said = 1 + block_on(rest.count());
    if said == 1 { first } else { Err(ModelError::Stopped { engine: "said more" }) }
}

#[test]
fn vectors_come_in_the_order_of_the_texts_however_they_were_run() {
    let (lane, _) = lane(false);
    let lengths = [90, 3, 50, 1, 100, 3];
    let embedded = only(lane.open(texts(&lengths))).unwrap();
    let expected: Vec<_> = lengths.iter().map(|&n| vec![n as f32, 2.0 * n as f32]).collect();
    assert_eq!(embedded.vectors, expected);
    assert_eq!(embedded.tokens, 247);
}

#[test]
fn runs_are_bounded_by_word_pieces_and_put_similar_lengths_together() {
    let (lane, runs) = lane(false);
    let lengths: Vec<usize> = (0..60).map(|n| if n % 2 == 0 { 4 } else { 100 }).collect();
    only(lane.open(texts(&lengths))).unwrap();
    let runs = runs.lock().unwrap();
    assert!(runs.iter().all(|(rows, longest)| rows * longest <= RUN_PIECES), "{runs:?}");
    assert_eq!(runs[0], (30, 4), "all short ones first: {runs:?}");
    assert_eq!(runs.len(), 1 + 30 / 2, "{runs:?}");
}

#[test]
fn requests_share_runs() {
    let (lane, runs) = lane(false);
    let streams: Vec<_> = (0..20).map(|_| lane.open(texts(&[2, 3]))).collect();
    for stream in streams {
        assert_eq!(only(stream).unwrap().vectors.len(), 2);
    }
    let rows: usize = runs.lock().unwrap().iter().map(|(rows, _)| rows).sum();
    assert_eq!(rows, 40, "each text once");
}

/// Admits the jobs and steps once for each reading and once for a run.
fn engine_with(jobs: &[&[usize]]) -> (EmbedEngine<Words>, Runs) {
    let runs = Runs::default();
    let mut engine = EmbedEngine::new(Words { runs: Arc::clone(&runs), fails: false });
    for (slot, lengths) in jobs.iter().enumerate() {
        engine.admit(slot, texts(lengths));
        engine.works[slot].as_mut().unwrap().read(&engine.network).unwrap();
    }
    (engine, runs)
}

#[test]
fn a_long_request_does_not_keep_a_short_one_waiting() {
    let long = vec![100; 500];
    let (mut engine, _) = engine_with(&[&long, &[100]]);
    let run = engine.gather();
    let slots: Vec<_> = run.iter().map(|row| row.slot).collect();
    assert_eq!(slots, [0, 1], "each has a row in the first run");
}

#[test]
fn a_text_alone_runs_though_it_is_longer_than_a_run() {
    let (mut engine, _) = engine_with(&[&[RUN_PIECES / 3; 2], &[5]]);
    engine.works[1].as_mut().unwrap().rows[0].1 = vec![1; RUN_PIECES * 2];
    engine.next = 1;
    assert_eq!(engine.gather().len(), 1);
    assert_eq!(engine.gather().len(), 2);
    assert!(engine.gather().is_empty());
}

#[test]
fn one_too_long_text_is_refused_by_number_with_its_length_and_the_limit() {
    let (lane, runs) = lane(false);
    for (lengths, which) in [(&[5, 5, 101][..], "text 2 has 101"), (&[300], "the text has 300")] {
        let error = only(lane.open(texts(lengths))).unwrap_err();
        assert!(matches!(error, ModelError::BadRequest(_)), "{error}");
        assert!(error.to_string().contains(which), "{error}");
        assert!(error.to_string().contains("100"), "{error}");
    }
    assert!(runs.lock().unwrap().is_empty(), "nothing was computed for it");
}

#[test]
fn no_text_is_embedded_at_once_and_an_empty_one_has_a_vector() {
    let (lane, _) = lane(false);
    assert_eq!(only(lane.open(Vec::new())).unwrap(), Embedded::default());
    assert_eq!(only(lane.open(vec![" ".into(), "abc".into()])).unwrap().vectors[1], [1.0, 3.0]);
}

#[test]
fn more_text_than_a_step_reads_is_read_in_several() {
    let (lane, _) = lane(false);
    let text = format!("{}b", "a".repeat(STEP_BYTES / 2));
    let embedded = only(lane.open(vec![text; 9])).unwrap();
    assert_eq!((embedded.tokens, embedded.vectors.len()), (9, 9));
    assert!(embedded.vectors.iter().all(|vector| vector[0] == 1.0), "{:?}", embedded.vectors);
}

#[test]
fn a_network_that_loses_a_text_fails_the_request_and_not_the_lane() {
    let (lane, runs) = lane(true);
    for _ in 0..2 {
        let error = only(lane.open(texts(&[1, 2]))).unwrap_err();
        assert!(matches!(error, ModelError::Engine { .. }), "{error}");
    }
    assert_eq!(runs.lock().unwrap().len(), 2);
}

#[test]
fn dropping_the_future_stops_the_work() {
    let (lane, runs) = lane(false);
    let mut endless = lane.open(texts(&vec![100; 100_000]));
    drop(endless.next().now_or_never());
    drop(endless);
    only(lane.open(texts(&[1]))).unwrap();
    assert!(runs.lock().unwrap().len() < 50_000);
}

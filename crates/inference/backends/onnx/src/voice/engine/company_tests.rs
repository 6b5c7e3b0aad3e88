//! Replies that come, go and are spoken together: each sounds as if it were alone.

use std::task::Waker;

use futures::stream;
use proptest::prelude::*;
use trunkline_inference::{Clause, schedule::Tenant};

use super::*;

/// Sings each text its own way, at 16 kHz, stretches of 50 ms more each time; many at one go.
struct Choir {
    /// Parts of each step.
    steps: Vec<usize>,
}

/// What is left of a text: its seed, samples said, samples in all, and the next stretch.
#[derive(Clone)]
struct Tune {
    seed: u32,
    said: usize,
    len: usize,
    next: usize,
}

impl Tune {
    fn stretch(&mut self, len: usize) -> Vec<f32> {
        let end = (self.said + len).min(self.len);
        let step = 0.05 + self.seed as f32 % 17.0 * 0.01;
        let sound = (self.said..end).map(|n| (n as f32 * step).sin() * 0.4).collect();
        self.said = end;
        self.next += 800;
        sound
    }
}

impl Synthesizer for Choir {
    type Part = Tune;

    fn rate_hz(&self) -> u32 {
        16_000
    }
    fn begin(&mut self, text: &str, _: &Voice) -> Result<Begun<Tune>, ModelError> {
        if text.contains("bad") {
            return Err(ModelError::Engine { engine: "choir", reason: "bad".into() });
        }
        let seed = text.bytes().fold(7, |seed: u32, b| seed.wrapping_mul(31) + u32::from(b));
        let tune = Tune { seed, said: 0, len: text.len() * 160 + 300, next: 800 };
        Ok(Begun { part: tune, weights: Vec::new() })
    }
    fn next(&mut self, tune: &mut Tune) -> Result<Option<Vec<f32>>, ModelError> {
        self.steps.push(1);
        let len = tune.next;
        Ok((tune.said < tune.len).then(|| tune.stretch(len)))
    }
    fn lengthen(&mut self, tune: &mut Tune) {
        tune.next = 1_600;
    }
    fn most_together(&self) -> usize {
        8
    }
    fn goes_with(&self, part: &Tune, leader: &Tune) -> bool {
        let is_left = |tune: &Tune| tune.said < tune.len;
        is_left(part) && is_left(leader) && part.len >= leader.next
    }
    fn next_together(&mut self, tunes: &mut [&mut Tune]) -> Result<Vec<Vec<f32>>, ModelError> {
        self.steps.push(tunes.len());
        let len = tunes[0].next;
        Ok(tunes.iter_mut().map(|tune| tune.stretch(len)).collect())
    }
}

fn engine(together: usize) -> VoiceEngine<Choir> {
    let mut engine = VoiceEngine::new(Choir { steps: Vec::new() });
    engine.together = Together { begin: together, next: together };
    engine
}

fn reply(texts: &[String], voice: &str) -> Utterance {
    let clause = |text: &String| Ok(Clause { text: text.clone(), speakable: text.clone() });
    let clauses: Vec<_> = texts.iter().map(clause).collect();
    let voice = Voice { name: voice.to_owned(), speed: 1.0 };
    Utterance { clauses: Box::pin(stream::iter(clauses)), voice, party: Party::default() }
}

/// What a reader has got: its samples, and how it ended.
#[derive(Clone, Debug, Default, PartialEq)]
struct Heard {
    samples: Vec<i16>,
    clauses: usize,
    ended: Option<bool>,
}

/// Lets `slot`'s reader take up to `pieces`.
fn take(engine: &mut VoiceEngine<Choir>, slot: SlotId, pieces: usize, heard: &mut Heard) {
    let Some(seat) = &mut engine.seats[slot] else { return };
    for _ in 0..pieces {
        match seat.speaker.take() {
            Poll::Ready(Some(Ok(SpeechPiece::Audio(frame)))) => {
                heard.samples.extend_from_slice(frame.samples());
            }
            Poll::Ready(Some(Ok(SpeechPiece::ClauseEnd { .. }))) => heard.clauses += 1,
            Poll::Ready(Some(Err(_))) => heard.ended = Some(false),
            Poll::Ready(None) => heard.ended = heard.ended.or(Some(true)),
            Poll::Pending => return,
        }
        if heard.ended.is_some() {
            return;
        }
    }
}

fn step(engine: &mut VoiceEngine<Choir>, active: &[SlotId], now: Instant) -> Vec<SlotId> {
    for &slot in active {
        let Some(seat) = &mut engine.seats[slot] else { continue };
        seat.speaker.listen(now, &mut Context::from_waker(Waker::noop()));
    }
    let crew = engine.crew(active, now);
    engine.speak(&crew, now);
    crew
}

fn alone(texts: &[String]) -> Heard {
    let (mut engine, mut heard, now) = (engine(1), Heard::default(), Instant::now());
    engine.admit(0, reply(texts, "alone"));
    while heard.ended.is_none() {
        step(&mut engine, &[0], now);
        take(&mut engine, 0, 1000, &mut heard);
    }
    heard
}

#[test]
fn the_first_stretch_is_longer_beside_others() {
    let (mut engine, now) = (engine(1), Instant::now());
    let texts = ["whoever speaks alone".to_owned()];
    let nobody = Party::nobody(Tenant::default());
    engine.admit(0, Utterance { party: nobody, ..reply(&texts, "to nobody") });
    for slot in [1, 2] {
        engine.admit(slot, reply(&texts, "to somebody"));
        step(&mut engine, &[slot], now);
    }
    let next = |slot: SlotId| Some(engine.seats[slot].as_ref()?.part.as_ref()?.begun().next);
    assert_eq!([next(1), next(2)], [Some(800), Some(1_600)]);
}

/// A caller of a random run.
#[derive(Debug)]
struct Caller {
    slot: SlotId,
    texts: Vec<String>,
    comes_at: usize,
    leaves_at: usize,
    takes: usize,
    heard: Heard,
}

fn callers() -> impl Strategy<Value = Vec<Caller>> {
    let texts = proptest::collection::vec("[a-z]{1,9}( [a-z]{1,9}){0,5}[,.]( bad)?", 1..3);
    let leaves = prop_oneof![2 => Just(usize::MAX), 1 => 1_usize..60];
    let caller = (texts, 0_usize..40, leaves, 1_usize..60);
    proptest::collection::vec(caller, 2..9).prop_map(|callers| {
        let caller = |(slot, (texts, comes_at, leaves, takes))| {
            let leaves_at = usize::saturating_add(comes_at, leaves);
            Caller { slot, texts, comes_at, leaves_at, takes, heard: Heard::default() }
        };
        callers.into_iter().enumerate().map(caller).collect()
    })
}

/// Plays all callers' replies on one engine, each with a voice of its own, so that nobody's loudness
/// is learned from another's; tells the largest step.
fn play(callers: &mut [Caller]) -> usize {
    let mut engine = engine(8);
    let began = Instant::now();
    for round in 0_usize..5000 {
        let now = began + Duration::from_millis(10) * round as u32;
        for caller in callers.iter().filter(|caller| caller.comes_at == round) {
            engine.admit(caller.slot, reply(&caller.texts, &format!("v{}", caller.slot)));
        }
        for caller in callers.iter().filter(|caller| caller.leaves_at == round) {
            engine.release(caller.slot);
        }
        let is_there =
            |c: &&Caller| (c.comes_at..c.leaves_at).contains(&round) && c.heard.ended.is_none();
        let active: Vec<_> = callers.iter().filter(is_there).map(|c| c.slot).collect();
        if active.is_empty() && callers.iter().all(|c| c.comes_at < round) {
            break;
        }
        step(&mut engine, &active, now);
        for caller in callers.iter_mut().filter(|c| active.contains(&c.slot)) {
            take(&mut engine, caller.slot, caller.takes, &mut caller.heard);
        }
    }
    engine.model.steps.iter().copied().max().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn each_sounds_as_if_alone_whoever_joins_leaves_and_fails(mut callers in callers()) {
        play(&mut callers);
        for caller in &callers {
            let whole = alone(&caller.texts);
            if caller.leaves_at == usize::MAX {
                prop_assert_eq!(&caller.heard, &whole);
            } else {
                prop_assert!(whole.samples.starts_with(&caller.heard.samples));
            }
        }
    }
}

fn at_work(count: usize) -> VoiceEngine<Choir> {
    let mut engine = engine(8);
    for slot in 0..count {
        engine.admit(slot, reply(&["the same words for everybody.".into()], "v"));
    }
    engine
}

#[test]
fn those_who_run_dry_soon_are_spoken_together() {
    let mut engine = at_work(3);
    let now = Instant::now();
    for _ in 0..4 {
        assert_eq!(step(&mut engine, &[0, 1, 2], now), [0, 1, 2]);
    }
    assert_eq!(engine.model.steps, [3, 3, 3]);
}

#[test]
fn what_nobody_waits_for_is_spoken_when_nobody_waits() {
    let mut engine = engine(1);
    let party = Party::nobody(Tenant::default());
    engine.admit(0, Utterance { party, ..reply(&["a greeting.".into()], "v") });
    let now = Instant::now();
    assert_eq!(step(&mut engine, &[0], now), [0]);
    engine.admit(1, reply(&["an answer.".into()], "v"));
    assert_eq!(step(&mut engine, &[0, 1], now), [1]);
    while engine.seats[1].as_ref().is_some_and(|seat| seat.speaker.deadline().is_some()) {
        assert_eq!(step(&mut engine, &[0, 1], now), [1]);
    }
    assert_eq!(step(&mut engine, &[0, 1], now), [0]);
}

#[test]
fn who_is_far_ahead_does_not_join_who_is_dry() {
    let mut engine = at_work(2);
    let now = Instant::now();
    step(&mut engine, &[0], now);
    // Slot 0 says 1.5 s of nothing in particular before slot 1 comes.
    let seat = engine.seats[0].as_mut().unwrap();
    seat.speaker.heard(&vec![1; 24 * 1500], now);
    let mut heard = Heard::default();
    take(&mut engine, 0, 60, &mut heard);
    step(&mut engine, &[1], now);
    assert_eq!(step(&mut engine, &[0, 1], now), [1]);
    // 600 ms later it has less than a second more than the other.
    assert_eq!(step(&mut engine, &[0, 1], now + Duration::from_millis(600)), [1, 0]);
}

#[test]
fn a_longer_text_does_not_join_a_shorter_one() {
    let mut engine = engine(8);
    engine.admit(0, reply(&["short.".into()], "v"));
    engine.admit(1, reply(&["quite a bit longer than that.".into()], "v"));
    engine.admit(2, reply(&["brief.".into()], "v"));
    assert_eq!(step(&mut engine, &[0, 1, 2], Instant::now()), [0, 2]);
}

#[test]
fn a_model_that_is_asked_for_one_at_a_time_never_gets_two() {
    let mut engine = at_work(5);
    engine.together = Together::default();
    for _ in 0..20 {
        assert_eq!(step(&mut engine, &[0, 1, 2, 3, 4], Instant::now()).len(), 1);
    }
}

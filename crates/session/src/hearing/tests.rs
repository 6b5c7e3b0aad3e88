//! What the hearing promises.

use std::sync::{Arc, Mutex};

use futures::{FutureExt, stream};
use trunkline_inference::{EndOfTurn, HearingStream, SpeechToText};
use trunkline_testkit::{FakeEndOfTurn, Fakes, World};
use trunkline_turn::TurnConfig;

use super::{past::HZ, *};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Remembers the first frame's place and how many came; never says a word.
#[derive(Default)]
struct Listener {
    fed: Arc<Mutex<Vec<MediaTime>>>,
}

impl SpeechToText for Listener {
    fn transcribe(&self, audio: HearingStream, _: &SttOptions) -> TranscriptStream {
        let fed = Arc::clone(&self.fed);
        Box::pin(audio.filter_map(move |input| {
            if let SttInput::Frame(frame) = input {
                fed.lock().unwrap().push(frame.at());
            }
            std::future::ready(None)
        }))
    }
}

/// Ends at once without a word.
struct Mute;

impl SpeechToText for Mute {
    fn transcribe(&self, _: HearingStream, _: &SttOptions) -> TranscriptStream {
        Box::pin(stream::empty())
    }
}

struct BrokenJudge;

impl EndOfTurn for BrokenJudge {
    fn score(&self, _: Arc<[i16]>, _: Instant) -> Score {
        Box::pin(std::future::ready(Err(ModelError::Stopped { engine: "judge" })))
    }
}

fn models(world: &World) -> Models {
    let fakes = Fakes::new(world.clone(), &[]);
    Models {
        stt: Arc::new(fakes.stt),
        llm: Arc::new(fakes.llm),
        tts: Arc::new(fakes.tts),
        vad: Arc::new(fakes.vad),
        end_of_turn: Some(Arc::new(FakeEndOfTurn(0.8))),
        announcements: Arc::default(),
    }
}

fn hearing(models: Models) -> Hearing {
    Hearing::new(models, Party::default(), Some("en".into()), DetectorConfig::default())
}

/// Plays `world` into `hearing` from `from` to `to`; what was noticed, and the last instant.
async fn play(hearing: &mut Hearing, world: &World, from: u64, to: u64) -> (Vec<Noticed>, Instant) {
    let start = now();
    let mut noticed = Vec::new();
    let mut at = from;
    while at < to {
        let frame = world.frame(MediaTime::from_ms(at));
        at += 20;
        hearing.hear(start + MS(at - from), frame);
        // A task that never yields is not given anything to read for ever.
        tokio::task::yield_now().await;
        while let Some(news) = hearing.notice().now_or_never() {
            noticed.push(news);
        }
    }
    (noticed, start)
}

#[tokio::test(start_paused = true)]
async fn speech_is_noticed_where_its_sound_began_and_ended() {
    let world = World::new(&[(400, 600, "Hello there.")]);
    let mut ears = hearing(models(&world));
    let (noticed, start) = play(&mut ears, &world, 0, 1500).await;
    let edges: Vec<SpeechEdge> = noticed
        .iter()
        .filter_map(|news| if let Noticed::Edge(edge) = news { Some(*edge) } else { None })
        .collect();
    assert_eq!(
        edges,
        [
            SpeechEdge::Rising,
            SpeechEdge::Started { at: start + MS(400) },
            SpeechEdge::Stopped { at: start + MS(1000) },
        ]
    );
    assert_eq!(ears.evidence().voiced, MS(600));
    assert_eq!(ears.media_time(start + MS(1000)), MediaTime::from_ms(1000));
    let voices = noticed.iter().filter(|news| matches!(news, Noticed::Voice { .. })).count();
    assert!((20..=35).contains(&voices), "told of while it goes on: {voices}");
}

#[tokio::test(start_paused = true)]
async fn the_recognizer_hears_half_a_second_from_before_it_was_opened() {
    let world = World::new(&[]);
    let listener = Listener::default();
    let fed = Arc::clone(&listener.fed);
    let mut ears = hearing(Models { stt: Arc::new(listener), ..models(&world) });
    play(&mut ears, &world, 0, 2000).await;
    ears.open();
    play(&mut ears, &world, 2000, 2100).await;
    let fed = fed.lock().unwrap();
    assert_eq!(fed.first(), Some(&MediaTime::from_ms(1500)));
    assert_eq!(fed.len(), 30, "and everything since, once");
}

#[tokio::test(start_paused = true)]
async fn an_answer_carries_its_question_and_the_words_so_far() {
    let world = World::new(&[(100, 400, "Hello there.")]);
    let mut ears = hearing(models(&world));
    ears.open();
    play(&mut ears, &world, 0, 600).await;
    assert!(ears.finalize(7));
    let words = loop {
        if let Noticed::Words(words) = ears.notice().await {
            break words;
        }
    };
    assert_eq!((words.ask, words.text.as_str()), (Some(7), "Hello there."));
}

#[tokio::test(start_paused = true)]
async fn a_shut_ear_cannot_be_asked_and_forgets_its_evidence() {
    let world = World::new(&[(0, 400, "Hello there.")]);
    let mut ears = hearing(models(&world));
    assert!(!ears.finalize(1), "never opened");
    ears.open();
    play(&mut ears, &world, 0, 600).await;
    ears.shut();
    assert!(!ears.finalize(2));
    assert_eq!(ears.evidence(), Evidence::default());
}

#[tokio::test(start_paused = true)]
async fn a_recognizer_that_falls_silent_for_good_has_failed_once() {
    let world = World::new(&[]);
    let mut ears = hearing(Models { stt: Arc::new(Mute), ..models(&world) });
    ears.open();
    let news = ears.notice().now_or_never();
    assert!(matches!(news, Some(Noticed::Failed(ModelError::Stopped { .. }))), "{news:?}");
    assert!(ears.notice().now_or_never().is_none());
    assert!(!ears.finalize(1));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_turn_is_judged_when_there_is_a_judge() {
    let world = World::new(&[]);
    let judged = async |judge: Option<Arc<dyn EndOfTurn>>| {
        let mut ears = hearing(Models { end_of_turn: judge, ..models(&world) });
        ears.score_end(Instant::now());
        ears.notice().now_or_never()
    };
    let sure = judged(Some(Arc::new(FakeEndOfTurn(0.8)))).await;
    assert!(matches!(sure, Some(Noticed::EndScored(p)) if (p - 0.8).abs() < 1e-6), "{sure:?}");
    let broken = judged(Some(Arc::new(BrokenJudge))).await;
    assert!(matches!(broken, Some(Noticed::Nothing)), "goes on without: {broken:?}");
    assert!(judged(None).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_recognizer_that_does_not_read_loses_sound_and_nothing_else() {
    /// Takes nothing in.
    struct Asleep;
    impl SpeechToText for Asleep {
        fn transcribe(&self, audio: HearingStream, _: &SttOptions) -> TranscriptStream {
            Box::pin(stream::once(async move {
                let _kept = audio;
                pending().await
            }))
        }
    }
    let world = World::new(&[]);
    let mut ears = hearing(Models { stt: Arc::new(Asleep), ..models(&world) });
    ears.open();
    play(&mut ears, &world, 0, 61_000).await;
    assert_eq!(ears.past.dropped, 50, "the queue holds a minute");
    assert!(!ears.finalize(1), "nor can it be asked");
}

fn by_hand() -> Agent {
    let turn = TurnConfig { taking: Taking::Manual, ..TurnConfig::default() };
    Agent { turn, ..Agent::default() }
}

/// The words of the turn committed as `ask`.
async fn committed(ears: &mut Hearing, ask: u32) -> Result<String, String> {
    loop {
        if let Noticed::Committed { ask: answered, words } = ears.notice().await {
            assert_eq!(answered, ask);
            return words;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_ended_by_hand_is_what_was_heard_since_the_one_before() {
    let world = World::new(&[(100, 400, "one two"), (520, 400, "three four")]);
    let mut ears = hearing(models(&world));
    assert!(ears.listen_as(&by_hand()));
    assert!(!ears.listen_as(&by_hand()), "nothing is new");
    ears.open_next();
    let (noticed, _) = play(&mut ears, &world, 0, 510).await;
    assert!(noticed.is_empty(), "voice activity is not looked for: {noticed:?}");
    assert_eq!(ears.unsettled(), MS(520));
    assert_eq!(ears.commit(1), Ok(()));
    assert_eq!(ears.unsettled(), MS(0));
    ears.open_next();
    play(&mut ears, &world, 520, 1000).await;
    assert_eq!(ears.commit(2), Ok(()));
    assert_eq!(committed(&mut ears, 1).await, Ok("one two".to_owned()));
    assert_eq!(committed(&mut ears, 2).await, Ok("three four".to_owned()));
    assert!(ears.commit(3).is_err(), "nobody listens");
}

#[tokio::test(start_paused = true)]
async fn a_recognizer_that_failed_is_told_of_when_the_turn_is_ended_by_hand() {
    let world = World::new(&[]);
    let mut ears = hearing(Models { stt: Arc::new(Mute), ..models(&world) });
    ears.listen_as(&by_hand());
    ears.open_next();
    let (noticed, _) = play(&mut ears, &world, 0, 200).await;
    assert!(matches!(noticed[..], [Noticed::Nothing]), "{noticed:?}");
    let lost = ears.commit(1).unwrap_err();
    assert!(lost.contains("recognizer"), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn what_was_settled_is_not_heard_again_before_the_next_turn() {
    let world = World::new(&[]);
    let listener = Listener::default();
    let fed = Arc::clone(&listener.fed);
    let mut ears = hearing(Models { stt: Arc::new(listener), ..models(&world) });
    play(&mut ears, &world, 0, 2000).await;
    ears.settle();
    play(&mut ears, &world, 2000, 2200).await;
    ears.open();
    assert!(ears.notice().now_or_never().is_none());
    assert_eq!(fed.lock().unwrap().first(), Some(&MediaTime::from_ms(2000)));
}

#[test]
fn the_past_is_eight_seconds_long() {
    let world = World::new(&[]);
    let mut past = Past::default();
    for n in 0..600 {
        past.push(now(), world.frame(MediaTime::from_ms(n * 20)), false);
    }
    assert_eq!(past.tail().len(), 8 * HZ);
    past.mark_turn(MS(500));
    assert_eq!(past.turn().count(), 25);
    assert_eq!(past.tail().len(), HZ / 2, "what was before the turn is not judged with it");
    assert_eq!(Past::default().tail().len(), 0);
}

#[test]
fn the_level_is_that_of_the_sound_just_before() {
    let world = World::new(&[(20, 20, "")]);
    let mut past = Past::default();
    for n in 0..3 {
        past.push(now(), world.frame(MediaTime::from_ms(n * 20)), false);
    }
    assert!(past.level_before(MediaTime::from_ms(20)) < -90.0);
    assert!(past.level_before(MediaTime::from_ms(40)) > -20.0);
    assert!(past.level_before(MediaTime::from_ms(50)) > -20.0, "a window that ends within a frame");
    assert!(past.level_before(MediaTime::from_ms(10)) < -90.0, "before there was any");
}

fn now() -> Instant {
    crate::reply::now()
}

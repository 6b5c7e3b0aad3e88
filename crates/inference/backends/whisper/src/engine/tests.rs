//! Lanes whose recognizer is played by the tests: who is served first, who is interrupted, what comes
//! out.

#![expect(clippy::unwrap_in_result, reason = "a poisoned lock fails the test")]

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Waker,
};

use futures::{Stream, StreamExt, executor::block_on};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::{Lane, Priority, SttDetail, SttTask, SttToken, TranscriptStream};

use super::*;
use crate::{
    module::{Style, Tokens, Window},
    recognize::{OneDesk, RecognizeAlone},
    understood::{Piece, Token},
};

/// What happens while the fake transcribes its next window.
type Meanwhile = Box<dyn FnOnce() + Send>;

/// Hears the length of each window in tenths of a second.
#[derive(Clone, Default)]
struct Ruler {
    meanwhile: Arc<Mutex<VecDeque<Meanwhile>>>,
    /// Length heard, and whether it was given up.
    seen: Arc<Mutex<Vec<(usize, bool)>>>,
}

impl RecognizeAlone for Ruler {
    fn check(&self, language: Option<&str>, _: SttTask) -> Result<(), ModelError> {
        let refused = || ModelError::BadRequest("no such language".into());
        if language == Some("xx") { Err(refused()) } else { Ok(()) }
    }

    fn recognize(
        &mut self,
        window: &Window<'_>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Understood>, ModelError> {
        let tenths = window.samples.len() / (RATE_HZ as usize / 10);
        let text = format!("{tenths} tenths");
        let said = |word: String| {
            let token = SttToken { id: 1, bytes: word.into_bytes(), logprob: -0.1 };
            Piece::Text(Token { token, begins: Vec::new() })
        };
        let (number, unit) = (said(format!(" {tenths}")), said(" tenths".to_owned()));
        let pieces = vec![Piece::Time(0), number, unit, Piece::Time(tenths * 5)];
        if window.audio_positions == fit::WIDE {
            // The second look, for the digits in its texts, is another test's matter.
            return Ok(Some(Understood { text, tokens: 2, ..Understood::default() }));
        }
        let meanwhile = self.meanwhile.lock().unwrap().pop_front();
        if let Some(happens) = meanwhile {
            happens();
        }
        let gave_up = interrupted();
        self.seen.lock().unwrap().push((tenths, gave_up));
        if window.prompt.contains("fail") {
            return Err(ModelError::Engine { engine: "ruler", reason: "told to".into() });
        }
        Ok((!gave_up).then(|| Understood { text, tokens: 2, pieces, ..Understood::default() }))
    }
}

/// A caller's line: what is put in comes out at the engine.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<Wire>>);

#[derive(Default)]
struct Wire {
    waiting: VecDeque<SttInput>,
    closed: bool,
    waker: Option<Waker>,
}

impl Line {
    fn put(&self, inputs: impl IntoIterator<Item = SttInput>) {
        let mut wire = self.0.lock().unwrap();
        wire.waiting.extend(inputs);
        wire.waker.take().into_iter().for_each(Waker::wake);
    }

    fn close(&self) {
        let mut wire = self.0.lock().unwrap();
        wire.closed = true;
        wire.waker.take().into_iter().for_each(Waker::wake);
    }
}

impl Stream for Line {
    type Item = SttInput;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SttInput>> {
        let mut wire = self.0.lock().unwrap();
        match wire.waiting.pop_front() {
            Some(input) => Poll::Ready(Some(input)),
            None if wire.closed => Poll::Ready(None),
            None => {
                wire.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn voice(tenths: usize) -> Vec<SttInput> {
    sound(tenths, 8_000)
}

fn quiet(tenths: usize) -> Vec<SttInput> {
    sound(tenths, 0)
}

fn sound(tenths: usize, level: i16) -> Vec<SttInput> {
    let frame = Frame::new(vec![level; 320], RATE_HZ, MediaTime::ZERO);
    vec![SttInput::Frame(frame); tenths * 5]
}

fn ask(ask: u32) -> [SttInput; 1] {
    [SttInput::Finalize { ask }]
}

fn lane(ruler: &Ruler) -> Lane<Hearing<OneDesk<Ruler>>> {
    let (ruler, language) = (ruler.clone(), None);
    let settings = Settings { slots: 3, threads: 1, gpu: false, language };
    Lane::start("ruler", Priority::WithAudio, || Ok(Hearing::new(OneDesk::new(ruler), settings)))
        .unwrap()
}

fn open(lane: &Lane<Hearing<OneDesk<Ruler>>>, call: &Line, partials: bool) -> TranscriptStream {
    let options = SttOptions { partials, ..SttOptions::default() };
    lane.open(Listen { input: Box::pin(call.clone()), options })
}

fn open_file(
    lane: &Lane<Hearing<OneDesk<Ruler>>>,
    file: &Line,
    detail: SttDetail,
) -> TranscriptStream {
    let options = SttOptions { detail, ..SttOptions::default() };
    lane.open(Listen { input: Box::pin(file.clone()), options })
}

fn next(stream: &mut TranscriptStream) -> Transcript {
    block_on(stream.next()).unwrap().unwrap()
}

#[test]
fn a_question_is_answered_and_the_stream_goes_on() {
    let lane = lane(&Ruler::default());
    let call = Line::default();
    let mut words = open(&lane, &call, false);
    call.put(voice(5));
    call.put(ask(1));
    assert_eq!((next(&mut words).text.as_str(), 1), ("5 tenths", 1));
    call.put(voice(5));
    call.put(ask(2));
    let second = next(&mut words);
    assert_eq!((second.text.as_str(), second.ask), ("10 tenths", Some(2)));
    call.close();
    assert!(block_on(words.next()).is_none());
}

#[test]
fn a_whole_file_comes_out_whole_whatever_its_length() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let call = Line::default();
    call.put(voice(1_000));
    call.close();
    let words: Vec<_> = block_on(open(&lane, &call, false).collect());
    assert_eq!(words.len(), 1);
    let whole = words[0].as_ref().unwrap();
    assert_eq!(whole.end, MediaTime::from_ms(100_000));
    let heard: usize = ruler.seen.lock().unwrap().iter().map(|(tenths, _)| tenths).sum();
    assert!((990..=1_000).contains(&heard), "{heard}");
    assert!(ruler.seen.lock().unwrap().iter().all(|(tenths, _)| *tenths <= 250));
}

#[test]
fn a_file_is_told_in_segments_that_follow_each_other_in_its_time() {
    let lane = lane(&Ruler::default());
    let call = Line::default();
    call.put([quiet(10), voice(100), quiet(10), voice(250), quiet(10), voice(100)].concat());
    call.close();
    let words: Vec<_> = block_on(open_file(&lane, &call, SttDetail::Words).collect());
    assert_eq!(words.len(), 1);
    let whole = words.into_iter().next().unwrap().unwrap();
    let ends: Vec<_> = whole.segments.iter().flat_map(|s| [s.start, s.end]).collect();
    assert!(ends.is_sorted() && ends.len() >= 4, "{ends:?}");
    assert_eq!(ends[0], MediaTime::from_ms(1_000), "where the voice begins");
    assert!(*ends.last().unwrap() <= whole.end);
    assert_eq!(whole.end, MediaTime::from_ms(48_000));
    for segment in &whole.segments {
        let times: Vec<_> = segment.words.iter().flat_map(|w| [w.start, w.end]).collect();
        assert_eq!(times.len(), 4, "two words: {segment:?}");
        assert!(times.is_sorted() && times[0] >= segment.start && times[3] <= segment.end);
    }
    let told: Vec<_> = whole.segments.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(whole.text, told.join(" "));
}

#[test]
fn a_file_s_window_gives_way_to_a_call_and_not_forever() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let (file, call) = (Line::default(), Line::default());
    let mut answers = open(&lane, &call, false);
    for ask in 0..5 {
        let asks = call.clone();
        let happens = move || {
            asks.put(voice(2));
            asks.put([SttInput::Finalize { ask }]);
        };
        ruler.meanwhile.lock().unwrap().push_back(Box::new(happens));
        ruler.meanwhile.lock().unwrap().push_back(Box::new(|| ()));
    }
    file.put(voice(50));
    file.close();
    let mut words = open_file(&lane, &file, SttDetail::Segments);
    assert_eq!(next(&mut words).text, "50 tenths");
    assert_eq!(next(&mut answers).ask, Some(0));
    let seen = ruler.seen.lock().unwrap();
    let files: Vec<_> = seen.iter().filter(|(tenths, _)| *tenths == 50).collect();
    assert_eq!(files, [&(50, true), &(50, true), &(50, true), &(50, false)]);
    assert_eq!(seen[1], (2, false));
}

#[test]
fn a_file_does_not_give_way_to_another_file() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let (first, second) = (Line::default(), Line::default());
    let mut others = open_file(&lane, &second, SttDetail::Segments);
    let comes = second.clone();
    let happens = move || {
        comes.put(voice(20));
        comes.close();
    };
    ruler.meanwhile.lock().unwrap().push_back(Box::new(happens));
    first.put(voice(50));
    first.close();
    assert_eq!(next(&mut open_file(&lane, &first, SttDetail::Segments)).text, "50 tenths");
    assert_eq!(next(&mut others).text, "20 tenths");
    assert!(ruler.seen.lock().unwrap().iter().all(|(_, gave_up)| !gave_up));
}

#[test]
fn what_the_model_cannot_do_is_refused_before_anything_is_heard() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let options = SttOptions { language: Some("xx".into()), ..SttOptions::default() };
    let said: Vec<_> =
        block_on(lane.open(Listen { input: Box::pin(Line::default()), options }).collect());
    assert!(matches!(&said[..], [Err(ModelError::BadRequest(reason))] if reason.contains("such")));
    assert!(ruler.seen.lock().unwrap().is_empty());
}

#[test]
fn work_ahead_is_given_up_for_another_callers_question() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let (talking, asking) = (Line::default(), Line::default());
    let mut other = open(&lane, &asking, false);
    asking.put(voice(3));
    let asks = asking.clone();
    ruler.meanwhile.lock().unwrap().push_back(Box::new(move || asks.put(ask(9))));
    let mut words = open(&lane, &talking, true);
    talking.put(voice(25));
    assert_eq!(next(&mut other).ask, Some(9));
    talking.put(quiet(2));
    assert!(next(&mut words).text.ends_with("tenths"));
    let seen = ruler.seen.lock().unwrap();
    assert!(seen[0].1, "the first window was not given up: {seen:?}");
    assert_eq!(seen[1], (3, false));
}

#[test]
fn work_ahead_that_heard_everything_answers_a_question_that_comes_meanwhile() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let call = Line::default();
    let asks = call.clone();
    let happens = move || {
        asks.put(quiet(1));
        asks.put(ask(4));
    };
    ruler.meanwhile.lock().unwrap().push_back(Box::new(happens));
    let mut words = open(&lane, &call, true);
    call.put([voice(5), quiet(1)].concat());
    let mut first = next(&mut words);
    if first.ask.is_none() {
        first = next(&mut words);
    }
    assert_eq!((first.ask, first.text.as_str()), (Some(4), "6 tenths"));
    assert_eq!(*ruler.seen.lock().unwrap(), [(6, false)]);
}

#[test]
fn work_on_a_pause_is_given_up_when_the_caller_goes_on() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let call = Line::default();
    let goes_on = call.clone();
    let happens = move || goes_on.put([voice(1), quiet(1)].concat());
    ruler.meanwhile.lock().unwrap().push_back(Box::new(happens));
    let mut words = open(&lane, &call, true);
    call.put([voice(5), quiet(1)].concat());
    assert_eq!(next(&mut words).text, "8 tenths");
    assert_eq!(*ruler.seen.lock().unwrap(), [(6, true), (8, false)]);
}

#[test]
fn a_question_is_never_given_up_for_another() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let (first, second) = (Line::default(), Line::default());
    let mut others = open(&lane, &second, false);
    let asks = second.clone();
    let happens = move || {
        asks.put(voice(2));
        asks.put(ask(2));
    };
    ruler.meanwhile.lock().unwrap().push_back(Box::new(happens));
    let mut words = open(&lane, &first, false);
    first.put(voice(5));
    first.put(ask(1));
    assert_eq!(next(&mut words).text, "5 tenths");
    assert_eq!(next(&mut others).text, "2 tenths");
    assert!(ruler.seen.lock().unwrap().iter().all(|(_, gave_up)| !gave_up));
}

#[test]
fn work_for_a_reader_that_left_is_given_up() {
    let ruler = Ruler::default();
    let lane = lane(&ruler);
    let (leaving, staying) = (Line::default(), Line::default());
    leaving.put(voice(5));
    leaving.put(ask(1));
    let going: Arc<Mutex<Option<TranscriptStream>>> = Arc::default();
    let gone = Arc::clone(&going);
    let leave = move || drop(gone.lock().unwrap().take());
    ruler.meanwhile.lock().unwrap().push_back(Box::new(leave));
    // Held so that the reader is in place before the lane can look for it.
    let mut place = going.lock().unwrap();
    *place = Some(open(&lane, &leaving, false));
    drop(place);
    let mut words = open(&lane, &staying, false);
    staying.put(voice(2));
    staying.put(ask(2));
    assert_eq!(next(&mut words).text, "2 tenths");
    assert_eq!(ruler.seen.lock().unwrap()[0], (5, true));
}

#[test]
fn sound_of_another_rate_ends_the_stream_with_a_reason() {
    let lane = lane(&Ruler::default());
    let call = Line::default();
    call.put([SttInput::Frame(Frame::new(vec![0; 160], 8_000, MediaTime::ZERO))]);
    let said = block_on(open(&lane, &call, false).collect::<Vec<_>>());
    assert!(matches!(&said[..], [Err(ModelError::BadRequest(reason))] if reason.contains("8000")));
}

#[test]
fn a_failing_engine_fails_the_stream_it_worked_for_and_no_other() {
    let lane = lane(&Ruler::default());
    let (broken, whole) = (Line::default(), Line::default());
    let options = SttOptions { prompt: Some("fail".into()), ..SttOptions::default() };
    let mut failing = lane.open(Listen { input: Box::pin(broken.clone()), options });
    let mut words = open(&lane, &whole, false);
    for call in [&broken, &whole] {
        call.put(voice(5));
        call.put(ask(1));
    }
    assert!(matches!(block_on(failing.next()), Some(Err(ModelError::Engine { .. }))));
    assert!(block_on(failing.next()).is_none());
    assert_eq!(next(&mut words).text, "5 tenths");
}

#[test]
fn a_stream_without_sound_ends_with_an_empty_text() {
    let lane = lane(&Ruler::default());
    let call = Line::default();
    call.close();
    let words: Vec<_> = block_on(open(&lane, &call, true).collect());
    assert_eq!(words.len(), 1);
    assert_eq!(words[0].as_ref().unwrap().text, "");
}

/// Hears one thing in a tight window, another in a wide one and a third with a temperature; may be
/// told to give up at the second and third.
#[derive(Default)]
struct Hasty {
    tight: &'static str,
    wide: Option<&'static str>,
    warm: Option<&'static str>,
    /// Positions and temperature of each look.
    looks: Vec<(u32, f32)>,
}

impl RecognizeAlone for Hasty {
    fn check(&self, _: Option<&str>, _: SttTask) -> Result<(), ModelError> {
        Ok(())
    }

    fn recognize(
        &mut self,
        window: &Window<'_>,
        _: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Understood>, ModelError> {
        self.looks.push((window.audio_positions, window.style.temperature));
        let said = |text: &str| Understood { text: text.to_owned(), ..Understood::default() };
        Ok(match (window.audio_positions, window.style.temperature) {
            (_, temperature) if temperature > 0.0 => self.warm.map(said),
            (fit::WIDE, _) => self.wide.map(said),
            _ => Some(said(self.tight)),
        })
    }
}

fn looked_at(hasty: &mut Hasty, why: Why, detail: SttDetail) -> (String, usize) {
    let style = Style { detail, ..Style::default() };
    let mut window = OwnedWindow {
        samples: Vec::new(),
        language: None,
        prompt: String::new(),
        audio_positions: 192,
        tokens: Tokens::default(),
        threads: 1,
        style,
    };
    let mut looks = Looks::new(why, &window);
    loop {
        let seen = hasty.recognize(&window.borrowed(), &mut || false).unwrap();
        if let Next::Done(heard) = looks.take(seen, &mut window) {
            return (heard.unwrap().text, hasty.looks.len());
        }
    }
}

fn call_looked_at(tight: &'static str, wide: Option<&'static str>, why: Why) -> (String, usize) {
    looked_at(&mut Hasty { tight, wide, ..Hasty::default() }, why, SttDetail::Text)
}

#[test]
fn digits_are_looked_at_again_in_a_wider_window() {
    let twice = "10001, 10001";
    assert_eq!(call_looked_at(twice, Some("10001"), Why::Owed), ("10001".to_owned(), 2));
    assert_eq!(call_looked_at(twice, Some("10001"), Why::Pause), ("10001".to_owned(), 2));
    assert_eq!(call_looked_at(twice, None, Why::Full), (twice.to_owned(), 2), "no time");
}

#[test]
fn words_and_what_is_still_being_said_get_one_look() {
    assert_eq!(call_looked_at("ten", Some("two"), Why::Owed), ("ten".to_owned(), 1));
    assert_eq!(call_looked_at("10", Some("2"), Why::Growth), ("10".to_owned(), 1));
}

/// A text that repeats itself.
const LOOP: &str =
    "and so on and so on and so on and so on and so on and so on and so on and so on";

#[test]
fn a_file_s_loop_is_written_down_once_more_and_freely() {
    let mut hasty = Hasty { tight: LOOP, warm: Some("and so on"), ..Hasty::default() };
    let told = looked_at(&mut hasty, Why::Owed, SttDetail::Segments);
    assert_eq!(told, ("and so on".to_owned(), 2));
    assert!(hasty.looks[1].1 > 0.0);
}

#[test]
fn another_loop_is_no_better_than_the_first() {
    let mut hasty = Hasty { tight: LOOP, warm: Some(LOOP), ..Hasty::default() };
    let told = looked_at(&mut hasty, Why::Owed, SttDetail::Segments);
    assert_eq!(told, (LOOP.to_owned(), 2));
}

#[test]
fn a_call_has_no_time_for_another_try() {
    assert_eq!(call_looked_at(LOOP, None, Why::Owed), (LOOP.to_owned(), 1));
}

/// Has some desks, and ends a window after three steps.
#[derive(Clone, Default)]
struct Office {
    desks: Vec<Option<(usize, u32)>>,
    /// Of each step, which lengths in tenths of a second lay on the desks.
    seen: Arc<Mutex<Vec<Vec<usize>>>>,
    given_up: Arc<Mutex<Vec<usize>>>,
    /// What happens before the first step.
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl Recognize for Office {
    fn check(&self, _: Option<&str>, _: SttTask) -> Result<(), ModelError> {
        Ok(())
    }

    fn desks(&self) -> usize {
        self.desks.len()
    }

    fn begin(&mut self, desk: usize, window: &Window<'_>) -> Result<(), ModelError> {
        self.desks[desk] = Some((window.samples.len() / (RATE_HZ as usize / 10), 0));
        Ok(())
    }

    fn step(&mut self, urgency: &mut dyn FnMut(usize) -> Option<Urgency>) -> Vec<(usize, Outcome)> {
        if let Some(happens) = self.meanwhile.lock().unwrap().take() {
            happens();
        }
        let lengths = self.desks.iter().flatten().map(|(tenths, _)| *tenths).collect();
        self.seen.lock().unwrap().push(lengths);
        let mut ended = Vec::new();
        for (number, desk) in self.desks.iter_mut().enumerate() {
            let Some((tenths, steps)) = desk else { continue };
            *steps += 1;
            if urgency(number).is_none() {
                self.given_up.lock().unwrap().push(*tenths);
                ended.push((number, Ok(None)));
            } else if *steps == 3 {
                let text = ["none", "one", "two", "three", "four", "five"][*tenths].to_owned();
                ended.push((
                    number,
                    Ok(Some(Understood { text, tokens: 1, ..Understood::default() })),
                ));
            } else {
                continue;
            }
            *desk = None;
        }
        ended
    }
}

fn office(desks: usize) -> (Office, Lane<Hearing<Office>>) {
    let office = Office { desks: vec![None; desks], ..Office::default() };
    let own = office.clone();
    let settings = Settings { slots: 3, threads: 1, gpu: false, language: None };
    let lane = Lane::start("office", Priority::WithAudio, || Ok(Hearing::new(own, settings)));
    (office, lane.unwrap())
}

fn listen_to(lane: &Lane<Hearing<Office>>, caller: &Line, partials: bool) -> TranscriptStream {
    let options = SttOptions { partials, ..SttOptions::default() };
    lane.open(Listen { input: Box::pin(caller.clone()), options })
}

#[test]
fn windows_of_several_calls_are_worked_on_together() {
    let (office, lane) = office(2);
    let (first, second) = (Line::default(), Line::default());
    let meanwhile = second.clone();
    *office.meanwhile.lock().unwrap() =
        Some(Box::new(move || meanwhile.put(voice(3).into_iter().chain(ask(2)))));
    let (mut one, mut two) = (listen_to(&lane, &first, false), listen_to(&lane, &second, false));
    first.put(voice(2).into_iter().chain(ask(1)));
    assert_eq!((next(&mut one).text, next(&mut two).text), ("two".into(), "three".into()));
    assert!(office.seen.lock().unwrap().contains(&vec![2, 3]), "{:?}", office.seen);
}

#[test]
fn work_ahead_goes_on_while_there_is_a_desk_for_a_question() {
    for (desks, gives_up) in [(2, false), (1, true)] {
        let (office, lane) = office(desks);
        let (speaking, asking) = (Line::default(), Line::default());
        let meanwhile = asking.clone();
        *office.meanwhile.lock().unwrap() =
            Some(Box::new(move || meanwhile.put(voice(3).into_iter().chain(ask(2)))));
        let mut ahead = listen_to(&lane, &speaking, true);
        let mut asked = listen_to(&lane, &asking, false);
        speaking.put(voice(2).into_iter().chain(quiet(1)));
        assert_eq!(next(&mut asked).text, "three");
        assert_eq!(next(&mut ahead).ask, None);
        let gave_up = !office.given_up.lock().unwrap().is_empty();
        assert_eq!(gave_up, gives_up, "with {desks} desks");
    }
}

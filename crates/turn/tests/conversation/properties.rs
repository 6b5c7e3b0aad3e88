//! What holds in every conversation, whatever happens in whatever order.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use trunkline_turn::{
    Ask, Command, Conversation, Digit, Ear, Event, Evidence, Heard, Input, Mark, Output,
    ReplyCause, ReplyId, Said, Spoken,
};

use crate::stage::{config, script};

/// What may happen, in terms of the conversation's own latest reply and question.
#[derive(Clone, Debug)]
enum Step {
    Speech,
    Voiced(u64),
    Silence,
    Words {
        text: &'static str,
        is_answer: bool,
        is_weak: bool,
    },
    Score(f32),
    Reply(ReplyStep),
    Cut,
    Deaf,
    Key,
    Held,
    Resumed,
    TimePassed,
    /// Anything about replies and marks that there never were.
    Nonsense(u32),
}

/// What may happen to the latest reply.
#[derive(Clone, Copy, Debug)]
enum ReplyStep {
    Ready,
    Spoke(&'static str),
    Whole,
    Failed,
    Played,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_in_every_conversation(steps in steps()) {
        play(&steps);
    }

    #[test]
    fn the_same_inputs_lead_to_the_same_outputs(steps in steps()) {
        let start = some_time();
        let (first, second) = (play_from(start, &steps), play_from(start, &steps));
        prop_assert_eq!(first.log, second.log);
    }

    #[test]
    fn a_call_left_to_itself_ends(steps in steps()) {
        let mut world = play(&steps);
        for _ in 0..10_000 {
            let Some(deadline) = world.deadline else { return Ok(()) };
            world.now = world.now.max(deadline);
            world.tell(Input::TimePassed);
        }
        prop_assert!(false, "the call goes on for ever: {:?}", world.log.last());
    }
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let text = prop::sample::select(vec![
        "",
        "When do you open?",
        "I would like",
        "Uh-huh.",
        "Stop.",
        "My number is five two six",
        "Thank you.",
        "[Music]",
        "Yes.",
        "a table for two please",
    ]);
    let words = (text, any::<bool>(), prop::bool::weighted(0.2))
        .prop_map(|(text, is_answer, is_weak)| Step::Words { text, is_answer, is_weak });
    let clause = prop::sample::select(vec!["Of course,", "we open at nine.", "For tonight?", ""]);
    let step = prop_oneof![
        8 => Just(Step::Speech),
        8 => prop::sample::select(vec![60, 200, 256, 320, 700, 1500]).prop_map(Step::Voiced),
        8 => Just(Step::Silence),
        12 => words,
        4 => (0.0f32..1.0).prop_map(Step::Score),
        6 => Just(Step::Reply(ReplyStep::Ready)),
        8 => clause.prop_map(|text| Step::Reply(ReplyStep::Spoke(text))),
        5 => Just(Step::Reply(ReplyStep::Whole)),
        2 => Just(Step::Reply(ReplyStep::Failed)),
        10 => Just(Step::Reply(ReplyStep::Played)),
        6 => Just(Step::Cut),
        1 => Just(Step::Deaf),
        1 => Just(Step::Key),
        1 => Just(Step::Held),
        3 => Just(Step::Resumed),
        4 => Just(Step::TimePassed),
        2 => (0u32..9).prop_map(Step::Nonsense),
    ];
    let wait = prop_oneof![6 => 0u64..120, 3 => 120u64..900, 1 => 900u64..9000];
    prop::collection::vec((wait, step), 1..80)
}

#[track_caller]
fn play(steps: &[(u64, Step)]) -> World {
    play_from(some_time(), steps)
}

#[track_caller]
fn play_from(start: Instant, steps: &[(u64, Step)]) -> World {
    let mut world = World::new(start);
    world.tell(Input::Answered);
    for (wait, step) in steps {
        world.pass(Duration::from_millis(*wait));
        for input in world.inputs(step) {
            world.tell(input);
        }
    }
    world
}

fn some_time() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
    let now = Instant::now();
    now + Duration::from_secs(100)
}

/// Where a reply stands, as its commands say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Prepared,
    Released,
    Paused,
    /// Failed while it was held back.
    Failed,
    Over,
}

/// A session without sound: it keeps the books that the conversation's orders must agree with.
struct World {
    now: Instant,
    conversation: Conversation,
    deadline: Option<Instant>,
    log: Vec<String>,
    replies: BTreeMap<ReplyId, Stage>,
    spoken: BTreeMap<ReplyId, Vec<&'static str>>,
    played: BTreeMap<ReplyId, u32>,
    books: Books,
}

#[derive(Default)]
struct Books {
    is_open: bool,
    is_over: bool,
    asks: u32,
    turns_begun: u32,
    last_ended: u32,
    reply: Option<ReplyId>,
    stopped: Option<ReplyId>,
    whole: Option<ReplyId>,
}

impl World {
    fn new(now: Instant) -> Self {
        Self {
            now,
            conversation: Conversation::new(config(), script()),
            deadline: None,
            log: Vec::new(),
            replies: BTreeMap::new(),
            spoken: BTreeMap::new(),
            played: BTreeMap::new(),
            books: Books::default(),
        }
    }

    /// Lets time pass, and every deadline in it.
    fn pass(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            assert!(deadline > self.now || self.log.is_empty(), "a deadline that has passed");
            self.now = deadline;
            self.tell(Input::TimePassed);
        }
        self.now = end;
    }

    fn tell(&mut self, input: Input) {
        self.conversation.handle(self.now, input);
        for _ in 0..200 {
            match self.conversation.poll() {
                Output::Command(command) => {
                    self.log.push(format!("{command:?}"));
                    self.obey(&command);
                }
                Output::Event(event) => {
                    if !matches!(event, Event::TurnEnded { .. }) {
                        self.log.push(format!("{event:?}"));
                    }
                    self.note(&event);
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    assert_eq!(deadline.is_none(), self.books.is_over, "always a deadline");
                    assert!(deadline.is_none_or(|at| at > self.now), "a deadline in the past");
                    return self.check_transcript();
                }
            }
        }
        panic!("the conversation never waits");
    }

    fn obey(&mut self, command: &Command) {
        assert!(!self.books.is_over, "no orders after the end");
        match command {
            Command::Listen(ear) => {
                let is_open = *ear == Ear::Open;
                assert_ne!(is_open, self.books.is_open, "the ear is opened once and shut once");
                self.books.is_open = is_open;
            }
            Command::FinalizeWords(ask) => {
                assert!(self.books.is_open, "only an open ear can be asked");
                assert_eq!(ask.0, self.books.asks + 1, "questions are numbered");
                self.books.asks = ask.0;
            }
            Command::ScoreEnd { .. } => assert!(self.books.is_open, "only a turn can be scored"),
            Command::PrepareReply { reply, cause } => self.prepare(*reply, cause),
            Command::ReleaseReply { reply } => {
                self.move_reply(*reply, &[Stage::Prepared], Stage::Released);
            }
            Command::PauseReply { reply } => {
                self.move_reply(*reply, &[Stage::Released], Stage::Paused);
            }
            Command::ResumeReply { reply } => {
                self.move_reply(*reply, &[Stage::Paused], Stage::Released);
            }
            Command::StopReply { reply } => {
                let was_out =
                    matches!(self.replies.get(reply), Some(Stage::Released | Stage::Paused));
                if was_out {
                    self.books.stopped = Some(*reply);
                }
                let any = [Stage::Prepared, Stage::Released, Stage::Paused, Stage::Failed];
                self.move_reply(*reply, &any, Stage::Over);
            }
            Command::HangUp => self.books.is_over = true,
        }
        let audible =
            self.replies.values().filter(|s| matches!(s, Stage::Released | Stage::Paused));
        assert!(audible.count() <= 1, "never two replies");
        let open =
            self.replies.values().filter(|stage| !matches!(stage, Stage::Failed | Stage::Over));
        assert!(open.count() <= 1, "never a reply prepared under another");
    }

    fn prepare(&mut self, reply: ReplyId, cause: &ReplyCause) {
        let number = u32::try_from(self.replies.len()).unwrap() + 1;
        assert_eq!(reply.0, number, "replies are numbered");
        if let ReplyCause::Turn { turn, .. } = cause {
            assert!(turn.0 > self.books.last_ended, "a reply is prepared before its turn ends");
        }
        self.replies.insert(reply, Stage::Prepared);
        self.books.reply = Some(reply);
    }

    #[track_caller]
    fn move_reply(&mut self, reply: ReplyId, from: &[Stage], to: Stage) {
        let stage = self.replies.get(&reply).copied();
        assert!(
            stage.is_some_and(|stage| from.contains(&stage)),
            "{reply:?} is {stage:?}, not to be {to:?}"
        );
        self.replies.insert(reply, to);
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::TurnStarted { turn } => {
                self.books.turns_begun += 1;
                assert_eq!(turn.0, self.books.turns_begun, "turns are numbered");
            }
            Event::TurnEnded { turn, text, speech_ended } => {
                assert_eq!(turn.0, self.books.turns_begun, "only a turn that began ends");
                assert!(!text.is_empty() && *speech_ended <= self.now);
                assert!(turn.0 > self.books.last_ended, "a turn ends once");
                self.books.last_ended = turn.0;
            }
            Event::ReplyHeard { reply, text, whole } => {
                let spoken =
                    self.spoken.get(reply).map(|clauses| join(clauses)).unwrap_or_default();
                assert!(spoken.starts_with(text.as_str()), "{text:?} was never spoken");
                assert!(!whole || *text == spoken, "whole, but not all of it");
                self.replies.insert(*reply, Stage::Over);
            }
            Event::ReplyFailed { reply, .. } => {
                assert!(self.replies.contains_key(reply));
                // Held back, it is of no more use; let out, what has gone out is still heard.
                if self.replies[reply] == Stage::Prepared {
                    self.replies.insert(*reply, Stage::Failed);
                }
            }
            Event::ReplyStarted { reply, .. } => {
                assert!(matches!(self.replies[reply], Stage::Released | Stage::Paused));
            }
            Event::Interrupted { .. }
            | Event::FellSilent { .. }
            | Event::Pressed(_)
            | Event::Decided(_) => {}
        }
    }

    fn check_transcript(&self) {
        let messages = self.conversation.transcript().messages();
        for pair in messages.windows(2) {
            let both_callers = matches!(pair, [Said::Caller(_), Said::Caller(_)]);
            assert!(!both_callers, "two messages of the caller in a row");
        }
        let all: Vec<String> = self.spoken.values().map(|clauses| join(clauses)).collect();
        for said in messages {
            if let Said::Agent { text, .. } = said {
                assert!(!text.is_empty());
                assert!(
                    all.iter().any(|spoken| spoken.starts_with(text.as_str())),
                    "{text:?} was never spoken"
                );
            }
        }
    }

    /// What a session would tell of a step, with the numbers that fit.
    fn inputs(&mut self, step: &Step) -> Vec<Input> {
        let before = |ms| self.now.checked_sub(Duration::from_millis(ms)).unwrap();
        let input = match step {
            Step::Speech => Input::SpeechStarted { at: before(64) },
            Step::Voiced(ms) => Input::SpeechContinued { voiced: Duration::from_millis(*ms) },
            Step::Silence => Input::SpeechStopped { at: before(96) },
            Step::Words { text, is_answer, is_weak } => Input::Heard(Heard {
                text: (*text).to_owned(),
                answers: is_answer.then_some(Ask(self.books.asks)),
                evidence: evidence(*is_weak),
            }),
            Step::Score(probability) => Input::EndScored { probability: *probability },
            Step::Deaf => Input::HearingFailed { reason: "deaf".into() },
            Step::Key => Input::Pressed(Digit('5')),
            Step::Held => Input::Held,
            Step::Resumed => Input::Resumed,
            Step::TimePassed => Input::TimePassed,
            Step::Nonsense(n) => {
                let reply = ReplyId(n + 90);
                let mark = Mark { reply, clause: *n };
                return vec![
                    Input::Played(mark),
                    Input::ReplyWhole { reply },
                    Input::Cut { reply, last: Some(mark), since_mark: Duration::from_secs(1) },
                ];
            }
            Step::Cut => return self.cut().into_iter().collect(),
            Step::Reply(step) => return self.reply_input(*step).into_iter().collect(),
        };
        vec![input]
    }

    fn cut(&mut self) -> Option<Input> {
        let reply = self.books.stopped.take()?;
        let last = self.played.get(&reply).map(|&n| Mark { reply, clause: n - 1 });
        Some(Input::Cut { reply, last, since_mark: Duration::from_millis(300) })
    }

    fn reply_input(&mut self, step: ReplyStep) -> Option<Input> {
        let reply = self.books.reply?;
        let is_out = matches!(self.replies[&reply], Stage::Released | Stage::Paused);
        let spoken = self.spoken.entry(reply).or_default();
        let played = self.played.get(&reply).copied().unwrap_or(0);
        match step {
            ReplyStep::Ready => Some(Input::ReplyReady { reply }),
            ReplyStep::Spoke(text) if is_out && self.books.whole != Some(reply) => {
                spoken.push(text);
                let clause = u32::try_from(spoken.len()).unwrap() - 1;
                Some(Input::Spoke(Spoken {
                    mark: Mark { reply, clause },
                    text: text.to_owned(),
                    duration: Duration::from_millis(700),
                    words: Vec::new(),
                }))
            }
            ReplyStep::Whole if is_out => {
                self.books.whole = Some(reply);
                Some(Input::ReplyWhole { reply })
            }
            ReplyStep::Failed => Some(Input::ReplyFailed { reply, reason: "broken".into() }),
            ReplyStep::Played if (played as usize) < spoken.len() => {
                self.played.insert(reply, played + 1);
                Some(Input::Played(Mark { reply, clause: played }))
            }
            ReplyStep::Spoke(_) | ReplyStep::Whole | ReplyStep::Played => None,
        }
    }
}

fn join(clauses: &[&str]) -> String {
    clauses.iter().filter(|c| !c.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

fn evidence(is_weak: bool) -> Evidence {
    Evidence {
        voiced: Duration::from_millis(if is_weak { 90 } else { 700 }),
        level_dbfs: -24.0,
        vad_mean: 0.93,
        no_speech: 0.02,
        avg_logprob: if is_weak { -2.0 } else { -0.3 },
        compression_ratio: 1.1,
    }
}

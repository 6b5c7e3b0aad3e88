//! A session without sound: it keeps the books that the conversation's orders must agree with.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use trunkline_turn::{
    Ask, Command, Conversation, Digit, Ear, Event, Evidence, Heard, Input, ItemKey, Mark, Order,
    Output, Place, ReplyCause, ReplyId, Said, Spoken, Taking, TurnConfig, TurnId,
};

use super::{Directed, ReplyStep, Step};
use crate::stage::{config, script};

/// Where a reply stands, as its commands say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Prepared,
    Released,
    /// Failed while it was held back.
    Failed,
    Over,
}

/// The conversation and its books.
pub(super) struct World {
    pub(super) now: Instant,
    conversation: Conversation,
    config: TurnConfig,
    pub(super) deadline: Option<Instant>,
    pub(super) log: Vec<String>,
    replies: BTreeMap<ReplyId, Stage>,
    spoken: BTreeMap<ReplyId, Vec<&'static str>>,
    played: BTreeMap<ReplyId, u32>,
    written: BTreeMap<ReplyId, String>,
    /// Replies that are wholly made: another may be made while they are heard.
    made: BTreeSet<ReplyId>,
    books: Books,
}

/// How the outgoing line stands.
#[derive(Default)]
struct Line {
    is_paused: bool,
    is_held: bool,
}

/// What was told of the caller's voice.
#[derive(Default)]
struct Voice {
    speaks: bool,
    has_committed: bool,
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
    commits: Vec<Ask>,
    line: Line,
    voice: Voice,
    orders: u64,
    placed: u64,
    truncated: Vec<ReplyId>,
}

impl World {
    pub(super) fn new(now: Instant, config: TurnConfig) -> Self {
        Self {
            now,
            conversation: Conversation::new(config.clone(), script()),
            config,
            deadline: None,
            log: Vec::new(),
            replies: BTreeMap::new(),
            spoken: BTreeMap::new(),
            played: BTreeMap::new(),
            written: BTreeMap::new(),
            made: BTreeSet::new(),
            books: Books::default(),
        }
    }

    /// Lets time pass, and every deadline in it.
    pub(super) fn pass(&mut self, wait: Duration) {
        let end = self.now + wait;
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= end) {
            assert!(deadline > self.now || self.log.is_empty(), "a deadline that has passed");
            self.now = deadline;
            self.tell(Input::TimePassed);
        }
        self.now = end;
    }

    pub(super) fn tell(&mut self, input: Input) {
        let is_held = self.books.line.is_held && input != Input::Resumed;
        self.books.line.is_held = is_held || input == Input::Held;
        self.conversation.handle(self.now, input);
        self.drain();
    }

    /// Somebody else ends turns from here on.
    pub(super) fn become_another(&mut self, taking: Taking) {
        self.config.taking = taking;
        self.conversation.reconfigure(self.now, self.config.clone(), script());
        self.drain();
    }

    fn drain(&mut self) {
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
                let is_open = *ear != Ear::Shut;
                assert_ne!(is_open, self.books.is_open, "the ear is opened once and shut once");
                self.books.is_open = is_open;
            }
            Command::CommitWords(ask) => {
                assert!(self.books.is_open, "only an open ear hears a turn");
                self.books.is_open = false;
                assert_eq!(ask.0, self.books.asks + 1, "questions are numbered");
                self.books.asks = ask.0;
                self.books.commits.push(*ask);
                self.books.voice.has_committed = true;
            }
            Command::FinalizeWords(ask) => {
                assert!(self.books.is_open, "only an open ear can be asked");
                assert_eq!(ask.0, self.books.asks + 1, "questions are numbered");
                self.books.asks = ask.0;
            }
            Command::ScoreEnd { .. } => assert!(self.books.is_open, "only a turn can be scored"),
            Command::PrepareReply { reply, cause } => self.prepare(*reply, cause),
            Command::ReleaseReply { reply } => {
                let is_alone = !self.replies.values().any(|stage| is_out(*stage));
                let may_be_paused = self.books.line.is_held || !is_alone;
                assert!(!self.books.line.is_paused || may_be_paused, "nobody would hear it");
                self.move_reply(*reply, &[Stage::Prepared], Stage::Released);
            }
            // It is the line that is paused, with all that waits on it.
            Command::PauseReply { reply } => {
                assert!(is_out(self.replies[reply]));
                self.books.line.is_paused = true;
            }
            Command::ResumeReply { .. } => {
                assert!(self.books.line.is_paused, "goes on, but was not paused");
                self.books.line.is_paused = false;
            }
            Command::StopReply { reply } => {
                let was_out = self.replies.get(reply).is_some_and(|stage| is_out(*stage));
                if was_out {
                    self.books.stopped = Some(*reply);
                    self.books.line.is_paused = false;
                }
                let any = [Stage::Prepared, Stage::Released, Stage::Failed];
                self.move_reply(*reply, &any, Stage::Over);
                if was_out {
                    // What was let out before it is thrown away with it.
                    for stage in self.replies.values_mut() {
                        *stage = Stage::Over;
                    }
                }
            }
            Command::HangUp => self.books.is_over = true,
        }
        let is_open = |(reply, stage): &(&ReplyId, &Stage)| {
            !self.made.contains(reply) && !matches!(stage, Stage::Failed | Stage::Over)
        };
        let open = self.replies.iter().filter(is_open);
        assert!(open.count() <= 1, "never two replies in the making");
    }

    fn prepare(&mut self, reply: ReplyId, cause: &ReplyCause) {
        let number = u32::try_from(self.replies.len()).unwrap() + 1;
        assert_eq!(reply.0, number, "replies are numbered");
        match cause {
            ReplyCause::Turn { turn, .. } if self.config == config() => {
                assert!(turn.0 > self.books.last_ended, "a reply is prepared before its turn ends");
            }
            ReplyCause::Turn { .. }
            | ReplyCause::Ordered(_)
            | ReplyCause::Idle
            | ReplyCause::Greeting(_)
            | ReplyCause::Silence(_)
            | ReplyCause::Apology(_)
            | ReplyCause::Farewell(_) => {}
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
                assert!(turn.0 <= self.books.turns_begun, "only a turn that began ends");
                assert!(self.may_end_a_turn(), "told to speak after the turn");
                let is_committed = self.config != config();
                assert!((is_committed || !text.is_empty()) && *speech_ended <= self.now);
                assert!(turn.0 > self.books.last_ended, "a turn ends once");
                self.books.last_ended = turn.0;
            }
            Event::ReplyHeard { reply, text, whole } => {
                let spoken = self.given(*reply);
                assert!(
                    spoken.starts_with(text.as_str()),
                    "{text:?} was never spoken of {spoken:?}"
                );
                let is_all = *text == spoken || self.books.truncated.contains(reply);
                assert!(!whole || is_all, "whole, but not all of it");
                self.replies.insert(*reply, Stage::Over);
            }
            Event::ReplyFailed { reply, .. } => {
                assert!(self.replies.contains_key(reply));
                // Held back, it is of no more use; let out, what has gone out is still heard.
                if self.replies[reply] == Stage::Prepared {
                    self.replies.insert(*reply, Stage::Failed);
                }
            }
            Event::ReplyStarted { reply, cause } => self.note_start(*reply, cause),
            Event::SpeechStarted { at } => self.note_speech(*at, true),
            Event::SpeechStopped { at } => self.note_speech(*at, false),
            Event::TurnFailed { .. } => assert!(self.may_end_a_turn()),
            Event::ToolCalled { reply, .. } => assert!(self.replies.contains_key(reply)),
            Event::FellIdle { from, to } => {
                assert!(*to - *from >= self.config.silence.idle_after.unwrap());
            }
            Event::ReplyCancelled { reply } => assert_eq!(self.replies[reply], Stage::Over),
            Event::Refused { .. } => assert_ne!(self.config, config(), "nobody ordered anything"),
            Event::Interrupted { .. }
            | Event::FellSilent { .. }
            | Event::Pressed(_)
            | Event::Decided(_) => {}
        }
    }

    fn note_start(&mut self, reply: ReplyId, cause: &ReplyCause) {
        if let Some(stage) = self.replies.get(&reply) {
            assert_ne!(*stage, Stage::Prepared);
        } else {
            // It waited for the line and was cancelled before it was made.
            assert!(cause.fixed_text().is_none());
            self.replies.insert(reply, Stage::Over);
        }
    }

    fn note_speech(&mut self, at: Instant, speaks: bool) {
        assert_ne!(self.books.voice.speaks, speaks, "stop follows start");
        assert!(at <= self.now, "nobody knows what is to come");
        self.books.voice.speaks = speaks;
    }

    /// Whether nobody is told to speak, but for over a committed turn's words.
    fn may_end_a_turn(&self) -> bool {
        !self.books.voice.speaks || self.books.voice.has_committed
    }

    fn check_transcript(&self) {
        let messages = &self.conversation.transcript().messages();
        for pair in messages.windows(2) {
            let both_callers = matches!(pair, [Said::Caller(_), Said::Caller(_)]);
            assert!(!both_callers, "two messages of the caller in a row");
        }
        let all: Vec<String> = self.replies.keys().map(|reply| self.given(*reply)).collect();
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

    /// All that was spoken or written of a reply.
    fn given(&self, reply: ReplyId) -> String {
        let written = self.written.get(&reply).map(|text| text.trim().to_owned());
        let spoken = || self.spoken.get(&reply).map(|clauses| join(clauses));
        written.or_else(spoken).unwrap_or_default()
    }

    /// What a session would tell of a step, with the numbers that fit.
    pub(super) fn inputs(&mut self, step: &Step) -> Vec<Input> {
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
            Step::Directed(order) => return self.directed(*order).into_iter().collect(),
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

    fn directed(&mut self, order: Directed) -> Option<Input> {
        let reply = self.books.reply.unwrap_or(ReplyId(1));
        Some(match order {
            Directed::Commit(ms) => Input::TurnCommitted { heard: Duration::from_millis(ms) },
            Directed::Clear => Input::TurnCleared,
            Directed::Known(text) => {
                let ask = self.books.commits.pop()?;
                Input::CommitKnown { ask, text: text.to_owned() }
            }
            Directed::Unknown => {
                let ask = self.books.commits.pop()?;
                Input::CommitFailed { ask, reason: "broken".into() }
            }
            Directed::Order { is_aside } => {
                self.books.orders += 1;
                Input::ReplyOrdered(Order { number: self.books.orders, is_aside })
            }
            Directed::Halt { is_named } => {
                Input::StopOrdered { reply: Some(reply).filter(|_| is_named) }
            }
            Directed::Place { at_end } => {
                self.books.placed += 1;
                let behind = Place::Behind(ItemKey::Turn(TurnId(1)));
                let place = if at_end { Place::Last } else { behind };
                Input::ItemPlaced { item: self.books.placed, place }
            }
            Directed::Remove => Input::ItemRemoved(ItemKey::Placed(self.books.placed)),
            Directed::Truncate(ms) => {
                self.books.truncated.push(reply);
                Input::ReplyTruncated { reply, heard: Duration::from_millis(ms) }
            }
            Directed::Become(_) => return None,
        })
    }

    fn reply_input(&mut self, step: ReplyStep) -> Option<Input> {
        let reply = self.books.reply?;
        let is_out = is_out(self.replies[&reply]);
        let is_written = self.written.contains_key(&reply);
        let spoken = self.spoken.entry(reply).or_default();
        let played = self.played.get(&reply).copied().unwrap_or(0);
        match step {
            ReplyStep::Ready => Some(Input::ReplyReady { reply }),
            ReplyStep::Spoke(text) if is_out && !is_written && self.books.whole != Some(reply) => {
                spoken.push(text);
                let clause = u32::try_from(spoken.len()).unwrap() - 1;
                Some(Input::Spoke(Spoken {
                    mark: Mark { reply, clause },
                    text: text.to_owned(),
                    duration: Duration::from_millis(700),
                    words: Vec::new(),
                }))
            }
            ReplyStep::Wrote(text)
                if is_out && spoken.is_empty() && self.books.whole != Some(reply) =>
            {
                let text = text.to_owned();
                self.written.entry(reply).or_default().push_str(&text);
                Some(Input::Wrote { reply, text })
            }
            ReplyStep::Called if is_out => Some(Input::ToolCalled { reply, index: 0 }),
            ReplyStep::Whole if is_out => {
                self.made.insert(reply);
                self.books.whole = Some(reply);
                Some(Input::ReplyWhole { reply })
            }
            ReplyStep::Failed => {
                self.made.insert(reply);
                Some(Input::ReplyFailed { reply, reason: "broken".into() })
            }
            ReplyStep::Played if (played as usize) < spoken.len() => {
                self.played.insert(reply, played + 1);
                Some(Input::Played(Mark { reply, clause: played }))
            }
            ReplyStep::Spoke(_)
            | ReplyStep::Whole
            | ReplyStep::Played
            | ReplyStep::Wrote(_)
            | ReplyStep::Called => None,
        }
    }
}

fn is_out(stage: Stage) -> bool {
    stage == Stage::Released
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

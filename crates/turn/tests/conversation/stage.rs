//! Plays timelines. A timeline is the whole record of a conversation: lines with a time in
//! milliseconds are facts told to it, lines with `>` are what it then wants and reports, and a time
//! before `>` is a deadline that it set itself. Playing a timeline must give the same text again.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use trunkline_turn::{
    Ask, Command, Conversation, Decision, Digit, Ear, Event, Evidence, Heard, Input, ItemKey, Mark,
    OnFailure, Order, Output, PatienceConfig, Place, ReplyCause, ReplyId, Said, Script, Spoken,
    Taking, TurnConfig, TurnId, WordTime,
};

/// The configuration of the timelines: patience as round figures that do not move when defaults are
/// tuned.
pub(crate) fn config() -> TurnConfig {
    let patience = PatienceConfig {
        finished: Duration::from_millis(280),
        typical: Duration::from_millis(450),
        unfinished: Duration::from_millis(850),
        dictating: Duration::from_millis(1400),
        sure: 0.7,
        unsure: 0.7,
        ..PatienceConfig::default()
    };
    TurnConfig { patience, ..TurnConfig::default() }
}

/// Plays the facts of `timeline` and compares all that happened with it.
#[track_caller]
pub(crate) fn check(timeline: &str) {
    check_with(config(), script(), timeline);
}

#[track_caller]
pub(crate) fn check_with(config: TurnConfig, script: Script, timeline: &str) {
    check_on(Stage::new(config, script), timeline);
}

/// The same for an agent that says nothing by itself and goes on after failures, with a program at the
/// caller's end that is told when the caller speaks.
#[track_caller]
pub(crate) fn check_directed(config: TurnConfig, timeline: &str) {
    let script = Script {
        greeting: String::new(),
        apology: String::new(),
        silence_prompts: vec![],
        farewell: String::new(),
        repeat: String::new(),
    };
    let config = TurnConfig { on_failure: OnFailure::GoOn, ..config };
    check_on(Stage { is_told: true, ..Stage::new(config, script) }, timeline);
}

/// The configuration of the timelines with this taking of turns.
pub(crate) fn taking(taking: Taking) -> TurnConfig {
    TurnConfig { taking, ..config() }
}

#[track_caller]
fn check_on(mut stage: Stage, timeline: &str) {
    let expected = lines(timeline).collect::<Vec<_>>().join("\n");
    for line in lines(timeline) {
        stage.play(line);
    }
    assert!(stage.log == expected, "--- expected\n{expected}\n--- happened\n{}\n---", stage.log);
}

/// Short texts, so that timelines fit on a line.
pub(crate) fn script() -> Script {
    Script {
        greeting: "Hello!".into(),
        apology: "Sorry, bye.".into(),
        silence_prompts: vec!["Are you there?".into(), "Hello?".into()],
        farewell: "Goodbye.".into(),
        repeat: "Once more?".into(),
    }
}

fn lines(timeline: &str) -> impl Iterator<Item = &str> {
    timeline.lines().map(str::trim).filter(|line| !line.is_empty())
}

pub(crate) struct Stage {
    start: Instant,
    conversation: Conversation,
    deadline: Option<Instant>,
    last_ask: Option<Ask>,
    log: String,
    /// Whether what only a program at the caller's end is told of speech is written too.
    is_told: bool,
}

impl Stage {
    pub(crate) fn new(config: TurnConfig, script: Script) -> Self {
        #[expect(clippy::disallowed_methods, reason = "an arbitrary origin for virtual time")]
        let start = Instant::now() + Duration::from_secs(100);
        let conversation = Conversation::new(config, script);
        Self {
            start,
            conversation,
            deadline: None,
            last_ask: None,
            log: String::new(),
            is_told: false,
        }
    }

    fn play(&mut self, line: &str) {
        let Some((at, fact)) = line.split_once(' ').filter(|(_, fact)| !fact.starts_with('>'))
        else {
            return;
        };
        let Ok(at) = at.parse() else { return };
        let now = self.start + Duration::from_millis(at);
        self.wait_until(now);
        self.write(line);
        if fact == "said" {
            return self.write_transcript();
        }
        if let Some(name) = fact.strip_prefix("become ") {
            let config = taking(taking_of(name));
            self.conversation.reconfigure(now, config, script());
            return self.drain();
        }
        if fact != "nothing" {
            let input = self.input(fact, now);
            self.conversation.handle(now, input);
            self.drain();
        }
    }

    /// Lets every deadline before `now` pass.
    fn wait_until(&mut self, now: Instant) {
        while let Some(deadline) = self.deadline.filter(|&deadline| deadline <= now) {
            self.conversation.handle(deadline, Input::TimePassed);
            let written = self.log.len();
            self.drain();
            let at = format!("{} ", (deadline - self.start).as_millis());
            if self.log.len() > written {
                self.log.insert_str(written + 1, &at);
            }
            assert!(self.deadline.is_none_or(|next| next > deadline), "a deadline fires for ever");
        }
    }

    fn drain(&mut self) {
        loop {
            let line = match self.conversation.poll() {
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                Output::Command(command) => {
                    if let Command::FinalizeWords(ask) = command {
                        self.last_ask = Some(ask);
                    }
                    command_text(&command, self.start)
                }
                Output::Event(Event::SpeechStarted { .. } | Event::SpeechStopped { .. })
                    if !self.is_told =>
                {
                    continue;
                }
                Output::Event(event) => self.event_text(&event),
            };
            self.write(&format!("> {line}"));
        }
    }

    fn write(&mut self, line: &str) {
        if !self.log.is_empty() {
            self.log.push('\n');
        }
        self.log.push_str(line);
    }

    fn write_transcript(&mut self) {
        for said in self.conversation.transcript().messages() {
            let line = match said {
                Said::Caller(text) => format!("> caller: {text}"),
                Said::Agent { text, whole: true } => format!("> agent: {text}"),
                Said::Agent { text, whole: false } => format!("> agent: {text} -"),
                Said::Called { reply, index } => format!("> call {}.{index}", reply.0),
                Said::Placed(item) => format!("> placed {item}"),
            };
            self.write(&line);
        }
    }

    /// Reads a fact: its name, a quoted text, numbers.
    fn input(&self, fact: &str, now: Instant) -> Input {
        let mut quoted = fact.split('"');
        let plain = quoted.next().unwrap_or_default();
        let text = quoted.next().unwrap_or_default().to_owned();
        let rest = quoted.next().unwrap_or_default();
        let words: Vec<&str> = plain.split_whitespace().chain(rest.split_whitespace()).collect();
        let word = |n: usize| words.get(n).copied().unwrap_or_default();
        let ms = |n: usize| Duration::from_millis(word(n).parse().unwrap());
        let reply = |n: usize| ReplyId(word(n).parse().unwrap());
        let before = |length| now.checked_sub(Duration::from_millis(length)).unwrap();
        match word(0) {
            "answered" => Input::Answered,
            "speech" => Input::SpeechStarted { at: before(64) },
            "rising" => Input::SpeechRising,
            "voiced" => Input::SpeechContinued { voiced: ms(1) },
            "silence" => Input::SpeechStopped { at: before(96) },
            "words" => Input::Heard(heard(text, self.last_ask, words.get(1..).unwrap_or_default())),
            "partial" => Input::Heard(heard(text, None, words.get(1..).unwrap_or_default())),
            "stale" => Input::Heard(heard(text, Some(Ask(9999)), &[])),
            "lost" => Input::HearingLost { reason: text },
            "deaf" => Input::HearingFailed { reason: text },
            "score" => Input::EndScored { probability: word(1).parse().unwrap() },
            "ready" => Input::ReplyReady { reply: reply(1) },
            "spoke" => {
                Input::Spoke(spoken(mark(word(1)), text, ms(2), words.get(3..).unwrap_or_default()))
            }
            "whole" => Input::ReplyWhole { reply: reply(1) },
            "failed" => Input::ReplyFailed { reply: reply(1), reason: "broken".into() },
            "played" => Input::Played(mark(word(1))),
            "cut" => {
                let last = Some(word(2)).filter(|last| *last != "-").map(mark);
                Input::Cut { reply: reply(1), last, since_mark: ms(3) }
            }
            "wrote" => Input::Wrote { reply: reply(1), text },
            "call" => {
                let called = mark(word(1));
                Input::ToolCalled { reply: called.reply, index: called.clause }
            }
            "commit" => Input::TurnCommitted { heard: ms(1) },
            "clear" => Input::TurnCleared,
            "known" => Input::CommitKnown { ask: Ask(word(1).parse().unwrap()), text },
            "unknown" => {
                Input::CommitFailed { ask: Ask(word(1).parse().unwrap()), reason: "broken".into() }
            }
            "order" => Input::ReplyOrdered(Order {
                number: word(1).parse().unwrap(),
                is_aside: word(2) == "aside",
            }),
            "halt" => Input::StopOrdered { reply: words.get(1).map(|_| reply(1)) },
            "place" => Input::ItemPlaced {
                item: word(1).parse().unwrap(),
                place: match word(2) {
                    "" => Place::Last,
                    "first" => Place::First,
                    key => Place::Behind(item(key)),
                },
            },
            "remove" => Input::ItemRemoved(item(word(1))),
            "truncate" => Input::ReplyTruncated { reply: reply(1), heard: ms(2) },
            "key" => Input::Pressed(Digit(word(1).chars().next().unwrap())),
            "held" => Input::Held,
            "resumed" => Input::Resumed,
            "gone" => Input::Gone,
            _ => panic!("no such fact: {fact}"),
        }
    }

    fn event_text(&self, event: &Event) -> String {
        match event {
            Event::TurnStarted { turn } => format!("turn {} begins", turn.0),
            Event::TurnEnded { turn, text, speech_ended } => {
                let at = (*speech_ended - self.start).as_millis();
                format!("turn {} ended at {at}: {text}", turn.0)
            }
            Event::ReplyStarted { reply, cause } => {
                format!("reply {} starts: {}", reply.0, cause_text(cause))
            }
            Event::ReplyHeard { reply, text, whole: true } => {
                format!("reply {} heard: {text}", reply.0)
            }
            Event::ReplyHeard { reply, text, whole: false } => {
                format!("reply {} heard: {text} -", reply.0)
            }
            Event::Interrupted { reply } => format!("reply {} interrupted", reply.0),
            Event::SpeechStarted { at } => {
                format!("speaks since {}", (*at - self.start).as_millis())
            }
            Event::SpeechStopped { at } => {
                format!("spoke until {}", (*at - self.start).as_millis())
            }
            Event::TurnFailed { reason } => format!("turn failed: {reason}"),
            Event::ReplyCancelled { reply } => format!("reply {} cancelled", reply.0),
            Event::ToolCalled { reply, index } => format!("reply {} calls {index}", reply.0),
            Event::Refused { order: Some(order), refusal } => {
                format!("order {order} refused: {refusal:?}")
            }
            Event::Refused { order: None, refusal } => format!("refused: {refusal:?}"),
            Event::FellIdle { from, to } => {
                let ms = |at: &Instant| (*at - self.start).as_millis();
                format!("idle from {} to {}", ms(from), ms(to))
            }
            Event::ReplyFailed { reply, reason } => format!("reply {} failed: {reason}", reply.0),
            Event::FellSilent { silence } => format!("silent for {}", silence.as_millis()),
            Event::Pressed(digit) => format!("pressed {}", digit.0),
            Event::Decided(decision) => decision_text(decision),
        }
    }
}

fn mark(text: &str) -> Mark {
    let (reply, clause) = text.split_once('.').unwrap();
    Mark { reply: ReplyId(reply.parse().unwrap()), clause: clause.parse().unwrap() }
}

/// Reads an item: `turn.1`, `reply.2`, `placed.7`, `call.2.0`.
fn item(text: &str) -> ItemKey {
    let mut parts = text.split('.');
    let kind = parts.next().unwrap();
    let numbers: Vec<u32> = parts.map(|part| part.parse().unwrap()).collect();
    match (kind, &numbers[..]) {
        ("turn", [n]) => ItemKey::Turn(TurnId(*n)),
        ("reply", [n]) => ItemKey::Reply(ReplyId(*n)),
        ("placed", [n]) => ItemKey::Placed(u64::from(*n)),
        ("call", [n, index]) => ItemKey::Call(ReplyId(*n), *index),
        _ => panic!("no such item: {text}"),
    }
}

fn taking_of(name: &str) -> Taking {
    match name {
        "manual" => Taking::Manual,
        "automatic" => Taking::default(),
        "silent" => Taking::Automatic { replies: false, yields: true },
        "stubborn" => Taking::Automatic { replies: true, yields: false },
        _ => panic!("no such taking: {name}"),
    }
}

fn spoken(mark: Mark, text: String, duration: Duration, ends: &[&str]) -> Spoken {
    let words = text.split_whitespace().zip(ends);
    let words = words
        .map(|(word, end)| WordTime {
            word: word.to_owned(),
            end: Duration::from_millis(end.parse().unwrap()),
        })
        .collect();
    Spoken { mark, text, duration, words }
}

/// Words on good evidence, but for what `changes` says: `voiced=60 vad=0.4`.
fn heard(text: String, answers: Option<Ask>, changes: &[&str]) -> Heard {
    let mut evidence = Evidence {
        voiced: Duration::from_millis(700),
        level_dbfs: -24.0,
        vad_mean: 0.93,
        no_speech: 0.02,
        avg_logprob: -0.3,
        compression_ratio: 1.1,
    };
    for change in changes {
        let (name, value) = change.split_once('=').unwrap();
        match name {
            "voiced" => evidence.voiced = Duration::from_millis(value.parse().unwrap()),
            "level" => evidence.level_dbfs = value.parse().unwrap(),
            "vad" => evidence.vad_mean = value.parse().unwrap(),
            "no_speech" => evidence.no_speech = value.parse().unwrap(),
            "logprob" => evidence.avg_logprob = value.parse().unwrap(),
            "ratio" => evidence.compression_ratio = value.parse().unwrap(),
            _ => panic!("no such evidence: {name}"),
        }
    }
    Heard { text, answers, evidence }
}

fn command_text(command: &Command, start: Instant) -> String {
    match command {
        Command::Listen(Ear::Open) => "open".into(),
        Command::Listen(Ear::Next) => "open anew".into(),
        Command::CommitWords(ask) => format!("commit {}?", ask.0),
        Command::Listen(Ear::Shut) => "shut".into(),
        Command::FinalizeWords(ask) => format!("words {}?", ask.0),
        Command::ScoreEnd { needed } => format!("end by {}?", (*needed - start).as_millis()),
        Command::PrepareReply { reply, cause } => {
            format!("prepare {}: {}", reply.0, cause_text(cause))
        }
        Command::ReleaseReply { reply } => format!("release {}", reply.0),
        Command::PauseReply { reply } => format!("pause {}", reply.0),
        Command::ResumeReply { reply } => format!("resume {}", reply.0),
        Command::StopReply { reply } => format!("stop {}", reply.0),
        Command::HangUp => "hang up".into(),
    }
}

fn cause_text(cause: &ReplyCause) -> String {
    match cause {
        ReplyCause::Greeting(text) => format!("greeting, {text}"),
        ReplyCause::Turn { turn, text } => format!("turn {}, {text}", turn.0),
        ReplyCause::Ordered(Order { number, is_aside: false }) => format!("order {number}"),
        ReplyCause::Ordered(Order { number, is_aside: true }) => format!("order {number}, aside"),
        ReplyCause::Idle => "idle".into(),
        ReplyCause::Silence(text) => format!("silence, {text}"),
        ReplyCause::Apology(text) => format!("apology, {text}"),
        ReplyCause::Farewell(text) => format!("farewell, {text}"),
    }
}

fn decision_text(decision: &Decision) -> String {
    match decision {
        Decision::TurnEnded { reason, silence, end_probability, dictating } => {
            let mut text = format!("{reason:?} after {}", silence.as_millis());
            if let Some(p) = end_probability {
                write!(text, ", score {p}").unwrap();
            }
            text + if *dictating { ", dictating" } else { "" }
        }
        Decision::Ignored { reason, text, .. } if text.is_empty() => format!("ignored: {reason:?}"),
        Decision::Ignored { reason, text, .. } => format!("ignored: {reason:?}, {text}"),
        Decision::PreparedReplyDropped { reply } => format!("dropped {}", reply.0),
        Decision::FalseInterruption { reply, held } => {
            format!("false interruption of {}, held for {}", reply.0, held.as_millis())
        }
        Decision::FloorRecovered { stuck } => format!("recovered after {}", stuck.as_millis()),
    }
}

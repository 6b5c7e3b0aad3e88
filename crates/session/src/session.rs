//! THE MAIN PATH. One call: drain what the conversation decided, wait for exactly one thing, tell the
//! conversation. Nothing else moves a call.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use trunkline_inference::{Party, SpeechPiece};
use trunkline_turn::{
    Ask, Command, Conversation, Ear, Event, Heard, Input, Output, ReplyId, SpeechEdge,
};

use crate::{
    HangupReason, Leg, LegInput, LegOutput, News, Observer, Overrun, Plan,
    chronicle::Chronicle,
    flow::Flow,
    hearing::{Hearing, Noticed},
    herald::Herald,
    milestones::Asked,
    mouth::Mouth,
    reply::{ReplyNews, now},
};

mod directing;

/// How long the leg may take to end a call that we ended.
const GOODBYE: Duration = Duration::from_secs(15);

/// One call, from answer to hang-up.
pub struct Session<L: Leg> {
    leg: L,
    conversation: Conversation,
    hearing: Hearing,
    mouth: Mouth,
    asked: Asked,
    chronicle: Chronicle,
    herald: Herald,
    flow: Flow,
    shutdown: CancellationToken,
    ending: Option<HangupReason>,
    is_gone: bool,
}

/// Those outside a call who have to do with it.
#[derive(Clone)]
pub struct Watch {
    /// Is told what happens.
    pub observer: Arc<dyn Observer>,
    /// Ends the call politely.
    pub shutdown: CancellationToken,
}

/// What a session wakes for. Closed: nothing else moves a call.
enum Wake {
    Leg(LegInput),
    Noticed(Noticed),
    Reply((ReplyId, ReplyNews)),
    Deadline,
    Shutdown,
}

impl<L: Leg> Session<L> {
    /// A call on `leg` as `plan` says.
    pub fn new(leg: L, plan: Plan, watch: Watch) -> Self {
        let conversation = Conversation::new(plan.agent.turn.clone(), plan.agent.script.clone());
        let mut hearing = Hearing::new(
            plan.models.clone(),
            Party::caller(plan.tenant),
            plan.agent.language.clone(),
            plan.agent.detector.clone(),
        );
        hearing.listen_as(&plan.agent);
        Self {
            leg,
            conversation,
            hearing,
            chronicle: Chronicle::new(&plan, watch.observer, now()),
            mouth: Mouth::new(plan),
            herald: Herald::default(),
            asked: Asked::default(),
            shutdown: watch.shutdown,
            flow: Flow::default(),
            ending: None,
            is_gone: false,
        }
    }

    /// Runs the call to its end.
    pub async fn run(mut self) -> HangupReason {
        self.tell(Input::Answered);
        while let Some(deadline) = self.drain() {
            let wake = self.wait(deadline).await;
            self.take(wake);
        }
        self.end().await
    }

    /// Carries out everything the conversation wants; its next deadline, `None` when the call is over.
    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.conversation.poll() {
                Output::Command(command) => self.obey(command),
                Output::Event(event) => self.report(event),
                Output::Wait(deadline) => {
                    return if self.ending.is_some() { None } else { deadline };
                }
            }
        }
    }

    async fn wait(&mut self, deadline: Instant) -> Wake {
        tokio::select! {
            biased;
            input = self.leg.recv() => Wake::Leg(input),
            noticed = self.hearing.notice() => Wake::Noticed(noticed),
            news = self.mouth.next() => Wake::Reply(news),
            () = tokio::time::sleep_until(deadline.into()) => Wake::Deadline,
            () = self.shutdown.cancelled() => Wake::Shutdown,
        }
    }

    fn take(&mut self, wake: Wake) {
        match wake {
            Wake::Leg(input) => self.take_from_leg(input),
            Wake::Noticed(noticed) => self.take_noticed(noticed),
            Wake::Reply(news) => self.take_from_reply(news),
            Wake::Deadline => self.tell(Input::TimePassed),
            Wake::Shutdown => self.hang_up(HangupReason::Shutdown),
        }
    }

    fn tell(&mut self, input: Input) {
        tracing::trace!(?input, "told");
        self.conversation.handle(now(), input);
    }

    fn take_from_leg(&mut self, input: LegInput) {
        match input {
            LegInput::Audio(frame) => self.hearing.hear(now(), frame),
            LegInput::Sounding(at) => self.chronicle.sounded(at, &self.mouth),
            LegInput::Played(mark) => {
                self.mouth.played(mark);
                self.tell(Input::Played(mark));
                // What was just heard is part of the next prompt: evaluated while nobody speaks.
                self.mouth.warm_up_anew(self.conversation.transcript());
            }
            LegInput::Flushed { last, since_mark } => {
                if let Some(reply) = self.mouth.take_cut() {
                    self.tell(Input::Cut { reply, last, since_mark });
                }
            }
            LegInput::Pressed(digit) => self.tell(Input::Pressed(digit)),
            LegInput::Directed(direction) => self.direct(direction),
            LegInput::Held => self.tell(Input::Held),
            LegInput::Resumed => self.tell(Input::Resumed),
            LegInput::Gone(reason) => {
                self.is_gone = true;
                self.ending.get_or_insert(reason);
                self.tell(Input::Gone);
            }
        }
    }

    fn take_noticed(&mut self, noticed: Noticed) {
        match noticed {
            Noticed::Edge(SpeechEdge::Started { at }) => self.tell(Input::SpeechStarted { at }),
            Noticed::Edge(SpeechEdge::Stopped { at }) => self.tell(Input::SpeechStopped { at }),
            Noticed::Edge(SpeechEdge::Rising) => self.tell(Input::SpeechRising),
            Noticed::Voice { voiced } => self.tell(Input::SpeechContinued { voiced }),
            Noticed::Words(words) => {
                match words.ask {
                    Some(ask) => self.asked.answered(ask, now()),
                    None => self.take_partial(&words.text),
                }
                let evidence = trunkline_turn::Evidence {
                    no_speech: words.no_speech,
                    avg_logprob: words.avg_logprob,
                    compression_ratio: words.compression_ratio,
                    ..self.hearing.evidence()
                };
                let answers = words.ask.map(Ask);
                self.tell(Input::Heard(Heard { text: words.text, answers, evidence }));
            }
            Noticed::Committed { ask, words } => self.take_committed(ask, words),
            Noticed::EndScored(probability) => self.tell(Input::EndScored { probability }),
            Noticed::Failed(error) => {
                self.chronicle.model_failed(&error.to_string());
                self.tell(Input::HearingFailed { reason: error.to_string() });
            }
            Noticed::Deaf(error) => {
                self.chronicle.model_failed(&error.to_string());
                self.tell(Input::HearingLost { reason: error.to_string() });
            }
            Noticed::Nothing => {}
        }
    }

    fn take_from_reply(&mut self, news: (ReplyId, ReplyNews)) {
        if let (_, ReplyNews::Called(call)) = &news {
            self.chronicle.tool_called(&call.name);
        }
        if let (reply, ReplyNews::Piece(SpeechPiece::Audio(frame))) = &news
            && let Some(gap) = self.flow.feed(now(), *reply, frame.duration())
        {
            self.chronicle.ran_dry(gap);
        }
        let inputs = match self.mouth.utter(news, &mut self.leg) {
            Ok(inputs) => inputs,
            Err(overrun) => return self.overrun(overrun),
        };
        for input in inputs {
            self.tell(input);
        }
    }

    fn obey(&mut self, command: Command) {
        tracing::trace!(?command, "ordered");
        match command {
            Command::Listen(Ear::Open) => self.hearing.open(),
            Command::Listen(Ear::Next) => self.hearing.open_next(),
            Command::CommitWords(ask) => {
                if let Err(reason) = self.hearing.commit(ask.0) {
                    self.take_committed(ask.0, Err(reason));
                }
            }
            Command::Listen(Ear::Shut) => {
                self.hearing.shut();
                self.mouth.stop_warming();
            }
            Command::FinalizeWords(ask) => {
                self.asked.ask(ask.0, now());
                if !self.hearing.finalize(ask.0) {
                    let reason = "the recognizer is not listening".to_owned();
                    self.tell(Input::HearingFailed { reason });
                }
            }
            Command::ScoreEnd { needed } => self.hearing.score_end(needed),
            Command::PrepareReply { reply, cause } => {
                let transcript = self.conversation.transcript();
                self.mouth.prepare(reply, &cause, transcript, self.asked.last);
            }
            Command::ReleaseReply { reply } => self.mouth.release(reply),
            Command::PauseReply { .. } => self.order(LegOutput::Pause),
            Command::ResumeReply { .. } => self.order(LegOutput::Resume),
            Command::StopReply { reply } => {
                if self.mouth.stop(reply) {
                    self.order(LegOutput::Flush);
                }
            }
            Command::HangUp => self.hang_up(self.chronicle.parting()),
        }
    }

    fn order(&mut self, output: LegOutput) {
        self.flow.stop();
        if let Err(overrun) = self.leg.send(output) {
            tracing::error!(%overrun, "call ends");
            self.ending = Some(HangupReason::LegFailed);
        }
    }

    fn overrun(&mut self, overrun: Overrun) {
        tracing::error!(%overrun, "call ends");
        self.hang_up(HangupReason::LegFailed);
    }

    /// Tells everybody who watches what the conversation reports.
    fn report(&mut self, event: Event) {
        for news in self.herald.news(&event, &self.hearing, &mut self.mouth) {
            self.tell_leg(news);
        }
        self.chronicle.event(event, &self.hearing);
    }

    fn tell_leg(&mut self, news: News) {
        if let Err(overrun) = self.leg.tell(news) {
            tracing::error!(%overrun, "call ends");
            self.ending = Some(HangupReason::LegFailed);
        }
    }

    /// What the recognizer makes of a turn that goes on.
    fn take_partial(&mut self, text: &str) {
        self.mouth.warm_up_with(text, self.conversation.transcript());
        let is_told = self.herald.is_speaking || self.is_manual();
        if is_told && !text.is_empty() {
            self.tell_leg(News::Words(text.to_owned()));
        }
    }

    fn take_committed(&mut self, ask: u32, words: Result<String, String>) {
        let ask = Ask(ask);
        match words {
            Ok(text) => self.tell(Input::CommitKnown { ask, text }),
            Err(reason) => {
                self.chronicle.model_failed(&reason);
                self.tell(Input::CommitFailed { ask, reason });
            }
        }
    }

    fn hang_up(&mut self, reason: HangupReason) {
        if self.ending.is_none() {
            self.ending = Some(reason);
            self.order(LegOutput::HangUp(reason));
            self.tell(Input::Gone);
        }
    }

    /// Stops all models and lets the leg finish: what is queued is still heard.
    async fn end(self) -> HangupReason {
        let Self { mut leg, hearing, mouth, chronicle, ending, mut is_gone, .. } = self;
        drop((hearing, mouth));
        let over = async {
            while !is_gone {
                is_gone = matches!(leg.recv().await, LegInput::Gone(_));
            }
        };
        if tokio::time::timeout(GOODBYE, over).await.is_err() {
            tracing::warn!("the caller's end did not confirm the hang-up in time");
        }
        let reason = ending.unwrap_or(HangupReason::AgentHungUp);
        chronicle.ended(reason);
        reason
    }
}

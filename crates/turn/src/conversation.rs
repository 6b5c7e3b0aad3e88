//! A conversation: told what happened, it decides who speaks when.

use std::{collections::VecDeque, time::Instant};

use crate::{Event, Input, Output, Script, Transcript, TurnConfig};

mod clock;
mod deciding;
mod ending;
mod floor;
mod listening;
mod overlapping;
mod replying;
mod timers;

use clock::Clock;
use floor::{Counts, Floor};

/// Outputs that wait for [`Conversation::poll`]. A full queue means that nobody obeys: the call is over.
const OUTPUTS: usize = 256;

/// One call's turn-taking. Owns no clock: what time it is comes with every input.
///
/// Tell it what happened with [`handle`](Self::handle), then drain [`poll`](Self::poll) until it
/// answers [`Output::Wait`]; wait for the next fact or that deadline, whichever is first, and tell it
/// again. The same inputs at the same times always lead to the same outputs.
#[derive(Clone, Debug)]
pub struct Conversation {
    config: TurnConfig,
    script: Script,
    clock: Clock,
    counts: Counts,
    floor: Floor,
    outputs: VecDeque<Output>,
    transcript: Transcript,
}

impl Conversation {
    /// A call that has not been answered. Its first input is [`Input::Answered`].
    pub fn new(config: TurnConfig, script: Script) -> Self {
        Self {
            config,
            script,
            clock: Clock::default(),
            counts: Counts::default(),
            floor: Floor::default(),
            outputs: VecDeque::new(),
            transcript: Transcript::default(),
        }
    }

    /// Takes a fact that became known at `now`. Facts come in the order of their times.
    pub fn handle(&mut self, now: Instant, input: Input) {
        if self.floor.is_over {
            return;
        }
        self.clock.set(now);
        self.take(input);
        self.fire_due();
    }

    /// What is wanted next. After [`Output::Wait`] nothing is wanted until the next input.
    pub fn poll(&mut self) -> Output {
        let Some(output) = self.outputs.pop_front() else {
            return Output::Wait(self.deadline());
        };
        // The caller's words join the transcript only when their end is announced: a reply that is
        // prepared in the same breath takes them from its cause.
        if let Output::Event(Event::TurnEnded { text, .. }) = &output {
            self.transcript.caller_said(text);
        }
        output
    }

    /// What was said and heard, as of the outputs drained.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Answered => self.answered(),
            Input::SpeechStarted { at } => self.speech_started(self.clock.local(at)),
            Input::SpeechRising => self.speech_rising(),
            Input::SpeechContinued { voiced } => self.speech_continued(voiced),
            Input::SpeechStopped { at } => self.speech_stopped(self.clock.local(at)),
            Input::Heard(heard) => self.heard(heard),
            Input::HearingFailed { .. } => self.hearing_failed(),
            Input::HearingLost { .. } => self.hearing_lost(),
            Input::EndScored { probability } => self.end_scored(probability),
            Input::ReplyReady { reply } => self.reply_ready(reply),
            Input::Spoke(spoken) => self.spoke(spoken),
            Input::ReplyWhole { reply } => self.reply_whole(reply),
            Input::ReplyFailed { reply, reason } => self.reply_failed(reply, reason),
            Input::Played(mark) => self.played(mark),
            Input::Cut { reply, last, since_mark } => self.reply_cut(reply, last, since_mark),
            Input::Pressed(digit) => self.pressed(digit),
            Input::Held => self.call_held(),
            Input::Resumed => self.call_resumed(),
            Input::Gone => self.gone(),
            Input::TimePassed => {}
        }
    }
}

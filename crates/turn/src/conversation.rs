//! A conversation: told what happened, it decides who speaks when.

use std::{collections::VecDeque, time::Instant};

use crate::{Event, Input, Output, Script, Taking, Transcript, TurnConfig};

mod clock;
mod committing;
mod deciding;
mod directing;
mod ending;
mod floor;
mod listening;
mod overlapping;
mod replying;
mod timers;

use clock::Clock;
use committing::Commits;
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
    commits: Commits,
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
            commits: Commits::default(),
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

    /// The conversation goes on by another configuration. A reply under way stays as it is; a turn under
    /// way is forgotten when somebody else is to end turns.
    pub fn reconfigure(&mut self, now: Instant, config: TurnConfig, script: Script) {
        let before = self.config.taking;
        self.config = config;
        self.script = script;
        if self.floor.is_over || self.floor.answered.is_none() {
            return;
        }
        self.clock.set(now);
        if before != self.config.taking {
            self.take_turns_anew(before);
        }
        self.fire_due();
    }

    /// What is wanted next. After [`Output::Wait`] nothing is wanted until the next input.
    pub fn poll(&mut self) -> Output {
        let Some(output) = self.outputs.pop_front() else {
            return Output::Wait(self.deadline());
        };
        if let Output::Event(event) = &output {
            self.write_down(event);
        }
        output
    }

    /// What was said and heard, as of the outputs drained.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Items join the transcript only when they are announced: a reply that is prepared in the same
    /// breath takes the caller's words from its cause.
    fn write_down(&mut self, event: &Event) {
        match event {
            Event::TurnEnded { turn, text, .. } => self.transcript.caller_said(*turn, text),
            Event::ReplyStarted { reply, cause } if !cause.is_aside() => {
                self.transcript.reply_begins(*reply);
            }
            Event::ToolCalled { reply, index } => self.transcript.tool_called(*reply, *index),
            Event::SpeechStarted { .. }
            | Event::SpeechStopped { .. }
            | Event::TurnStarted { .. }
            | Event::TurnFailed { .. }
            | Event::ReplyStarted { .. }
            | Event::ReplyHeard { .. }
            | Event::Interrupted { .. }
            | Event::ReplyCancelled { .. }
            | Event::ReplyFailed { .. }
            | Event::Refused { .. }
            | Event::FellIdle { .. }
            | Event::FellSilent { .. }
            | Event::Pressed(_)
            | Event::Decided(_) => {}
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Answered => self.answered(),
            // In turns that a program ends, voice activity decides nothing.
            Input::SpeechStarted { .. }
            | Input::SpeechRising
            | Input::SpeechContinued { .. }
            | Input::SpeechStopped { .. }
            | Input::HearingLost { .. }
                if self.config.taking == Taking::Manual => {}
            Input::SpeechStarted { at } => self.speech_started(self.clock.local(at)),
            Input::SpeechRising => self.speech_rising(),
            Input::SpeechContinued { voiced } => self.speech_continued(voiced),
            Input::SpeechStopped { at } => self.speech_stopped(self.clock.local(at)),
            Input::Heard(heard) => self.heard(heard),
            Input::HearingFailed { reason } => self.hearing_failed(reason),
            Input::HearingLost { reason } => self.hearing_lost(reason),
            Input::EndScored { probability } => self.end_scored(probability),
            Input::ReplyReady { reply } => self.reply_ready(reply),
            Input::Spoke(spoken) => self.spoke(spoken),
            Input::ReplyWhole { reply } => self.reply_whole(reply),
            Input::ReplyFailed { reply, reason } => self.reply_failed(reply, reason),
            Input::Played(mark) => self.played(mark),
            Input::Cut { reply, last, since_mark } => self.reply_cut(reply, last, since_mark),
            Input::Wrote { reply, text } => self.wrote(reply, &text),
            Input::ToolCalled { reply, index } => self.tool_called(reply, index),
            Input::TurnCommitted { heard } => self.turn_committed(heard),
            Input::TurnCleared => self.turn_cleared(),
            Input::CommitKnown { ask, text } => self.commit_known(ask, Ok(text)),
            Input::CommitFailed { ask, reason } => self.commit_known(ask, Err(reason)),
            Input::ReplyOrdered(order) => self.reply_ordered(order),
            Input::StopOrdered { reply } => self.stop_ordered(reply),
            Input::ItemPlaced { item, place } => self.item_placed(item, place),
            Input::ItemRemoved(item) => self.item_removed(item),
            Input::ReplyTruncated { reply, heard } => self.reply_truncated(reply, heard),
            Input::Pressed(digit) => self.pressed(digit),
            Input::Held => self.call_held(),
            Input::Resumed => self.call_resumed(),
            Input::Gone => self.gone(),
            Input::TimePassed => {}
        }
    }
}

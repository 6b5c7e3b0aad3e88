//! The caller's sound: where a turn begins, pauses and goes on.

use std::time::{Duration, Instant};

use crate::{
    Command, Conversation, Decision, Ear, Event, Evidence, Heard, IgnoreReason,
    caller_turn::CallerTurn,
};

use super::floor::State;

impl Conversation {
    pub(super) fn speech_started(&mut self, at: Instant) {
        if self.clock.is_held() {
            return;
        }
        match self.state() {
            State::Listening => {
                self.begin_turn(at);
                self.report_speech();
            }
            State::Replying if !self.floor.is_ending() => {
                self.begin_turn(at);
                if self.yields() {
                    self.begin_overlap();
                } else {
                    self.report_speech();
                }
            }
            State::Deciding | State::Overlap => self.resume_turn(),
            // A farewell is not interrupted, and speech that goes on does not start again.
            State::Ringing
            | State::CallerSpeaking
            | State::Clearing
            | State::Replying
            | State::Over => {}
        }
    }

    /// The silence that is being waited out may be over.
    pub(super) fn speech_rising(&mut self) {
        let now = self.now();
        if let Some(turn) = self.floor.turn.as_mut().filter(|turn| !turn.is_speaking()) {
            turn.voice.rising = Some(now);
        }
    }

    /// Voice activity goes on. Where its beginning was not taken (the line came back from hold, the
    /// last turn was cut off for its length), it begins here.
    pub(super) fn speech_continued(&mut self, voiced: Duration) {
        if self.clock.is_held() {
            return;
        }
        // Of a turn that was cut off as the caller stopped nothing is left but the silence.
        let is_silent = match &self.floor.turn {
            Some(turn) => !turn.is_speaking(),
            None => !voiced.is_zero(),
        };
        if is_silent {
            self.speech_started(self.now());
        }
        let Some(turn) = &mut self.floor.turn else { return };
        turn.voice.voiced = voiced;
        if self.state() == State::Overlap {
            self.judge_overlap();
        }
        if self.state() == State::Overlap {
            self.ask_over_reply();
        }
    }

    pub(super) fn speech_stopped(&mut self, at: Instant) {
        let state = self.state();
        let Some(turn) = self.floor.turn.as_mut().filter(|turn| turn.is_speaking()) else { return };
        turn.voice.silent_since = Some(at.max(turn.voice.began));
        match state {
            State::Overlap => self.overlap_stopped(),
            State::CallerSpeaking => self.ask_whether_over(),
            State::Ringing
            | State::Listening
            | State::Deciding
            | State::Clearing
            | State::Replying
            | State::Over => {}
        }
    }

    /// The recognizer's words, asked for or not.
    pub(super) fn heard(&mut self, heard: Heard) {
        let state = self.state();
        let Some(turn) = &mut self.floor.turn else { return };
        let is_answer = turn.take_answer(&heard);
        match state {
            State::Deciding if is_answer => self.words_known(heard),
            State::CallerSpeaking if is_answer && turn.is_too_long => self.words_known(heard),
            State::Overlap => self.heard_over_reply(heard, is_answer),
            State::Ringing
            | State::Listening
            | State::CallerSpeaking
            | State::Deciding
            | State::Clearing
            | State::Replying
            | State::Over => {}
        }
    }

    /// Asks the recognizer for everything said so far.
    pub(super) fn ask_for_words(&mut self) {
        let (ask, now) = (self.counts.next_ask(), self.now());
        if let Some(turn) = &mut self.floor.turn {
            turn.words.asked = Some((ask, now));
            turn.words.is_settled = false;
            self.order(Command::FinalizeWords(ask));
        }
    }

    /// Asks the end-of-turn model for its judgement of the sound up to here.
    pub(super) fn ask_for_score(&mut self) {
        let silent_since = self.floor.turn.as_ref().and_then(|turn| turn.voice.silent_since);
        let ends = silent_since.unwrap_or(self.now()) + self.config.patience.finished;
        self.order(Command::ScoreEnd { needed: self.clock.real(ends) });
    }

    /// What sounded was not a turn: forgets it, and whatever was going on goes on.
    pub(super) fn ignore_sound(&mut self, reason: IgnoreReason, heard: Option<Heard>) {
        let voiced = self.floor.turn.as_ref().map_or(Duration::ZERO, |turn| turn.voice.voiced);
        let unheard = || (String::new(), Evidence { voiced, ..Evidence::default() });
        let (text, evidence) = heard.map_or_else(unheard, |heard| (heard.text, heard.evidence));
        self.tell(Event::Decided(Decision::Ignored { reason, text, evidence }));
        self.forget_turn();
    }

    /// Ends the turn without a trace, and what was prepared for it.
    pub(super) fn forget_turn(&mut self) {
        if let Some(turn) = self.floor.turn.take() {
            self.report_silence(&turn);
            self.drop_prepared();
            self.order(Command::Listen(Ear::Shut));
        }
    }

    /// Reports that the caller speaks, once a turn.
    pub(super) fn report_speech(&mut self) {
        let Some(turn) = self.floor.turn.as_mut().filter(|turn| !turn.voice.is_reported) else {
            return;
        };
        turn.voice.is_reported = true;
        let at = self.clock.real(turn.voice.began);
        self.tell(Event::SpeechStarted { at });
    }

    /// Reports that a turn is over, if its beginning was reported.
    pub(super) fn report_silence(&mut self, turn: &CallerTurn) {
        if turn.voice.is_reported {
            let at = self.clock.real(turn.voice.silent_since.unwrap_or(self.now()));
            self.tell(Event::SpeechStopped { at });
        }
    }

    fn begin_turn(&mut self, at: Instant) {
        let overlap = &self.config.overlap;
        let next_ask = (overlap.ask_after, overlap.ask_again_after);
        let now = self.now();
        self.floor.turn = Some(CallerTurn::new(at.min(now), now, next_ask));
        self.order(Command::Listen(Ear::Open));
    }

    fn resume_turn(&mut self) {
        let now = self.now();
        // A turn that was too long already awaits its words.
        if let Some(turn) = self.floor.turn.as_mut().filter(|turn| !turn.is_too_long) {
            turn.resume(now);
        }
    }

    fn ask_whether_over(&mut self) {
        if self.floor.turn.as_ref().is_some_and(|turn| turn.is_too_long) {
            return;
        }
        self.ask_for_words();
        self.ask_for_score();
    }
}

//! A sound of the caller over our reply, while it is being judged.

use std::time::Instant;

use crate::{
    Command, Conversation, Decision, Event, Heard, IgnoreReason, ReplyCause, Sound,
    backchannel::is_backchannel, classify,
};

use super::{deciding::may_be_misheard, floor::State};

impl Conversation {
    /// A reply of which nothing sounds yet is held at once: nobody hears that, and the caller who
    /// only went on is not talked over.
    pub(super) fn begin_overlap(&mut self) {
        let is_silent = self.floor.reply.as_ref().is_some_and(|reply| !reply.is_sounding());
        if is_silent && self.may_interrupt() {
            self.hold_reply();
        }
    }

    /// Asks for the words when enough has been said to judge by, and again while they did not tell.
    pub(super) fn ask_over_reply(&mut self) {
        let Some(turn) = &mut self.floor.turn else { return };
        let (after, step) = turn.words.next_ask;
        if turn.words.asked.is_none() && turn.voice.voiced >= after {
            turn.words.next_ask = (turn.voice.voiced + step, step * 2);
            self.ask_for_words();
        }
    }

    /// The caller fell silent again over our reply. After so little sound that may be between two
    /// words as well.
    pub(super) fn overlap_stopped(&mut self) {
        if !self.is_cough() {
            self.ask_for_words();
        }
    }

    /// Whether too little was voiced so far to be a word.
    fn is_cough(&self) -> bool {
        self.floor.turn.as_ref().is_some_and(|t| t.voice.voiced < self.config.overlap.cough)
    }

    /// When a short sound over our reply has been a cough: no more came in time.
    pub(super) fn cough_ends_at(&self) -> Option<Instant> {
        let silent_since = self.floor.turn.as_ref()?.voice.silent_since?;
        let is_over_reply = self.state() == State::Overlap && self.is_cough();
        is_over_reply.then(|| silent_since + self.config.overlap.word_gap)
    }

    pub(super) fn cough_over(&mut self) {
        self.ignore_overlap(IgnoreReason::Cough, None);
    }

    /// Words came while our reply sounds.
    pub(super) fn heard_over_reply(&mut self, heard: Heard, is_answer: bool) {
        let is_silent = self.floor.turn.as_ref().is_some_and(|turn| !turn.is_speaking());
        if is_silent && self.is_cough() {
            // A cough is one whatever it was taken for; more sound is asked about anew.
            return;
        }
        if is_answer && is_silent {
            self.judge_whole_overlap(heard);
        } else {
            self.judge_overlap();
            if is_answer && self.state() == State::Overlap && self.may_talk_on(&heard) {
                // The sound goes on and is asked about again; so far we need not fall silent.
                self.go_on_replying();
            }
        }
    }

    /// Whether we need not fall silent for a sound that goes on, by the words that there are of it. A
    /// voice that says nothing yet is about to, unless it has been saying nothing for long.
    fn may_talk_on(&self, heard: &Heard) -> bool {
        match classify(heard, &self.config.gate) {
            Sound::Backchannel => true,
            Sound::Interruption => false,
            Sound::Noise(_) => {
                heard.evidence.vad_mean < self.config.gate.strong.vad_mean
                    || heard.evidence.voiced >= self.config.overlap.wordless
            }
        }
    }

    /// Judges a sound that may not be over by the words there are so far.
    pub(super) fn judge_overlap(&mut self) {
        let Some(turn) = &self.floor.turn else { return };
        let Some(heard) = &turn.words.latest else { return };
        let is_long = turn.voice.voiced >= self.config.overlap.cough;
        let is_interruption = is_long && classify(heard, &self.config.gate) == Sound::Interruption;
        if is_interruption && self.may_interrupt() {
            let heard = heard.clone();
            self.interrupt(Some(heard));
        }
    }

    /// Judges a sound that is over.
    fn judge_whole_overlap(&mut self, heard: Heard) {
        let sound = classify(&heard, &self.config.gate);
        let is_answer = match sound {
            Sound::Noise(reason) if may_be_misheard(reason, &heard, &self.config.gate) => {
                return self.doubt(reason, heard);
            }
            Sound::Noise(reason) => return self.ignore_overlap(reason, Some(heard)),
            Sound::Backchannel => self.ends_asking(),
            Sound::Interruption => true,
        };
        if !is_answer {
            return self.ignore_overlap(IgnoreReason::Backchannel, Some(heard));
        }
        if let Some(turn) = &mut self.floor.turn {
            turn.settle(heard);
        }
        if sound == Sound::Interruption && self.may_interrupt() {
            self.interrupt(None);
        } else {
            // It becomes a turn when our reply has been heard.
            self.go_on_replying();
        }
    }

    /// The recognizer did not answer about a sound over our reply.
    pub(super) fn words_late_over_reply(&mut self) {
        let now = self.now();
        let Some(turn) = &mut self.floor.turn else { return };
        let asked = turn.words.asked.take();
        if turn.is_speaking() {
            // Speech that lasts as long as that is no cough.
            if self.may_interrupt() {
                self.interrupt(None);
            }
        } else if turn.voice.voiced >= self.config.overlap.wordless {
            // Nor is a sentence: its words are waited for while our reply goes on, and after it.
            turn.words.asked = asked.map(|(ask, _)| (ask, now));
        } else {
            self.ignore_overlap(IgnoreReason::NoWords, None);
        }
    }

    /// The caller still speaks, and it is not known what: the reply is held until it is.
    pub(super) fn hold_reply(&mut self) {
        let now = self.now();
        let Some(reply) = self.floor.reply.as_mut().filter(|reply| reply.held.is_none()) else {
            return;
        };
        reply.held = Some(now);
        let reply = reply.id;
        self.order(Command::PauseReply { reply });
    }

    /// The reply goes on where it was held.
    pub(super) fn go_on_replying(&mut self) {
        let now = self.now();
        let Some(reply) = &mut self.floor.reply else { return };
        let Some(since) = reply.held.take() else { return };
        let held = now.saturating_duration_since(since);
        reply.progressed += held;
        let reply = reply.id;
        if !self.clock.is_held() {
            self.order(Command::ResumeReply { reply });
        }
        self.tell(Event::Decided(Decision::FalseInterruption { reply, held }));
    }

    /// The reply has been heard to its end under the caller's sound, which is now simply a turn.
    pub(super) fn overlap_outlived_reply(&mut self) {
        self.report_speech();
        if let Some(turn) = &mut self.floor.turn {
            turn.take_floor();
            self.name_turn();
            self.decide_if_silent();
        }
    }

    /// When the reply is held because the caller still speaks and the words are not known, or were
    /// only a listener's noise and something more is being said.
    pub(super) fn hold_at(&self) -> Option<Instant> {
        let turn = self.floor.turn.as_ref().filter(|turn| turn.is_speaking())?;
        let reply = self.floor.reply.as_ref().filter(|reply| reply.is_released)?;
        if reply.held.is_some() || !self.may_interrupt() {
            return None;
        }
        let overlap = &self.config.overlap;
        match &turn.words.latest {
            Some(heard) if is_backchannel(&heard.text) => {
                let answer_takes = overlap.hold_after.saturating_sub(overlap.ask_after);
                turn.words.asked.map(|(_, at)| at + answer_takes)
            }
            Some(heard) if turn.words.is_answered && self.may_talk_on(heard) => None,
            // A partial of the first sounds is a guess: the words are known when they were asked for.
            Some(_) | None => {
                let is_long = turn.voice.voiced >= overlap.ask_after;
                is_long.then(|| turn.voice.began + overlap.hold_after)
            }
        }
    }

    /// When a held reply goes on although the words of the sound, which is over, are not known.
    pub(super) fn go_on_at(&self) -> Option<Instant> {
        self.floor.reply.as_ref()?.held?;
        Some(self.floor.turn.as_ref()?.voice.silent_since? + self.config.overlap.go_on_after)
    }

    /// Whether the reply over which the caller speaks may be stopped.
    fn may_interrupt(&self) -> bool {
        let greeting_yields = self.config.overlap.greeting_yields;
        self.floor.reply.as_ref().filter(|_| self.yields()).is_some_and(|reply| match reply.cause {
            ReplyCause::Greeting(_) => greeting_yields,
            ReplyCause::Turn { .. }
            | ReplyCause::Ordered(_)
            | ReplyCause::Idle
            | ReplyCause::Silence(_) => true,
            ReplyCause::Apology(_) | ReplyCause::Farewell(_) => false,
        })
    }

    /// The caller takes the floor, with these words if they are known.
    fn interrupt(&mut self, words: Option<Heard>) {
        self.report_speech();
        for reply in self.stop_reply() {
            self.tell(Event::Interrupted { reply });
        }
        if let Some(turn) = &mut self.floor.turn {
            turn.take_floor();
            turn.words.believed = words.or(turn.words.believed.take());
        }
        self.name_turn();
        self.decide_if_silent();
    }

    /// Begins to decide whether the turn is over, where the caller fell silent before it was one.
    fn decide_if_silent(&mut self) {
        let Some(turn) = self.floor.turn.as_ref().filter(|turn| !turn.is_speaking()) else {
            return;
        };
        if turn.settled_text().is_none() && turn.words.asked.is_none() {
            self.ask_for_words();
        }
        self.prepare_reply();
        self.ask_for_score();
    }

    fn ignore_overlap(&mut self, reason: IgnoreReason, heard: Option<Heard>) {
        self.ignore_sound(reason, heard);
        self.go_on_replying();
    }

    /// Whether our reply is a question, almost asked.
    fn ends_asking(&self) -> bool {
        let window = self.config.overlap.answer_window;
        self.floor.reply.as_ref().is_some_and(|reply| reply.ends_asking(self.now(), window))
    }
}

//! The caller's turn as far as it has come: sound, words and what was asked about them.

use std::time::{Duration, Instant};

use crate::{Ask, Heard, IgnoreReason, TurnId};

#[derive(Clone, Debug)]
pub(crate) struct CallerTurn {
    /// Given when its words are first believed: sound that is no turn uses up no number.
    pub(crate) id: Option<TurnId>,
    pub(crate) voice: Voice,
    pub(crate) words: Words,
    /// The end-of-turn model's judgement of the present silence.
    pub(crate) end_probability: Option<f32>,
    /// It has lasted as long as a turn may; its words are awaited.
    pub(crate) is_too_long: bool,
}

/// The sound of a turn.
#[derive(Clone, Debug)]
pub(crate) struct Voice {
    pub(crate) began: Instant,
    /// When the latest stretch of speech was noticed.
    pub(crate) noticed: Instant,
    /// Since when it is silent; `None` while the caller speaks.
    pub(crate) silent_since: Option<Instant>,
    /// When something last sounded in that silence that may be speech.
    pub(crate) rising: Option<Instant>,
    /// Voice activity, as last told.
    pub(crate) voiced: Duration,
    /// Whether it was reported that the caller speaks.
    pub(crate) is_reported: bool,
}

/// The words of a turn.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    /// The question that the recognizer has not answered, and when it was asked.
    pub(crate) asked: Option<(Ask, Instant)>,
    /// Whether a question of this turn has been answered.
    pub(crate) is_answered: bool,
    /// The last words that came, asked for or not.
    pub(crate) latest: Option<Heard>,
    /// The last words that passed the gate as an answer.
    pub(crate) believed: Option<Heard>,
    /// A clear voice of which no believable words were made, and why not: they may yet come with more sound.
    pub(crate) doubted: Option<(IgnoreReason, Heard)>,
    /// Whether `believed` holds everything said up to the present silence.
    pub(crate) is_settled: bool,
    /// Voiced sound at which the words over a reply are asked for next, and the step after that.
    pub(crate) next_ask: (Duration, Duration),
}

impl CallerTurn {
    /// A turn whose sound began at `began` and was noticed `now`.
    pub(crate) fn new(began: Instant, now: Instant, next_ask: (Duration, Duration)) -> Self {
        Self {
            id: None,
            voice: Voice {
                began,
                noticed: now,
                silent_since: None,
                rising: None,
                voiced: Duration::ZERO,
                is_reported: false,
            },
            words: Words {
                asked: None,
                is_answered: false,
                latest: None,
                believed: None,
                doubted: None,
                is_settled: false,
                next_ask,
            },
            end_probability: None,
            is_too_long: false,
        }
    }

    pub(crate) fn is_speaking(&self) -> bool {
        self.voice.silent_since.is_none()
    }

    /// The caller goes on after a silence.
    pub(crate) fn resume(&mut self, now: Instant) {
        self.voice.noticed = now;
        self.voice.silent_since = None;
        self.voice.rising = None;
        self.words.asked = None;
        self.words.doubted = None;
        self.words.is_settled = false;
        self.end_probability = None;
    }

    /// Whether these words answer the open question; it is then no longer open.
    pub(crate) fn take_answer(&mut self, heard: &Heard) -> bool {
        let is_answer = self.words.asked.is_some_and(|(ask, _)| heard.answers == Some(ask));
        if is_answer {
            self.words.asked = None;
            self.words.is_answered = true;
        }
        self.words.latest = Some(heard.clone());
        is_answer
    }

    /// Takes words as everything said up to the present silence.
    pub(crate) fn settle(&mut self, heard: Heard) {
        self.words.believed = Some(heard);
        self.words.is_settled = true;
    }

    /// Takes over from a reply: what was asked in the midst of speech no longer matters.
    pub(crate) fn take_floor(&mut self) {
        if self.is_speaking() {
            self.words.asked = None;
        }
    }

    /// The words of the turn, once they are settled.
    pub(crate) fn settled_text(&self) -> Option<&str> {
        let believed = self.words.believed.as_ref().filter(|_| self.words.is_settled)?;
        Some(believed.text.as_str())
    }
}

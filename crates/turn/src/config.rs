//! What a conversation can be told beforehand: its texts, and every length of time it goes by.

use std::time::Duration;

use crate::{GateConfig, PatienceConfig};

/// Who ends the caller's turns, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taking {
    /// Turns end by themselves.
    Automatic {
        /// Whether a reply follows a turn. Yes on the telephone.
        replies: bool,
        /// Whether a reply stops when the caller interrupts it. Yes on the telephone.
        yields: bool,
    },
    /// A program at the caller's end says when a turn ends, and when to reply. Voice activity decides
    /// nothing.
    Manual,
}

impl Default for Taking {
    fn default() -> Self {
        Self::Automatic { replies: true, yields: true }
    }
}

/// What happens when a model fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// We apologize and hang up.
    #[default]
    Apologize,
    /// The reply or turn is lost and the call goes on: a program at the caller's end is told.
    GoOn,
}

/// How a conversation takes turns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnConfig {
    /// Who ends the caller's turns.
    pub taking: Taking,
    /// What happens when a model fails.
    pub on_failure: OnFailure,
    /// How long a silence ends a turn.
    pub patience: PatienceConfig,
    /// When sound counts as somebody's words.
    pub gate: GateConfig,
    /// What happens when the caller makes a sound over our reply.
    pub overlap: OverlapConfig,
    /// What happens when nobody speaks.
    pub silence: SilenceConfig,
    /// How long anything may take.
    pub limits: LimitsConfig,
}

/// What an agent says by itself. An empty text is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Said when the call is answered.
    pub greeting: String,
    /// Said before hanging up when something of ours failed.
    pub apology: String,
    /// Said one after the other while the caller is silent.
    pub silence_prompts: Vec<String>,
    /// Said before hanging up when the caller stays silent or the call has lasted too long.
    pub farewell: String,
    /// Said when the recognizer failed and the caller should say it again.
    pub repeat: String,
}

impl Script {
    /// Every text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let once = [&self.greeting, &self.apology, &self.farewell, &self.repeat];
        once.into_iter().chain(&self.silence_prompts).map(String::as_str)
    }

    /// Whether the agent says nothing by itself. It does not end a call for silence then either.
    pub fn is_empty(&self) -> bool {
        self.texts().all(str::is_empty) && self.silence_prompts.is_empty()
    }
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greeting: "Hello, how can I help you?".to_owned(),
            apology: "I am sorry, something went wrong on our side. Please call again later. \
                      Goodbye."
                .to_owned(),
            silence_prompts: vec!["Are you still there?".to_owned()],
            farewell: "Thank you for calling. Goodbye.".to_owned(),
            repeat: "Sorry, I did not catch that. Could you say it again?".to_owned(),
        }
    }
}

/// How a sound over our reply is judged. A reply must stop within 200 ms of the caller's first
/// 300 ms of real speech, and not stop for a cough or an "uh-huh".
#[derive(Clone, Debug, PartialEq)]
pub struct OverlapConfig {
    /// Voiced sound after which the recognizer is asked for the words. 250 ms: its answer takes
    /// 100-200 ms and is wanted by `hold_after`.
    pub ask_after: Duration,
    /// Less voiced sound than this is a cough, whatever it was taken for. 300 ms: the shortest words
    /// that people interrupt with ("wait", "stop") are longer.
    pub cough: Duration,
    /// More voice within this much silence belongs to what sounded before it, where that was too short
    /// for a word or misheard. 250 ms: between short words people are silent for up to 200 ms, between
    /// the coughs of a fit for longer.
    pub word_gap: Duration,
    /// From the sound's beginning; a reply over which the caller still speaks then is held until the
    /// words are known. 420 ms: 500 ms are allowed, and the leg needs up to 60 ms to fall silent.
    pub hold_after: Duration,
    /// Silence after which a held reply goes on while the words are still awaited. 1200 ms: a caller
    /// who hears nothing for longer asks whether we are there.
    pub go_on_after: Duration,
    /// More voiced sound after which the recognizer is asked again while it has heard nothing that
    /// interrupts; doubles each time, because it costs a decoding. 250 ms.
    pub ask_again_after: Duration,
    /// A voice in which no words were found for as long as this is none: a reply that was held for it
    /// goes on. 1200 ms: the recognizer was asked three times by then.
    pub wordless: Duration,
    /// Before the end of a reply that asks something, "yes" is an answer rather than a listener's
    /// noise. 1500 ms: people answer a question before its last word.
    pub answer_window: Duration,
    /// Whether the greeting can be interrupted. Yes: callers who know it talk over it.
    pub greeting_yields: bool,
}

impl Default for OverlapConfig {
    fn default() -> Self {
        Self {
            ask_after: Duration::from_millis(250),
            cough: Duration::from_millis(300),
            word_gap: Duration::from_millis(250),
            hold_after: Duration::from_millis(420),
            go_on_after: Duration::from_millis(1200),
            ask_again_after: Duration::from_millis(250),
            wordless: Duration::from_millis(1200),
            answer_window: Duration::from_millis(1500),
            greeting_yields: true,
        }
    }
}

/// What happens when nobody speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceConfig {
    /// Silence after our last words before the caller is asked whether they are there, and again
    /// between the prompts. 8 s: shorter, and people who look something up are pestered.
    pub prompt_after: Duration,
    /// Silence after which the agent speaks of its own accord, by a reply of the model to the chat as it
    /// is, once until the caller speaks again. `None`, the default: it does not.
    pub idle_after: Option<Duration>,
    /// How often the recognizer may fail in a row before we apologize and end. 2: the first time the
    /// caller is asked to say it again.
    pub hearing_failures: u32,
}

impl Default for SilenceConfig {
    fn default() -> Self {
        Self { prompt_after: Duration::from_secs(8), idle_after: None, hearing_failures: 2 }
    }
}

/// How long anything may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsConfig {
    /// Until it is known whether a sound is speech. 60 ms: the second window of voice activity and the
    /// way from the microphone.
    pub rising: Duration,
    /// New speech after which a prepared reply is thrown away. 100 ms: a breath is shorter, and
    /// making the same reply again costs a second.
    pub resumed_for_sure: Duration,
    /// The recognizer's answer. 4 s: an overloaded machine is slow, but a caller does not wait longer.
    pub recognizer: Duration,
    /// The leg's word on where outgoing audio was cut. 500 ms: a leg answers within one packet.
    pub cut: Duration,
    /// A reply without any progress: no first audio, no further clause, no mark. 12 s: the first
    /// clause of a large model on a loaded machine.
    pub reply: Duration,
    /// A caller's turn. 120 s: longer is a recording, a radio or another robot.
    pub turn: Duration,
    /// A call. 1 h.
    pub call: Duration,
    /// A hold. 10 min: then nobody is expected to come back.
    pub hold: Duration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            rising: Duration::from_millis(60),
            resumed_for_sure: Duration::from_millis(100),
            recognizer: Duration::from_secs(4),
            cut: Duration::from_millis(500),
            reply: Duration::from_secs(12),
            turn: Duration::from_mins(2),
            call: Duration::from_hours(1),
            hold: Duration::from_mins(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_leave_time_to_stop_within_half_a_second_of_real_speech() {
        let overlap = OverlapConfig::default();
        let leg_falls_silent = Duration::from_millis(60);
        assert!(overlap.hold_after + leg_falls_silent <= Duration::from_millis(500));
        assert!(overlap.ask_after < overlap.hold_after);
        assert!(overlap.cough < overlap.hold_after);
    }

    #[test]
    fn a_recognizer_timeout_is_longer_than_any_patience() {
        let config = TurnConfig::default();
        assert!(config.limits.recognizer > config.patience.longest);
    }

    #[test]
    fn the_default_script_says_something_everywhere() {
        let script = Script::default();
        for text in [script.greeting, script.apology, script.farewell, script.repeat] {
            assert!(!text.is_empty());
        }
        assert!(!script.silence_prompts.is_empty());
    }
}

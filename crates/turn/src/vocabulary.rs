//! What a conversation is told, orders and reports: facts in the past tense, orders in the imperative.

use std::time::{Duration, Instant};

/// A caller's turn, counted from 1 within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TurnId(pub u32);

/// Something we say, counted from 1 within a call. A reply that was prepared and thrown away uses up its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyId(pub u32);

/// A question to the recognizer, counted from 1 within a call; its answer carries the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u32);

/// Put into the outgoing audio after each clause; comes back when the caller has heard up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The reply that the clause belongs to.
    pub reply: ReplyId,
    /// The clause's place in the reply, from 0.
    pub clause: u32,
}

/// Names an item of the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ItemKey {
    /// What the caller said in a turn.
    Turn(TurnId),
    /// What was heard of a reply's words.
    Reply(ReplyId),
    /// A function that a reply wanted called, counted from 0.
    Call(ReplyId, u32),
    /// What the leg put in; it chooses the number.
    Placed(u64),
}

/// Where an item is put into the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before everything.
    First,
    /// Behind this.
    Behind(ItemKey),
    /// Behind everything.
    Last,
}

/// A reply that a program at the caller's end asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its number, of the session's choice.
    pub number: u64,
    /// Whether the reply stays out of the chat.
    pub is_aside: bool,
}

/// Why an order was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A reply is under way.
    ReplyUnderWay,
    /// No reply is under way.
    NoReply,
    /// Nothing was heard since the last commit.
    NothingHeard,
    /// The chat has no such item.
    NoSuchItem,
}

/// A key on the caller's telephone: `0`-`9`, `*`, `#`, `A`-`D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit(pub char);

/// When a word is spoken, from the start of its clause's audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordTime {
    /// The word as the chat would show it.
    pub word: String,
    /// When it has been spoken whole.
    pub end: Duration,
}

/// What the sound says about whether somebody really spoke.
///
/// The probabilities are those of Whisper's decoder (Radford et al. 2022, section 4.5); a recognizer
/// that has none leaves the neutral values of [`Evidence::default`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// How long voice activity was found inside the audio that the words come from.
    pub voiced: Duration,
    /// Loudness of the voiced part, dBFS.
    pub level_dbfs: f32,
    /// Mean voice-activity probability over the voiced part, 0..=1.
    pub vad_mean: f32,
    /// The recognizer's probability that nobody spoke, 0..=1.
    pub no_speech: f32,
    /// Mean log-probability of the decoded tokens.
    pub avg_logprob: f32,
    /// Length of the text over its length compressed; repetition drives it up.
    pub compression_ratio: f32,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            voiced: Duration::ZERO,
            level_dbfs: -100.0,
            vad_mean: 0.0,
            no_speech: 0.0,
            avg_logprob: 0.0,
            compression_ratio: 1.0,
        }
    }
}

/// Words from the recognizer for the caller's turn so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Everything recognized in this turn so far, not only what is new.
    pub text: String,
    /// The question that this answers; `None` for a partial that nobody asked for.
    pub answers: Option<Ask>,
    /// What supports the words.
    pub evidence: Evidence,
}

/// A clause that was spoken into the outgoing audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Where it ends in the outgoing audio.
    pub mark: Mark,
    /// What the chat keeps when it was heard: the model's own words, before normalisation for speech.
    pub text: String,
    /// How long it sounds.
    pub duration: Duration,
    /// When each word was spoken, where the voice tells; empty where it does not.
    pub words: Vec<WordTime>,
}

/// A fact told to the conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The caller's end is connected: the call begins, greet.
    Answered,
    /// Voice activity began; `at` is when the sound began, a little before it was noticed.
    SpeechStarted { at: Instant },
    /// Something sounds that may be the beginning of speech; one more window will tell.
    SpeechRising,
    /// Voice activity goes on: sent with each window that is speech while an overlap is being judged.
    SpeechContinued { voiced: Duration },
    /// Voice activity ended; `at` is when the sound ended, a little before it was noticed.
    SpeechStopped { at: Instant },
    /// The recognizer said something.
    Heard(Heard),
    /// The recognizer failed; the words of this turn are lost.
    HearingFailed { reason: String },
    /// Voice activity failed: nothing of the caller will be heard any more.
    HearingLost { reason: String },
    /// The end-of-turn model's answer to [`Command::ScoreEnd`], 0..=1, 1 = surely finished.
    EndScored { probability: f32 },
    /// The reply's first audio is there (held back when the reply is only prepared).
    ReplyReady { reply: ReplyId },
    /// A clause of the reply went into the outgoing audio.
    Spoke(Spoken),
    /// The reply has been generated to its end; its last mark may still be on its way.
    ReplyWhole { reply: ReplyId },
    /// The model or the voice failed.
    ReplyFailed { reply: ReplyId, reason: String },
    /// The caller heard everything up to this mark.
    Played(Mark),
    /// Outgoing audio was cut after [`Command::StopReply`]; `since_mark` is how long the caller
    /// heard of the clause after `last`.
    Cut { reply: ReplyId, last: Option<Mark>, since_mark: Duration },
    /// More text of a reply that is only written.
    Wrote { reply: ReplyId, text: String },
    /// The reply wants a function called, the how-manieth from 0.
    ToolCalled { reply: ReplyId, index: u32 },
    /// A program at the caller's end said that the turn is over; `heard` is how much sound came since
    /// it last did.
    TurnCommitted { heard: Duration },
    /// It threw away what was heard of the turn.
    TurnCleared,
    /// The recognizer's answer to [`Command::CommitWords`].
    CommitKnown { ask: Ask, text: String },
    /// The recognizer failed over [`Command::CommitWords`].
    CommitFailed { ask: Ask, reason: String },
    /// It wants a reply to the chat as it is.
    ReplyOrdered(Order),
    /// It wants the reply stopped, or this one.
    StopOrdered { reply: Option<ReplyId> },
    /// It put something into the chat.
    ItemPlaced { item: u64, place: Place },
    /// It took something out of the chat.
    ItemRemoved(ItemKey),
    /// It says that no more than this of a reply's sound was heard.
    ReplyTruncated { reply: ReplyId, heard: Duration },
    /// The caller pressed a key.
    Pressed(Digit),
    /// The other side put the call on hold, or came back.
    Held,
    /// The call came back from hold.
    Resumed,
    /// The caller's end is gone.
    Gone,
    /// The deadline of [`Output::Wait`] passed, or nothing in particular happened.
    TimePassed,
}

/// Why something is being said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyCause {
    /// The agent's greeting, fixed text.
    Greeting(String),
    /// An answer by the model to what the caller said: the chat ends with `text`.
    Turn { turn: TurnId, text: String },
    /// A program at the caller's end asked for it: an answer by the model to the chat as it is.
    Ordered(Order),
    /// Nobody has spoken for long: an answer by the model to the chat as it is.
    Idle,
    /// The caller has been silent; fixed text.
    Silence(String),
    /// Something of ours failed; fixed text, spoken without the language model.
    Apology(String),
    /// Last words before hanging up; fixed text.
    Farewell(String),
}

impl ReplyCause {
    /// The text of a reply that has a fixed one.
    pub fn fixed_text(&self) -> Option<&str> {
        match self {
            Self::Greeting(text)
            | Self::Silence(text)
            | Self::Apology(text)
            | Self::Farewell(text) => Some(text),
            Self::Turn { .. } | Self::Ordered(_) | Self::Idle => None,
        }
    }

    /// Whether the reply stays out of the chat.
    pub fn is_aside(&self) -> bool {
        matches!(self, Self::Ordered(order) if order.is_aside)
    }
}

/// How the recognizer listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ear {
    /// From this turn's beginning (a little before speech started).
    Open,
    /// From the next sound on, none of what was before.
    Next,
    /// Not at all: what was heard is thrown away or has become a turn.
    Shut,
}

/// An order to the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Open or shut the recognizer for a turn.
    Listen(Ear),
    /// Have the recognizer say now what it has; answered by [`Input::Heard`] with the same number.
    FinalizeWords(Ask),
    /// What was heard up to now is a turn: have the recognizer say it, answered by
    /// [`Input::CommitKnown`], and shut the ear.
    CommitWords(Ask),
    /// Have the end-of-turn model judge the last seconds up to now; answered by [`Input::EndScored`].
    /// The turn does not end before `needed`, whatever the answer.
    ScoreEnd { needed: Instant },
    /// Begin to make this reply, its audio held back until [`Command::ReleaseReply`].
    PrepareReply { reply: ReplyId, cause: ReplyCause },
    /// Let the reply's audio out.
    ReleaseReply { reply: ReplyId },
    /// Hold the outgoing audio where it is.
    PauseReply { reply: ReplyId },
    /// Go on where the outgoing audio was held.
    ResumeReply { reply: ReplyId },
    /// Throw the reply away, made or in the making, spoken or held back. Answered by [`Input::Cut`]
    /// when its audio had been let out.
    StopReply { reply: ReplyId },
    /// End the call.
    HangUp,
}

/// Why a caller's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnEndReason {
    /// Silence, and the end-of-turn model and the words agreed that the caller had finished.
    Finished,
    /// Silence longer than any pause allowed.
    SilenceTimeout,
    /// The recognizer did not answer in time; what was known was taken.
    RecognizerTimeout,
    /// The caller spoke longer than a turn may last.
    TooLong,
}

/// Why sound was not taken as a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoreReason {
    /// Too little voice activity.
    TooShort,
    /// Too quiet.
    TooQuiet,
    /// The recognizer heard no words.
    NoWords,
    /// The recognizer itself thinks that nobody spoke.
    NoSpeech,
    /// The recognizer was guessing.
    LowConfidence,
    /// The words repeat themselves as hallucinated text does.
    Repetitive,
    /// A phrase that recognizers invent for silence, on weak evidence.
    KnownHallucination,
    /// Voice activity that was unsure of itself, as it is for music and tones.
    UnsureVoice,
    /// A cough or another short noise over our reply.
    Cough,
    /// A listener's "uh-huh" over our reply.
    Backchannel,
}

/// A decision with its reason, for the record.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// A turn ended.
    TurnEnded {
        reason: TurnEndReason,
        silence: Duration,
        end_probability: Option<f32>,
        dictating: bool,
    },
    /// Sound was not a turn.
    Ignored { reason: IgnoreReason, text: String, evidence: Evidence },
    /// A reply that had been prepared was thrown away because the caller went on.
    PreparedReplyDropped { reply: ReplyId },
    /// The reply was held while an overlap was being judged, and went on.
    FalseInterruption { reply: ReplyId, held: Duration },
    /// Nobody owned the floor; the watchdog gave it to someone.
    FloorRecovered { stuck: Duration },
}

/// News for whoever watches: journal, recorder, metrics, a client's screen.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The caller speaks since `at`. Over our reply only once that is sure to be an interruption.
    SpeechStarted { at: Instant },
    /// What was told as started ended at `at`: a turn's end follows at once, or it was nothing.
    SpeechStopped { at: Instant },
    /// The words of a turn are lost.
    TurnFailed { reason: String },
    /// The caller began to speak.
    TurnStarted { turn: TurnId },
    /// The caller finished; `speech_ended` is when the sound ended.
    TurnEnded { turn: TurnId, text: String, speech_ended: Instant },
    /// A reply's audio was let out.
    ReplyStarted { reply: ReplyId, cause: ReplyCause },
    /// What the caller heard of a reply, when it is over.
    ReplyHeard { reply: ReplyId, text: String, whole: bool },
    /// The caller interrupted a reply.
    Interrupted { reply: ReplyId },
    /// A program at the caller's end stopped a reply.
    ReplyCancelled { reply: ReplyId },
    /// A reply wants a function called.
    ToolCalled { reply: ReplyId, index: u32 },
    /// What was ordered, a reply if `order` names one, is not done.
    Refused { order: Option<u64>, refusal: Refused },
    /// Nobody has spoken since `from`; a reply of our own accord follows.
    FellIdle { from: Instant, to: Instant },
    /// A reply failed.
    ReplyFailed { reply: ReplyId, reason: String },
    /// The caller has been silent for a while.
    FellSilent { silence: Duration },
    /// A key was pressed.
    Pressed(Digit),
    /// A decision worth keeping with its reason.
    Decided(Decision),
}

/// What [`crate::Conversation`] wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Do this.
    Command(Command),
    /// Tell whoever watches.
    Event(Event),
    /// Nothing more until an input comes or this time passes; `None` when the call is over.
    Wait(Option<Instant>),
}

//! What a leg is told of its call, beyond sound. Telephones do not listen; a Realtime client does.

use std::time::Duration;

use trunkline_audio::MediaTime;
use trunkline_inference::{FinishReason, ToolCall};
pub use trunkline_turn::Refused;
use trunkline_turn::{ReplyId, TurnId};

/// Why a reply is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It answers a turn.
    Turn(TurnId),
    /// It was ordered, with this tag.
    Ordered(u64),
    /// The agent speaks by itself: greeting, prompt, apology, farewell.
    Own,
}

/// Why a reply ended before it was whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The caller interrupted it.
    Interrupted,
    /// It was ordered to stop.
    Cancelled,
    /// A model failed.
    Failed(String),
}

/// News of a call, in the order in which it happens. Times are those of the caller's sound as it was
/// given in [`LegInput::Audio`](crate::LegInput::Audio).
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The caller speaks. Over a reply this is told only once the sound is taken for an interruption,
    /// just before the reply's [`News::ReplyEnded`]; a cough or an "uh-huh" is never told.
    SpeechStarted {
        /// Where the voice began.
        at: MediaTime,
    },
    /// What was told as started is over: a turn's end follows at once, or it was nothing.
    SpeechStopped {
        /// Where the voice ended.
        at: MediaTime,
    },
    /// What the recognizer makes of the turn so far; each replaces the one before.
    Words(String),
    /// The caller's turn is over and is in the chat as [`ItemKey::Turn`](crate::ItemKey::Turn).
    TurnEnded {
        /// Its number.
        turn: TurnId,
        /// What was said.
        text: String,
    },
    /// The recognizer failed over a turn. It is not in the chat.
    TurnFailed {
        /// What it said.
        reason: String,
    },
    /// Nobody has spoken for as long as the agent waits; a reply of its own accord follows.
    FellIdle {
        /// Where the silence began.
        from: MediaTime,
        /// Where it is now.
        to: MediaTime,
    },
    /// A reply begins to go out: what follows as sound is its. Replies that were only prepared are not told.
    ReplyStarted {
        /// Its number.
        reply: ReplyId,
        /// Why.
        origin: Origin,
    },
    /// More text of a written reply.
    Wrote {
        /// The reply.
        reply: ReplyId,
        /// The text.
        text: String,
    },
    /// A clause whose sound has gone out to the leg whole, told after its sound.
    Spoke {
        /// The reply.
        reply: ReplyId,
        /// The clause, with the space that separates it from the one before.
        text: String,
        /// How long it sounds.
        duration: Duration,
    },
    /// A function that the reply wants called; it is in the chat as [`ItemKey::Call`](crate::ItemKey::Call).
    ToolCalled {
        /// The reply.
        reply: ReplyId,
        /// The how-manieth, from 0.
        index: u32,
        /// The call.
        call: ToolCall,
    },
    /// All of the reply has gone out to the leg; the caller may still be hearing it.
    ReplyMade {
        /// The reply.
        reply: ReplyId,
        /// What it took.
        usage: Usage,
    },
    /// The reply ended before it was whole, or was interrupted after. Told at most once a reply, also
    /// after [`News::ReplyMade`].
    ReplyEnded {
        /// The reply.
        reply: ReplyId,
        /// Why.
        ending: Ending,
        /// What the model took until then, as far as it told.
        usage: Usage,
    },
    /// What the caller has heard of a reply, at its end; the chat keeps that.
    ReplyHeard {
        /// The reply.
        reply: ReplyId,
        /// The words.
        text: String,
        /// Whether that was all.
        whole: bool,
    },
    /// An order that was not carried out.
    Refused {
        /// The tag of a reply that was ordered; `None` for other orders.
        tag: Option<u64>,
        /// Why.
        refusal: Refused,
    },
}

/// What a reply took of the language model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt: u32,
    /// Those of them that were evaluated before.
    pub cached: u32,
    /// Tokens generated.
    pub generated: u32,
    /// Why the model ended.
    pub finish: FinishReason,
}

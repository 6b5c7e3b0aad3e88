//! What calls ask of the models.

/// What one call asks for, on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Load {
    /// Turns a second.
    pub turns_hz: f64,
    /// Seconds that a caller speaks in a turn.
    pub speech_seconds: f64,
    /// Tokens of the prompt in a turn that were not read before.
    pub prompt_tokens: f64,
    /// Tokens of a reply.
    pub reply_tokens: f64,
    /// Seconds of sound of a reply, as far as it is heard.
    pub reply_seconds: f64,
    /// Tokens that are remembered of a call.
    pub context_tokens: f64,
}

impl Default for Load {
    /// A turn every ten seconds, of which the agent speaks four.
    fn default() -> Self {
        Self {
            turns_hz: 0.1,
            speech_seconds: 3.0,
            prompt_tokens: 100.0,
            reply_tokens: 60.0,
            reply_seconds: 4.0,
            context_tokens: 1_000.0,
        }
    }
}

//! What callers say, and what they are answered.

use crate::random::Random;

/// Tokens of the first clause, and of each further one.
const FIRST_CLAUSE: f64 = 8.0;
const NEXT_CLAUSE: f64 = 14.0;
/// Seconds from a caller's last sound to the reply's first that are counted on.
const USUAL_LATENCY: f64 = 1.2;

/// What a call is like, on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// Seconds of speech in a turn.
    pub speech: f64,
    /// Seconds that the caller thinks before it.
    pub think: f64,
    /// Tokens of the prompt that were not read before.
    pub prompt: f64,
    /// Tokens of a reply that are heard.
    pub reply: f64,
    /// Tokens that are written and not heard: a call of a function, what an interruption cuts off.
    pub unheard: f64,
    /// Seconds of sound of a token of it.
    pub token_sounds: f64,
    /// Tokens of the call that are remembered.
    pub context: f64,
}

impl Mix {
    /// A turn every ten seconds, the agent speaking four of them.
    pub const USUAL: Self = Self {
        speech: 3.0,
        think: 1.8,
        prompt: 100.0,
        reply: 20.0,
        unheard: 40.0,
        token_sounds: 0.2,
        context: 1_000.0,
    };
    /// The same, every token of it heard: speech three times as fast as anyone's.
    pub const HURRIED: Self =
        Self { reply: 60.0, unheard: 0.0, token_sounds: 4.0 / 60.0, ..Self::USUAL };
    /// Callers who tell long stories and are told "go on".
    pub const STORIES: Self =
        Self { speech: 12.0, think: 0.5, prompt: 100.0, reply: 5.0, unheard: 0.0, ..Self::USUAL };
    /// Short questions about what has to be looked up: long prompts, calls of functions, short answers.
    pub const LOOKED_UP: Self =
        Self { speech: 1.5, think: 1.5, prompt: 300.0, reply: 10.0, unheard: 100.0, ..Self::USUAL };
    /// Announcements: the agent speaks, the caller says "yes".
    pub const ANNOUNCEMENTS: Self =
        Self { speech: 1.0, think: 0.5, prompt: 20.0, reply: 50.0, unheard: 0.0, ..Self::USUAL };

    /// Seconds from turn to turn.
    pub fn cycle(&self) -> f64 {
        self.speech + self.think + USUAL_LATENCY + self.reply * self.token_sounds
    }
}

/// A part of a reply that is spoken in one go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clause {
    /// Tokens.
    pub tokens: f64,
    /// Seconds of sound.
    pub sound: f64,
}

/// A caller's words and the reply.
#[derive(Clone, Debug, PartialEq)]
pub struct Turn {
    /// Whose.
    pub call: usize,
    /// When the caller fell silent.
    pub stopped: f64,
    /// Seconds that the caller spoke.
    pub speech: f64,
    /// Seconds of silence that end the turn.
    pub endpoint: f64,
    /// Tokens to read.
    pub prompt: f64,
    /// Tokens remembered before.
    pub context: f64,
    /// The reply as it is spoken.
    pub clauses: Vec<Clause>,
    /// Tokens that are written after it and not spoken.
    pub unheard: f64,
}

impl Turn {
    /// Tokens of the reply.
    pub fn reply(&self) -> f64 {
        self.clauses.iter().map(|clause| clause.tokens).sum::<f64>() + self.unheard
    }

    /// Seconds of sound of the reply.
    pub fn sound(&self) -> f64 {
        self.clauses.iter().map(|clause| clause.sound).sum()
    }
}

/// The turns of so many calls in the order in which callers fall silent. `mixes` follow one another, each for
/// the same time.
pub fn turns(calls: usize, seconds: f64, mixes: &[Mix], seed: u64) -> Vec<Turn> {
    let mut turns = Vec::new();
    for call in 0..calls {
        // Each call has its own numbers, so that one more leaves the others as they are.
        let mut random = Random::new(seed.wrapping_mul(1_000_003).wrapping_add(call as u64));
        let mut now = -mixes[0].cycle() * random.unit();
        while now < seconds {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "the number of a mix"
            )]
            let phase = (now.max(0.0) / seconds * mixes.len() as f64) as usize;
            let turn = one(call, now, &mixes[phase.min(mixes.len() - 1)], &mut random);
            now = turn.stopped + USUAL_LATENCY + turn.sound();
            if (0.0..seconds).contains(&turn.stopped) {
                turns.push(turn);
            }
        }
    }
    turns.sort_by(|a, b| a.stopped.total_cmp(&b.stopped));
    turns
}

/// The turn that begins when the caller was last spoken to.
fn one(call: usize, now: f64, mix: &Mix, random: &mut Random) -> Turn {
    let think = random.exponential(mix.think);
    let speech = random.length(mix.speech);
    let mut left = random.length(mix.reply).round().max(3.0);
    let mut clauses = Vec::new();
    while left > 0.0 {
        let most = if clauses.is_empty() { FIRST_CLAUSE } else { NEXT_CLAUSE };
        let tokens = if left < most + 3.0 { left } else { most };
        clauses.push(Clause { tokens, sound: tokens * mix.token_sounds });
        left -= tokens;
    }
    Turn {
        call,
        stopped: now + think + speech,
        speech,
        endpoint: random.between(0.25, 0.5),
        prompt: random.length(mix.prompt).round().max(1.0),
        context: random.between(0.5, 1.5) * mix.context,
        clauses,
        unheard: if mix.unheard > 0.0 { random.length(mix.unheard).round() } else { 0.0 },
    }
}

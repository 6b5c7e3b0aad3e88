//! The reader: goes over a text word by word and asks each rule in turn how to say it.

use super::{addresses, clock, money, quantities, telephone, words};

/// A text, cut at its spaces.
pub(super) struct Reader {
    tokens: Vec<Token>,
}

/// A word with the punctuation around it.
struct Token {
    lead: String,
    core: String,
    trail: String,
}

/// How to say one or more words.
pub(super) struct Spoken {
    words: String,
    tokens: usize,
    dot: Dot,
    lead: Lead,
}

/// What becomes of a full stop behind the words.
#[derive(Clone, Copy, PartialEq)]
enum Dot {
    EndsSentence,
    BelongsToWord,
}

#[derive(Clone, Copy, PartialEq)]
enum Lead {
    Kept,
    Swallowed,
}

impl Spoken {
    /// `words` for `tokens` tokens.
    pub(super) fn new(words: impl Into<String>, tokens: usize) -> Self {
        Self { words: words.into(), tokens, dot: Dot::EndsSentence, lead: Lead::Kept }
    }

    /// The full stop behind belongs to the abbreviation and goes, unless the sentence ends there.
    pub(super) fn abbreviated(mut self) -> Self {
        self.dot = Dot::BelongsToWord;
        self
    }

    /// The punctuation before it is part of what was said.
    pub(super) fn with_lead(mut self) -> Self {
        self.lead = Lead::Swallowed;
        self
    }
}

type Rule = fn(&Reader, usize) -> Option<Spoken>;

/// The first that knows what to say wins.
const RULES: [Rule; 9] = [
    addresses::address,
    telephone::number,
    money::amount,
    clock::time,
    clock::date,
    quantities::measure,
    quantities::number,
    words::abbreviation,
    words::mixture,
];

impl Reader {
    pub(super) fn new(text: &str) -> Self {
        Self { tokens: text.split_whitespace().map(Token::new).collect() }
    }

    /// The whole text as it is said.
    pub(super) fn read(&self) -> String {
        let mut text = String::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let spoken = RULES.iter().find_map(|rule| rule(self, at));
            let spoken = spoken.unwrap_or_else(|| Spoken::new(self.core(at), 1));
            if at > 0 {
                text.push(' ');
            }
            let last = at + spoken.tokens - 1;
            if spoken.lead == Lead::Kept {
                text.push_str(&self.tokens[at].lead);
            }
            text.push_str(&spoken.words);
            text.push_str(self.trail_of(last, spoken.dot));
            at = last + 1;
        }
        text
    }

    /// The word without its punctuation; empty beyond the ends.
    pub(super) fn core(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.core)
    }

    /// The word `back` places before, or an empty one.
    pub(super) fn before(&self, at: usize, back: usize) -> &str {
        at.checked_sub(back).map_or("", |at| self.core(at))
    }

    /// The word after, where no punctuation stands between.
    pub(super) fn joined(&self, at: usize) -> Option<&str> {
        self.is_joined(at).then(|| self.core(at + 1))
    }

    /// The word after, where nothing but a full stop stands between.
    pub(super) fn joined_over_dot(&self, at: usize) -> Option<&str> {
        let next = self.tokens.get(at + 1)?;
        let trail = &self.tokens[at].trail;
        ((trail.is_empty() || trail == ".") && next.lead.is_empty()).then_some(next.core.as_str())
    }

    pub(super) fn lead(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.lead)
    }

    pub(super) fn trail(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.trail)
    }

    pub(super) fn has_dot(&self, at: usize) -> bool {
        self.trail(at).starts_with('.')
    }

    fn is_joined(&self, at: usize) -> bool {
        let Some(next) = self.tokens.get(at + 1) else { return false };
        self.tokens[at].trail.is_empty() && next.lead.is_empty()
    }

    fn trail_of(&self, at: usize, dot: Dot) -> &str {
        let trail = self.trail(at);
        let next = self.core(at + 1);
        let ends_sentence = at + 1 >= self.tokens.len() || next.starts_with(char::is_uppercase);
        if dot == Dot::EndsSentence || ends_sentence && !trail.contains([',', ';', ':']) {
            return trail;
        }
        trail.strip_prefix('.').unwrap_or(trail)
    }
}

impl Token {
    fn new(word: &str) -> Self {
        let rest = word.trim_start_matches(['(', '[', '{', '"', '\'', '“', '‘', '«', '¿', '¡']);
        let core = rest.trim_end_matches([
            '.', ',', ';', ':', '!', '?', ')', ']', '}', '"', '\'', '”', '’', '»', '…',
        ]);
        let lead = word.strip_suffix(rest).unwrap_or_default();
        let trail = rest.strip_prefix(core).unwrap_or_default();
        Self { lead: lead.to_owned(), core: core.to_owned(), trail: trail.to_owned() }
    }
}

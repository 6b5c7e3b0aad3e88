//! From the bytes of tokens to the pieces of a reply.

mod stop;
mod tool_call;
mod utf8;

use std::collections::VecDeque;

use trunkline_inference::{ReplyPiece, TokenLogprobs, ToolCall};

pub(crate) use self::tool_call::{Callable, Ending};
use self::{stop::StopMatcher, tool_call::ToolGate, utf8::Utf8Assembler};

/// The most tool calls of one reply; the rest is dropped.
pub(crate) const MAX_TOOL_CALLS: usize = 4;

/// Turns what the model writes into pieces: whole characters, nothing of a stop text, tool calls
/// apart from text.
#[derive(Debug)]
pub(crate) struct ReplyWriter {
    utf8: Utf8Assembler,
    stop: StopMatcher,
    gate: ToolGate,
    ledger: Ledger,
}

/// What one token completed: probabilities, then text.
pub(crate) type Pieces = [Option<ReplyPiece>; 2];

impl ReplyWriter {
    /// A writer for a reply that ends at any of the texts in `stop` and may hold these calls.
    pub(crate) fn new(stop: &[String], callable: Callable) -> Self {
        Self {
            utf8: Utf8Assembler::default(),
            stop: StopMatcher::new(stop),
            gate: ToolGate::new(callable),
            ledger: Ledger::default(),
        }
    }

    /// Takes a token's bytes and gives the text that is certain so far.
    pub(crate) fn push(&mut self, bytes: &[u8], logprobs: Option<TokenLogprobs>) -> Pieces {
        self.ledger.note(bytes.len(), logprobs);
        let text = self.utf8.push(bytes);
        let text = self.stop.push(&text);
        let text = self.gate.push(&text);
        [self.ledger.tell(&text), text_piece(text)]
    }

    /// Whether a stop text came; the reply is over.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stop.has_matched()
    }

    /// How many bytes of the reply are a call that has just begun; once.
    pub(crate) fn take_beginning(&mut self) -> Option<usize> {
        self.gate.take_beginning()
    }

    /// Ends the reply: what was held back.
    pub(crate) fn finish(mut self, ending: Ending) -> Vec<ReplyPiece> {
        let rest = self.utf8.finish();
        let mut text = self.stop.push(&rest);
        text.push_str(&self.stop.finish());
        let mut certain = self.gate.push(&text);
        let (calls, rest) = self.gate.finish(ending);
        certain.push_str(&rest);
        let is_all_told = calls.is_empty() && !self.stop.has_matched();
        let logprobs =
            if is_all_told { self.ledger.tell_all() } else { self.ledger.tell(&certain) };
        let calls = calls.into_iter().take(MAX_TOOL_CALLS).map(ReplyPiece::ToolCall);
        calls.chain(logprobs).chain(text_piece(certain)).collect()
    }
}

/// The probabilities of the tokens whose text is still held back.
#[derive(Debug, Default)]
struct Ledger {
    /// Each with the place where the token's text begins, bytes from the beginning of the reply.
    tokens: VecDeque<(usize, TokenLogprobs)>,
    written: usize,
    told: usize,
}

impl Ledger {
    fn note(&mut self, bytes: usize, logprobs: Option<TokenLogprobs>) {
        self.tokens.extend(logprobs.map(|logprobs| (self.written, logprobs)));
        self.written += bytes;
    }

    /// Those of the tokens that this text, the next of the reply, has something of.
    fn tell(&mut self, text: &str) -> Option<ReplyPiece> {
        self.told += text.len();
        let count = self.tokens.partition_point(|&(begins, _)| begins < self.told);
        logprobs_piece(self.tokens.drain(..count))
    }

    fn tell_all(&mut self) -> Option<ReplyPiece> {
        logprobs_piece(self.tokens.drain(..))
    }
}

fn logprobs_piece(
    tokens: impl ExactSizeIterator<Item = (usize, TokenLogprobs)>,
) -> Option<ReplyPiece> {
    (tokens.len() > 0).then(|| ReplyPiece::Logprobs(tokens.map(|(_, token)| token).collect()))
}

fn text_piece(text: String) -> Option<ReplyPiece> {
    (!text.is_empty()).then_some(ReplyPiece::Text(text))
}

/// A call as the gate finds it.
fn tool_call(name: &str, arguments: String) -> ToolCall {
    ToolCall { name: name.to_owned(), arguments }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use trunkline_inference::Candidate;

    use super::*;

    fn writer(stop: &[&str]) -> ReplyWriter {
        let stop: Vec<_> = stop.iter().map(|s| (*s).to_owned()).collect();
        ReplyWriter::new(&stop, Callable::lenient(["book".to_owned()]))
    }

    fn pieces(bytes: &[u8], cut: usize, stop: &[&str]) -> Vec<ReplyPiece> {
        let mut writer = writer(stop);
        let mut pieces = Vec::new();
        for chunk in bytes.chunks(cut.max(1)) {
            let logprobs = Candidate { bytes: chunk.to_vec(), logprob: 0.0 };
            let logprobs = TokenLogprobs { chosen: logprobs, top: Vec::new() };
            pieces.extend(writer.push(chunk, Some(logprobs)).into_iter().flatten());
            if writer.has_stopped() {
                break;
            }
        }
        pieces.extend(writer.finish(Ending::Whole));
        pieces
    }

    fn write(bytes: &[u8], cut: usize, stop: &[&str]) -> (String, Vec<ToolCall>) {
        let mut text = String::new();
        let mut calls = Vec::new();
        for piece in pieces(bytes, cut, stop) {
            match piece {
                ReplyPiece::Text(more) => text.push_str(&more),
                ReplyPiece::ToolCall(call) => calls.push(call),
                ReplyPiece::Logprobs(_) | ReplyPiece::Usage { .. } => {}
            }
        }
        (text, calls)
    }

    #[test]
    fn a_stop_text_across_tokens_ends_the_reply_and_is_not_part_of_it() {
        assert_eq!(
            write("We open at nine.\nUser: hi".as_bytes(), 3, &["\nUser:"]).0,
            "We open at nine."
        );
    }

    #[test]
    fn a_tool_call_is_not_spoken() {
        let reply = br#"{"name": "book", "arguments": {"day": "Monday"}}"#;
        let (text, calls) = write(reply, 4, &[]);
        assert_eq!(text, "");
        assert_eq!(calls, [tool_call("book", r#"{"day":"Monday"}"#.to_owned())]);
    }

    /// The bytes of the tokens told so far and of the text, after each piece.
    fn told(pieces: &[ReplyPiece]) -> Vec<(usize, usize)> {
        let mut told = (0, 0);
        let mut after = Vec::new();
        for piece in pieces {
            match piece {
                ReplyPiece::Text(text) => told.1 += text.len(),
                ReplyPiece::Logprobs(tokens) => {
                    told.0 += tokens.iter().map(|token| token.chosen.bytes.len()).sum::<usize>();
                }
                ReplyPiece::ToolCall(_) | ReplyPiece::Usage { .. } => {}
            }
            after.push(told);
        }
        after
    }

    #[test]
    fn tokens_of_a_stop_text_are_not_told() {
        let pieces = pieces(b"ab\nUser: x", 1, &["\nUser:"]);
        assert_eq!(told(&pieces).last(), Some(&(2, 2)));
    }

    #[test]
    fn tokens_of_a_call_are_not_told() {
        let pieces = pieces(b"{\"name\": \"book\", \"arguments\": {}}", 3, &[]);
        assert!(matches!(pieces.as_slice(), [ReplyPiece::ToolCall(_)]), "{pieces:?}");
    }

    proptest! {
        #[test]
        fn plain_text_comes_out_as_it_went_in(text in "[ -z\u{e0}-\u{ff}\u{1F600}-\u{1F640}]{0,60}", cut in 1_usize..7) {
            prop_assume!(!text.trim_start().starts_with(['{', '<', '`']));
            prop_assert_eq!(write(text.as_bytes(), cut, &["}}}"]).0, text);
        }

        #[test]
        fn no_cutting_into_tokens_changes_the_reply(text in "(<tool_call>|\\{|\\}|\"name\"|: |a|\u{e9}|`){0,12}", cut in 1_usize..7) {
            prop_assert_eq!(write(text.as_bytes(), cut, &["aa"]), write(text.as_bytes(), 1000, &["aa"]));
        }

        #[test]
        fn probabilities_come_before_the_text_and_all_of_them_come(
            text in "[ab<\u{e9}\u{1F600}]{0,30}",
            cut in 1_usize..5,
        ) {
            let told = told(&pieces(text.as_bytes(), cut, &["bb"]));
            prop_assert!(told.iter().all(|&(tokens, text)| tokens >= text), "{:?}", told);
            if !text.contains("bb") {
                prop_assert_eq!(told.last().copied().unwrap_or_default(), (text.len(), text.len()));
            }
        }
    }
}

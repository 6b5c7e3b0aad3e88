//! From the bytes of tokens to the pieces of a reply.

mod stop;
mod tool_call;
mod utf8;

use trunkline_inference::{ReplyPiece, ToolCall};

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
}

impl ReplyWriter {
    /// A writer for a reply that ends at any of the texts in `stop`.
    pub(crate) fn new(stop: &[String]) -> Self {
        Self {
            utf8: Utf8Assembler::default(),
            stop: StopMatcher::new(stop),
            gate: ToolGate::default(),
        }
    }

    /// Takes a token's bytes and gives the text that is certain so far.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<ReplyPiece> {
        let text = self.utf8.push(bytes);
        let text = self.stop.push(&text);
        text_piece(self.gate.push(&text))
    }

    /// Whether a stop text came; the reply is over.
    pub(crate) fn has_stopped(&self) -> bool {
        self.stop.has_matched()
    }

    /// Ends the reply: what was held back.
    pub(crate) fn finish(mut self) -> Vec<ReplyPiece> {
        let rest = self.utf8.finish();
        let mut text = self.stop.push(&rest);
        text.push_str(&self.stop.finish());
        let mut certain = self.gate.push(&text);
        let (calls, rest) = self.gate.finish();
        certain.push_str(&rest);
        let calls = calls.into_iter().take(MAX_TOOL_CALLS).map(ReplyPiece::ToolCall);
        calls.chain(text_piece(certain)).collect()
    }
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

    use super::*;

    fn write(bytes: &[u8], cut: usize, stop: &[&str]) -> (String, Vec<ToolCall>) {
        let stop: Vec<_> = stop.iter().map(|s| (*s).to_owned()).collect();
        let mut writer = ReplyWriter::new(&stop);
        let mut pieces = Vec::new();
        for chunk in bytes.chunks(cut.max(1)) {
            pieces.extend(writer.push(chunk));
            if writer.has_stopped() {
                break;
            }
        }
        pieces.extend(writer.finish());
        let mut text = String::new();
        let mut calls = Vec::new();
        for piece in pieces {
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
    }
}

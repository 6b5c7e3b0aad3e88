//! What was said by the caller, and what the caller heard of ours.

use crate::ReplyId;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The caller's words.
    Caller(String),
    /// What the caller heard of a reply; `whole` when that was all of it.
    Agent { text: String, whole: bool },
}

/// What was said and heard, oldest first. A running reply stands in it with what has been heard so
/// far; what was generated and not heard never does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    messages: Vec<Said>,
    /// The reply that the last message is of, which may still grow.
    last_reply: Option<ReplyId>,
}

impl Transcript {
    /// The messages, oldest first.
    pub fn messages(&self) -> &[Said] {
        &self.messages
    }

    /// Adds what the caller said; continues the last message when nothing was heard in between.
    pub(crate) fn caller_said(&mut self, text: &str) {
        self.last_reply = None;
        match self.messages.last_mut() {
            Some(Said::Caller(before)) => {
                before.push(' ');
                before.push_str(text);
            }
            Some(Said::Agent { .. }) | None => self.messages.push(Said::Caller(text.to_owned())),
        }
    }

    /// Sets what the caller has heard of a reply.
    pub(crate) fn agent_heard(&mut self, reply: ReplyId, text: String, whole: bool) {
        if text.is_empty() {
            return;
        }
        let said = Said::Agent { text, whole };
        match self.messages.last_mut() {
            Some(last) if self.last_reply == Some(reply) => *last = said,
            Some(_) | None => self.messages.push(said),
        }
        self.last_reply = Some(reply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(text: &str, whole: bool) -> Said {
        Said::Agent { text: text.to_owned(), whole }
    }

    fn caller(text: &str) -> Said {
        Said::Caller(text.to_owned())
    }

    #[test]
    fn a_reply_grows_while_it_is_heard() {
        let mut transcript = Transcript::default();
        transcript.agent_heard(ReplyId(1), "Hello.".into(), false);
        transcript.agent_heard(ReplyId(1), "Hello. How are you?".into(), true);
        assert_eq!(transcript.messages(), [agent("Hello. How are you?", true)]);
    }

    #[test]
    fn two_replies_in_a_row_are_two_messages() {
        let mut transcript = Transcript::default();
        transcript.agent_heard(ReplyId(1), "Hello.".into(), true);
        transcript.agent_heard(ReplyId(2), "Are you there?".into(), true);
        assert_eq!(transcript.messages(), [agent("Hello.", true), agent("Are you there?", true)]);
    }

    #[test]
    fn a_reply_of_which_nothing_was_heard_leaves_no_message_and_joins_what_the_caller_said() {
        let mut transcript = Transcript::default();
        transcript.caller_said("I would like");
        transcript.agent_heard(ReplyId(1), String::new(), false);
        transcript.caller_said("a table.");
        assert_eq!(transcript.messages(), [caller("I would like a table.")]);
    }

    #[test]
    fn a_reply_cut_short_stands_between_two_messages_of_the_caller() {
        let mut transcript = Transcript::default();
        transcript.caller_said("When do you open?");
        transcript.agent_heard(ReplyId(1), "We open".into(), false);
        transcript.caller_said("On Sundays.");
        assert_eq!(
            transcript.messages(),
            [caller("When do you open?"), agent("We open", false), caller("On Sundays.")]
        );
    }
}

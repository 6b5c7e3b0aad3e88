//! What the transcript promises.

use super::*;
use crate::{Mark, Spoken};

const FIRST: ReplyId = ReplyId(1);
const SECOND: ReplyId = ReplyId(2);

fn agent(text: &str, whole: bool) -> Said {
    Said::Agent { text: text.to_owned(), whole }
}

fn caller(text: &str) -> Said {
    Said::Caller(text.to_owned())
}

/// A transcript of turns and replies, all heard whole: `(true, text)` is the caller's.
fn talk(said: &[(bool, &str)]) -> Transcript {
    let mut transcript = Transcript::default();
    for (n, (is_caller, text)) in (1..).zip(said) {
        if *is_caller {
            transcript.caller_said(TurnId(n), text);
        } else {
            transcript.reply_begins(ReplyId(n));
            transcript.agent_heard(ReplyId(n), (*text).to_owned(), true);
        }
    }
    transcript
}

fn clauses(reply: ReplyId, texts: &[&str]) -> Clauses {
    let mut clauses = Clauses::default();
    for (clause, text) in (0..).zip(texts) {
        let (mark, duration) = (Mark { reply, clause }, Duration::from_secs(1));
        clauses.push(Spoken { mark, text: (*text).to_owned(), duration, words: vec![] });
    }
    clauses
}

#[test]
fn a_reply_grows_while_it_is_heard() {
    let mut transcript = Transcript::default();
    transcript.reply_begins(FIRST);
    transcript.agent_heard(FIRST, "Hello.".into(), false);
    transcript.agent_heard(FIRST, "Hello. How are you?".into(), true);
    assert_eq!(transcript.messages(), [agent("Hello. How are you?", true)]);
}

#[test]
fn two_replies_in_a_row_are_two_messages() {
    let transcript = talk(&[(false, "Hello."), (false, "Are you there?")]);
    assert_eq!(transcript.messages(), [agent("Hello.", true), agent("Are you there?", true)]);
}

#[test]
fn a_reply_of_which_nothing_was_heard_leaves_no_message_and_joins_what_the_caller_said() {
    let mut transcript = talk(&[(true, "I would like")]);
    transcript.reply_begins(SECOND);
    transcript.agent_heard(SECOND, String::new(), false);
    transcript.caller_said(TurnId(3), "a table.");
    assert_eq!(transcript.messages(), [caller("I would like a table.")]);
    assert!(transcript.has(ItemKey::Reply(SECOND)), "things can be put behind it all the same");
}

#[test]
fn a_reply_cut_short_stands_between_two_messages_of_the_caller() {
    let mut transcript = talk(&[(true, "When do you open?"), (false, "We open")]);
    transcript.agent_heard(SECOND, "We open".into(), false);
    transcript.caller_said(TurnId(3), "On Sundays.");
    assert_eq!(
        transcript.messages(),
        [caller("When do you open?"), agent("We open", false), caller("On Sundays.")]
    );
}

#[test]
fn items_stand_where_they_were_put() {
    let mut transcript = talk(&[(true, "One."), (false, "Two.")]);
    assert!(transcript.place(7, Place::Last));
    assert!(transcript.place(8, Place::First));
    assert!(transcript.place(9, Place::Behind(ItemKey::Turn(TurnId(1)))));
    assert!(transcript.place(10, Place::Behind(ItemKey::Placed(9))));
    let placed = [8, 9, 10, 7].map(Said::Placed);
    let [first, second, third, last] = placed;
    assert_eq!(
        transcript.messages(),
        [first, caller("One."), second, third, agent("Two.", true), last]
    );
}

#[test]
fn nothing_is_put_behind_what_is_not_there_nor_twice() {
    let mut transcript = talk(&[(true, "One.")]);
    assert!(!transcript.place(7, Place::Behind(ItemKey::Reply(FIRST))));
    assert!(transcript.place(7, Place::Last));
    assert!(!transcript.place(7, Place::Last));
    assert_eq!(transcript.messages(), [caller("One."), Said::Placed(7)]);
}

#[test]
fn what_was_taken_out_does_not_come_back() {
    let mut transcript = talk(&[(true, "One."), (false, "Two.")]);
    transcript.tool_called(SECOND, 0);
    for key in [ItemKey::Turn(TurnId(1)), ItemKey::Reply(SECOND), ItemKey::Call(SECOND, 0)] {
        assert!(transcript.remove(key), "{key:?}");
        assert!(!transcript.remove(key), "{key:?} twice");
    }
    transcript.agent_heard(SECOND, "Two. Three.".into(), true);
    assert_eq!(transcript.messages(), []);
}

#[test]
fn the_callers_words_join_only_where_nothing_stands_between() {
    let mut transcript = talk(&[(true, "One."), (true, "Two.")]);
    assert_eq!(transcript.messages(), [caller("One. Two.")]);
    assert!(transcript.place(1, Place::Behind(ItemKey::Turn(TurnId(1)))));
    assert_eq!(transcript.messages(), [caller("One."), Said::Placed(1), caller("Two.")]);
    assert!(transcript.remove(ItemKey::Placed(1)));
    assert!(transcript.remove(ItemKey::Turn(TurnId(1))));
    assert_eq!(transcript.messages(), [caller("Two.")]);
}

#[test]
fn a_reply_that_is_over_is_cut_down_and_never_grows_again() {
    let mut transcript = talk(&[(false, "Of course, we open at nine.")]);
    transcript.keep(FIRST, clauses(FIRST, &["Of course,", "we open at nine."]));
    let cases = [
        (5000, "Of course, we open at nine.", true),
        (1500, "Of course, we open", false),
        (1000, "Of course,", false),
        (1900, "Of course,", false),
    ];
    for (ms, text, whole) in cases {
        transcript.truncate(FIRST, Duration::from_millis(ms));
        assert_eq!(transcript.messages(), [agent(text, whole)], "{ms} ms");
    }
    transcript.truncate(FIRST, Duration::ZERO);
    assert_eq!(transcript.messages(), [], "nothing was heard");
    assert!(transcript.has(ItemKey::Reply(FIRST)));
}

#[test]
fn only_so_many_replies_can_be_cut_down() {
    let mut transcript = talk(&[(false, "One two.")]);
    transcript.keep(FIRST, clauses(FIRST, &["One two."]));
    for n in (2..).take(PAST_REPLIES) {
        transcript.keep(ReplyId(n), Clauses::default());
    }
    transcript.truncate(FIRST, Duration::ZERO);
    assert_eq!(transcript.messages(), [agent("One two.", true)]);
    assert_eq!(transcript.past.len(), PAST_REPLIES);
}

//! The way of a turn: greeting, the caller's words, the reply, and round again.

use crate::stage::check;

#[test]
fn a_call_is_greeted_and_answers_turn_after_turn() {
    check(
        r#"
        0 answered
        > prepare 1: greeting, Hello!
        > release 1
        > reply 1 starts: greeting, Hello!
        80 ready 1
        80 spoke 1.0 "Hello!" 500
        80 whole 1
        580 played 1.0
        > reply 1 heard: Hello!
        2064 speech
        > open
        3096 silence
        > words 1?
        > end by 3280?
        3150 score 0.9
        3200 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3280 > Finished after 280, score 0.9
        > turn 1 ended at 3000: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3400 nothing
        3500 ready 2
        3500 spoke 2.0 "At nine." 600
        3600 whole 2
        4100 played 2.0
        > reply 2 heard: At nine.
        5000 said
        > agent: Hello!
        > caller: When do you open?
        > agent: At nine.
        6064 speech
        > open
        7096 silence
        > words 2?
        > end by 7280?
        7200 words "Thank you, bye."
        > turn 2 begins
        > prepare 3: turn 2, Thank you, bye.
        7450 > Finished after 450
        > turn 2 ended at 7000: Thank you, bye.
        > release 3
        > reply 3 starts: turn 2, Thank you, bye.
        > shut
        7500 nothing
        7600 said
        > agent: Hello!
        > caller: When do you open?
        > agent: At nine.
        > caller: Thank you, bye.
        "#,
    );
}

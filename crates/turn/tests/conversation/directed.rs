//! What a program at the caller's end orders: turns, replies, changes of the chat.

use std::time::Duration;

use trunkline_turn::{SilenceConfig, Taking, TurnConfig};

use crate::stage::{check_directed, config, taking};

const SILENT: Taking = Taking::Automatic { replies: false, yields: true };
const STUBBORN: Taking = Taking::Automatic { replies: true, yields: false };

#[test]
fn a_committed_turn_is_told_when_its_words_come_and_nothing_follows() {
    check_directed(
        taking(Taking::Manual),
        r#"
        0 answered
        > open anew
        500 speech
        900 voiced 400
        1000 silence
        1500 commit 1500
        > turn 1 begins
        > commit 1?
        > open anew
        1600 known 1 "When do you open?"
        > turn 1 ended at 1500: When do you open?
        2000 commit 99
        > refused: NothingHeard
        3000 said
        > caller: When do you open?
        60000 nothing
        "#,
    );
}

#[test]
fn committed_turns_stay_in_their_order_and_a_reply_waits_for_all_of_them() {
    check_directed(
        taking(Taking::Manual),
        r#"
        0 answered
        > open anew
        1000 commit 1000
        > turn 1 begins
        > commit 1?
        > open anew
        1100 order 5
        1200 commit 200
        > turn 2 begins
        > commit 2?
        > open anew
        1300 order 6
        > order 6 refused: ReplyUnderWay
        1400 known 2 "two"
        1500 known 1 "one"
        > turn 1 ended at 1000: one
        > turn 2 ended at 1200: two
        > prepare 1: order 5
        > release 1
        > reply 1 starts: order 5
        "#,
    );
}

#[test]
fn words_that_are_late_or_lost_lose_the_turn_alone() {
    check_directed(
        taking(Taking::Manual),
        r#"
        0 answered
        > open anew
        1000 commit 1000
        > turn 1 begins
        > commit 1?
        > open anew
        2000 commit 1000
        > turn 2 begins
        > commit 2?
        > open anew
        2100 unknown 2
        6000 > turn failed: the recognizer did not answer in time
        > turn failed: broken
        6500 nothing
        7000 known 1 "too late"
        7500 said
        "#,
    );
}

#[test]
fn a_cleared_turn_begins_anew() {
    check_directed(
        taking(Taking::Manual),
        r"
        0 answered
        > open anew
        1000 clear
        > shut
        > open anew
        ",
    );
    check_directed(
        config(),
        r"
        0 answered
        1064 speech
        > open
        > speaks since 1000
        1500 clear
        > spoke until 1500
        > shut
        1600 voiced 0
        1700 voiced 64
        > open
        > speaks since 1700
        1800 clear
        > spoke until 1800
        > shut
        ",
    );
}

#[test]
fn an_automatic_turn_may_be_committed_before_it_ends_by_itself() {
    check_directed(
        config(),
        r#"
        0 answered
        1000 commit 1000
        > refused: NothingHeard
        1064 speech
        > open
        > speaks since 1000
        1500 commit 500
        > spoke until 1500
        > turn 1 begins
        > commit 1?
        2064 speech
        > open
        > speaks since 2000
        2596 silence
        > words 2?
        > end by 2780?
        2600 words "And to go."
        > turn 2 begins
        2700 score 0.9
        3000 known 1 "I would like"
        > turn 1 ended at 1500: I would like
        > prepare 1: turn 2, And to go.
        > Finished after 500, score 0.9
        > spoke until 2500
        > turn 2 ended at 2500: And to go.
        > release 1
        > reply 1 starts: turn 2, And to go.
        > shut
        3100 said
        > caller: I would like And to go.
        "#,
    );
}

#[test]
fn turns_end_without_a_reply_where_none_is_wanted() {
    check_directed(
        taking(SILENT),
        r#"
        0 answered
        1064 speech
        > open
        > speaks since 1000
        2096 silence
        > words 1?
        > end by 2280?
        2100 score 0.9
        2200 words "When do you open?"
        > turn 1 begins
        2280 > Finished after 280, score 0.9
        > spoke until 2000
        > turn 1 ended at 2000: When do you open?
        > shut
        2500 order 7
        > prepare 1: order 7
        > release 1
        > reply 1 starts: order 7
        "#,
    );
}

#[test]
fn a_reply_ordered_in_a_pause_ends_the_turn_and_answers_it() {
    check_directed(
        config(),
        r#"
        0 answered
        1064 speech
        > open
        > speaks since 1000
        2096 silence
        > words 1?
        > end by 2280?
        2150 words "I would like"
        > turn 1 begins
        > prepare 1: turn 1, I would like
        2200 order 7
        > stop 1
        > dropped 1
        > Finished after 200
        > spoke until 2000
        > turn 1 ended at 2000: I would like
        > prepare 2: order 7
        > release 2
        > reply 2 starts: order 7
        > shut
        "#,
    );
}

#[test]
fn a_reply_is_queued_behind_one_that_is_wholly_made() {
    check_directed(
        config(),
        r#"
        0 answered
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        200 ready 1
        200 spoke 1.0 "One two." 2000
        250 order 2
        > order 2 refused: ReplyUnderWay
        300 whole 1
        400 order 3
        > prepare 2: order 3
        > release 2
        > reply 2 starts: order 3
        500 said
        > agent: One two.
        600 ready 2
        600 spoke 2.0 "Three four." 1000
        700 whole 2
        2200 played 1.0
        > reply 1 heard: One two.
        3200 played 2.0
        > reply 2 heard: Three four.
        4000 said
        > agent: One two.
        > agent: Three four.
        "#,
    );
}

#[test]
fn an_interruption_stops_all_that_was_let_out_and_each_keeps_what_was_heard() {
    check_directed(
        config(),
        r#"
        0 answered
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        200 spoke 1.0 "One two." 1000
        200 spoke 1.1 "Three four." 1000 500 1000
        300 whole 1
        400 order 2
        > prepare 2: order 2
        > release 2
        > reply 2 starts: order 2
        500 spoke 2.0 "Five six." 1000
        600 whole 2
        1200 played 1.0
        1264 speech
        > open
        1600 voiced 350
        > words 1?
        1620 > pause 2
        1650 words "No, wait."
        > speaks since 1200
        > stop 2
        > reply 1 interrupted
        > reply 2 interrupted
        > turn 1 begins
        1700 cut 2 1.0 500
        > reply 1 heard: One two. Three -
        > reply 2 heard:  -
        1800 said
        > agent: One two. Three -
        "#,
    );
}

#[test]
fn a_reply_that_does_not_yield_goes_on_and_the_turn_is_answered_when_it_is_made() {
    check_directed(
        taking(STUBBORN),
        r#"
        0 answered
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        200 spoke 1.0 "One two." 9000
        1064 speech
        > open
        > speaks since 1000
        1400 voiced 350
        2096 silence
        > words 1?
        > end by 2280?
        2150 score 0.9
        2200 words "When do you open?"
        > turn 1 begins
        2280 > Finished after 280, score 0.9
        > spoke until 2000
        > turn 1 ended at 2000: When do you open?
        > shut
        3000 whole 1
        > prepare 2: turn 1, When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        "#,
    );
}

#[test]
fn a_reply_is_stopped_as_ordered_and_only_if_there_is_one() {
    check_directed(
        config(),
        r#"
        0 answered
        50 halt
        > refused: NoReply
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        200 spoke 1.0 "One two." 1000
        300 halt 2
        > refused: NoReply
        700 halt 1
        > stop 1
        > reply 1 cancelled
        800 order 2
        900 cut 1 - 500
        > reply 1 heard: One -
        > prepare 2: order 2
        > release 2
        > reply 2 starts: order 2
        "#,
    );
}

#[test]
fn a_reply_that_waits_is_cancelled_as_one_that_began() {
    check_directed(
        taking(Taking::Manual),
        r#"
        0 answered
        > open anew
        1000 commit 1000
        > turn 1 begins
        > commit 1?
        > open anew
        1000 order 5
        1100 halt
        > reply 1 starts: order 5
        > reply 1 cancelled
        > reply 1 heard:  -
        1200 known 1 "one"
        > turn 1 ended at 1000: one
        "#,
    );
}

#[test]
fn a_reply_may_call_functions_and_one_without_anything_has_failed() {
    check_directed(
        config(),
        r#"
        0 answered
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        200 ready 1
        200 call 1.0
        > reply 1 calls 0
        220 wrote 1 "Wait."
        250 whole 1
        > reply 1 heard: Wait.
        300 place 7
        400 order 2
        > prepare 2: order 2
        > release 2
        > reply 2 starts: order 2
        450 whole 2
        > reply 2 failed: the reply has no words
        > reply 2 heard:  -
        500 said
        > agent: Wait.
        > call 1.0
        > placed 7
        "#,
    );
}

#[test]
fn a_written_reply_is_heard_as_it_is_written() {
    check_directed(
        config(),
        r#"
        0 answered
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        200 wrote 1 "At "
        300 wrote 1 "nine."
        400 whole 1
        > reply 1 heard: At nine.
        500 said
        > agent: At nine.
        "#,
    );
}

#[test]
fn an_aside_is_spoken_and_stays_out_of_the_chat() {
    check_directed(
        config(),
        r#"
        0 answered
        100 order 1 aside
        > prepare 1: order 1, aside
        > release 1
        > reply 1 starts: order 1, aside
        200 spoke 1.0 "Please hold." 500
        300 call 1.0
        400 whole 1
        700 played 1.0
        > reply 1 heard: Please hold.
        800 truncate 1 0
        > refused: NoSuchItem
        900 said
        "#,
    );
}

#[test]
fn the_chat_is_edited() {
    check_directed(
        config(),
        r#"
        0 answered
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        200 spoke 1.0 "One two three." 1500 500 1000 1500
        300 whole 1
        400 place 1
        400 place 2 first
        400 place 3 reply.1
        400 place 3
        > refused: NoSuchItem
        400 place 4 turn.9
        > refused: NoSuchItem
        500 truncate 1 1200
        1700 played 1.0
        > reply 1 heard: One two
        1800 said
        > placed 2
        > agent: One two
        > placed 3
        > placed 1
        1900 truncate 1 600
        1900 truncate 1 1500
        1900 truncate 5 0
        > refused: NoSuchItem
        1900 remove placed.3
        1900 remove placed.3
        > refused: NoSuchItem
        2000 said
        > placed 2
        > agent: One -
        > placed 1
        2100 remove reply.1
        2200 said
        > placed 2
        > placed 1
        "#,
    );
}

#[test]
fn failures_of_models_end_what_they_failed_at_and_the_call_goes_on() {
    check_directed(
        config(),
        r#"
        0 answered
        1064 speech
        > open
        > speaks since 1000
        1500 deaf "broken"
        > spoke until 1500
        > shut
        > turn failed: broken
        2064 speech
        > open
        > speaks since 2000
        3096 silence
        > words 1?
        > end by 3280?
        3100 score 0.9
        3150 words "When do you open?"
        > turn 1 begins
        > prepare 1: turn 1, When do you open?
        3200 failed 1
        > reply 1 failed: broken
        3280 > Finished after 280, score 0.9
        > spoke until 3000
        > turn 1 ended at 3000: When do you open?
        > reply 1 starts: turn 1, When do you open?
        > reply 1 heard:  -
        > shut
        4000 order 1
        > prepare 2: order 1
        > release 2
        > reply 2 starts: order 1
        16000 > recovered after 12000
        > reply 2 failed: no progress for 12000 ms
        > stop 2
        16100 cut 2 - 0
        > reply 2 heard:  -
        17000 lost "gone"
        > turn failed: gone
        "#,
    );
}

#[test]
fn an_idle_caller_is_spoken_to_once_until_they_speak() {
    let idle_after = Some(Duration::from_secs(5));
    let silence = SilenceConfig { idle_after, ..SilenceConfig::default() };
    check_directed(
        TurnConfig { silence, ..config() },
        r#"
        0 answered
        20000 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        20100 spoke 1.0 "Hello." 500
        20100 whole 1
        20600 played 1.0
        > reply 1 heard: Hello.
        25600 > idle from 20600 to 25600
        > prepare 2: idle
        > release 2
        > reply 2 starts: idle
        25700 spoke 2.0 "Still there?" 500
        25700 whole 2
        26200 played 2.0
        > reply 2 heard: Still there?
        60000 nothing
        "#,
    );
}

#[test]
fn another_configuration_holds_from_here_on() {
    check_directed(
        config(),
        r#"
        0 answered
        1064 speech
        > open
        > speaks since 1000
        1500 become manual
        > spoke until 1500
        > shut
        > open anew
        1600 voiced 500
        2000 commit 500
        > turn 1 begins
        > commit 1?
        > open anew
        2100 become automatic
        > shut
        2200 known 1 "I would"
        > turn 1 ended at 2000: I would
        2300 become silent
        2364 speech
        > open
        > speaks since 2300
        2400 become stubborn
        > spoke until 2400
        > shut
        "#,
    );
}

#[test]
fn a_held_line_goes_on_when_what_was_held_ends_without_a_sound() {
    check_directed(
        config(),
        r#"
        0 answered
        100 order 1
        > prepare 1: order 1
        > release 1
        > reply 1 starts: order 1
        150 wrote 1 "At nine."
        164 speech
        > open
        400 voiced 256
        > words 1?
        520 > pause 1
        600 whole 1
        > reply 1 heard: At nine.
        > resume 1
        > speaks since 100
        "#,
    );
}

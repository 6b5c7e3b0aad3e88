//! Silence, failures, hold and the end of calls.

use std::time::Duration;

use trunkline_turn::{LimitsConfig, Script, TurnConfig};

use crate::stage::{check, check_with, config, script};

#[test]
fn a_silent_caller_is_asked_twice_and_then_bid_farewell() {
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
        8580 > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        8580 ready 2
        8580 spoke 2.0 "Are you there?" 500
        8580 whole 2
        9080 played 2.0
        > reply 2 heard: Are you there?
        17080 > silent for 8000
        > prepare 3: silence, Hello?
        > release 3
        > reply 3 starts: silence, Hello?
        17080 ready 3
        17080 spoke 3.0 "Hello?" 500
        17080 whole 3
        17580 played 3.0
        > reply 3 heard: Hello?
        25580 > silent for 8000
        > prepare 4: farewell, Goodbye.
        > release 4
        > reply 4 starts: farewell, Goodbye.
        25600 ready 4
        25600 spoke 4.0 "Goodbye." 500
        25600 whole 4
        26100 played 4.0
        > reply 4 heard: Goodbye.
        > hang up
        26100 said
        > agent: Hello!
        > agent: Are you there?
        > agent: Hello?
        > agent: Goodbye.
        30000 speech
        "#,
    );
}

#[test]
fn a_caller_who_answers_a_prompt_is_prompted_from_the_first_again() {
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
        8580 > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        8580 ready 2
        8580 spoke 2.0 "Are you there?" 500
        8580 whole 2
        9080 played 2.0
        > reply 2 heard: Are you there?
        10064 speech
        > open
        11096 silence
        > words 1?
        > end by 11280?
        11150 score 0.9
        11200 words "Yes, I am."
        > turn 1 begins
        > prepare 3: turn 1, Yes, I am.
        11280 > Finished after 280, score 0.9
        > turn 1 ended at 11000: Yes, I am.
        > release 3
        > reply 3 starts: turn 1, Yes, I am.
        > shut
        11300 ready 3
        11300 spoke 3.0 "Good." 300
        11300 whole 3
        11700 played 3.0
        > reply 3 heard: Good.
        19700 > silent for 8000
        > prepare 4: silence, Are you there?
        > release 4
        > reply 4 starts: silence, Are you there?
        19700 nothing
        "#,
    );
}

#[test]
fn a_pressed_key_is_a_sign_of_life() {
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
        8000 key 5
        > pressed 5
        10000 nothing
        16000 > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        16000 nothing
        "#,
    );
}

#[test]
fn a_failing_model_leads_to_a_spoken_apology_and_a_polite_end() {
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
        3400 failed 2
        > reply 2 failed: broken
        > reply 2 heard:  -
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        3500 ready 3
        3500 spoke 3.0 "Sorry, bye." 700
        3500 whole 3
        4200 played 3.0
        > reply 3 heard: Sorry, bye.
        > hang up
        "#,
    );
}

#[test]
fn a_model_that_fails_ahead_of_the_turns_end_is_not_noticed_if_the_caller_goes_on() {
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
        3200 words "I would like"
        > turn 1 begins
        > prepare 2: turn 1, I would like
        3300 failed 2
        > reply 2 failed: broken
        3500 speech
        3600 > stop 2
        > dropped 2
        4096 silence
        > words 2?
        > end by 4280?
        4150 score 0.9
        4200 words "I would like a table."
        > prepare 3: turn 1, I would like a table.
        4280 > Finished after 280, score 0.9
        > turn 1 ended at 4000: I would like a table.
        > release 3
        > reply 3 starts: turn 1, I would like a table.
        > shut
        4300 nothing
        "#,
    );
}

#[test]
fn a_model_that_fails_ahead_of_the_turns_end_leads_to_the_apology_at_its_end() {
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
        3200 words "I would like a table."
        > turn 1 begins
        > prepare 2: turn 1, I would like a table.
        3300 failed 2
        > reply 2 failed: broken
        3450 > Finished after 450
        > turn 1 ended at 3000: I would like a table.
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        > shut
        3600 nothing
        "#,
    );
}

#[test]
fn what_had_gone_out_before_a_failure_is_heard_first() {
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
        3300 ready 2
        3300 spoke 2.0 "At nine," 600
        3400 failed 2
        > reply 2 failed: broken
        3900 played 2.0
        > reply 2 heard: At nine, -
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        4000 said
        > agent: Hello!
        > caller: When do you open?
        > agent: At nine, -
        "#,
    );
}

#[test]
fn a_failing_apology_ends_the_call() {
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
        3400 failed 2
        > reply 2 failed: broken
        > reply 2 heard:  -
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        3500 failed 3
        > reply 3 failed: broken
        > reply 3 heard:  -
        > hang up
        "#,
    );
}

#[test]
fn a_reply_without_words_has_failed() {
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
        3400 ready 2
        3400 whole 2
        > reply 2 failed: the reply has no words
        > reply 2 heard:  -
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        3500 nothing
        "#,
    );
}

#[test]
fn a_deaf_recognizer_is_excused_once() {
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
        2100 deaf
        > shut
        > prepare 2: silence, Once more?
        > release 2
        > reply 2 starts: silence, Once more?
        2300 ready 2
        2300 spoke 2.0 "Once more?" 500
        2300 whole 2
        2800 played 2.0
        > reply 2 heard: Once more?
        3064 speech
        > open
        3100 deaf
        > shut
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        3200 ready 3
        3200 spoke 3.0 "Sorry, bye." 500
        3200 whole 3
        3700 played 3.0
        > reply 3 heard: Sorry, bye.
        > hang up
        "#,
    );
}

#[test]
fn a_turn_between_two_failures_of_the_recognizer_starts_the_count_again() {
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
        2100 deaf
        > shut
        > prepare 2: silence, Once more?
        > release 2
        > reply 2 starts: silence, Once more?
        2300 ready 2
        2300 spoke 2.0 "Once more?" 500
        2300 whole 2
        2800 played 2.0
        > reply 2 heard: Once more?
        3064 speech
        > open
        4096 silence
        > words 1?
        > end by 4280?
        4150 score 0.9
        4200 words "When do you open?"
        > turn 1 begins
        > prepare 3: turn 1, When do you open?
        4280 > Finished after 280, score 0.9
        > turn 1 ended at 4000: When do you open?
        > release 3
        > reply 3 starts: turn 1, When do you open?
        > shut
        4300 ready 3
        4300 spoke 3.0 "At nine." 500
        4300 whole 3
        4900 played 3.0
        > reply 3 heard: At nine.
        5064 speech
        > open
        5100 deaf
        > shut
        > prepare 4: silence, Once more?
        > release 4
        > reply 4 starts: silence, Once more?
        "#,
    );
}

#[test]
fn a_reply_that_does_not_come_forward_is_given_up() {
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
        15280 > recovered after 12000
        > reply 2 failed: no progress for 12000 ms
        > stop 2
        15280 nothing
        15300 cut 2 - 0
        > reply 2 heard:  -
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        15400 ready 3
        "#,
    );
}

#[test]
fn a_reply_whose_sound_is_never_heard_is_given_up() {
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
        3064 silence
        > words 1?
        > end by 3248?
        3114 score 0.9
        3164 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3248 > Finished after 280, score 0.9
        > turn 1 ended at 2968: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3364 ready 2
        3364 spoke 2.0 "We open at nine in the morning." 3000
        3384 whole 2
        18364 > recovered after 15000
        > reply 2 failed: no progress for 15000 ms
        > stop 2
        18864 > reply 2 heard:  -
        > prepare 3: apology, Sorry, bye.
        > release 3
        > reply 3 starts: apology, Sorry, bye.
        19000 nothing
        19200 nothing
        "#,
    );
}

#[test]
fn a_stuck_farewell_ends_the_call() {
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
        8580 > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        8600 ready 2
        8600 spoke 2.0 "Are you there?" 500
        8600 whole 2
        9100 played 2.0
        > reply 2 heard: Are you there?
        17100 > silent for 8000
        > prepare 3: silence, Hello?
        > release 3
        > reply 3 starts: silence, Hello?
        17200 ready 3
        17200 spoke 3.0 "Hello?" 500
        17200 whole 3
        17700 played 3.0
        > reply 3 heard: Hello?
        25700 > silent for 8000
        > prepare 4: farewell, Goodbye.
        > release 4
        > reply 4 starts: farewell, Goodbye.
        37700 > recovered after 12000
        > reply 4 failed: no progress for 12000 ms
        > stop 4
        > reply 4 heard:  -
        > hang up
        40000 nothing
        "#,
    );
}

#[test]
fn a_leg_that_does_not_say_where_it_cut_is_not_waited_for() {
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
        3064 silence
        > words 1?
        > end by 3248?
        3114 score 0.9
        3164 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3248 > Finished after 280, score 0.9
        > turn 1 ended at 2968: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3364 ready 2
        3364 spoke 2.0 "We open at nine in the morning." 3000
        3384 whole 2
        4000 speech
        > open
        4200 voiced 256
        > words 2?
        4280 voiced 330
        4300 words "No, on Sunday"
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4800 > reply 2 heard:  -
        4900 cut 2 - 1000
        5000 silence
        > words 3?
        > end by 5184?
        5100 words "No, on Sunday."
        > prepare 3: turn 2, No, on Sunday.
        5354 > Finished after 450
        > turn 2 ended at 4904: No, on Sunday.
        > release 3
        > reply 3 starts: turn 2, No, on Sunday.
        > shut
        5600 said
        > agent: Hello!
        > caller: When do you open? No, on Sunday.
        "#,
    );
}

#[test]
fn a_call_that_cannot_be_heard_any_more_is_apologized_for_whoever_speaks() {
    check(
        r#"
        0 answered
        > prepare 1: greeting, Hello!
        > release 1
        > reply 1 starts: greeting, Hello!
        80 ready 1
        80 spoke 1.0 "Hello!" 500
        80 whole 1
        300 lost
        > stop 1
        340 cut 1 - 260
        > reply 1 heard:  -
        > prepare 2: apology, Sorry, bye.
        > release 2
        > reply 2 starts: apology, Sorry, bye.
        400 lost
        500 ready 2
        500 spoke 2.0 "Sorry, bye." 900
        500 whole 2
        1500 played 2.0
        > reply 2 heard: Sorry, bye.
        > hang up
        "#,
    );
}

#[test]
fn a_call_that_lasts_too_long_ends_with_a_farewell() {
    let config = TurnConfig {
        limits: LimitsConfig { call: Duration::from_millis(4500), ..LimitsConfig::default() },
        ..config()
    };
    check_with(
        config,
        script(),
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
        3064 silence
        > words 1?
        > end by 3248?
        3114 score 0.9
        3164 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3248 > Finished after 280, score 0.9
        > turn 1 ended at 2968: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3364 ready 2
        3364 spoke 2.0 "We open at nine in the morning." 3000
        3384 whole 2
        4500 > stop 2
        4600 cut 2 - 700
        > reply 2 heard: We open -
        > prepare 3: farewell, Goodbye.
        > release 3
        > reply 3 starts: farewell, Goodbye.
        4700 ready 3
        4700 spoke 3.0 "Goodbye." 400
        4700 whole 3
        5100 played 3.0
        > reply 3 heard: Goodbye.
        > hang up
        "#,
    );
}

#[test]
fn on_hold_time_stands_still_and_the_reply_waits() {
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
        3064 silence
        > words 1?
        > end by 3248?
        3114 score 0.9
        3164 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3248 > Finished after 280, score 0.9
        > turn 1 ended at 2968: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3364 ready 2
        3364 spoke 2.0 "We open at nine in the morning." 3000
        3384 whole 2
        4000 held
        > pause 2
        4100 speech
        4132 voiced 300
        60000 resumed
        > resume 2
        62300 played 2.0
        > reply 2 heard: We open at nine in the morning.
        70000 nothing
        70300 > silent for 8000
        > prepare 3: silence, Are you there?
        > release 3
        > reply 3 starts: silence, Are you there?
        70300 nothing
        "#,
    );
}

#[test]
fn words_that_were_said_before_a_hold_are_answered_after_it() {
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
        3000 held
        > words 1?
        > end by 3280?
        3100 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3200 score 0.9
        9000 resumed
        9280 > Finished after 280, score 0.9
        > turn 1 ended at 9000: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        9300 nothing
        "#,
    );
}

#[test]
fn a_hold_that_does_not_end_ends_the_call() {
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
        3064 silence
        > words 1?
        > end by 3248?
        3114 score 0.9
        3164 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3248 > Finished after 280, score 0.9
        > turn 1 ended at 2968: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3364 ready 2
        3364 spoke 2.0 "We open at nine in the morning." 3000
        3384 whole 2
        4000 held
        > pause 2
        604000 > reply 2 heard:  -
        > hang up
        604000 nothing
        "#,
    );
}

#[test]
fn when_the_caller_is_gone_what_was_heard_is_recorded_and_nothing_more_is_done() {
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
        3300 ready 2
        3300 spoke 2.0 "Of course," 600
        3300 spoke 2.1 "we open at nine." 1200
        3900 played 2.0
        4000 gone
        > reply 2 heard: Of course, -
        4100 speech
        4200 played 2.1
        5000 answered
        5000 said
        > agent: Hello!
        > caller: When do you open?
        > agent: Of course, -
        "#,
    );
}

#[test]
fn a_script_without_texts_listens_at_once_and_hangs_up_without_a_word() {
    check_with(
        config(),
        Script { greeting: String::new(), apology: String::new(), ..script() },
        r#"
        0 answered
        1000 speech
        > open
        2096 silence
        > words 1?
        > end by 2280?
        2150 score 0.9
        2200 words "When do you open?"
        > turn 1 begins
        > prepare 1: turn 1, When do you open?
        2280 > Finished after 280, score 0.9
        > turn 1 ended at 2000: When do you open?
        > release 1
        > reply 1 starts: turn 1, When do you open?
        > shut
        2400 failed 1
        > reply 1 failed: broken
        > reply 1 heard:  -
        > hang up
        "#,
    );
}

#[test]
fn without_prompts_a_silent_caller_is_bid_farewell_at_once() {
    check_with(
        config(),
        Script { silence_prompts: Vec::new(), ..script() },
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
        8580 > silent for 8000
        > prepare 2: farewell, Goodbye.
        > release 2
        > reply 2 starts: farewell, Goodbye.
        8580 ready 2
        8580 spoke 2.0 "Goodbye." 300
        8580 whole 2
        8900 played 2.0
        > reply 2 heard: Goodbye.
        > hang up
        "#,
    );
}

#[test]
fn a_silence_prompt_is_interrupted_like_any_reply() {
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
        8580 > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        8600 ready 2
        8600 spoke 2.0 "Are you there?" 900
        8600 whole 2
        8700 speech
        > open
        8900 voiced 256
        > words 1?
        8980 voiced 320
        9000 words "Yes, one moment please"
        > stop 2
        > reply 2 interrupted
        > turn 1 begins
        9050 cut 2 - 500
        > reply 2 heard: Are you -
        9400 silence
        > words 2?
        > end by 9584?
        9450 score 0.9
        9500 words "Yes, one moment please."
        > prepare 3: turn 1, Yes, one moment please.
        9584 > Finished after 280, score 0.9
        > turn 1 ended at 9304: Yes, one moment please.
        > release 3
        > reply 3 starts: turn 1, Yes, one moment please.
        > shut
        9700 said
        > agent: Hello!
        > agent: Are you -
        > caller: Yes, one moment please.
        "#,
    );
}

#[test]
fn a_sound_being_judged_when_the_line_goes_on_hold_is_judged_during_it() {
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
        3064 silence
        > words 1?
        > end by 3248?
        3114 score 0.9
        3164 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3248 > Finished after 280, score 0.9
        > turn 1 ended at 2968: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3364 ready 2
        3364 spoke 2.0 "We open at nine in the morning." 3000
        3384 whole 2
        4000 speech
        > open
        4200 voiced 256
        > words 2?
        4320 voiced 350
        4356 > pause 2
        4400 held
        > words 3?
        4500 words "Mm-hmm." voiced=350
        > ignored: Backchannel, Mm-hmm.
        > shut
        > false interruption of 2, held for 44
        9000 resumed
        > resume 2
        11300 played 2.0
        > reply 2 heard: We open at nine in the morning.
        "#,
    );
}

#[test]
fn speech_that_was_going_on_when_the_line_came_back_from_hold_is_a_turn() {
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
        2000 held
        5000 resumed
        5100 voiced 64
        > open
        5132 voiced 96
        6000 silence
        > words 1?
        > end by 6184?
        6050 score 0.9
        6100 words "I am back."
        > turn 1 begins
        > prepare 2: turn 1, I am back.
        6184 > Finished after 280, score 0.9
        > turn 1 ended at 5904: I am back.
        > release 2
        > reply 2 starts: turn 1, I am back.
        > shut
        6300 nothing
        "#,
    );
}

#[test]
fn a_recognizer_that_fails_while_the_line_is_on_hold_is_excused_after_it() {
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
        3000 held
        > words 1?
        > end by 3280?
        3100 deaf
        > shut
        > prepare 2: silence, Once more?
        > release 2
        > pause 2
        > reply 2 starts: silence, Once more?
        6000 resumed
        > resume 2
        6100 ready 2
        "#,
    );
}

//! How a caller is listened to: pauses, breaths, numbers, noise, a slow recognizer.

use crate::stage::check;

#[test]
fn a_caller_who_goes_on_after_a_pause_is_heard_out_and_the_prepared_reply_leaves_no_trace() {
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
        3150 score 0.2
        3200 words "I would like to book"
        > turn 1 begins
        > prepare 2: turn 1, I would like to book
        3500 speech
        3600 > stop 2
        > dropped 2
        3700 voiced 1200
        4596 silence
        > words 2?
        > end by 4780?
        4650 score 0.95
        4700 words "I would like to book a table for two."
        > prepare 3: turn 1, I would like to book a table for two.
        4780 > Finished after 280, score 0.95
        > turn 1 ended at 4500: I would like to book a table for two.
        > release 3
        > reply 3 starts: turn 1, I would like to book a table for two.
        > shut
        4800 nothing
        4800 said
        > agent: Hello!
        > caller: I would like to book a table for two.
        "#,
    );
}

#[test]
fn a_first_phrase_that_was_misheard_is_heard_again_with_what_follows() {
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
        3200 words "(singing)"
        3400 speech
        4096 silence
        > words 2?
        > end by 4280?
        4150 score 0.95
        4200 words "Some sang out. Tear it down."
        > turn 1 begins
        > prepare 2: turn 1, Some sang out. Tear it down.
        4280 > Finished after 280, score 0.95
        > turn 1 ended at 4000: Some sang out. Tear it down.
        > release 2
        > reply 2 starts: turn 1, Some sang out. Tear it down.
        > shut
        4300 nothing
        "#,
    );
}

#[test]
fn a_voice_without_words_is_given_up_when_nothing_follows() {
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
        3200 words "(singing)"
        3850 > ignored: NoWords, (singing)
        > shut
        8580 > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        8600 nothing
        "#,
    );
}

#[test]
fn a_caller_who_begins_to_go_on_just_before_the_end_is_not_cut_off() {
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
        3150 score 0.95
        3200 words "I am sorry."
        > turn 1 begins
        > prepare 2: turn 1, I am sorry.
        3270 rising
        3300 speech
        3400 > stop 2
        > dropped 2
        4596 silence
        > words 2?
        > end by 4780?
        4650 score 0.95
        4700 words "I am sorry. I have to cancel."
        > prepare 3: turn 1, I am sorry. I have to cancel.
        4770 rising
        4830 > Finished after 330, score 0.95
        > turn 1 ended at 4500: I am sorry. I have to cancel.
        > release 3
        > reply 3 starts: turn 1, I am sorry. I have to cancel.
        > shut
        4900 nothing
        "#,
    );
}

#[test]
fn a_breath_does_not_throw_the_prepared_reply_away_when_the_words_stay_the_same() {
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
        3150 score 0.5
        3200 words "I would like to book a table"
        > turn 1 begins
        > prepare 2: turn 1, I would like to book a table
        3300 speech
        3390 silence
        > words 2?
        > end by 3574?
        3450 score 0.9
        3500 words "I would like to book a table."
        3574 > Finished after 280, score 0.9
        > turn 1 ended at 3294: I would like to book a table.
        > release 2
        > reply 2 starts: turn 1, I would like to book a table
        > shut
        4000 nothing
        "#,
    );
}

#[test]
fn a_reply_to_other_words_is_made_anew_even_after_a_breath() {
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
        3200 words "I would like a table"
        > turn 1 begins
        > prepare 2: turn 1, I would like a table
        3300 speech
        3390 silence
        > words 2?
        > end by 3574?
        3450 score 0.9
        3500 words "I would like a table, no."
        > stop 2
        > dropped 2
        > prepare 3: turn 1, I would like a table, no.
        3574 > Finished after 280, score 0.9
        > turn 1 ended at 3294: I would like a table, no.
        > release 3
        > reply 3 starts: turn 1, I would like a table, no.
        > shut
        4000 nothing
        "#,
    );
}

#[test]
fn somebody_who_gives_a_number_may_pause_between_its_groups() {
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
        3150 score 0.99
        3200 words "My number is five two six."
        > turn 1 begins
        > prepare 2: turn 1, My number is five two six.
        4200 speech
        4300 > stop 2
        > dropped 2
        5096 silence
        > words 2?
        > end by 5280?
        5150 score 0.99
        5200 words "My number is five two six zero one eight."
        > prepare 3: turn 1, My number is five two six zero one eight.
        6400 > SilenceTimeout after 1400, score 0.99, dictating
        > turn 1 ended at 5000: My number is five two six zero one eight.
        > release 3
        > reply 3 starts: turn 1, My number is five two six zero one eight.
        > shut
        6500 nothing
        "#,
    );
}

#[test]
fn a_slow_recognizer_ends_the_turn_as_soon_as_it_answers() {
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
        2800 partial "When do"
        3096 silence
        > words 1?
        > end by 3280?
        3150 score 0.9
        4900 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        > Finished after 1900, score 0.9
        > turn 1 ended at 3000: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        "#,
    );
}

#[test]
fn a_recognizer_that_does_not_answer_is_not_waited_for_when_something_was_heard() {
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
        2800 partial "When do you"
        3096 silence
        > words 1?
        > end by 3280?
        7096 > turn 1 begins
        > prepare 2: turn 1, When do you
        > RecognizerTimeout after 4096
        > turn 1 ended at 3000: When do you
        > release 2
        > reply 2 starts: turn 1, When do you
        > shut
        7500 nothing
        7600 words "When do you open?"
        "#,
    );
}

#[test]
fn a_caller_of_whom_nothing_was_understood_is_asked_to_say_it_again() {
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
        7096 > shut
        > prepare 2: silence, Once more?
        > release 2
        > reply 2 starts: silence, Once more?
        7096 nothing
        7200 ready 2
        7200 spoke 2.0 "Once more?" 500
        7200 whole 2
        7700 played 2.0
        > reply 2 heard: Once more?
        7800 said
        > agent: Hello!
        > agent: Once more?
        "#,
    );
}

#[test]
fn noise_starts_no_turn_and_does_not_put_off_the_question_whether_anyone_is_there() {
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
        3200 words "" vad=0.5
        > ignored: NoWords
        > shut
        5064 speech
        > open
        6096 silence
        > words 2?
        > end by 6280?
        6200 words "Music" vad=0.9
        > ignored: KnownHallucination, Music
        > shut
        7064 speech
        > open
        7596 silence
        > words 3?
        > end by 7780?
        7700 words "Thank you." voiced=200
        > ignored: KnownHallucination, Thank you.
        > shut
        8580 > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        8600 nothing
        "#,
    );
}

#[test]
fn words_once_believed_stay_when_the_sound_after_them_is_not() {
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
        3150 score 0.5
        3200 words "I want a table"
        > turn 1 begins
        > prepare 2: turn 1, I want a table
        3500 speech
        3600 > stop 2
        > dropped 2
        3996 silence
        > words 2?
        > end by 4180?
        4100 words "I want a table (coughs)" logprob=-2
        > prepare 3: turn 1, I want a table
        4750 > SilenceTimeout after 850
        > turn 1 ended at 3900: I want a table
        > release 3
        > reply 3 starts: turn 1, I want a table
        > shut
        5000 nothing
        "#,
    );
}

#[test]
fn a_turn_that_does_not_end_is_ended() {
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
        60000 partial "and so on"
        122000 > words 1?
        122100 words "and so on and so on and finally"
        > turn 1 begins
        > prepare 2: turn 1, and so on and so on and finally
        > TooLong after 0
        > turn 1 ended at 122100: and so on and so on and finally
        > release 2
        > reply 2 starts: turn 1, and so on and so on and finally
        > shut
        122200 voiced 500
        > open
        > pause 2
        > words 2?
        "#,
    );
}

#[test]
fn a_turn_that_does_not_end_and_has_no_words_is_nothing() {
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
        122000 > words 1?
        122100 words "" vad=0.4
        > ignored: NoWords
        > shut
        > silent for 8000
        > prepare 2: silence, Are you there?
        > release 2
        > reply 2 starts: silence, Are you there?
        122132 voiced 32
        > open
        > pause 2
        "#,
    );
}

#[test]
fn the_wait_is_shortened_when_the_end_of_turn_model_answers_after_the_words() {
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
        3150 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3320 score 0.9
        > Finished after 320, score 0.9
        > turn 1 ended at 3000: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3400 nothing
        "#,
    );
}

#[test]
fn answers_to_other_questions_and_scores_out_of_season_change_nothing() {
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
        1000 score 0.9
        1000 words "Hello?"
        2064 speech
        > open
        2100 score 0.9
        2200 stale "When"
        3096 silence
        > words 1?
        > end by 3280?
        3100 stale "When do you open?"
        3200 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3200 silence
        3300 speech
        3310 speech
        3400 > stop 2
        > dropped 2
        3400 nothing
        "#,
    );
}

#[test]
fn a_caller_who_speaks_before_the_cut_is_known_is_answered_after_it() {
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
        3900 speech
        > open
        4250 voiced 320
        > words 2?
        4256 > pause 2
        4280 partial "No, wait."
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4300 silence
        > words 3?
        > end by 4484?
        4330 words "No, wait."
        4340 score 0.9
        4780 > reply 2 heard:  -
        > prepare 3: turn 2, No, wait.
        > Finished after 576, score 0.9
        > turn 2 ended at 4204: No, wait.
        > release 3
        > reply 3 starts: turn 2, No, wait.
        > shut
        4800 cut 2 - 500
        4900 said
        > agent: Hello!
        > caller: When do you open? No, wait.
        "#,
    );
}

#[test]
fn a_pause_on_a_filler_or_a_comma_is_waited_out() {
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
        3200 words "I would like, um,"
        > turn 1 begins
        > prepare 2: turn 1, I would like, um,
        3700 speech
        3800 > stop 2
        > dropped 2
        4596 silence
        > words 2?
        > end by 4780?
        4650 score 0.9
        4700 words "I would like, um, a table."
        > prepare 3: turn 1, I would like, um, a table.
        4780 > Finished after 280, score 0.9
        > turn 1 ended at 4500: I would like, um, a table.
        > release 3
        > reply 3 starts: turn 1, I would like, um, a table.
        > shut
        4900 nothing
        "#,
    );
}

#[test]
fn an_address_is_answered_when_it_has_reached_its_end() {
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
        3200 words "My email is john at example dot"
        > turn 1 begins
        > prepare 2: turn 1, My email is john at example dot
        4200 speech
        4300 > stop 2
        > dropped 2
        4796 silence
        > words 2?
        > end by 4980?
        4850 score 0.9
        4900 words "My email is john at example dot com."
        > prepare 3: turn 1, My email is john at example dot com.
        4980 > Finished after 280, score 0.9
        > turn 1 ended at 4700: My email is john at example dot com.
        > release 3
        > reply 3 starts: turn 1, My email is john at example dot com.
        > shut
        5100 nothing
        "#,
    );
}

#[test]
fn without_an_end_of_turn_model_words_and_silence_decide() {
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
        3200 words "When do you open?"
        > turn 1 begins
        > prepare 2: turn 1, When do you open?
        3450 > Finished after 450
        > turn 1 ended at 3000: When do you open?
        > release 2
        > reply 2 starts: turn 1, When do you open?
        > shut
        3500 nothing
        "#,
    );
}

//! Sounds of the caller over our reply: coughs, listening noises, interruptions.

use trunkline_turn::{OverlapConfig, TurnConfig};

use crate::stage::{check, check_with, config, script};

#[test]
fn a_cough_over_the_reply_is_not_an_interruption() {
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
        4100 voiced 160
        4250 voiced 224
        4350 silence
        4504 > ignored: Cough
        > shut
        6400 played 2.0
        > reply 2 heard: We open at nine in the morning.
        "#,
    );
}

#[test]
fn short_words_with_silence_between_them_interrupt_as_one() {
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
        4100 voiced 192
        4240 silence
        4330 speech
        4400 voiced 256
        > words 2?
        > pause 2
        4440 voiced 320
        4500 words "A thin stripe" voiced=320
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        "#,
    );
}

#[test]
fn an_uh_huh_that_is_recognized_in_time_does_not_even_hold_the_reply() {
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
        4330 words "Uh-huh." voiced=256
        4400 voiced 400
        4500 silence
        > words 3?
        4600 words "Uh-huh." voiced=400
        > ignored: Backchannel, Uh-huh.
        > shut
        6400 played 2.0
        > reply 2 heard: We open at nine in the morning.
        6500 said
        > agent: Hello!
        > caller: When do you open?
        > agent: We open at nine in the morning.
        "#,
    );
}

#[test]
fn an_uh_huh_that_is_recognized_late_holds_the_reply_and_then_lets_it_go_on() {
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
        4356 > pause 2
        4400 voiced 416
        4500 silence
        > words 3?
        4800 words "Mm-hmm." voiced=416
        > ignored: Backchannel, Mm-hmm.
        > shut
        > resume 2
        > false interruption of 2, held for 444
        6700 played 2.0
        > reply 2 heard: We open at nine in the morning.
        6800 said
        > agent: Hello!
        > caller: When do you open?
        > agent: We open at nine in the morning.
        "#,
    );
}

#[test]
fn a_beginning_that_is_misheard_is_kept_for_the_words_that_follow_it() {
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
        4356 > pause 2
        4400 voiced 416
        4500 silence
        > words 3?
        4600 words "a sense." voiced=416 logprob=-1.3
        4620 speech
        4700 voiced 512
        > words 4?
        4780 words "A thin stripe." voiced=550
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4800 cut 2 - 992
        > reply 2 heard: We open at -
        5000 nothing
        "#,
    );
}

#[test]
fn a_guess_that_nothing_follows_lets_the_reply_go_on() {
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
        4356 > pause 2
        4400 voiced 416
        4500 silence
        > words 3?
        4600 words "N-" voiced=416 logprob=-1.3
        4654 > ignored: LowConfidence, N-
        > shut
        > resume 2
        > false interruption of 2, held for 298
        5000 nothing
        "#,
    );
}

#[test]
fn words_over_the_reply_stop_it_and_become_the_next_turn() {
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
        4260 voiced 320
        4300 words "No, on Sunday" voiced=320
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4340 cut 2 - 1000
        > reply 2 heard: We open at -
        4400 said
        > agent: Hello!
        > caller: When do you open?
        > agent: We open at -
        5000 voiced 900
        5200 silence
        > words 3?
        > end by 5384?
        5250 score 0.9
        5300 words "No, on Sunday please."
        > prepare 3: turn 2, No, on Sunday please.
        5384 > Finished after 280, score 0.9
        > turn 2 ended at 5104: No, on Sunday please.
        > release 3
        > reply 3 starts: turn 2, No, on Sunday please.
        > shut
        5500 nothing
        5500 said
        > agent: Hello!
        > caller: When do you open?
        > agent: We open at -
        > caller: No, on Sunday please.
        "#,
    );
}

#[test]
fn words_that_came_before_there_was_enough_voice_stop_the_reply_when_there_is() {
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
        4220 words "Stop it" voiced=256
        4232 voiced 288
        4264 voiced 320
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4300 cut 2 - 900
        > reply 2 heard: We open -
        "#,
    );
}

#[test]
fn a_reply_is_held_while_the_words_are_awaited_and_stopped_when_they_interrupt() {
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
        4356 > pause 2
        4800 voiced 800
        4900 words "Hold on a second"
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4950 cut 2 - 1000
        > reply 2 heard: We open at -
        5000 silence
        > words 3?
        > end by 5184?
        5100 words "Hold on a second."
        > prepare 3: turn 2, Hold on a second.
        5354 > Finished after 450
        > turn 2 ended at 4904: Hold on a second.
        > release 3
        > reply 3 starts: turn 2, Hold on a second.
        > shut
        5600 nothing
        "#,
    );
}

#[test]
fn a_partial_without_words_does_not_pass_for_knowing_the_words() {
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
        4150 partial ""
        4200 voiced 256
        > words 2?
        4300 partial "Thank you." voiced=200
        4356 > pause 2
        4500 words "Could you say that again" voiced=500
        4510 voiced 510
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4560 cut 2 - 900
        > reply 2 heard: We open -
        "#,
    );
}

#[test]
fn words_with_times_are_cut_by_what_was_played() {
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
        3300 spoke 2.0 "Of course," 600 200 600
        3300 spoke 2.1 "we open at nine." 1200 200 600 700 1200
        3900 played 2.0
        4100 speech
        > open
        4300 voiced 256
        > words 2?
        4420 voiced 350
        4430 words "Which day?"
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4480 cut 2 2.0 560
        > reply 2 heard: Of course, we -
        4500 said
        > agent: Hello!
        > caller: When do you open?
        > agent: Of course, we -
        "#,
    );
}

#[test]
fn a_caller_who_goes_on_before_our_first_sound_is_not_talked_over() {
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
        3500 speech
        > open
        > pause 2
        3600 ready 2
        3700 voiced 256
        > words 2?
        3760 voiced 320
        3800 words "On Sunday"
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        3850 cut 2 - 0
        > reply 2 heard:  -
        4200 silence
        > words 3?
        > end by 4384?
        4300 words "On Sunday."
        > prepare 3: turn 2, On Sunday.
        4554 > Finished after 450
        > turn 2 ended at 4104: On Sunday.
        > release 3
        > reply 3 starts: turn 2, On Sunday.
        > shut
        4600 nothing
        4600 said
        > agent: Hello!
        > caller: When do you open? On Sunday.
        "#,
    );
}

#[test]
fn a_cough_before_our_first_sound_costs_only_the_time_it_lasts() {
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
        3500 speech
        > open
        > pause 2
        3600 ready 2
        3650 silence
        3804 > ignored: Cough
        > shut
        > resume 2
        > false interruption of 2, held for 304
        3900 spoke 2.0 "We open at nine." 3000
        "#,
    );
}

#[test]
fn noise_that_goes_on_over_the_reply_is_asked_about_less_and_less() {
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
        3600 speech
        > open
        3800 voiced 256
        > words 2?
        3900 words "" vad=0.5
        4200 voiced 656
        > words 3?
        4300 words "Music" vad=0.7
        5000 voiced 1456
        > words 4?
        5100 words "[Music]" voiced=1456
        6000 voiced 2400
        6400 played 2.0
        > reply 2 heard: We open at nine in the morning.
        6500 silence
        > words 5?
        > end by 6684?
        6600 words "[Music]" vad=0.7
        > ignored: NoWords, [Music]
        > shut
        "#,
    );
}

#[test]
fn a_clear_voice_whose_words_are_not_known_yet_holds_the_reply_until_they_are() {
    check(
        r#"
        0 answered
        > prepare 1: greeting, Hello!
        > release 1
        > reply 1 starts: greeting, Hello!
        80 ready 1
        80 spoke 1.0 "Hello! How can I help you?" 3000
        80 whole 1
        1000 speech
        > open
        1200 voiced 256
        > words 1?
        1300 words "" voiced=256
        1356 > pause 1
        1450 voiced 506
        > words 2?
        1560 words "I need to" voiced=506
        > stop 1
        > reply 1 interrupted
        > turn 1 begins
        1600 cut 1 - 1276
        > reply 1 heard: Hello! How -
        "#,
    );
}

#[test]
fn a_voice_that_says_nothing_for_long_is_talked_over() {
    check(
        r#"
        0 answered
        > prepare 1: greeting, Hello!
        > release 1
        > reply 1 starts: greeting, Hello!
        80 ready 1
        80 spoke 1.0 "Hello! How can I help you?" 3000
        80 whole 1
        1000 speech
        > open
        1200 voiced 256
        > words 1?
        1300 words "" voiced=256
        1356 > pause 1
        1450 voiced 506
        > words 2?
        1560 words "" voiced=506
        2000 voiced 1006
        > words 3?
        2200 words "" voiced=1206
        > resume 1
        > false interruption of 1, held for 844
        2600 voiced 1600
        3000 silence
        > words 4?
        3100 words ""
        3154 > ignored: NoWords
        > shut
        4000 played 1.0
        > reply 1 heard: Hello! How can I help you?
        "#,
    );
}

#[test]
fn a_listeners_noise_that_turns_into_words_holds_and_then_stops_the_reply() {
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
        4300 words "Yeah" voiced=256
        4600 voiced 656
        > words 3?
        4770 > pause 2
        4900 words "Yeah, but on Sunday"
        > stop 2
        > reply 2 interrupted
        > turn 2 begins
        4950 cut 2 - 1000
        > reply 2 heard: We open at -
        "#,
    );
}

#[test]
fn a_yes_at_the_end_of_our_question_is_an_answer() {
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
        3200 words "A table for two."
        > turn 1 begins
        > prepare 2: turn 1, A table for two.
        3280 > Finished after 280, score 0.9
        > turn 1 ended at 3000: A table for two.
        > release 2
        > reply 2 starts: turn 1, A table for two.
        > shut
        3300 ready 2
        3300 spoke 2.0 "For tonight at eight?" 1500
        3300 whole 2
        4200 speech
        > open
        4400 voiced 256
        > words 2?
        4450 words "Yes." voiced=256
        4560 voiced 350
        4600 silence
        > words 3?
        4700 words "Yes." voiced=350
        4800 played 2.0
        > reply 2 heard: For tonight at eight?
        > turn 2 begins
        > prepare 3: turn 2, Yes.
        > end by 4784?
        4850 score 0.9
        > Finished after 346, score 0.9
        > turn 2 ended at 4504: Yes.
        > release 3
        > reply 3 starts: turn 2, Yes.
        > shut
        5200 nothing
        5200 said
        > agent: Hello!
        > caller: A table for two.
        > agent: For tonight at eight?
        > caller: Yes.
        "#,
    );
}

#[test]
fn a_yes_in_the_middle_of_our_question_is_a_listeners_noise() {
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
        3200 words "A table for two."
        > turn 1 begins
        > prepare 2: turn 1, A table for two.
        3280 > Finished after 280, score 0.9
        > turn 1 ended at 3000: A table for two.
        > release 2
        > reply 2 starts: turn 1, A table for two.
        > shut
        3300 ready 2
        3300 spoke 2.0 "Would that be for tonight at eight?" 3500
        3300 whole 2
        3600 speech
        > open
        3800 voiced 256
        > words 2?
        3850 words "Yes." voiced=256
        3960 voiced 350
        4000 silence
        > words 3?
        4100 words "Yes." voiced=350
        > ignored: Backchannel, Yes.
        > shut
        6800 played 2.0
        > reply 2 heard: Would that be for tonight at eight?
        "#,
    );
}

#[test]
fn words_over_the_last_sound_of_a_reply_are_simply_the_next_turn() {
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
        6100 speech
        > open
        6300 voiced 256
        > words 2?
        6310 played 2.0
        > reply 2 heard: We open at nine in the morning.
        6400 voiced 320
        6450 words "And on"
        7096 silence
        > words 3?
        > end by 7280?
        7150 score 0.9
        7200 words "And on Sunday?"
        > turn 2 begins
        > prepare 3: turn 2, And on Sunday?
        7280 > Finished after 280, score 0.9
        > turn 2 ended at 7000: And on Sunday?
        > release 3
        > reply 3 starts: turn 2, And on Sunday?
        > shut
        7400 nothing
        7400 said
        > agent: Hello!
        > caller: When do you open?
        > agent: We open at nine in the morning.
        > caller: And on Sunday?
        "#,
    );
}

#[test]
fn a_sound_that_ends_with_the_reply_is_asked_for_its_words() {
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
        5900 speech
        > open
        6200 voiced 320
        > words 2?
        6250 silence
        > words 3?
        6300 played 2.0
        > reply 2 heard: We open at nine in the morning.
        > end by 6434?
        6400 words "On Sunday?" voiced=320
        > turn 2 begins
        > prepare 3: turn 2, On Sunday?
        6420 score 0.8
        6434 > Finished after 280, score 0.8
        > turn 2 ended at 6154: On Sunday?
        > release 3
        > reply 3 starts: turn 2, On Sunday?
        > shut
        6500 nothing
        "#,
    );
}

#[test]
fn a_recognizer_silent_about_speech_over_the_reply_gives_the_floor_to_the_caller() {
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
        4356 > pause 2
        8200 > stop 2
        > reply 2 interrupted
        8200 nothing
        8250 cut 2 - 1000
        > reply 2 heard: We open at -
        8300 silence
        > words 3?
        > end by 8484?
        8400 words "I have a long question."
        > turn 2 begins
        > prepare 3: turn 2, I have a long question.
        8654 > Finished after 450
        > turn 2 ended at 8204: I have a long question.
        > release 3
        > reply 3 starts: turn 2, I have a long question.
        > shut
        9000 nothing
        "#,
    );
}

#[test]
fn a_recognizer_silent_about_a_short_sound_leaves_the_floor_to_us() {
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
        4300 voiced 350
        4356 > pause 2
        4450 silence
        > words 3?
        5554 > resume 2
        > false interruption of 2, held for 1198
        8450 > ignored: NoWords
        > shut
        8600 nothing
        "#,
    );
}

#[test]
fn a_recognizer_slow_about_a_sentence_over_the_reply_is_waited_for_and_the_sentence_answered() {
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
        3364 spoke 2.0 "We open at nine in the morning." 5000
        3384 whole 2
        4000 speech
        > open
        4200 voiced 256
        > words 2?
        4356 > pause 2
        5400 voiced 1300
        5500 silence
        > words 3?
        6604 > resume 2
        > false interruption of 2, held for 2248
        9990 played 2.0
        > reply 2 heard: We open at nine in the morning.
        > end by 5684?
        10100 words "And on Sundays, are you open too?"
        > turn 2 begins
        > prepare 3: turn 2, And on Sundays, are you open too?
        > Finished after 4696
        > turn 2 ended at 5404: And on Sundays, are you open too?
        > release 3
        > reply 3 starts: turn 2, And on Sundays, are you open too?
        > shut
        11000 nothing
        "#,
    );
}

#[test]
fn a_farewell_is_not_interrupted() {
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
        25700 speech
        25900 voiced 300
        26000 words "Wait!"
        26100 played 4.0
        > reply 4 heard: Goodbye.
        > hang up
        26200 speech
        "#,
    );
}

#[test]
fn a_greeting_can_be_talked_over() {
    check(
        r#"
        0 answered
        > prepare 1: greeting, Hello!
        > release 1
        > reply 1 starts: greeting, Hello!
        80 ready 1
        80 spoke 1.0 "Hello!" 5000
        80 whole 1
        600 speech
        > open
        800 voiced 256
        > words 1?
        900 voiced 350
        920 words "I want a table"
        > stop 1
        > reply 1 interrupted
        > turn 1 begins
        960 cut 1 - 400
        > reply 1 heard:  -
        1500 silence
        > words 2?
        > end by 1684?
        1600 words "I want a table."
        > prepare 2: turn 1, I want a table.
        1854 > Finished after 450
        > turn 1 ended at 1404: I want a table.
        > release 2
        > reply 2 starts: turn 1, I want a table.
        > shut
        2000 nothing
        2000 said
        > caller: I want a table.
        "#,
    );
}

#[test]
fn a_greeting_that_does_not_yield_is_heard_and_what_was_said_over_it_is_the_first_turn() {
    let config = TurnConfig {
        overlap: OverlapConfig { greeting_yields: false, ..OverlapConfig::default() },
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
        80 spoke 1.0 "Hello!" 2000
        80 whole 1
        600 speech
        > open
        800 voiced 256
        > words 1?
        900 voiced 350
        920 words "I want a table"
        1500 silence
        > words 2?
        1600 words "I want a table."
        2080 played 1.0
        > reply 1 heard: Hello!
        > turn 1 begins
        > prepare 2: turn 1, I want a table.
        > end by 1684?
        > Finished after 676
        > turn 1 ended at 1404: I want a table.
        > release 2
        > reply 2 starts: turn 1, I want a table.
        > shut
        2100 score 0.9
        2100 said
        > agent: Hello!
        > caller: I want a table.
        "#,
    );
}

#[test]
fn a_recognizer_that_fails_over_the_reply_lets_it_go_on() {
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
        4356 > pause 2
        4450 deaf
        > shut
        > resume 2
        > false interruption of 2, held for 94
        6700 played 2.0
        > reply 2 heard: We open at nine in the morning.
        "#,
    );
}

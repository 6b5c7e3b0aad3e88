//! Callers who do anything at any time: whatever happens, the call keeps its promises.

use std::time::Duration;

use trunkline_testkit::{Act, FakeEndOfTurn};

use crate::stage::{Call, Played};

const SAID: [&str; 8] = [
    "What time do you open?",
    "I would like to",
    "No wait.",
    "Uh-huh.",
    "",
    "My number is five five five",
    "Thank you.",
    "And what about Sundays, if I may ask?",
];
const REPLIES: [&str; 5] = [
    "We open at nine.",
    "Of course, we are open on Sundays from ten to four, and there is a brunch. Shall I book?",
    "Yes?",
    "[lookup]",
    "We open at !",
];
const CALLS: u64 = 150;

#[tokio::test(start_paused = true)]
async fn whatever_a_caller_does_the_call_ends_once_and_leaves_nothing_running() {
    for seed in 1..=CALLS {
        let played = anything(seed).play().await;
        let story = played.story();
        let told = format!("seed {seed}: {story:#?}");
        assert_eq!(played.told("ended").len(), 1, "{told}");
        assert!(story.last().is_some_and(|line| line.starts_with("ended")), "{told}");
        assert_eq!(played.fakes.live(), 0, "{told}");
        assert!(played.took < Duration::from_mins(5), "{:?} {told}", played.took);
        assert_every_turn_is_answered_or_ended(&played, &told);
        assert_chats_are_what_was_said_and_heard(&played, &told);
    }
}

/// A call in which anything may happen, the same for the same seed.
fn anything(seed: u64) -> Call {
    let mut dice = Dice(seed);
    let mut at = 300;
    let mut says = Vec::new();
    for _ in 0..dice.roll(8) {
        at += 200 + dice.roll(4000);
        let lasts = 80 + dice.roll(2000);
        says.push((at, lasts, dice.pick(&SAID)));
        at += lasts;
    }
    let replies: Vec<&str> = (0..=dice.roll(4)).map(|_| dice.pick(&REPLIES)).collect();
    let mut call = Call::new(&says, &replies);
    call.fakes.end_of_turn = [None, Some(FakeEndOfTurn(0.9)), Some(FakeEndOfTurn(0.1))]
        [usize::try_from(dice.roll(3)).unwrap_or_default()];
    let held = 1000 + dice.roll(15_000);
    let mut acts = vec![(dice.roll(9000), Act::Press('1'))];
    if dice.roll(3) == 0 {
        acts.extend([(held, Act::Hold), (held + dice.roll(20_000), Act::Resume)]);
    }
    if dice.roll(2) == 0 {
        acts.push((1 + dice.roll(30_000), Act::HangUp));
    }
    acts.sort_by_key(|(at, _)| *at);
    let call = call.acts(&acts);
    if dice.roll(4) == 0 { call.shut_down_at(dice.roll(20_000)) } else { call }
}

/// A turn is followed by a reply, a failure or the end, before the next turn or a silence.
fn assert_every_turn_is_answered_or_ended(played: &Played, told: &str) {
    let mut is_waiting = false;
    for line in played.story() {
        if line.starts_with("caller:") {
            is_waiting = true;
        } else if is_waiting && line.starts_with("decided fell_silent") {
            panic!("a turn was left unanswered: {told}");
        } else if ["agent:", "sounded", "failed", "ended"].iter().any(|l| line.starts_with(l)) {
            is_waiting = false;
        }
    }
}

/// Every chat begins with the instructions, ends with the caller, and its replies were heard.
fn assert_chats_are_what_was_said_and_heard(played: &Played, told: &str) {
    let heard: Vec<String> = played
        .told("agent:")
        .iter()
        .map(|line| line.replacen("agent:", "assistant:", 1))
        .map(|line| line.trim_end_matches(" - interrupted").trim_end_matches(" -").to_owned())
        .collect();
    for chat in played.chats() {
        assert_eq!(chat[0], "system: Be brief.", "{told}");
        assert!(chat.last().is_some_and(|line| line.starts_with("user: ")), "{told}");
        for line in chat.iter().filter(|line| line.starts_with("assistant:")) {
            assert!(heard.contains(line), "never heard: {line} {told}");
        }
    }
}

/// Numbers without a pattern, by a linear congruential generator.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// 0..`sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll(from.len() as u64)).unwrap_or_default()].clone()
    }
}

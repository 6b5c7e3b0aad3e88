//! Turns that a program at the caller's end says are over.

use std::{sync::Arc, time::Duration};

use trunkline_session::{Agent, Direction, ReplyOrder};
use trunkline_testkit::FakeStt;
use trunkline_turn::Taking;

use crate::stage::Call;

const QUESTION: &str = "What time do you open?";

fn manual(agent: &mut Agent) {
    agent.turn.taking = Taking::Manual;
}

fn order(tag: u64) -> Direction {
    Direction::Reply(Box::new(ReplyOrder { tag, ..ReplyOrder::default() }))
}

#[tokio::test(start_paused = true)]
async fn a_committed_turn_is_transcribed_and_answered_when_a_reply_is_ordered() {
    let call = Call::directed(&[(200, 1000, QUESTION)], &["We open at nine."]).agent(manual);
    let orders = [(1300, Direction::CommitTurn), (2000, order(7))];
    let played = call.orders(&orders, 6000).play().await;
    assert_eq!(
        played.news(),
        [
            "turn 1: What time do you open?",
            "starts 1 as ordered 7",
            "spoke 1: We open at nine.",
            "made 1",
            "heard 1: We open at nine.",
        ]
    );
    assert_eq!(played.chats(), [["system: Be brief.", "user: What time do you open?"]]);
    assert!(played.told_at("turn 1") < 1500, "at once, not after a silence");
    assert_eq!(played.fakes.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reply_ordered_right_after_a_commit_waits_for_its_words() {
    let call = Call::directed(&[(200, 1000, QUESTION)], &["At nine."]).agent(manual);
    let orders = [(1300, Direction::CommitTurn), (1300, order(1)), (1320, order(2))];
    let played = call.orders(&orders, 6000).play().await;
    let told =
        ["refused 2: ReplyUnderWay", "turn 1: What time do you open?", "starts 1 as ordered 1"];
    assert_eq!(played.news()[..3], told);
    assert_eq!(played.chats(), [["system: Be brief.", "user: What time do you open?"]]);
}

#[tokio::test(start_paused = true)]
async fn each_turn_is_what_was_heard_since_the_one_before() {
    let says = [(200, 600, "one two three"), (900, 600, "four five six"), (1600, 600, "seven")];
    let call = Call::directed(&says, &[]).agent(manual);
    let orders = [
        (840, Direction::CommitTurn),
        (1540, Direction::CommitTurn),
        (2300, Direction::CommitTurn),
        (2320, Direction::CommitTurn),
    ];
    let played = call.orders(&orders, 4000).play().await;
    assert_eq!(
        played.news(),
        [
            "turn 1: one two three",
            "turn 2: four five six",
            "refused: NothingHeard",
            "turn 3: seven",
        ]
    );
    assert!(played.chats().is_empty(), "nobody ordered a reply");
}

#[tokio::test(start_paused = true)]
async fn what_is_cleared_belongs_to_no_turn() {
    let says = [(200, 600, "never mind that"), (900, 600, "but this please")];
    let call = Call::directed(&says, &[]).agent(manual);
    let orders = [(860, Direction::ClearTurn), (1600, Direction::CommitTurn)];
    let played = call.orders(&orders, 4000).play().await;
    assert_eq!(played.news(), ["turn 1: but this please"]);
}

#[tokio::test(start_paused = true)]
async fn sound_does_not_interrupt_and_partial_words_are_told() {
    let says = [(200, 600, "one two three"), (2000, 1500, "No stop wait I say stop")];
    let mut call =
        Call::directed(&says, &["This is a reply of nine or ten words or so."]).agent(manual);
    call.fakes.stt = call.fakes.stt.clone().with_partials_every(Duration::from_millis(500));
    let orders = [(900, Direction::CommitTurn), (1200, order(1)), (3600, Direction::CommitTurn)];
    let played = call.orders(&orders, 8000).play().await;
    assert!(played.news().contains(&"heard 1: This is a reply of nine or ten words or so.".into()));
    assert_eq!(played.news_of(&["words"])[..2], ["words one", "words No"]);
    assert!(played.news_of(&["ended", "speaks"]).is_empty());
    assert_eq!(played.news_of(&["turn"])[1], "turn 2: No stop wait I say stop");
    assert_eq!(played.sounds().len(), 1, "{:?}", played.sounds());
}

#[tokio::test(start_paused = true)]
async fn a_recognizer_that_fails_loses_the_turn_and_the_call_goes_on() {
    let mut call = Call::directed(&[(200, 600, "one two")], &["At nine."]).agent(manual);
    call.fakes.stt = FakeStt::failing();
    let orders = [(900, Direction::CommitTurn), (900, order(1))];
    let played = call.orders(&orders, 4000).play().await;
    assert!(played.news()[0].starts_with("turn failed: fake stt failed"), "{:?}", played.news());
    assert_eq!(played.news()[1], "starts 1 as ordered 1", "what was ordered is done all the same");
    assert_eq!(played.chats(), [["system: Be brief."]], "the turn is not in the chat");
}

#[tokio::test(start_paused = true)]
async fn a_program_may_end_an_automatic_turn_at_once() {
    // The silence that ends it by itself would be longer.
    let says = [(200, 1000, "I would like to,"), (3000, 800, "and to go")];
    let call = Call::directed(&says, &["Yes."]);
    let orders = [
        (1250, Direction::CommitTurn),
        (3900, Direction::ClearTurn),
        (5000, Direction::CommitTurn),
    ];
    let played = call.orders(&orders, 7000).play().await;
    let news = played.news();
    assert_eq!(news[0], "speaks at 200");
    assert!(news[1].starts_with("spoke to 12"), "{news:?}");
    assert_eq!(news[2], "turn 1: I would like to,");
    assert!(played.told_at("turn 1") <= 1400);
    assert_eq!(news[3], "speaks at 3000");
    assert_eq!(news[4], "spoke to 3900");
    assert_eq!(news[5..], ["refused: NothingHeard"]);
    assert!(played.chats().is_empty(), "no reply follows by itself: {:?}", played.chats());
}

#[tokio::test(start_paused = true)]
async fn a_call_may_become_manual_and_automatic_again() {
    let says = [
        (200, 800, QUESTION),
        (4000, 800, "This is mine to end."),
        (7000, 800, "And this is yours."),
    ];
    let call = Call::directed(&says, &["At nine."]);
    let agent = call.agent_now();
    let mut by_hand = Agent { instructions: "Be kind.".into(), ..agent.clone() };
    manual(&mut by_hand);
    let orders = [
        (3500, Direction::Become(Arc::new(by_hand))),
        (5500, Direction::CommitTurn),
        (6500, Direction::Become(Arc::new(agent))),
    ];
    let played = call.orders(&orders, 12_000).play().await;
    let turns = [
        "turn 1: What time do you open?",
        "turn 2: This is mine to end.",
        "turn 3: And this is yours.",
    ];
    assert_eq!(played.news_of(&["turn"]), turns);
    assert_eq!(played.news_of(&["speaks"]).len(), 2, "voice activity decided nothing meanwhile");
    assert_eq!(played.news_of(&["starts"]), ["starts 1 to turn 1", "starts 2 to turn 3"]);
    let warmed = played.fakes.llm.warmed();
    let read = warmed.iter().filter(|chat| chat.messages[0].content == "Be kind.");
    assert_eq!(read.count(), 1, "the new instructions are read ahead");
}

//! Replies that a program at the caller's end orders, stops and hears of.

use std::{sync::Arc, time::Duration};

use trunkline_inference::{Message, Role, Tool, ToolChoice, Voice};
use trunkline_session::{Agent, Direction, HangupReason, Modality, ReplyOrder};
use trunkline_testkit::{FakeTts, FakeVad};
use trunkline_turn::ReplyId;

use crate::stage::Call;

const QUESTION: &str = "What time do you open?";
const LONG: &str = "We open at nine in the morning and we close at six in the evening every day.";

fn order(tag: u64) -> Direction {
    ordered(ReplyOrder { tag, ..ReplyOrder::default() })
}

fn ordered(order: ReplyOrder) -> Direction {
    Direction::Reply(Box::new(order))
}

fn insert(item: u64, role: Role, text: &str) -> Direction {
    Direction::Insert { item, after: None, message: Message::new(role, text) }
}

fn looking(agent: &mut Agent) {
    let tool = Tool { name: "look".into(), description: String::new(), parameters: true.into() };
    agent.tools = vec![tool];
}

fn writing(agent: &mut Agent) {
    agent.modality = Modality::Text;
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_ordered_to_an_empty_chat_and_another_once_it_is_made() {
    let call = Call::directed(&[], &[LONG, "Anything else?"]);
    // The first is made by 2 s and heard by 4; the second is made at once and heard behind it.
    let orders = [(100, order(1)), (200, order(2)), (2500, order(3))];
    let played = call.orders(&orders, 9000).play().await;
    assert_eq!(
        played.news_of(&["starts", "refused", "made", "heard"]),
        [
            "starts 1 as ordered 1",
            "refused 2: ReplyUnderWay",
            "made 1",
            "starts 2 as ordered 3",
            "made 2",
            &format!("heard 1: {LONG}"),
            "heard 2: Anything else?",
        ]
    );
    assert_eq!(played.sounds().len(), 1, "without a gap: {:?}", played.sounds());
    let spoken = format!("assistant: {LONG}");
    assert_eq!(played.chats(), [vec!["system: Be brief."], vec!["system: Be brief.", &spoken]]);
}

#[tokio::test(start_paused = true)]
async fn a_function_is_called_and_its_result_answered() {
    let replies = ["One moment. [look]", "It is nine."];
    let call = Call::directed(&[(200, 1000, QUESTION)], &replies).agent(looking);
    let orders = [(4000, insert(1, Role::Tool, "9:00")), (4000, order(5))];
    let played = call.orders(&orders, 8000).play().await;
    assert_eq!(
        played.news_of(&["starts", "spoke 1", "spoke 2", "calls", "made", "heard", "ended"]),
        [
            "starts 1 to turn 1",
            "spoke 1: One moment.",
            "calls 1.0: look",
            "made 1",
            "heard 1: One moment.",
            "starts 2 as ordered 5",
            "spoke 2: It is nine.",
            "made 2",
            "heard 2: It is nine.",
        ]
    );
    assert_eq!(
        played.chats()[1][1..],
        ["user: What time do you open?", "assistant: One moment. [\"look\"]", "tool: 9:00"]
    );
    assert_eq!(played.fakes.llm.asked()[0].tools[0].name, "look");
    assert_eq!(played.told("decided"), ["decided tool_called"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_only_calls_functions_is_whole() {
    let call =
        Call::directed(&[(200, 1000, QUESTION)], &["[look] [listen]", "Yes."]).agent(looking);
    let played = call.orders(&[(3000, order(1))], 6000).play().await;
    assert_eq!(
        played.news()[2..],
        [
            "turn 1: What time do you open?",
            "starts 1 to turn 1",
            "calls 1.0: look",
            "calls 1.1: listen",
            "made 1",
            "heard 1: ",
            "starts 2 as ordered 1",
            "spoke 2: Yes.",
            "made 2",
            "heard 2: Yes.",
        ]
    );
    assert_eq!(played.chats()[1].last().unwrap(), "assistant:  [\"look\", \"listen\"]");
    assert!(played.told("failed").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_written_reply_is_told_piece_by_piece_and_never_sounds() {
    let says = [(200, 1000, QUESTION), (4000, 1000, "And on Sundays?")];
    let call = Call::directed(&says, &["At nine.", "At ten."]).agent(writing);
    let played = call.orders(&[], 8000).play().await;
    assert_eq!(
        played.news()[2..8],
        [
            "turn 1: What time do you open?",
            "starts 1 to turn 1",
            "wrote 1: At ",
            "wrote 1: nine.",
            "made 1",
            "heard 1: At nine.",
        ]
    );
    assert!(played.sounds().is_empty());
    assert_eq!(played.fakes.tts.live().count(), 0);
    assert_eq!(played.chats()[1][2], "assistant: At nine.");
}

#[tokio::test(start_paused = true)]
async fn a_written_reply_is_cancelled_when_the_caller_speaks() {
    let says = [(200, 1000, QUESTION), (2200, 1000, "No wait, on Sundays.")];
    let long = LONG.repeat(5);
    let call = Call::directed(&says, &[&long, "At ten."]).agent(writing);
    let played = call.orders(&[], 8000).play().await;
    let news = played.news_of(&["speaks", "spoke to", "turn", "ended", "heard", "starts"]);
    assert_eq!(news[3..6], ["starts 1 to turn 1", "speaks at 2200", "ended 1: Interrupted"]);
    assert!(news[6].starts_with("heard 1: We open") && news[6].ends_with('-'), "{news:?}");
    assert_eq!(news[8..10], ["turn 2: No wait, on Sundays.", "starts 2 to turn 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_stopped_as_ordered_and_the_chat_keeps_what_was_heard() {
    let call = Call::directed(&[(200, 1000, QUESTION)], &[LONG, "Yes?"]);
    let stop = |reply: Option<u32>| Direction::StopReply(reply.map(ReplyId));
    let orders = [
        (100, stop(None)),
        (3000, stop(Some(9))),
        (3000, stop(Some(1))),
        (3500, stop(None)),
        (4000, order(1)),
    ];
    let played = call.orders(&orders, 7000).play().await;
    let news = played.news_of(&["refused", "ended", "heard"]);
    assert_eq!(news[..3], ["refused: NoReply", "refused: NoReply", "ended 1: Cancelled"]);
    let heard = news[3].strip_prefix("heard 1: ").unwrap().strip_suffix(" -").unwrap();
    assert!(LONG.starts_with(heard) && !heard.is_empty(), "{news:?}");
    assert_eq!(news[4..], ["refused: NoReply", "heard 2: Yes?"]);
    let (began, stopped) = played.sounds()[0];
    assert!(began < 3000 && stopped <= 3040, "{:?}", played.sounds());
    assert_eq!(played.chats()[1].last().unwrap(), &format!("assistant: {heard}"));
    assert_eq!(played.told("decided"), ["decided reply_cancelled"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_waits_can_be_stopped_too() {
    let call = Call::directed(&[(200, 1000, QUESTION)], &["At nine."])
        .agent(|agent| agent.turn.taking = trunkline_turn::Taking::Manual);
    let orders =
        [(1300, Direction::CommitTurn), (1300, order(4)), (1300, Direction::StopReply(None))];
    let played = call.orders(&orders, 4000).play().await;
    assert_eq!(
        played.news(),
        [
            "starts 1 as ordered 4",
            "ended 1: Cancelled",
            "heard 1:  -",
            "turn 1: What time do you open?",
        ]
    );
    assert!(played.chats().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_order_may_differ_from_the_agent() {
    let call = Call::directed(&[(200, 1000, QUESTION)], &["At nine.", "Six."]).agent(looking);
    let other = ReplyOrder {
        tag: 2,
        instructions: Some("Be kind.".into()),
        tools: Some((vec![], ToolChoice::Auto)),
        modality: Some(Modality::Text),
        voice: Some(Voice { name: "other".into(), speed: 1.0 }),
        max_tokens: Some(7),
        temperature: Some(0.5),
        input: Some(vec![Message::new(Role::User, "Two times three?")]),
        ..ReplyOrder::default()
    };
    let played = call.orders(&[(4000, ordered(other))], 6000).play().await;
    assert_eq!(played.news_of(&["wrote"]), ["wrote 2: Six."]);
    let asked = &played.fakes.llm.asked()[1];
    assert_eq!(crate::stage::chat_lines(asked), ["system: Be kind.", "user: Two times three?"]);
    assert_eq!((asked.options.max_tokens, asked.tools.len()), (7, 0));
    assert!((asked.options.temperature - 0.5).abs() < 1e-6);
}

#[tokio::test(start_paused = true)]
async fn asides_are_written_beside_and_stay_out_of_the_chat() {
    let call =
        Call::directed(&[(200, 1000, QUESTION)], &[LONG, "sales", "[look]", "!", "x", "Yes."]);
    let aside = |tag| {
        let modality = Some(Modality::Text);
        ordered(ReplyOrder { tag, modality, is_aside: true, ..ReplyOrder::default() })
    };
    let orders = [
        (2500, aside(1)),
        (2500, aside(2)),
        (2500, aside(3)),
        (2500, aside(4)),
        (2500, aside(5)),
        (2600, Direction::StopReply(Some(ReplyId(u32::MAX - 4)))),
        (7000, order(6)),
    ];
    let played = call.agent(looking).orders(&orders, 9000).play().await;
    let first = u32::MAX - 1;
    let news = played.news_of(&["starts 4", "refused", "wrote", "calls", "ended", "made 4"]);
    assert_eq!(news[0], format!("starts {first} as ordered 1"));
    assert_eq!(
        news[4..6],
        ["refused 5: ReplyUnderWay", &format!("ended {}: Cancelled", first - 3)]
    );
    for line in [
        format!("wrote {first}: sales"),
        format!("made {first}"),
        format!("calls {}.0: look", first - 1),
        format!("made {}", first - 1),
    ] {
        assert!(news.contains(&line), "{line} {news:#?}");
    }
    let failed = format!("ended {}: Failed", first - 2);
    assert!(news.iter().any(|line| line.starts_with(&failed)), "{news:#?}");
    assert_eq!(played.news_of(&["heard 1"]), [format!("heard 1: {LONG}")], "it was not disturbed");
    let last = played.chats().pop().unwrap();
    assert_eq!(last.len(), 3, "{last:?}");
    assert_eq!(played.fakes.live(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_spoken_aside_is_heard_and_stays_out_of_the_chat() {
    let call = Call::directed(&[(200, 1000, QUESTION)], &["At nine.", "Please hold.", "Yes?"]);
    let aside = ReplyOrder { tag: 1, is_aside: true, ..ReplyOrder::default() };
    let played = call.orders(&[(4000, ordered(aside)), (6000, order(2))], 9000).play().await;
    assert_eq!(played.news_of(&["heard"])[1], "heard 2: Please hold.");
    assert_eq!(played.sounds().len(), 3);
    assert_eq!(played.chats()[2][1..], ["user: What time do you open?", "assistant: At nine."]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_reply_is_told_and_the_call_goes_on() {
    let says = [(200, 1000, QUESTION), (5000, 1000, "And now?")];
    let call = Call::directed(&says, &["We open at ! six", "At nine."]);
    let played = call.orders(&[], 9000).play().await;
    let news = played.news_of(&["starts", "ended", "heard", "turn"]);
    assert!(news[2].starts_with("ended 1: Failed(\"fake llm failed"), "{news:?}");
    assert_eq!(news[3], "heard 1:  -");
    assert_eq!(news[4..], ["turn 2: And now?", "starts 2 to turn 2", "heard 2: At nine."]);
    assert_eq!(played.reason, HangupReason::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_fails_ends_the_reply_alone() {
    let mut call = Call::directed(&[(200, 1000, QUESTION)], &["At nine."]);
    call.fakes.tts = FakeTts::failing();
    let played = call.orders(&[(4000, order(1))], 6000).play().await;
    let news = played.news_of(&["starts", "ended", "heard"]);
    assert_eq!(news.len(), 6, "{news:?}");
    assert!(news[1].starts_with("ended 1: Failed") && news[4].starts_with("ended 2: Failed"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_gone_deaf_goes_on_in_writing() {
    let mut call = Call::directed(&[(200, 1000, QUESTION)], &["At nine."]);
    call.fakes.vad = FakeVad::failing();
    let orders = [(1000, insert(1, Role::User, "When do you open?")), (1000, order(1))];
    let played = call.orders(&orders, 4000).play().await;
    assert!(played.news()[0].starts_with("turn failed"), "{:?}", played.news());
    assert_eq!(played.news_of(&["heard"]), ["heard 1: At nine."]);
    assert_eq!(played.reason, HangupReason::CallerHungUp);
}

#[tokio::test(start_paused = true)]
async fn an_idle_caller_is_spoken_to_once() {
    let call = Call::directed(&[(200, 1000, QUESTION)], &["At nine.", "Anything else?"]);
    let call = call.agent(|agent| agent.turn.silence.idle_after = Some(Duration::from_secs(5)));
    let played = call.orders(&[], 30_000).play().await;
    assert_eq!(
        played.news_of(&["idle", "starts", "heard"]),
        [
            "starts 1 to turn 1",
            "heard 1: At nine.",
            "idle for 5000",
            "starts 2",
            "heard 2: Anything else?",
        ]
    );
    assert_eq!(played.chats()[1].last().unwrap(), "assistant: At nine.");
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_a_script_does_not_end_the_call_for_silence() {
    let played = Call::directed(&[], &[]).orders(&[], 600_000).play().await;
    assert_eq!(played.reason, HangupReason::CallerHungUp);
    assert_eq!(played.took, Duration::from_mins(10));
    assert!(played.news().is_empty());
}

#[tokio::test(start_paused = true)]
async fn another_agent_takes_over_in_mid_call() {
    let says = [(200, 1000, QUESTION), (4000, 1000, "And on Sundays?")];
    let call = Call::directed(&says, &["At nine.", "At ten."]);
    let mut other = call.agent_now();
    other.instructions = "Be kind.".into();
    writing(&mut other);
    looking(&mut other);
    other.turn.patience = trunkline_turn::PatienceConfig::fixed(Duration::from_secs(2));
    let played = call.orders(&[(3500, Direction::Become(Arc::new(other)))], 9000).play().await;
    assert_eq!(played.chats()[1][0], "system: Be kind.");
    assert_eq!(played.fakes.llm.asked()[1].tools.len(), 1);
    assert_eq!(played.news_of(&["wrote"]), ["wrote 2: At ", "wrote 2: ten."]);
    assert!(
        played.told_at("turn 2") >= 7000,
        "the patience is another: {}",
        played.told_at("turn 2")
    );
}

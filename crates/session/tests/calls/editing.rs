//! A program at the caller's end edits the chat.

use std::time::Duration;

use trunkline_inference::{Message, Role};
use trunkline_session::{Direction, ItemKey, ReplyOrder};
use trunkline_turn::{Place, ReplyId, TurnId};

use crate::stage::Call;

const QUESTION: &str = "What time do you open?";
const REPLY: &str = "Of course, we open at nine in the morning.";

fn order() -> Direction {
    Direction::Reply(Box::default())
}

fn insert(item: u64, place: Place, text: &str) -> Direction {
    let after = match place {
        Place::First => Some(None),
        Place::Behind(before) => Some(Some(before)),
        Place::Last => None,
    };
    Direction::Insert { item, after, message: Message::new(Role::User, text) }
}

/// The chat after the question was answered by 5 s and `edits` were made, as another reply sees it.
async fn chat_after(edits: &[Direction]) -> (Vec<String>, Vec<String>) {
    let call = Call::directed(&[(200, 1000, QUESTION)], &[REPLY, "Yes."]);
    let edits = edits.iter().map(|edit| (6000, edit.clone()));
    let orders: Vec<_> = edits.chain([(6100, order())]).collect();
    let played = call.orders(&orders, 9000).play().await;
    (played.chats()[1][1..].to_vec(), played.news_of(&["refused"]))
}

#[tokio::test(start_paused = true)]
async fn items_are_put_where_they_belong_and_taken_out() {
    let turn = ItemKey::Turn(TurnId(1));
    let reply = ItemKey::Reply(ReplyId(1));
    let (chat, refused) = chat_after(&[
        insert(1, Place::Last, "last"),
        insert(2, Place::First, "first"),
        insert(3, Place::Behind(turn), "between"),
        insert(4, Place::Behind(ItemKey::Placed(9)), "nowhere"),
        Direction::Remove(reply),
        Direction::Remove(reply),
        Direction::Remove(ItemKey::Placed(1)),
    ])
    .await;
    assert_eq!(chat, ["user: first", "user: What time do you open?", "user: between"]);
    assert_eq!(refused, ["refused: NoSuchItem", "refused: NoSuchItem"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_over_is_cut_to_the_words_that_were_heard() {
    let truncate =
        |reply, ms| Direction::Truncate { reply: ReplyId(reply), heard: Duration::from_millis(ms) };
    // Each word sounds for 200 ms.
    let (chat, refused) = chat_after(&[truncate(1, 950), truncate(1, 1500), truncate(7, 0)]).await;
    assert_eq!(chat, ["user: What time do you open?", "assistant: Of course, we open"]);
    assert_eq!(refused, ["refused: NoSuchItem"]);
    let (chat, _) = chat_after(&[truncate(1, 0)]).await;
    assert_eq!(chat, ["user: What time do you open?"]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_cut_while_it_is_stopped_keeps_the_lesser_of_the_two() {
    for (heard_ms, words) in [(450, 2), (60_000, 5)] {
        let call = Call::directed(&[(200, 1000, QUESTION)], &[REPLY, "Yes."]);
        let heard = Duration::from_millis(heard_ms);
        let (first, order) = (ReplyId(1), order());
        // It sounds from 1.8 s on, so that about five words were heard.
        let orders = [
            (2800, Direction::StopReply(None)),
            (2800, Direction::Truncate { reply: first, heard }),
            (4000, order),
        ];
        let played = call.orders(&orders, 7000).play().await;
        let chat = played.chats().pop().unwrap();
        let kept = chat[2].strip_prefix("assistant: ").unwrap();
        assert!(REPLY.starts_with(kept), "{kept}");
        assert!(kept.split_whitespace().count().abs_diff(words) <= 1, "{heard_ms}: {kept}");
        assert_eq!(played.news_of(&["heard 1"]), [format!("heard 1: {kept} -")]);
    }
}

#[tokio::test(start_paused = true)]
async fn history_is_put_in_before_anybody_speaks() {
    let call = Call::directed(&[(1000, 1000, QUESTION)], &["At nine."]);
    let assistant = Message::new(Role::Assistant, "Hello Ann.");
    let orders = [
        (100, insert(1, Place::Last, "I am Ann.")),
        (100, Direction::Insert { item: 2, after: None, message: assistant }),
    ];
    let played = call.orders(&orders, 5000).play().await;
    assert_eq!(
        played.chats()[0][1..],
        ["user: I am Ann.", "assistant: Hello Ann.", "user: What time do you open?"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_order_has_its_tag() {
    let tagged = ReplyOrder { tag: 42, ..ReplyOrder::default() };
    let call = Call::directed(&[], &["Hello."]);
    let played = call.orders(&[(100, Direction::Reply(Box::new(tagged)))], 3000).play().await;
    assert_eq!(played.news()[0], "starts 1 as ordered 42");
}

//! What is noted is recorded, and can be asked for.

use trunkline_gateway::store::{CallFilter, Outcome, Said};
use trunkline_session::{HangupReason, What};

use crate::{
    sample::{answered, call, conversation, ended, record, reply, turn_ended},
    world::World,
};

#[tokio::test]
async fn a_conversation_is_recorded_whole() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all(conversation(call(1)));
    world.journal.settle().await.unwrap();

    let found = world.store.call(call(1)).await.unwrap().unwrap();
    assert_eq!(found.call.turn_count, 2);
    assert_eq!(found.call.ended.unwrap().outcome, "caller_hung_up");
    assert_eq!(found.turns[0].heard.as_ref().unwrap().text, "when do you open tomorrow");
    assert_eq!(found.turns[0].latency.unwrap().total().as_micros(), 520_000);
    let heard = Said { text: "We open at nine".into(), whole: false, interrupted: true };
    assert_eq!(found.turns[0].reply.as_ref(), Some(&heard));
    assert!(found.turns[1].reply.is_none() && found.turns[1].latency.is_none());
    assert_eq!(found.prompts[0].said.text, "Hello, how can I help?");
    let kinds: Vec<_> = found.decisions.iter().map(|d| d.kind.as_str()).collect();
    assert_eq!(kinds, ["speech_ignored", "false_interruption", "key_pressed", "model_failed"]);
    world.stop().await;
}

#[tokio::test]
async fn calls_are_found_by_what_is_known_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all([
        record(call(1), 0, answered("one@wire", "sip:Alice@example.com")),
        record(call(2), 1000, answered("two@wire", "sip:bob@example.com")),
        record(call(1), 2000, ended()),
    ]);
    world.journal.settle().await.unwrap();
    let ids = async |filter: CallFilter| {
        let calls = world.store.calls(&filter, 10, None).await.unwrap();
        calls.iter().map(|call| call.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(CallFilter::default()).await, [call(2), call(1)]);
    let from = |from: &str| CallFilter { from: Some(from.into()), ..CallFilter::default() };
    assert_eq!(ids(from("ALICE")).await, [call(1)]);
    // Text to look for, not a pattern.
    assert!(ids(from("%")).await.is_empty());
    let to = CallFilter { to: Some("demo@".into()), ..CallFilter::default() };
    assert_eq!(ids(to).await.len(), 2);
    let outcome = |outcome| CallFilter { outcome: Some(outcome), ..CallFilter::default() };
    assert_eq!(ids(outcome(Outcome::Open)).await, [call(2)]);
    assert_eq!(ids(outcome(Outcome::Ended(HangupReason::CallerHungUp))).await, [call(1)]);
    assert!(ids(outcome(Outcome::Ended(HangupReason::TooLong))).await.is_empty());
    let since = CallFilter { since_us: Some(1_795_242_295_000_000), ..CallFilter::default() };
    assert_eq!(ids(since).await, [call(2)]);
    assert_eq!(world.store.call_with_wire_id("one@wire").await.unwrap(), Some(call(1)));
    assert_eq!(world.store.call_with_wire_id("").await.unwrap(), None);
    world.stop().await;
}

#[tokio::test]
async fn entries_of_a_call_whose_beginning_was_lost_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all([
        record(call(1), 0, reply(Some(3), "Nine.", true)),
        record(call(1), 100, turn_ended(3, "when do you open")),
    ]);
    world.journal.settle().await.unwrap();
    let found = world.store.call(call(1)).await.unwrap().unwrap();
    assert_eq!(found.call.parties.from, "");
    assert_eq!(found.turns.len(), 1);
    assert_eq!(found.turns[0].reply.as_ref().unwrap().text, "Nine.");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_entries_from_many_calls_are_all_recorded_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    for turn in 1..=200 {
        for number in 0..50 {
            world.note_all([record(call(number), u64::from(turn), turn_ended(turn, "hello"))]);
        }
        if turn % 40 == 0 {
            // The queue holds 8192; a real caller is slower.
            world.journal.flush().await.unwrap();
        }
    }
    world.journal.settle().await.unwrap();
    assert_eq!(world.metrics.journal().dropped.get(), 0);
    assert_eq!(world.store.applied_position().await.unwrap(), 10_000);
    for number in 0..50 {
        let found = world.store.call(call(number)).await.unwrap().unwrap();
        let turns: Vec<_> = found.turns.iter().map(|turn| turn.number).collect();
        assert_eq!(turns, (1..=200).collect::<Vec<_>>());
    }
    world.stop().await;
}

#[tokio::test]
async fn recording_a_batch_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    let entries: Vec<_> = (1..)
        .zip(conversation(call(1)))
        .map(|(position, record)| trunkline_gateway::journal::Entry::new(position, record))
        .collect();
    world.store.record_batch(&entries).await.unwrap();
    let once = world.store.call(call(1)).await.unwrap().unwrap();
    world.store.record_batch(&entries).await.unwrap();
    world.store.record_batch(&entries[3..]).await.unwrap();
    assert_eq!(world.store.call(call(1)).await.unwrap().unwrap(), once);
    assert_eq!(world.store.applied_position().await.unwrap(), entries.len() as u64);
    world.stop().await;
}

#[tokio::test]
async fn keys_are_not_recorded_but_that_one_was_pressed_is() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::start(dir.path()).await;
    world.note_all([record(call(1), 0, What::Pressed)]);
    world.journal.settle().await.unwrap();
    let found = world.store.call(call(1)).await.unwrap().unwrap();
    let pressed = &found.decisions[0];
    assert_eq!((pressed.kind.as_str(), pressed.reason.as_str()), ("key_pressed", ""));
    assert!(pressed.detail.is_none());
    world.stop().await;
}

//! What is refused, and that the session lives on.

use trunkline_session::Refused;

use super::*;

/// The faults of what a client sent, as `code param event_id`.
fn faults(stage: &Stage) -> Vec<String> {
    let fault = |line: &&str| {
        let error = serde_json::from_str::<Value>(line).unwrap()["error"].take();
        let text = |name: &str| error[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", text("code"), text("param"), text("event_id"))
    };
    stage.events("error").iter().map(fault).collect()
}

fn check(event: Value, expected: &str) {
    let mut event = event;
    event["event_id"] = "mine".into();
    let mut stage = Stage::talking();
    stage.client(&event);
    assert_eq!(faults(&stage), [format!("{expected} mine")], "{event}");
    assert!(!stage.timeline.contains("session <-"), "{}", stage.timeline);
    stage.client(&json!({"type": "session.update", "session": {}}));
    assert_eq!(stage.events("session.updated").len(), 1, "the session lives");
}

#[test]
fn what_makes_no_sense_is_told_with_its_parameter() {
    for (event, expected) in [
        (json!({"type": "nonsense"}), "invalid_value type"),
        (json!({"type": "input_audio_buffer.append", "audio": "?"}), "invalid_value audio"),
        (json!({"type": "input_audio_buffer.commit"}), "input_audio_buffer_commit_empty -"),
        (json!({"type": "output_audio_buffer.clear"}), "invalid_event -"),
        (json!({"type": "response.cancel", "response_id": "x"}), "response_cancel_not_active -"),
        (
            json!({"type": "conversation.item.delete", "item_id": "x"}),
            "item_delete_invalid_item_id item_id",
        ),
        (
            json!({"type": "conversation.item.retrieve", "item_id": "x"}),
            "item_retrieve_invalid_item_id item_id",
        ),
        (
            json!({"type": "conversation.item.truncate", "item_id": "x", "content_index": 0,
                "audio_end_ms": 0}),
            "item_truncate_invalid_item_id item_id",
        ),
        (
            json!({"type": "conversation.item.create", "item": {"type": "poem"}}),
            "invalid_value item.type",
        ),
        (
            json!({"type": "conversation.item.create", "previous_item_id": "x",
                "item": {"type": "function_call_output", "call_id": "c", "output": ""}}),
            "item_create_invalid_previous_item_id previous_item_id",
        ),
        (
            json!({"type": "response.create", "response": {"conversation": "x"}}),
            "invalid_value response.conversation",
        ),
        (
            json!({"type": "response.create", "response": {"input": [
                {"type": "item_reference", "id": "x"}]}}),
            "item_not_found response.input[0].id",
        ),
        (
            json!({"type": "response.create", "response": {"tools": [{"type": "mcp"}]}}),
            "unsupported_value response.tools[0].type",
        ),
        (
            json!({"type": "response.create", "response": {"prompt": {"id": "p"}}}),
            "unsupported_value response.prompt",
        ),
        (
            json!({"type": "response.create", "response": {"audio": {"output": {"voice": "x"}}}}),
            "invalid_value response.audio.output.voice",
        ),
    ] {
        check(event, expected);
    }
}

#[test]
fn what_is_no_json_or_no_text_is_told() {
    let mut stage = Stage::talking();
    stage.translator.take_text(stage.now, "{");
    stage.translator.take_binary();
    stage.drain();
    assert_eq!(faults(&stage), ["invalid_json - -", "invalid_json - -"]);
}

#[test]
fn an_item_is_not_put_in_twice() {
    let mut stage = Stage::talking();
    let item = json!({"type": "function_call_output", "call_id": "c", "output": "", "id": "x"});
    let event = json!({"type": "conversation.item.create", "item": item, "event_id": "mine"});
    stage.client(&event).client(&event);
    assert_eq!(faults(&stage), ["item_create_duplicate_item_id item.id mine"]);
}

#[test]
fn what_the_session_refuses_is_told_to_who_asked() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "response.cancel", "event_id": "a"}));
    stage.news(News::Refused { tag: None, refusal: Refused::NoReply });
    stage.append(200).client(&json!({"type": "input_audio_buffer.commit", "event_id": "b"}));
    stage.news(News::Refused { tag: None, refusal: Refused::NothingHeard });
    assert_eq!(
        faults(&stage),
        ["response_cancel_not_active - a", "input_audio_buffer_commit_empty - b"]
    );
}

#[test]
fn a_second_response_is_refused_while_one_is_made() {
    let mut stage = Stage::talking();
    stage.starts(1, Origin::Own);
    stage.client(&json!({"type": "response.create", "event_id": "a"}));
    assert_eq!(faults(&stage), ["conversation_already_has_active_response - a"]);
    stage.made(1).client(&json!({"type": "response.create", "event_id": "b"}));
    assert!(stage.timeline.ends_with("is_aside: false })\n"), "{}", stage.timeline);
}

#[test]
fn a_response_ordered_while_another_is_prepared_is_refused_in_the_end() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "response.create", "event_id": "a"}));
    stage.starts(1, Origin::Turn(TurnId(1)));
    stage.news(News::Refused { tag: Some(1), refusal: Refused::ReplyUnderWay });
    assert_eq!(faults(&stage), ["conversation_already_has_active_response - a"]);
}

#[test]
fn a_response_ordered_while_the_one_before_sounds_is_announced_and_ordered_again() {
    let mut stage = Stage::talking();
    stage.starts(1, Origin::Own).speaks(1, "One moment.", 1000).made(1);
    stage.client(&json!({"type": "response.create"}));
    let orders = |stage: &Stage| stage.timeline.matches("session <- Reply").count();
    assert_eq!(orders(&stage), 1);
    stage.news(News::Refused { tag: Some(1), refusal: Refused::ReplyUnderWay });
    assert_eq!(stage.events("response.created").len(), 2, "clients do not wait for ever");
    stage.client(&json!({"type": "response.create", "event_id": "b"}));
    assert_eq!(faults(&stage), ["conversation_already_has_active_response - b"]);
    stage.passes(300);
    assert_eq!(orders(&stage), 2);
    stage.passes(1000);
    assert_eq!(orders(&stage), 2, "it was not refused again");
    stage.starts(2, Origin::Ordered(1)).passes(1000).speaks(2, "Here.", 100).made(2);
    assert_eq!((orders(&stage), stage.events("response.created").len()), (2, 2));
    let done = stage.events("response.done");
    assert!(done[1].contains(&id_in(stage.events("response.created")[1])), "{done:?}");
}

#[test]
fn a_response_that_is_announced_can_be_taken_back() {
    let mut stage = Stage::talking();
    stage.starts(1, Origin::Own).speaks(1, "One moment.", 1000).made(1);
    stage.client(&json!({"type": "response.create"}));
    stage.news(News::Refused { tag: Some(1), refusal: Refused::ReplyUnderWay });
    stage.client(&json!({"type": "response.cancel"})).passes(300);
    assert_eq!(stage.timeline.matches("session <- Reply").count(), 1);
    assert_eq!(
        stage.timeline.matches("session <- StopReply").count(),
        0,
        "the first one sounds on"
    );
    let done = stage.events("response.done").pop().unwrap();
    assert!(done.contains("client_cancelled"), "{done}");
    assert!(stage.events("error").is_empty());
}

#[test]
fn a_response_that_is_announced_and_never_can_begin_is_done() {
    let mut stage = Stage::talking();
    stage.starts(1, Origin::Own).speaks(1, "One moment.", 1000).made(1);
    stage.client(&json!({"type": "response.create", "event_id": "a"}));
    let refused = News::Refused { tag: Some(1), refusal: Refused::ReplyUnderWay };
    stage.news(refused.clone()).passes(61_000).news(refused);
    let done = stage.events("response.done").pop().unwrap();
    assert!(done.contains("cancelled"), "{done}");
    assert_eq!(faults(&stage), ["conversation_already_has_active_response - a"]);
}

fn id_in(event: &str) -> String {
    let (_, rest) = event.split_once("resp_").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn a_reply_that_fails_before_it_begins_is_a_failed_response() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "response.create", "response": {"metadata": {"a": "b"}}}));
    stage.ends(1, Ending::Failed("/secret/path".into()));
    let done = stage.events("response.done").join("");
    assert!(done.contains(r#""status":"failed""#) && done.contains(r#"{"a":"b"}"#), "{done}");
    assert!(!done.contains("secret"), "{done}");
}

#[test]
fn a_turn_that_cannot_be_transcribed_is_told_and_not_kept() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "session.update",
        "session": {"audio": {"input": {"turn_detection": null}}}}));
    stage.append(200).client(&json!({"type": "input_audio_buffer.commit"}));
    stage.news(News::TurnFailed { reason: "/secret/path".into() });
    let failed = stage.events("conversation.item.input_audio_transcription.failed").join("");
    assert!(failed.contains("transcription_failed") && !failed.contains("secret"), "{failed}");
    assert_eq!(stage.translator.conversation.items.last(), None);
}

#[test]
fn a_voice_stays_once_it_was_heard() {
    let mut stage = Stage::talking();
    let update = json!({"type": "session.update", "event_id": "v",
        "session": {"audio": {"output": {"voice": "marin"}}}});
    stage.client(&update);
    assert!(faults(&stage).is_empty());
    stage.starts(1, Origin::Own).speaks(1, "Hi.", 100).made(1);
    let back = json!({"type": "session.update", "event_id": "v",
        "session": {"audio": {"output": {"voice": "fake"}}}});
    stage.client(&back);
    assert_eq!(faults(&stage), ["cannot_update_voice session.audio.output.voice v"]);
}

//! Whole exchanges, as golden files.

use insta::assert_snapshot;
use trunkline_inference::ToolCall;

use super::*;

#[test]
fn a_session_begins_by_showing_itself_whole() {
    assert_snapshot!(Stage::new(Kind::Realtime).timeline);
}

#[test]
fn a_turn_is_heard_transcribed_and_answered() {
    let mut stage = Stage::talking();
    let transcription = json!({"model": "whisper-1"});
    stage.client(&json!({"type": "session.update", "session": {
        "type": "realtime", "audio": {"input": {"transcription": transcription}}}}));
    stage.append(1500).passes(1400).says(1, "When do you open?");
    stage.starts(1, Origin::Turn(TurnId(1)));
    stage.speaks(1, "At nine.", 240).made(1).passes(260).heard(1, "At nine.", true);
    assert_snapshot!(stage.timeline);
}

#[test]
fn an_interruption_cancels_the_response_under_way() {
    let mut stage = Stage::talking();
    stage.append(1500).passes(1400).says(1, "Hello?");
    stage.starts(1, Origin::Turn(TurnId(1))).speaks(1, "Good day,", 100);
    stage.timeline.clear();
    stage.news(News::SpeechStarted { at: MediaTime::from_ms(1200) });
    stage.ends(1, Ending::Interrupted);
    stage.translator.flush(stage.now);
    stage.drain().heard(1, "Good", false);
    assert_snapshot!(stage.timeline);
}

#[test]
fn an_interruption_of_what_was_made_is_no_second_end() {
    let mut stage = Stage::talking();
    stage.starts(1, Origin::Own).speaks(1, "Good day to you.", 400).made(1);
    stage.news(News::SpeechStarted { at: MediaTime::from_ms(0) });
    stage.ends(1, Ending::Interrupted).heard(1, "Good", false);
    assert_eq!(stage.events("response.done").len(), 1);
    let item = stage.translator.conversation.items.last().unwrap().to_owned();
    stage.client(&json!({"type": "conversation.item.retrieve", "item_id": item}));
    let shown = stage.events("conversation.item.retrieved").join("");
    assert!(shown.contains(r#""transcript":"Good""#), "{shown}");
}

#[test]
fn a_function_is_called_and_its_result_answered() {
    let mut stage = Stage::talking();
    stage.starts(1, Origin::Turn(TurnId(1))).speaks(1, "One moment.", 100);
    let call = ToolCall { name: "weather".into(), arguments: r#"{"city":"Bonn"}"#.into() };
    stage.news(News::ToolCalled { reply: ReplyId(1), index: 0, call }).made(1);
    let called = stage.translator.conversation.items.last().unwrap().to_owned();
    stage.client(&json!({"type": "conversation.item.create", "previous_item_id": called,
        "item": {"type": "function_call_output", "call_id": "call_9", "output": "sunny"}}));
    let metadata = json!({"client_event_id": "mine"});
    stage.client(&json!({"type": "response.create", "response": {"metadata": metadata}}));
    stage.starts(2, Origin::Ordered(1)).speaks(2, "It is sunny.", 100).made(2);
    assert_snapshot!(stage.timeline);
}

#[test]
fn a_written_response_comes_as_text() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "conversation.item.create", "item": {"type": "message",
        "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}}));
    stage.client(&json!({"type": "response.create", "response": {"output_modalities": ["text"]}}));
    stage.starts(1, Origin::Ordered(1));
    for text in ["Good", " day."] {
        stage.news(News::Wrote { reply: ReplyId(1), text: text.into() });
    }
    stage.made(1).heard(1, "Good day.", true);
    assert_snapshot!(stage.timeline);
}

#[test]
fn a_client_cancels_a_response() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "response.create"}));
    stage.starts(1, Origin::Ordered(1)).speaks(1, "Good day,", 100);
    stage.timeline.clear();
    stage.client(&json!({"type": "response.cancel"})).ends(1, Ending::Cancelled);
    assert_snapshot!(stage.timeline);
}

#[test]
fn a_client_that_takes_turns_itself_commits_what_was_said() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "session.update", "session": {"audio": {"input": {
        "transcription": {"model": "whisper-1"}, "turn_detection": null}}}}));
    stage.append(400);
    stage.client(&json!({"type": "input_audio_buffer.commit", "event_id": "c"}));
    stage.client(&json!({"type": "response.create"}));
    stage.passes(100).turn_ends(1, "Hello.");
    stage.starts(1, Origin::Ordered(1)).speaks(1, "Good day.", 100).made(1);
    assert_snapshot!(stage.timeline);
}

#[test]
fn a_transcription_session_tells_words_as_they_become_sure() {
    let mut stage = Stage::new(Kind::Transcription);
    stage.append(1500).passes(1400).news(News::SpeechStarted { at: MediaTime::from_ms(400) });
    for words in ["What time", "What time do", "What time do you open"] {
        stage.news(News::Words(words.into()));
    }
    stage.news(News::SpeechStopped { at: MediaTime::from_ms(900) });
    stage.turn_ends(1, "What time do you open?");
    stage.client(&json!({"type": "response.create", "event_id": "r"}));
    assert_snapshot!(stage.timeline);
}

#[test]
fn a_client_tells_how_much_it_has_played() {
    let mut stage = Stage::talking();
    stage.starts(1, Origin::Own).speaks(1, "We open at nine.", 1000).made(1).passes(500);
    stage.timeline.clear();
    let item = stage.translator.conversation.items.last().unwrap().to_owned();
    let truncate = |ms: u64| {
        json!({"type": "conversation.item.truncate", "event_id": "t", "item_id": item,
            "content_index": 0, "audio_end_ms": ms})
    };
    stage.client(&truncate(1001)).client(&truncate(500));
    stage.client(&json!({"type": "conversation.item.retrieve", "item_id": item}));
    assert_snapshot!(stage.timeline);
}

#[test]
fn a_response_beside_the_conversation_leaves_no_items_in_it() {
    let mut stage = Stage::talking();
    let user = |text: &str| {
        json!({"type": "message", "role": "user",
        "content": [{"type": "input_text", "text": text}]})
    };
    let mut item = user("My name is Ann.");
    item["id"] = "ann".into();
    stage.client(&json!({"type": "conversation.item.create", "item": item}));
    stage.client(&json!({"type": "response.create", "response": {
        "conversation": "none", "output_modalities": ["text"], "max_output_tokens": 9,
        "metadata": {"topic": "name"},
        "input": [{"type": "item_reference", "id": "ann"}, user("Whose?")]}}));
    stage.starts(1, Origin::Ordered(1));
    stage.news(News::Wrote { reply: ReplyId(1), text: "Ann".into() });
    let usage = Usage { finish: FinishReason::Length, ..USAGE };
    stage.news(News::ReplyMade { reply: ReplyId(1), usage });
    assert_snapshot!(stage.timeline);
}

#[test]
fn a_silent_caller_is_spoken_to() {
    let mut stage = Stage::talking();
    stage.client(&json!({"type": "session.update", "session": {"audio": {"input": {
        "turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}}}}}));
    stage.timeline.clear();
    stage.append(200).passes(6000);
    stage.timeline.clear();
    let (from, to) = (MediaTime::from_ms(100), MediaTime::from_ms(5100));
    stage.news(News::FellIdle { from, to }).starts(1, Origin::Own);
    assert_snapshot!(stage.timeline);
}

//! Whatever a client sends: no panic, an answer, a session that lives.

use proptest::prelude::*;
use trunkline_inference::ToolCall;
use trunkline_session::Refused;

use super::*;

/// Any JSON, not too deep.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_]{0,8}|\\PC{0,6}|AAAA".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A well-formed event whose fields make sense or not.
fn event() -> impl Strategy<Value = Value> {
    let id = "item_[0-9]{1,2}|root|x";
    let whole = prop_oneof![
        (0..4000usize).prop_map(|n| {
            json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(vec![1; n * 5])})
        }),
        Just(json!({"type": "input_audio_buffer.commit"})),
        Just(json!({"type": "input_audio_buffer.clear"})),
        Just(json!({"type": "response.create"})),
        Just(json!({"type": "response.cancel"})),
        Just(json!({"type": "session.update",
            "session": {"audio": {"input": {"turn_detection": null}}}})),
        Just(json!({"type": "session.update",
            "session": {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}})),
        (id, 0..3000u64).prop_map(|(id, ms)| json!({"type": "conversation.item.truncate",
            "item_id": id, "content_index": 0, "audio_end_ms": ms})),
        id.prop_map(|id| json!({"type": "conversation.item.delete", "item_id": id})),
        id.prop_map(|id| json!({"type": "conversation.item.create", "previous_item_id": id,
            "item": {"type": "message", "role": "user",
                "content": [{"type": "input_text", "text": "x"}]}})),
    ];
    let fields = ["session", "item", "response", "audio", "item_id", "previous_item_id", "x"];
    (whole, prop::option::weighted(0.3, (prop::sample::select(fields.to_vec()), json_value())))
        .prop_map(|(mut event, spoilt)| {
            if let Some((field, value)) = spoilt {
                event[field] = value;
            }
            event
        })
}

fn news() -> impl Strategy<Value = News> {
    let (reply, at) = ((1..4u32).prop_map(ReplyId), (0..5000u64).prop_map(MediaTime::from_ms));
    let ending = prop_oneof![
        Just(Ending::Interrupted),
        Just(Ending::Cancelled),
        Just(Ending::Failed("x".into())),
    ];
    let origin = prop_oneof![
        Just(Origin::Own),
        (0..4u64).prop_map(Origin::Ordered),
        Just(Origin::Turn(TurnId(1)))
    ];
    let refusal = prop_oneof![
        Just(Refused::NoReply),
        Just(Refused::NothingHeard),
        Just(Refused::NoSuchItem),
        Just(Refused::ReplyUnderWay)
    ];
    let call = ToolCall { name: "f".into(), arguments: "{}".into() };
    prop_oneof![
        at.clone().prop_map(|at| News::SpeechStarted { at }),
        at.clone().prop_map(|at| News::SpeechStopped { at }),
        "[a-c ]{0,9}".prop_map(News::Words),
        "[a-c ]{0,9}".prop_map(|text| News::TurnEnded { turn: TurnId(1), text }),
        Just(News::TurnFailed { reason: "x".into() }),
        (at.clone(), at).prop_map(|(from, to)| News::FellIdle { from, to }),
        (reply.clone(), origin).prop_map(|(reply, origin)| News::ReplyStarted { reply, origin }),
        reply.clone().prop_map(|reply| News::Wrote { reply, text: "x".into() }),
        (reply.clone(), 0..900u64).prop_map(|(reply, ms)| News::Spoke {
            reply,
            text: "a b".into(),
            duration: Duration::from_millis(ms)
        }),
        reply.clone().prop_map(move |reply| News::ToolCalled {
            reply,
            index: 0,
            call: call.clone()
        }),
        reply.clone().prop_map(|reply| News::ReplyMade { reply, usage: USAGE }),
        (reply.clone(), ending).prop_map(|(reply, ending)| News::ReplyEnded {
            reply,
            ending,
            usage: USAGE
        }),
        reply.prop_map(|reply| News::ReplyHeard { reply, text: "a".into(), whole: false }),
        (prop::option::of(0..4u64), refusal)
            .prop_map(|(tag, refusal)| News::Refused { tag, refusal }),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Client(Value),
    Text(String),
    News(News),
    Sound,
    Flush,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => event().prop_map(Step::Client),
        1 => json_value().prop_map(Step::Client),
        1 => "\\PC{0,30}".prop_map(Step::Text),
        4 => news().prop_map(Step::News),
        2 => Just(Step::Sound),
        1 => Just(Step::Flush),
        1 => (0..30u64).prop_map(|ticks| Step::Pass(ticks * 20)),
    ]
}

fn take(stage: &mut Stage, step: Step) {
    match step {
        Step::Client(event) => {
            stage.client(&event);
        }
        Step::Text(text) => {
            stage.translator.take_text(stage.now, &text);
            stage.drain();
        }
        Step::News(news) => {
            stage.news(news);
        }
        Step::Sound => {
            let frame = Frame::new(vec![0; 480], 24_000, MediaTime::ZERO);
            stage.translator.take_sound(stage.now, &frame);
            stage.drain();
        }
        Step::Flush => {
            stage.translator.flush(stage.now);
            stage.drain();
        }
        Step::Pass(ms) => {
            stage.passes(ms);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_client_and_no_session_brings_it_down(steps in prop::collection::vec(step(), 1..40)) {
        let mut stage = Stage::talking();
        for step in steps {
            take(&mut stage, step);
        }
        let (begun, done) = (stage.events("response.created"), stage.events("response.done"));
        prop_assert!(begun.len() >= done.len());
        stage.timeline.clear();
        stage.client(&json!({"type": "session.update", "session": {"instructions": "Live."}}));
        prop_assert_eq!(stage.events("session.updated").len(), 1);
    }

    #[test]
    fn what_is_no_event_is_always_answered(text in "\\PC{0,40}") {
        let mut stage = Stage::talking();
        stage.translator.take_text(stage.now, &text);
        stage.drain();
        prop_assert_eq!(stage.events("error").len(), 1);
    }
}

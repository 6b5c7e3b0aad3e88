//! Timelines: what a client sees, event by event.

mod errors;
mod robustness;
mod timelines;

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use trunkline_audio::{Frame, MediaTime};
use trunkline_inference::FinishReason;
use trunkline_session::{
    Direction, Ending, LegInput, News, Origin, Usage,
    leg::{Mark, ReplyId},
};
use trunkline_turn::TurnId;

use super::Translator;
use crate::realtime::{
    house::tests::house,
    ids::Ids,
    settings::{Settings, wire::Kind},
    wire::Effect,
};

/// A translator between a scripted client and a scripted session, and what it did.
struct Stage {
    translator: Translator,
    now: Instant,
    timeline: String,
}

impl Stage {
    fn new(kind: Kind) -> Self {
        let house = Arc::new(house());
        let settings = Settings::new(kind, None, &house).unwrap();
        let now = Instant::now();
        let translator = Translator::new(house, settings, Ids::plain(), 1_800_000_000, now);
        let mut stage = Self { translator, now, timeline: String::new() };
        stage.drain();
        stage
    }

    /// A talking session whose beginning is not of interest.
    fn talking() -> Self {
        let mut stage = Self::new(Kind::Realtime);
        stage.timeline.clear();
        stage
    }

    /// The client sends an event; `event_id` counts for its faults.
    fn client(&mut self, event: &Value) -> &mut Self {
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        writeln!(self.timeline, "client: {kind}").unwrap();
        self.translator.take_text(self.now, &event.to_string());
        self.drain()
    }

    fn append(&mut self, ms: usize) -> &mut Self {
        let audio = STANDARD.encode(vec![0; ms * 48]);
        self.client(&json!({"type": "input_audio_buffer.append", "audio": audio}))
    }

    fn news(&mut self, news: News) -> &mut Self {
        writeln!(self.timeline, "session: {news:?}").unwrap();
        self.translator.take_news(self.now, news);
        self.drain()
    }

    /// The session speaks a clause of `ms`.
    fn speaks(&mut self, reply: u32, text: &str, ms: u64) -> &mut Self {
        writeln!(self.timeline, "session: sound of {text:?}").unwrap();
        for at in (0..ms).step_by(20) {
            let frame = Frame::new(vec![0; 480], 24_000, MediaTime::from_ms(at));
            self.translator.take_sound(self.now, &frame);
        }
        self.translator.take_mark(Mark { reply: ReplyId(reply), clause: 0 }).unwrap();
        self.drain();
        let duration = Duration::from_millis(ms);
        self.news(News::Spoke { reply: ReplyId(reply), text: text.into(), duration })
    }

    fn starts(&mut self, reply: u32, origin: Origin) -> &mut Self {
        self.news(News::ReplyStarted { reply: ReplyId(reply), origin })
    }

    fn made(&mut self, reply: u32) -> &mut Self {
        self.news(News::ReplyMade { reply: ReplyId(reply), usage: USAGE })
    }

    fn ends(&mut self, reply: u32, ending: Ending) -> &mut Self {
        self.news(News::ReplyEnded { reply: ReplyId(reply), ending, usage: USAGE })
    }

    fn heard(&mut self, reply: u32, text: &str, whole: bool) -> &mut Self {
        self.news(News::ReplyHeard { reply: ReplyId(reply), text: text.into(), whole })
    }

    /// The caller says something in turn `turn`.
    fn says(&mut self, turn: u32, text: &str) -> &mut Self {
        self.news(News::SpeechStarted { at: MediaTime::from_ms(400) })
            .news(News::SpeechStopped { at: MediaTime::from_ms(900) })
            .turn_ends(turn, text)
    }

    fn turn_ends(&mut self, turn: u32, text: &str) -> &mut Self {
        self.news(News::TurnEnded { turn: TurnId(turn), text: text.into() })
    }

    fn passes(&mut self, ms: u64) -> &mut Self {
        for _ in 0..ms / 20 {
            self.now += Duration::from_millis(20);
            self.translator.tick(self.now);
            self.drain();
        }
        self
    }

    fn drain(&mut self) -> &mut Self {
        while let Some(effect) = self.translator.poll() {
            let line = match &effect {
                Effect::Send(event) => shown(event),
                Effect::Tell(LegInput::Audio(_)) | Effect::Spend(_) => continue,
                Effect::Tell(LegInput::Sounding(_)) => "  session <- Sounding".to_owned(),
                Effect::Tell(LegInput::Directed(direction)) => {
                    format!("  session <- {}", ordered(direction))
                }
                Effect::Tell(input) => format!("  session <- {input:?}"),
            };
            writeln!(self.timeline, "{line}").unwrap();
        }
        self
    }

    /// The events of one type so far, as they were shown.
    fn events(&self, kind: &str) -> Vec<&str> {
        let start = format!("  client <- {kind} ");
        self.timeline.lines().filter_map(|line| line.strip_prefix(start.as_str())).collect()
    }
}

const USAGE: Usage = Usage { prompt: 50, cached: 40, generated: 12, finish: FinishReason::Stop };

fn shown(event: &Value) -> String {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    let kind = fields.shift_remove("type").unwrap();
    assert!(fields.shift_remove("event_id").unwrap().as_str().unwrap().starts_with("event_"));
    let kind = kind.as_str().unwrap();
    if kind == "response.output_audio.delta" {
        let bytes = STANDARD.decode(fields["delta"].as_str().unwrap()).unwrap().len();
        fields["delta"] = format!("<{} ms>", bytes / 48).into();
    }
    format!("  client <- {kind} {event}")
}

fn ordered(direction: &Direction) -> String {
    if let Direction::Become(agent) = direction {
        return format!(
            "Become {:?} {:?} {:?}",
            agent.instructions, agent.turn.taking, agent.modality
        );
    }
    format!("{direction:?}")
}

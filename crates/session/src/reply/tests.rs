//! What the reply promises.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use futures::FutureExt;
use trunkline_inference::{Chat, ChatModel, ClauseStream, Tool, Voice};
use trunkline_testkit::{FakeTts, ScriptedLlm};

use super::*;

const ID: ReplyId = ReplyId(4);

fn of_text(text: &str) -> Reply {
    let pieces: ReplyStream = Box::pin(stream::iter([Ok(ReplyPiece::Text(text.to_owned()))]));
    Reply::spoken(ID, pieces, &FakeTts::new(Duration::ZERO), Party::default(), &Agent::default())
}

fn of_chat(replies: &[&str]) -> Reply {
    Reply::spoken(
        ID,
        answer(replies),
        &FakeTts::new(Duration::ZERO),
        Party::default(),
        &Agent::default(),
    )
}

fn answer(replies: &[&str]) -> ReplyStream {
    ScriptedLlm::new(replies, Duration::ZERO, Duration::ZERO).reply(Chat::default())
}

/// An agent whose model may look something up.
fn looking() -> Agent {
    let tool = Tool { name: "look".into(), description: String::new(), parameters: true.into() };
    Agent { tools: vec![tool], ..Agent::default() }
}

fn cutting(text: ReplyStream) -> Cutting {
    let cutter = ClauseCutter::new(None);
    Cutting { text: Some(text), cutter, pieces: 0, meter: Arc::default(), calls: None }
}

/// Takes everything that comes, as a session would that lets the reply out at once.
async fn take_all(reply: &mut Reply) -> (Vec<Spoken>, ReplyNews) {
    let mut spoken = Vec::new();
    loop {
        match reply.next().await {
            ReplyNews::Ready => {
                reply.ready_at = Some(now());
                reply.released_at = Some(now());
            }
            ReplyNews::Piece(piece) => spoken.extend(reply.end_clause(piece)),
            told @ (ReplyNews::Wrote(_) | ReplyNews::Called(_)) => panic!("not spoken: {told:?}"),
            end @ (ReplyNews::Whole | ReplyNews::Failed(_)) => return (spoken, end),
        }
        if let Some(last) = spoken.last() {
            reply.played(last.mark);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_marked_clause_by_clause() {
    let mut reply = of_text("Hello there. How are you?");
    let (spoken, end) = take_all(&mut reply).await;
    assert!(matches!(end, ReplyNews::Whole));
    let told: Vec<(u32, &str, u128)> =
        spoken.iter().map(|s| (s.mark.clause, s.text.as_str(), s.duration.as_millis())).collect();
    assert_eq!(told, [(0, "Hello there.", 400), (1, "How are you?", 600)]);
    assert_eq!(spoken[1].words[2], WordTime { word: "you?".into(), end: spoken[1].duration });
}

#[tokio::test(start_paused = true)]
async fn a_prepared_reply_tells_that_it_is_ready_and_waits_to_be_let_out() {
    let mut reply = of_text("Hello.");
    assert!(matches!(reply.next().await, ReplyNews::Ready));
    reply.ready_at = Some(now());
    assert!(reply.next().now_or_never().is_none());
    reply.released_at = Some(now());
    let first = reply.next().await;
    assert!(
        matches!(first, ReplyNews::Piece(SpeechPiece::Audio(_))),
        "nothing was lost: {first:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_far_ahead_of_the_caller_waits_until_more_was_heard() {
    let sentence = "One two three four five six seven eight nine ten eleven twelve. ";
    let mut reply = of_text(&sentence.repeat(20));
    assert!(matches!(reply.next().await, ReplyNews::Ready));
    (reply.ready_at, reply.released_at) = (Some(now()), Some(now()));
    let mut marks = Vec::new();
    while let Some(ReplyNews::Piece(piece)) = reply.next().now_or_never() {
        marks.extend(reply.end_clause(piece).map(|spoken| spoken.mark));
    }
    assert!(reply.progress.sent >= Agent::TELEPHONE_LEAD);
    assert!(
        reply.progress.sent < Agent::TELEPHONE_LEAD + Duration::from_secs(3),
        "{:?}",
        reply.progress.sent
    );
    assert!(!reply.played(marks[2]));
    assert!(reply.next().now_or_never().is_some(), "goes on");
}

#[tokio::test(start_paused = true)]
async fn the_end_has_been_heard_only_when_nothing_more_comes() {
    let mut reply = of_text("Hello.");
    let mark = Mark { reply: ID, clause: 0 };
    let (spoken, _) = take_all(&mut reply).await;
    assert_eq!(spoken.len(), 1);
    assert!(reply.is_heard() && reply.played(mark));
    let mut early = of_text("Hello.");
    early.end_clause(clause_end("Hello."));
    assert!(!early.played(mark), "it is not known that this was all");
    assert!(!early.is_heard());
}

#[tokio::test(start_paused = true)]
async fn the_first_token_is_timed_and_failures_come_after_what_was_whole() {
    let mut reply = of_chat(&["We open at nine. And we !"]);
    assert!(reply.meter.first_token.get().is_none());
    let (spoken, end) = take_all(&mut reply).await;
    assert!(reply.meter.first_token.get().is_some());
    assert!(matches!(end, ReplyNews::Failed(ModelError::Engine { .. })), "{end:?}");
    let texts: Vec<&str> = spoken.iter().map(|s| s.text.as_str()).collect();
    assert_eq!(texts, ["We open at nine."], "half a clause is not spoken");
    assert!(reply.next().now_or_never().is_none(), "and nothing follows");
}

#[tokio::test(start_paused = true)]
async fn only_text_is_spoken() {
    let usage = ReplyPiece::Usage {
        prompt: 9,
        cached: 3,
        generated: 4,
        finish: trunkline_inference::FinishReason::Stop,
    };
    let tool = ReplyPiece::ToolCall(ToolCall { name: "lookup".into(), arguments: "{}".into() });
    let pieces = [ReplyPiece::Text("One ".into()), tool, ReplyPiece::Text("two.".into()), usage];
    let text: ReplyStream = Box::pin(stream::iter(pieces.map(Ok)));
    let cut = clauses(cutting(text), Span::none());
    let cut: Vec<String> = cut.map(|clause| clause.unwrap().text).collect().await;
    assert_eq!(cut, ["One two."]);
}

/// All the news of a reply that is let out when it is ready, sound left out.
async fn news_of(mut reply: Reply) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let news = reply.next().await;
        match &news {
            ReplyNews::Ready => {
                (reply.ready_at, reply.released_at) = (Some(now()), Some(now()));
                told.push("ready".to_owned());
            }
            ReplyNews::Piece(SpeechPiece::Audio(_)) => {}
            ReplyNews::Piece(SpeechPiece::ClauseEnd { clause, .. }) => {
                told.push(clause.text.clone());
            }
            ReplyNews::Wrote(text) => told.push(format!("wrote {text}")),
            ReplyNews::Called(call) => told.push(format!("calls {}", call.name)),
            ReplyNews::Whole => told.push("whole".to_owned()),
            ReplyNews::Failed(_) => told.push("failed".to_owned()),
        }
        if matches!(news, ReplyNews::Whole | ReplyNews::Failed(_)) {
            return told;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn functions_are_called_beside_what_is_spoken_and_before_the_end() {
    let tts = FakeTts::new(Duration::from_millis(100));
    let spoken =
        |text: &str| Reply::spoken(ID, answer(&[text]), &tts, Party::default(), &looking());
    let told = news_of(spoken("One moment. [look] [listen]")).await;
    assert_eq!(told, ["ready", "One moment.", "calls look", "calls listen", "whole"]);
    assert_eq!(news_of(spoken("[look]")).await, ["ready", "calls look", "whole"]);
    assert_eq!(news_of(spoken("[look] !")).await, ["failed"], "what failed calls nothing");
    let many = "[look] ".repeat(40);
    assert_eq!(news_of(spoken(&format!("So: {many}"))).await.len(), 43, "none is lost");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_only_calls_is_held_back_until_it_is_let_out() {
    let tts = FakeTts::new(Duration::ZERO);
    let mut reply = Reply::spoken(ID, answer(&["[look]"]), &tts, Party::default(), &looking());
    assert!(matches!(reply.next().await, ReplyNews::Ready));
    reply.ready_at = Some(now());
    assert!(reply.next().now_or_never().is_none());
    reply.released_at = Some(now());
    assert!(matches!(reply.next().await, ReplyNews::Called(_)));
    assert_eq!((reply.call(), reply.call()), (0, 1), "counted from 0");
    assert!(matches!(reply.next().await, ReplyNews::Whole));
    assert!(reply.is_heard() && reply.is_whole());
}

#[tokio::test(start_paused = true)]
async fn a_written_reply_comes_as_the_model_writes_it() {
    let written = |text: &str, agent: &Agent| Reply::written(ID, answer(&[text]), agent);
    let told = news_of(written("At nine. [look]", &looking())).await;
    assert_eq!(told, ["ready", "wrote At ", "wrote nine. ", "calls look", "whole"]);
    let told = news_of(written("At [look] !", &Agent::default())).await;
    assert_eq!(told, ["ready", "wrote At ", "failed"], "it knows no functions");
    assert_eq!(news_of(written("", &Agent::default())).await, ["whole"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_model_took_is_known_once_it_told() {
    let usage = ReplyPiece::Usage {
        prompt: 9,
        cached: 3,
        generated: 4,
        finish: trunkline_inference::FinishReason::Length,
    };
    let pieces = || -> ReplyStream {
        Box::pin(stream::iter([Ok(ReplyPiece::Text("Yes.".into())), Ok(usage.clone())]))
    };
    let agent = Agent::default();
    for mut reply in [
        Reply::spoken(ID, pieces(), &FakeTts::new(Duration::ZERO), Party::default(), &agent),
        Reply::written(ID, pieces(), &agent),
    ] {
        assert_eq!(reply.meter.usage(), Usage::default());
        let meter = Arc::clone(&reply.meter);
        reply.released_at = Some(now());
        news_of(reply).await;
        let usage = meter.usage();
        assert_eq!((usage.prompt, usage.cached, usage.generated), (9, 3, 4));
        assert_eq!(usage.finish, trunkline_inference::FinishReason::Length);
    }
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_logged_of_a_reply_names_the_call_and_the_reply_whoever_polls_it() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let text: ReplyStream = Box::pin(stream::iter([
            Ok(ReplyPiece::Text("Hello.".into())),
            Ok(ReplyPiece::Usage {
                prompt: 9,
                cached: 3,
                generated: 4,
                finish: trunkline_inference::FinishReason::Stop,
            }),
        ]));
        let call = tracing::info_span!("call", call = "c1");
        let span = call.in_scope(|| tracing::info_span!("reply", reply = 4));
        let cut = clauses(cutting(text), span);
        assert_eq!(cut.collect::<Vec<_>>().now_or_never().unwrap().len(), 1);
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains(r#"call{call="c1"}:reply{reply=4}"#), "{text}");
    assert!(text.contains("reply generated"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_voice_gets_what_can_be_said_and_the_chat_keeps_what_was_written() {
    /// Notes what it is to say.
    #[derive(Default)]
    struct Note(Arc<Mutex<Vec<Clause>>>);
    impl TextToSpeech for Note {
        fn speak(&self, clauses: ClauseStream, _: &Voice, _: Party) -> SpeechStream {
            let said = Arc::clone(&self.0);
            Box::pin(clauses.map(move |clause| {
                let clause = clause?;
                said.lock().unwrap().push(clause.clone());
                let (duration, words) = (Duration::from_secs(1), Vec::new());
                Ok(SpeechPiece::ClauseEnd { clause, duration, words })
            }))
        }
        fn voices(&self) -> Vec<String> {
            Vec::new()
        }
    }
    let voice = Note::default();
    let agent = Agent { language: Some("en".into()), ..Agent::default() };
    let text = Box::pin(stream::iter([Ok(ReplyPiece::Text("It costs $5.".into()))]));
    let mut reply = Reply::spoken(ID, text, &voice, Party::default(), &agent);
    let (spoken, _) = take_all(&mut reply).await;
    assert_eq!(spoken[0].text, "It costs $5.");
    assert_eq!(voice.0.lock().unwrap()[0].speakable, "It costs five dollars.");
}

fn clause_end(text: &str) -> SpeechPiece {
    let clause = Clause { text: text.into(), speakable: text.into() };
    SpeechPiece::ClauseEnd { clause, duration: Duration::from_millis(200), words: Vec::new() }
}

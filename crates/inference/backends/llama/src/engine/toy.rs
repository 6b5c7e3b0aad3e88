//! The engine on a toy network whose next token depends on every token before it: whatever is cached,
//! copied or cut, a reply must be the one that a fresh network writes.

mod promises;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures::{StreamExt, executor::block_on};
use proptest::prelude::*;
use trunkline_inference::{
    Chat, ChatOptions, Lane, Message, ModelError, Priority, ReplyPiece, ReplyStream, Role,
};

use super::{ReplyEngine, Request};
use crate::{
    network::{EvaluateError, Limits, Network, Row},
    template::{ChatTemplate, TokenTexts},
    vocabulary::{Vocabulary, toy::Toy as ToyVocabulary},
};

const SYSTEM: &str = "You answer the telephone of a small hotel and are brief.";

#[test]
fn the_next_turn_evaluates_only_what_is_new() {
    let toy = Toy::start(Machine::default());
    let (reply, usage) = toy.run(chat(1, &["hello"], 12));
    let (_, next) = toy.run(chat(1, &["hello", &reply, "and now?"], 12));
    assert_eq!(usage.1, 0);
    assert!(next.0 - next.1 < 80 && next.1 > usage.0, "{usage:?} {next:?}");
}

#[test]
fn a_warm_up_is_used_though_the_words_go_on_differently() {
    let toy = Toy::start(Machine::default());
    let (text, warm) = toy.run(chat(1, &["what are your"], 0));
    assert_eq!((text.as_str(), warm.2), ("", 0));
    let before = toy.evaluated();
    let (_, usage) = toy.run(chat(1, &["what are your opening hours"], 1));
    assert_eq!(usage.1, warm.0);
    assert_eq!(toy.evaluated() - before, (usage.0 - warm.0) as usize);
}

#[test]
fn a_warm_up_of_the_instructions_serves_the_first_question() {
    let toy = Toy::start(Machine::default());
    let (_, warm) = toy.run(chat(1, &[], 0));
    let (_, usage) = toy.run(chat(1, &["hello"], 4));
    assert_eq!(usage.1, warm.0);
}

#[test]
fn calls_that_begin_together_evaluate_the_instructions_once() {
    let toy = Toy::start(Machine { step_tokens: 16, ..Machine::default() });
    let questions = ["first?", "second?", "third?", "fourth?"];
    let streams: Vec<_> = questions.iter().map(|q| toy.open(chat(1, &[q], 3))).collect();
    let prompts: usize = streams.into_iter().map(|s| drain(s).unwrap().1.0 as usize).sum();
    assert!(toy.evaluated() < prompts / 2, "{} of {prompts}", toy.evaluated());
}

#[test]
fn calls_of_different_salts_share_nothing() {
    let toy = Toy::start(Machine::default());
    toy.run(chat(1, &["hello"], 4));
    let (_, usage) = toy.run(chat(2, &["hello"], 4));
    assert_eq!(usage.1, 0);
}

#[test]
fn a_dropped_reply_leaves_what_was_evaluated_for_the_next_one() {
    let toy = Toy::start(Machine::default());
    let mut stream = toy.open(chat(1, &["tell me a long story"], 100_000));
    assert!(matches!(block_on(stream.next()), Some(Ok(ReplyPiece::Text(_)))));
    drop(stream);
    let (_, usage) = toy.run(chat(1, &["tell me a long story"], 1));
    assert_eq!(usage.1, usage.0 - 1);
}

#[test]
fn on_shared_cores_a_reply_rests_while_nobody_waits_for_it() {
    let written_unasked = |on_demand| {
        let toy = Toy::start(Machine { on_demand, ..Machine::default() });
        let mut stream = toy.open(chat(1, &["tell me a long story"], 200));
        assert!(matches!(block_on(stream.next()), Some(Ok(ReplyPiece::Text(_)))));
        thread::sleep(Duration::from_millis(100));
        let evaluated = toy.evaluated();
        let (_, (prompt, ..)) = drain(stream).unwrap();
        evaluated - prompt as usize
    };
    assert!(written_unasked(true) <= 1);
    assert!(written_unasked(false) > 10);
}

#[test]
fn old_prompts_give_way_when_there_is_no_room() {
    let toy = Toy::start(Machine { cells: 260, slots: 1, kept: 3, ..Machine::default() });
    for salt in 0..6 {
        let (_, usage) = toy.run(chat(salt, &["hello"], 5));
        assert_eq!(usage.1, 0);
    }
}

#[test]
fn without_any_room_the_reply_fails_and_the_next_one_does_not() {
    let toy = Toy::start(Machine { cells: 100, slots: 1, kept: 0, ..Machine::default() });
    let error = drain(toy.open(chat(1, &["hello"], 5))).unwrap_err();
    assert!(error.is_retryable());
    let short = Chat { messages: vec![said(Role::User, "hi")], ..chat(1, &[], 2) };
    assert!(drain(toy.open(short)).is_ok());
}

#[test]
fn a_chat_longer_than_the_context_is_answered() {
    let toy = Toy::start(Machine { context: 200, ..Machine::default() });
    let turns: Vec<String> = (0..60).map(|i| format!("turn number {i}")).collect();
    let turns: Vec<&str> = turns.iter().map(String::as_str).collect();
    let (_, usage) = toy.run(chat(1, &turns, 100_000));
    assert!(usage.0 <= 150 && usage.0 + usage.2 <= 201, "{usage:?}");
}

#[test]
fn an_empty_chat_is_a_bad_request() {
    let toy = Toy::start(Machine::default());
    let error = drain(toy.open(Chat::default())).unwrap_err();
    assert!(matches!(error, ModelError::BadRequest(_)));
}

#[test]
fn a_network_with_a_running_state_answers_the_same() {
    let toy = Toy::start(Machine { can_trim: false, ..Machine::default() });
    toy.run(chat(1, &["hello"], 9));
    assert_eq!(toy.run(chat(1, &["hello you"], 9)).0, fresh(chat(1, &["hello you"], 9)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_cached_every_reply_is_that_of_a_fresh_network(
        jobs in proptest::collection::vec((0_u64..2, 0_usize..4, 0_u32..9, any::<bool>()), 1..14),
        slots in 1_usize..4,
        step_tokens in 4_usize..40,
        can_trim in any::<bool>(),
    ) {
        let toy = Toy::start(Machine { slots, step_tokens, can_trim, cells: 900, ..Machine::default() });
        let questions = [&["hi"][..], &["hi", "hello", "what?"], &["hi there"], &["no", "yes", "ok"]];
        let mut open = Vec::new();
        for (salt, question, max_tokens, is_dropped) in jobs {
            let chat = chat(salt, questions[question], max_tokens);
            let stream = toy.open(chat.clone());
            if is_dropped {
                drop(stream);
            } else {
                open.push((chat, stream));
            }
        }
        for (chat, stream) in open {
            prop_assert_eq!(drain(stream).unwrap().0, fresh(chat));
        }
    }
}

/// Prompt, cached and generated tokens.
type Usage = (u32, u32, u32);

struct Toy {
    lane: Lane<ReplyEngine<ToyNetwork>>,
    evaluated: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
struct Machine {
    slots: usize,
    kept: usize,
    step_tokens: usize,
    context: usize,
    cells: usize,
    can_trim: bool,
    on_demand: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            slots: 4,
            kept: 2,
            step_tokens: 64,
            context: 1000,
            cells: 10_000,
            can_trim: true,
            on_demand: true,
        }
    }
}

impl Toy {
    fn start(machine: Machine) -> Self {
        let evaluated = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&evaluated);
        let lane = Lane::start("toy", Priority::WithAudio, move || {
            let limits = Limits {
                slots: machine.slots,
                sequences: machine.slots + machine.kept,
                step_tokens: machine.step_tokens.max(machine.slots),
                context_tokens: machine.context,
                on_demand: machine.on_demand,
            };
            let network = ToyNetwork {
                remembered: BTreeMap::new(),
                last: Vec::new(),
                cells: machine.cells,
                can_trim: machine.can_trim,
                evaluated: count,
                vocabulary: Arc::new(ToyVocabulary::bytes()),
            };
            let template = ChatTemplate::of_model(None, TokenTexts::default()).unwrap();
            ReplyEngine::new(network, Arc::new(template), limits)
        });
        Self { lane: lane.unwrap(), evaluated }
    }

    fn run(&self, chat: Chat) -> (String, Usage) {
        drain(self.open(chat)).unwrap()
    }

    fn open(&self, chat: Chat) -> ReplyStream {
        self.lane.open(Request::Chat(chat))
    }

    fn evaluated(&self) -> usize {
        self.evaluated.load(Ordering::SeqCst)
    }
}

fn fresh(chat: Chat) -> String {
    Toy::start(Machine::default()).run(chat).0
}

#[expect(clippy::panic_in_result_fn, reason = "the result is the stream's, the panic the test's")]
fn drain(stream: ReplyStream) -> Result<(String, Usage), ModelError> {
    let mut text = String::new();
    let mut usage = None;
    for piece in block_on(stream.collect::<Vec<_>>()) {
        assert_eq!(usage, None, "the usage is the last piece");
        match piece? {
            ReplyPiece::Text(more) => text.push_str(&more),
            ReplyPiece::ToolCall(call) => panic!("the toy calls no tools: {call:?}"),
            ReplyPiece::Logprobs(tokens) => panic!("nobody asked for these: {tokens:?}"),
            ReplyPiece::Usage { prompt, cached, generated, .. } => {
                usage = Some((prompt, cached, generated));
            }
        }
    }
    Ok((text, usage.unwrap()))
}

fn said(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

/// The caller and the agent take turns.
fn chat(cache_salt: u64, turns: &[&str], max_tokens: u32) -> Chat {
    let roles = [Role::User, Role::Assistant];
    let turns = turns.iter().enumerate().map(|(i, turn)| said(roles[i % 2], turn));
    Chat {
        messages: std::iter::once(said(Role::System, SYSTEM)).chain(turns).collect(),
        options: ChatOptions { max_tokens, ..ChatOptions::default() },
        cache_salt,
        ..Chat::default()
    }
}

struct ToyNetwork {
    remembered: BTreeMap<usize, Vec<i32>>,
    /// What each row of the last evaluation leads to, and none at all.
    last: Vec<Vec<f32>>,
    cells: usize,
    can_trim: bool,
    evaluated: Arc<AtomicUsize>,
    vocabulary: Arc<dyn Vocabulary>,
}

impl Network for ToyNetwork {
    fn vocabulary(&self) -> &Arc<dyn Vocabulary> {
        &self.vocabulary
    }

    fn can_trim(&self) -> bool {
        self.can_trim
    }

    fn trim(&mut self, sequence: usize, keep: usize) -> usize {
        let tokens = self.remembered.entry(sequence).or_default();
        let keep = if self.can_trim || keep == tokens.len() { keep } else { 0 };
        assert!(keep <= tokens.len());
        tokens.truncate(keep);
        keep
    }

    fn copy(&mut self, from: usize, to: usize, keep: usize) {
        assert!(self.remembered[&to].is_empty(), "copied onto something");
        let beginning = self.remembered[&from][..keep].to_vec();
        self.remembered.insert(to, beginning);
    }

    #[expect(clippy::panic_in_result_fn, reason = "a toy that is misused fails the test")]
    fn evaluate(
        &mut self,
        rows: &[Row],
        is_abandoned: &dyn Fn() -> bool,
    ) -> Result<(), EvaluateError> {
        if is_abandoned() {
            return Err(EvaluateError::Abandoned);
        }
        let used: usize = self.remembered.values().map(Vec::len).sum();
        if used + rows.len() > self.cells {
            return Err(EvaluateError::Full);
        }
        self.evaluated.fetch_add(rows.len(), Ordering::SeqCst);
        self.last.clear();
        for row in rows {
            let tokens = self.remembered.entry(row.sequence).or_default();
            assert_eq!(tokens.len(), row.position, "a hole in a sequence");
            tokens.push(row.token.0);
            self.last.push(if row.is_sampled { thoughts(tokens) } else { Vec::new() });
        }
        Ok(())
    }

    fn logits(&mut self, row: usize) -> &[f32] {
        assert!(!self.last[row].is_empty(), "row {row} was not to be sampled");
        &self.last[row]
    }
}

/// What a toy thinks of each byte: it likes one letter best, which depends on all tokens and their
/// order.
fn thoughts(tokens: &[i32]) -> Vec<f32> {
    let hash = tokens.iter().fold(17_i64, |hash, &t| (hash * 31 + i64::from(t)) % 1_000_003);
    let mut logits = vec![0.0; 256];
    logits[usize::from(b'a') + usize::try_from(hash % 26).unwrap()] = 1.0;
    logits
}

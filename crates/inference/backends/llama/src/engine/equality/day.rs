//! Calls that come and go on one engine, by chance, the same for the same seed.

use std::{path::Path, sync::mpsc};

use trunkline_inference::{Chat, ChatOptions, Message, ReplyStream, Role};

use super::alone::{Alone, Reply, Script, start};
use crate::{
    config::{Kernels, LlamaConfig},
    engine::Request,
    testbed::Chance,
};

/// Joins and departures are before these steps; the first call writes for longer, and no more than its
/// reader has room for.
const LAST_JOIN: usize = 16;
const LAST_DEPARTURE: usize = 8;
const FIRST_WRITES: u32 = 26;
const TOP: u8 = 20;
const INSTRUCTIONS: [&str; 3] = [
    "You answer the telephone of a small hotel by the lake and are brief",
    "You answer the telephone of a small garage and are very polite",
    "Be brief",
];
const WORDS: [&str; 8] = ["room", "lake", "tyre", "monday", "how much", "thanks", "my", "seven"];

/// A day of an engine.
#[derive(Debug)]
pub(super) struct Day {
    pub(super) calls: Vec<Call>,
    slots: u32,
    kept_prompts: u32,
    batch_tokens: u32,
}

/// A call that wants one reply, or only its prompt evaluated.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) chat: Chat,
    /// Whether nobody else has its salt.
    pub(super) is_stranger: bool,
    /// The step before which it joins.
    joins: usize,
    /// The step before which it leaves; `None` stays to the end.
    leaves: Option<usize>,
}

impl Day {
    pub(super) fn of(seed: u64, alone: &mut Alone) -> Self {
        let mut chance = Chance::of(seed);
        let first = random_chat(&mut chance, FIRST_WRITES);
        let mut calls = vec![Call { chat: first, is_stranger: false, joins: 0, leaves: None }];
        for number in 0..3 + chance.below(4) {
            let mut before = calls[chance.below(calls.len())].chat.clone();
            // A stranger's salt stays its own.
            before.cache_salt = before.cache_salt.min(1);
            let writes = if chance.once_in(5) { 0 } else { 1 + small(chance.below(12)) };
            let mut chat = match chance.below(4) {
                0 => Chat { options: options(writes), ..before },
                1 => next_turn(&mut chance, alone, &before, writes),
                _ => random_chat(&mut chance, writes),
            };
            let is_stranger = chance.once_in(8);
            if is_stranger {
                chat.cache_salt = 1000 + number as u64;
            }
            let joins = chance.below(LAST_JOIN);
            let leaves = chance.once_in(3).then(|| joins + chance.below(LAST_DEPARTURE));
            calls.push(Call { chat, is_stranger, joins, leaves });
        }
        let slots = 2 + small(chance.below(3));
        let (kept_prompts, batch_tokens) = (small(chance.below(4)), 8 + small(chance.below(90)));
        Self { calls, slots, kept_prompts, batch_tokens }
    }

    /// The replies of all that stay to the end.
    pub(super) fn run(&self, path: &Path, kernels: Kernels) -> Vec<Option<Reply>> {
        let config = LlamaConfig {
            slots: self.slots,
            kept_prompts: self.kept_prompts,
            batch_tokens: self.batch_tokens,
            kernels,
            ..LlamaConfig::new(path)
        };
        let script = Script::default();
        let lane = start(config, script.clone());
        let (streams, staying) = mpsc::sync_channel(self.calls.len());
        let opener = lane.clone();
        let later: Vec<_> = self.calls.iter().cloned().enumerate().skip(1).collect();
        let (mut step, mut leaving) = (0, Vec::<(usize, ReplyStream)>::new());
        script.set(move || {
            for (number, call) in later.iter().filter(|(_, call)| call.joins == step) {
                let stream = opener.open(Request::Chat(call.chat.clone()));
                match call.leaves {
                    Some(at) => leaving.push((at, stream)),
                    None => streams.send((*number, stream)).unwrap(),
                }
            }
            leaving.retain(|&(at, _)| at > step);
            step += 1;
        });
        let mut replies = vec![None; self.calls.len()];
        replies[0] = Some(Reply::read(lane.open(Request::Chat(self.calls[0].chat.clone()))));
        script.end();
        for (number, stream) in staying {
            replies[number] = Some(Reply::read(stream));
        }
        replies
    }
}

/// Instructions, and what the caller and the agent say in turn.
pub(super) fn chat(said: &[&str], writes: u32) -> Chat {
    let roles = [Role::User, Role::Assistant];
    let turns = said.iter().skip(1).enumerate().map(|(i, turn)| Message::new(roles[i % 2], *turn));
    let instructions = Message::new(Role::System, said[0]);
    Chat {
        messages: std::iter::once(instructions).chain(turns).collect(),
        options: options(writes),
        ..Chat::default()
    }
}

fn options(writes: u32) -> ChatOptions {
    ChatOptions { max_tokens: writes, top_logprobs: Some(TOP), ..ChatOptions::default() }
}

fn random_chat(chance: &mut Chance, writes: u32) -> Chat {
    let instructions = INSTRUCTIONS[chance.below(INSTRUCTIONS.len())];
    let words = random_words(chance);
    Chat { cache_salt: chance.below(2) as u64, ..chat(&[instructions, &words], writes) }
}

fn random_words(chance: &mut Chance) -> String {
    let words: Vec<_> = (0..=chance.below(5)).map(|_| WORDS[chance.below(WORDS.len())]).collect();
    words.join(" ")
}

/// The chat after its reply, of which only the beginning was heard.
fn next_turn(chance: &mut Chance, alone: &mut Alone, before: &Chat, writes: u32) -> Chat {
    let mut chat = before.clone();
    let reply = alone.reply(&Chat { options: options(FIRST_WRITES), ..chat.clone() }).text;
    let heard = reply.chars().take(1 + chance.below(reply.len())).collect::<String>();
    chat.messages.push(Message::new(Role::Assistant, heard));
    chat.messages.push(Message::new(Role::User, random_words(chance)));
    Chat { options: options(writes), ..chat }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

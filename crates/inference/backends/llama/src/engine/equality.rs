//! Batched replies are unbatched ones, on a real network: whoever joins, leaves or shares a beginning meanwhile, a
//! reply has the tokens that the model writes alone, and thinks of each what it thinks alone.
//!
//! With this project's kernels that is so to the last bit. llama.cpp sums in another order when other rows are in
//! the batch, so that numbers differ a little. Two replies may part where the best two tokens are as close as that,
//! and nowhere else.

mod alone;
mod day;
mod real;

use std::ops::Range;

use trunkline_inference::TokenLogprobs;

use self::{
    alone::{Alone, Reply},
    day::{Day, chat},
};
use crate::{config::Kernels, testbed};

/// How far the logarithms of a token's probabilities may be apart. Rounded to 4 and 8 bits, a sum in another order
/// comes out another number now and then: 0.38 is the most of 38,339 tokens with the 20 most probable of each.
const TOLERANCE: f32 = 0.5;

// A thousand seeds, in parts so that they run side by side.

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_this_projects_kernels_alone_part_1() {
    compare(Kernels::Native, 0..250);
}

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_this_projects_kernels_alone_part_2() {
    compare(Kernels::Native, 250..500);
}

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_this_projects_kernels_alone_part_3() {
    compare(Kernels::Native, 500..750);
}

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_this_projects_kernels_alone_part_4() {
    compare(Kernels::Native, 750..1000);
}

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_llama_cpp_alone_part_1() {
    compare(Kernels::LlamaCpp, 0..250);
}

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_llama_cpp_alone_part_2() {
    compare(Kernels::LlamaCpp, 250..500);
}

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_llama_cpp_alone_part_3() {
    compare(Kernels::LlamaCpp, 500..750);
}

#[test]
fn whoever_joins_or_leaves_replies_are_those_of_llama_cpp_alone_part_4() {
    compare(Kernels::LlamaCpp, 750..1000);
}

#[test]
fn this_projects_kernels_think_what_llama_cpp_thinks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut compared = Compared::within(TOLERANCE);
    for seed in 1..5 {
        testbed::write_model(&path, seed);
        let [mut theirs, mut ours] =
            [Kernels::LlamaCpp, Kernels::Native].map(|kernels| Alone::new(&path, kernels));
        for words in ["what is a room", "my name is anna", "the boat leaves at ten, or at three"] {
            let chat = chat(&["You answer the telephone of a small hotel", words], 24);
            let (theirs, ours) = (theirs.reply(&chat), ours.reply(&chat));
            compared.add(&theirs, &ours).unwrap_or_else(|difference| panic!("{difference}"));
        }
    }
    println!("{compared:?}");
    assert!(compared.tokens > 100, "{compared:?}");
}

#[test]
fn what_another_said_would_show() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    testbed::write_model(&path, 1);
    let mut alone = Alone::new(&path, Kernels::Fastest);
    let mut reply = |words: &str| alone.reply(&chat(&["You are brief", words], 6));
    for (said, also) in [("my name is anna", "what is a room"), ("call me", "thank you")] {
        let (said, also) = (reply(said), reply(also));
        assert!(Compared::within(TOLERANCE).add(&said, &also).is_err(), "{said:?} {also:?}");
    }
}

/// Compares every reply of these days with what the model writes alone.
fn compare(kernels: Kernels, seeds: Range<u64>) {
    let days = seeds.end - seeds.start;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    testbed::write_model(&path, 1);
    let mut alone = Alone::new(&path, kernels);
    let tolerance = if kernels == Kernels::Native { 0.0 } else { TOLERANCE };
    let mut compared = Compared::within(tolerance);
    for seed in seeds {
        let day = Day::of(seed, &mut alone);
        for (call, reply) in day.calls.iter().zip(day.run(&path, kernels)) {
            let Some(reply) = reply else { continue };
            let expected = alone.reply(&call.chat);
            compared.add(&expected, &reply).unwrap_or_else(|difference| {
                panic!("seed {seed}: {difference}\n{day:#?}\nalone {expected:?}\nthere {reply:?}")
            });
            assert!(!call.is_stranger || reply.cached == 0, "seed {seed}: took another's prompt");
        }
    }
    println!("{compared:?}");
    // The days are such that there is something to compare and something to confuse.
    assert!(compared.tokens > 20 * days && compared.from_cache > days, "{compared:?}");
    assert!(compared.parted * 4 < compared.replies, "{compared:?}");
}

/// What was found equal.
#[derive(Debug, Default)]
struct Compared {
    tolerance: f32,
    replies: u64,
    tokens: u64,
    /// Replies that took over part of their prompt.
    from_cache: u64,
    /// Replies that went another way at a near-tie.
    parted: u64,
    /// The largest difference of two logarithms of probabilities.
    most_apart: f32,
}

impl Compared {
    /// Nothing yet. Of tokens whose probabilities' logarithms are within twice the tolerance of each
    /// other either may be chosen.
    fn within(tolerance: f32) -> Self {
        Self { tolerance, ..Self::default() }
    }

    /// Compares a reply with what the model writes alone; says where they are not the same.
    fn add(&mut self, alone: &Reply, there: &Reply) -> Result<(), String> {
        self.replies += 1;
        self.from_cache += u64::from(there.cached > 0);
        for (at, (expected, found)) in alone.tokens.iter().zip(&there.tokens).enumerate() {
            let apart = difference(expected, found);
            if apart > self.tolerance {
                return Err(format!("token {at} is {apart} apart"));
            }
            self.most_apart = self.most_apart.max(apart);
            if expected.chosen.bytes != found.chosen.bytes {
                let margin = expected.top[0].logprob - expected.top[1].logprob;
                self.parted += 1;
                return if margin <= 2.0 * self.tolerance {
                    Ok(())
                } else {
                    Err(format!("token {at} is another, though {margin} ahead"))
                };
            }
            self.tokens += 1;
        }
        if (&alone.text, alone.tokens.len()) == (&there.text, there.tokens.len()) {
            Ok(())
        } else {
            Err("one ends before the other".to_owned())
        }
    }
}

/// The largest difference of what is thought of a token, of those that both tell of.
fn difference(a: &TokenLogprobs, b: &TokenLogprobs) -> f32 {
    let of_both = a.top.iter().filter_map(|a| {
        let b = b.top.iter().find(|b| b.bytes == a.bytes)?;
        Some((a.logprob - b.logprob).abs())
    });
    // The best of one is at least among the first of the other.
    let is_there = b.top.iter().any(|b| b.bytes == a.chosen.bytes);
    of_both.fold(if is_there { 0.0 } else { f32::INFINITY }, f32::max)
}

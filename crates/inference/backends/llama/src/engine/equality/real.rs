//! The same on a real model.

use trunkline_inference::{Chat, ChatModel, ChatOptions, Message, Role};

use super::{Compared, alone::Reply};
use crate::{Kernels, Llama, LlamaConfig, real_tests};

/// Quantized, 24 layers deep: sums in another order are further apart than in the small model.
const TOLERANCE: f32 = 0.5;
const INSTRUCTIONS: &str = "You answer the telephone of a hotel by a lake. A room is ninety francs a night, \
    breakfast included. The boat leaves at ten and at three. Dogs are welcome on the ground floor.";
const QUESTIONS: [&str; 6] = [
    "What does a room cost?",
    "What does a room cost for three nights?",
    "When does the boat leave?",
    "May I bring my dog?",
    "Is breakfast included?",
    "Tell me about the house, please.",
];

#[test]
#[ignore = "needs models"]
fn real_replies_side_by_side_are_those_of_one_at_a_time() {
    compare_sides(Kernels::LlamaCpp, TOLERANCE);
}

#[test]
#[ignore = "needs models"]
fn real_replies_of_this_projects_kernels_are_the_same_side_by_side_to_the_last_bit() {
    compare_sides(Kernels::Native, 0.0);
}

#[test]
#[ignore = "needs models"]
fn real_replies_of_this_projects_kernels_are_those_of_llama_cpp() {
    for model in [real_tests::SMALL, real_tests::LARGE] {
        let [theirs, ours] = [Kernels::LlamaCpp, Kernels::Native].map(|kernels| {
            Llama::load(LlamaConfig { kernels, ..real_tests::config(model) }).unwrap()
        });
        let mut compared = Compared::within(TOLERANCE);
        for question in QUESTIONS {
            let [theirs, ours] =
                [&theirs, &ours].map(|llama| Reply::read(llama.reply(chat(question, 1))));
            compared.add(&theirs, &ours).unwrap_or_else(|difference| {
                panic!("{difference}\ntheirs {theirs:?}\nours {ours:?}")
            });
        }
        println!("{compared:?}");
        assert!(compared.tokens > 40, "{compared:?}");
    }
}

fn compare_sides(kernels: Kernels, tolerance: f32) {
    let config = LlamaConfig {
        slots: 6,
        batch_tokens: 48,
        kernels,
        ..real_tests::config(real_tests::SMALL)
    };
    let llama = Llama::load(config).unwrap();
    let alone: Vec<_> =
        (1..).zip(QUESTIONS).map(|(salt, q)| Reply::read(llama.reply(chat(q, salt)))).collect();
    let together: Vec<_> = QUESTIONS.map(|q| llama.reply(chat(q, 100))).into_iter().collect();
    let mut compared = Compared::within(tolerance);
    for (alone, together) in alone.iter().zip(together) {
        let together = Reply::read(together);
        compared.add(alone, &together).unwrap_or_else(|difference| {
            panic!("{difference}\nalone {alone:?}\nthere {together:?}")
        });
    }
    println!("{compared:?}");
    assert!(compared.from_cache > 0 && compared.tokens > 30, "{compared:?}");
}

fn chat(question: &str, cache_salt: u64) -> Chat {
    Chat {
        messages: vec![
            Message::new(Role::System, INSTRUCTIONS),
            Message::new(Role::User, question),
        ],
        options: ChatOptions { max_tokens: 24, top_logprobs: Some(5), ..ChatOptions::default() },
        cache_salt,
        ..Chat::default()
    }
}

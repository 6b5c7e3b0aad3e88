//! A chat made to fit: which messages are kept, and the tokens of the prompt.

use llama_cpp_2::token::LlamaToken;
use trunkline_inference::{Chat, Message, ModelError, Role};

use crate::{
    network::Network,
    template::{ChatTemplate, Ending},
};

/// Old messages are left out in groups of this many, so that the next turns find the same beginning
/// and only every few turns the whole prompt is evaluated anew.
const GROUP: usize = 8;

/// The tokens of a chat, at most `budget` of them.
///
/// A chat that only warms up (`max_tokens` is 0) ends with the words of its last message: whatever
/// follows them, the prompt of the reply begins so.
pub(crate) fn compose<N: Network>(
    network: &N,
    template: &ChatTemplate,
    chat: &Chat,
    budget: usize,
) -> Result<Vec<LlamaToken>, ModelError> {
    if chat.messages.is_empty() {
        return Err(ModelError::BadRequest("the chat is empty: give it a message".to_owned()));
    }
    let messages = without_control_texts(&chat.messages, network.control_texts());
    let is_warm_up = chat.options.max_tokens == 0;
    // The first failure of the template decides; a chat that fails is never shortened.
    template.render(&messages, Ending::Reply)?;
    let tokens = |messages: &[Message]| {
        let text = if is_warm_up {
            open_text(template, messages)
        } else {
            template.render(messages, Ending::Reply)
        };
        text.map_or_else(|_| Vec::new(), |text| network.tokenize(&text))
    };
    let kept = fit(messages, budget, |messages| tokens(messages).len());
    let mut prompt = tokens(&kept);
    if prompt.is_empty() {
        return Err(ModelError::BadRequest(
            "the model's chat template makes nothing of it".to_owned(),
        ));
    }
    prompt.truncate(budget);
    Ok(prompt)
}

/// The chat up to the end of its last words.
fn open_text(template: &ChatTemplate, messages: &[Message]) -> Result<String, ModelError> {
    let mut text = template.render(messages, Ending::Open)?;
    if let Some(Message { role: Role::User, content, .. }) = messages.last() {
        let words = content.trim();
        if let Some(at) = text.rfind(words) {
            text.truncate(at + words.len());
        }
    }
    Ok(text)
}

/// A caller cannot write a control token, such as the end of its own message.
fn without_control_texts(messages: &[Message], control_texts: &[String]) -> Vec<Message> {
    let clean = |message: &Message| {
        let mut content = message.content.clone();
        while let Some(text) = control_texts.iter().find(|text| content.contains(text.as_str())) {
            content = content.replace(text.as_str(), "");
        }
        Message { content, ..message.clone() }
    };
    messages.iter().map(clean).collect()
}

/// Leaves out the oldest messages after the system message until `count` is within the budget, then
/// shortens those that are left: the caller's last words keep their end, the instructions their
/// beginning.
fn fit(messages: Vec<Message>, budget: usize, count: impl Fn(&[Message]) -> usize) -> Vec<Message> {
    if count(&messages) <= budget {
        return messages;
    }
    let heads = messages.iter().take_while(|m| m.role == Role::System).count();
    let turns = messages.len() - heads;
    let mut kept = messages.clone();
    for left_out in (GROUP..=turns.next_multiple_of(GROUP).max(GROUP)).step_by(GROUP) {
        kept = keep_from(&messages, heads, heads + left_out);
        if count(&kept) <= budget {
            tracing::debug!(
                left_out,
                "the oldest turns are left out: the chat is longer than the context"
            );
            return kept;
        }
    }
    tracing::warn!(
        budget_tokens = budget,
        "a message alone is longer than the context: it is cut; allow more context tokens"
    );
    shorten(&mut kept, budget, &count);
    kept
}

/// The system messages and what comes from `first` on, beginning with the caller; at least the last
/// message.
fn keep_from(messages: &[Message], heads: usize, first: usize) -> Vec<Message> {
    let last = messages.len().saturating_sub(1);
    let first = (first.min(last)..last).find(|&i| messages[i].role == Role::User).unwrap_or(last);
    messages[..heads].iter().chain(&messages[first.max(heads)..]).cloned().collect()
}

fn shorten(kept: &mut [Message], budget: usize, count: &impl Fn(&[Message]) -> usize) {
    for at in (0..kept.len()).rev() {
        let whole = kept[at].content.clone();
        // The most characters that fit, by bisection.
        let (mut fits, mut too_long) = (0, whole.chars().count() + 1);
        while too_long - fits > 1 {
            let middle = usize::midpoint(fits, too_long);
            kept[at].content = part(&whole, kept[at].role, middle);
            if count(kept) <= budget {
                fits = middle;
            } else {
                too_long = middle;
            }
        }
        kept[at].content = part(&whole, kept[at].role, fits);
        if fits > 0 {
            return;
        }
    }
}

/// So many characters: the beginning of instructions, the end of everything else.
fn part(whole: &str, role: Role, chars: usize) -> String {
    match role {
        Role::System => whole.chars().take(chars).collect(),
        Role::User | Role::Assistant | Role::Tool => {
            let skip = whole.chars().count().saturating_sub(chars);
            whole.chars().skip(skip).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::template::TokenTexts;

    fn message(role: Role, content: &str) -> Message {
        Message::new(role, content)
    }

    /// A system message and `turns` messages, the caller's first.
    fn chat(turns: usize) -> Vec<Message> {
        let roles = [Role::User, Role::Assistant];
        let turns = (0..turns).map(|i| message(roles[i % 2], &format!("turn {i:03}")));
        std::iter::once(message(Role::System, "instructions")).chain(turns).collect()
    }

    fn count(messages: &[Message]) -> usize {
        messages.iter().map(|m| m.content.chars().count() + 2).sum()
    }

    #[test]
    fn a_chat_that_fits_is_left_alone() {
        assert_eq!(fit(chat(5), 1000, count), chat(5));
    }

    #[test]
    fn the_oldest_turns_go_and_the_instructions_stay() {
        let kept = fit(chat(21), 150, count);
        assert_eq!(kept[0].content, "instructions");
        assert_eq!(kept[1].content, "turn 008");
        assert_eq!(kept.last().unwrap().content, "turn 020");
    }

    #[test]
    fn the_next_turns_find_the_same_beginning() {
        let beginning = |turns| fit(chat(turns), 150, count)[1].content.clone();
        let beginnings: Vec<_> = (15..23).step_by(2).map(beginning).collect();
        assert_eq!(beginnings, ["turn 008"; 4]);
    }

    #[test]
    fn what_is_kept_begins_with_the_caller() {
        let mut messages = chat(21);
        messages.insert(1, message(Role::Assistant, "greeting"));
        let kept = fit(messages, 150, count);
        assert_eq!((kept[1].role, kept[1].content.as_str()), (Role::User, "turn 008"));
    }

    #[test]
    fn of_too_long_a_question_the_end_is_kept() {
        let messages =
            vec![message(Role::System, "short"), message(Role::User, &"abcdefghij".repeat(50))];
        let kept = fit(messages, 50, count);
        assert_eq!(kept[0].content, "short");
        assert!(kept[1].content.ends_with("hij") && count(&kept) == 50);
    }

    #[test]
    fn of_too_long_instructions_the_beginning_is_kept() {
        let messages =
            vec![message(Role::System, &"abcdefghij".repeat(50)), message(Role::User, "hello")];
        let kept = fit(messages, 50, count);
        assert!(kept[0].content.starts_with("abc"));
        assert!(count(&kept) <= 50);
    }

    #[test]
    fn a_caller_cannot_end_its_own_message() {
        let texts = ["<|im_end|>".to_owned(), "<s>".to_owned()];
        let said = [message(Role::User, "a<|im_<s>end|>b<s>")];
        assert_eq!(without_control_texts(&said, &texts)[0].content, "ab");
    }

    #[test]
    fn a_warm_up_ends_with_the_words_of_the_caller() {
        let template = ChatTemplate::of_model(None, TokenTexts::default()).unwrap();
        let mut messages = chat(0);
        let system = open_text(&template, &messages).unwrap();
        assert!(system.ends_with("<|im_end|>\n"));
        messages.push(message(Role::User, " What are your "));
        let warm = open_text(&template, &messages).unwrap();
        assert!(warm.ends_with("What are your") && warm.starts_with(&system));
    }

    proptest! {
        #[test]
        fn whatever_the_chat_it_fits_and_ends_with_the_last_words(
            lengths in proptest::collection::vec(1_usize..80, 1..40),
            budget in 20_usize..400,
        ) {
            let roles = [Role::User, Role::Assistant];
            let mut messages = vec![message(Role::System, "i")];
            for (i, length) in lengths.iter().enumerate() {
                messages.push(message(roles[i % 2], &"x".repeat(*length)));
            }
            let last = messages.last().unwrap().clone();
            let kept = fit(messages, budget, count);
            prop_assert!(count(&kept) <= budget);
            prop_assert!(last.content.ends_with(&kept.last().unwrap().content));
            prop_assert_eq!(kept[0].role, Role::System);
        }
    }
}

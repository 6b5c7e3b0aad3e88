//! A chat made to fit: which messages are kept, and the tokens of the prompt.

mod cleaning;

use llama_cpp_2::token::LlamaToken;
use trunkline_inference::{
    Chat, Completion, Message, ModelError, Overflow, Role, Tool, ToolChoice,
};

use self::cleaning::Cleaner;
use crate::{
    template::{ChatTemplate, Ending},
    vocabulary::Vocabulary,
};

/// Old messages are left out in groups of this many, so that the next turns find the same beginning
/// and only every few turns the whole prompt is evaluated anew.
const GROUP: usize = 8;

/// The tokens of a chat, at most `budget` of them.
///
/// A chat that only warms up (`max_tokens` is 0) ends with the words of its last message: whatever
/// follows them, the prompt of the reply begins so.
pub(crate) fn compose(
    vocabulary: &dyn Vocabulary,
    template: &ChatTemplate,
    chat: &Chat,
    budget: usize,
) -> Result<Vec<LlamaToken>, ModelError> {
    let Clean { messages, tools } = clean(vocabulary, chat)?;
    let is_warm_up = chat.options.max_tokens == 0;
    let text = |messages: &[Message]| {
        if is_warm_up {
            open_text(template, messages, &tools)
        } else {
            template.render(messages, &tools, Ending::Reply)
        }
    };
    // The first failure of the template decides; a chat that fails is never shortened.
    let whole = vocabulary.tokenize(&text(&messages)?);
    if whole.is_empty() {
        return Err(bad("the model's chat template makes nothing of it"));
    }
    if whole.len() <= budget || chat.overflow == Overflow::Refuse {
        return short_enough(whole, budget);
    }
    let tokens = |messages: &[Message]| {
        text(messages).map_or_else(|_| Vec::new(), |text| vocabulary.tokenize(&text))
    };
    let kept = fit(messages, budget, |messages| tokens(messages).len());
    let mut prompt = tokens(&kept);
    if prompt.is_empty() {
        return Err(bad("the model's chat template makes nothing of it"));
    }
    if prompt.len() > budget && !tools.is_empty() {
        return Err(bad("the tools do not fit into the model's context"));
    }
    prompt.truncate(budget);
    Ok(prompt)
}

fn short_enough(prompt: Vec<LlamaToken>, budget: usize) -> Result<Vec<LlamaToken>, ModelError> {
    if prompt.len() > budget {
        return Err(ModelError::TooLong { tokens: prompt.len(), most: budget });
    }
    Ok(prompt)
}

/// How many tokens a chat's prompt has, before anything of it is left out.
pub(crate) fn count(
    vocabulary: &dyn Vocabulary,
    template: &ChatTemplate,
    chat: &Chat,
) -> Result<usize, ModelError> {
    let Clean { messages, tools } = clean(vocabulary, chat)?;
    let text = template.render(&messages, &tools, Ending::Reply)?;
    Ok(vocabulary.tokenize(&text).len())
}

/// The tokens of a text to be continued.
pub(crate) fn of_text(
    vocabulary: &dyn Vocabulary,
    text: &Completion,
    budget: usize,
) -> Result<Vec<LlamaToken>, ModelError> {
    if text.prompt.is_empty() {
        return Err(bad("the prompt is empty: give it a text"));
    }
    short_enough(vocabulary.tokenize(&text.prompt), budget)
}

/// What a template is given of a chat.
struct Clean {
    messages: Vec<Message>,
    tools: Vec<Tool>,
}

fn clean(vocabulary: &dyn Vocabulary, chat: &Chat) -> Result<Clean, ModelError> {
    if chat.messages.is_empty() {
        return Err(bad("the chat is empty: give it a message"));
    }
    let cleaner = Cleaner::of(vocabulary.control_texts());
    let tools = if chat.tool_choice == ToolChoice::None { &[] } else { chat.tools.as_slice() };
    Ok(Clean {
        messages: chat.messages.iter().map(|message| cleaner.message(message)).collect(),
        tools: tools.iter().map(|tool| cleaner.tool(tool)).collect(),
    })
}

fn bad(reason: &str) -> ModelError {
    ModelError::BadRequest(reason.to_owned())
}

/// The chat up to the end of its last words.
fn open_text(
    template: &ChatTemplate,
    messages: &[Message],
    tools: &[Tool],
) -> Result<String, ModelError> {
    let mut text = template.render(messages, tools, Ending::Open)?;
    if let Some(Message { role: Role::User, content, .. }) = messages.last() {
        let words = content.trim();
        if let Some(at) = text.rfind(words) {
            text.truncate(at + words.len());
        }
    }
    Ok(text)
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
/// message, and where that is a tool's result, all since the caller asked for it.
fn keep_from(messages: &[Message], heads: usize, first: usize) -> Vec<Message> {
    let last = messages.len().saturating_sub(1);
    let first = (first.min(last)..=last)
        .find(|&i| messages[i].role == Role::User)
        .unwrap_or_else(|| exchange(messages, heads));
    messages[..heads].iter().chain(&messages[first.max(heads)..]).cloned().collect()
}

/// Where the last exchange begins: with the last message, or with the question that its calls and
/// their results answer.
fn exchange(messages: &[Message], heads: usize) -> usize {
    let last = messages.len().saturating_sub(1);
    if messages[last].role != Role::Tool && messages[last].tool_calls.is_empty() {
        return last;
    }
    (heads..last).rev().find(|&i| messages[i].role == Role::User).unwrap_or(heads)
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
    use crate::{template::TokenTexts, vocabulary::toy::Toy};

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

    fn called(name: &str) -> Message {
        let call =
            trunkline_inference::ToolCall { name: name.to_owned(), arguments: "{}".to_owned() };
        Message { tool_calls: vec![call], ..message(Role::Assistant, "") }
    }

    #[test]
    fn calls_and_their_results_stay_together() {
        let mut messages = chat(8);
        messages.push(message(Role::User, "asked"));
        for name in ["a", "b", "c", "d"] {
            messages.push(called(name));
            messages.push(message(Role::Tool, "result"));
        }
        let kept = fit(messages.clone(), 100, count);
        assert_eq!(kept[1].content, "asked");
        assert_eq!(kept.len(), 10);
        let kept = fit(messages, 30, count);
        assert_eq!(kept.len(), 10, "only their texts are shortened");
        assert!(count(&kept) <= 34, "{kept:?}");
    }

    #[test]
    fn a_text_is_taken_whole_or_refused() {
        let vocabulary = Toy::bytes();
        let text = |prompt: &str| Completion { prompt: prompt.to_owned(), ..Completion::default() };
        assert_eq!(of_text(&vocabulary, &text("abc"), 3).unwrap().len(), 3);
        let error = of_text(&vocabulary, &text(""), 3).unwrap_err();
        assert!(matches!(&error, ModelError::BadRequest(reason) if reason.contains("empty")));
        let error = of_text(&vocabulary, &text("abcd"), 3).unwrap_err();
        assert!(matches!(error, ModelError::TooLong { tokens: 4, most: 3 }));
    }

    #[test]
    fn a_chat_that_is_too_long_is_shortened_or_refused_as_it_asks() {
        let template = ChatTemplate::of_model(None, TokenTexts::default()).unwrap();
        let mut chat = Chat { messages: chat(40), ..Chat::default() };
        let compose = |chat: &Chat| compose(&Toy::bytes(), &template, chat, 300);
        assert!(compose(&chat).unwrap().len() <= 300);
        chat.overflow = Overflow::Refuse;
        assert!(matches!(compose(&chat), Err(ModelError::TooLong { most: 300, .. })));
        chat.messages.truncate(2);
        assert!(compose(&chat).is_ok());
    }

    #[test]
    fn a_chat_is_counted_with_its_tools_unless_it_may_not_call_them() {
        let template = ChatTemplate::of_model(None, TokenTexts::default()).unwrap();
        let tool = Tool {
            name: "weather".to_owned(),
            description: "d".repeat(500),
            parameters: serde_json::json!({}),
        };
        let plain = Chat { messages: chat(1), ..Chat::default() };
        let with_tool = Chat { tools: vec![tool], ..plain.clone() };
        let without = Chat { tool_choice: ToolChoice::None, ..with_tool.clone() };
        let count = |chat: &Chat| super::count(&Toy::bytes(), &template, chat).unwrap();
        assert_eq!(count(&plain), count(&without));
        assert!(count(&with_tool) > count(&plain) + 500);
        let error = compose(&Toy::bytes(), &template, &with_tool, 300).unwrap_err();
        assert!(error.to_string().contains("tools do not fit"));
    }

    #[test]
    fn a_warm_up_ends_with_the_words_of_the_caller() {
        let template = ChatTemplate::of_model(None, TokenTexts::default()).unwrap();
        let mut messages = chat(0);
        let system = open_text(&template, &messages, &[]).unwrap();
        assert!(system.ends_with("<|im_end|>\n"));
        messages.push(message(Role::User, " What are your "));
        let warm = open_text(&template, &messages, &[]).unwrap();
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

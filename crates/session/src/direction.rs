//! What a program at the caller's end may order, beyond what a telephone can. A Realtime client does.

use std::{sync::Arc, time::Duration};

use trunkline_inference::{Message, Tool, ToolChoice, Voice};
pub use trunkline_turn::ItemKey;
use trunkline_turn::ReplyId;

use crate::Agent;

/// Whether a reply is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Modality {
    /// It is.
    #[default]
    Audio,
    /// It is only written: told as [`News::Wrote`](crate::News::Wrote).
    Text,
}

/// An order. One that cannot be carried out is answered by [`News::Refused`](crate::News::Refused)
/// and changes nothing.
#[derive(Clone, Debug)]
pub enum Direction {
    /// The call goes on with this agent; a reply under way stays as it is.
    Become(Arc<Agent>),
    /// The caller's turn is over: what was heard since the last commit or clear is it. It is
    /// transcribed and told as [`News::TurnEnded`](crate::News::TurnEnded); no reply follows by itself.
    CommitTurn,
    /// What was heard since the last commit is thrown away.
    ClearTurn,
    /// Reply now, to the chat as it is.
    Reply(Box<ReplyOrder>),
    /// Stop the reply, or this one if one is named.
    StopReply(Option<ReplyId>),
    /// Put a message into the chat: behind the item named, else at the end.
    Insert {
        /// Its number: [`ItemKey::Placed`].
        item: u64,
        /// The item before it; at the beginning for `Some(None)`.
        after: Option<Option<ItemKey>>,
        /// The message; text only, or the function calls of an assistant, or a function's result.
        message: Message,
    },
    /// Take an item out of the chat.
    Remove(ItemKey),
    /// The caller heard no more of a reply than this much of its sound: the chat keeps the words that
    /// end by then.
    Truncate {
        /// The reply.
        reply: ReplyId,
        /// How much of its sound was heard.
        heard: Duration,
    },
}

/// A reply that is asked for. What is `None` is as the agent has it.
#[derive(Clone, Debug, Default)]
pub struct ReplyOrder {
    /// Comes back in the news of the reply.
    pub tag: u64,
    /// Instead of the agent's instructions.
    pub instructions: Option<String>,
    /// Instead of the agent's tools and when it calls them.
    pub tools: Option<(Vec<Tool>, ToolChoice)>,
    /// Instead of the agent's.
    pub modality: Option<Modality>,
    /// Instead of the agent's.
    pub voice: Option<Voice>,
    /// The most tokens.
    pub max_tokens: Option<u32>,
    /// Sampling temperature.
    pub temperature: Option<f32>,
    /// Instead of the chat so far: the reply is made from these messages alone.
    pub input: Option<Vec<Message>>,
    /// Whether the reply stays out of the chat. One that is also only written runs beside other replies.
    pub is_aside: bool,
}

impl ReplyOrder {
    /// The agent that carries it out.
    pub(crate) fn agent(&self, agent: &Agent) -> Agent {
        let mut agent = agent.clone();
        if let Some(instructions) = &self.instructions {
            agent.instructions.clone_from(instructions);
        }
        if let Some((tools, choice)) = &self.tools {
            agent.tools.clone_from(tools);
            agent.tool_choice.clone_from(choice);
        }
        if let Some(voice) = &self.voice {
            agent.voice.clone_from(voice);
        }
        agent.modality = self.modality.unwrap_or(agent.modality);
        agent.max_reply_tokens = self.max_tokens.unwrap_or(agent.max_reply_tokens);
        agent.temperature = self.temperature.unwrap_or(agent.temperature);
        agent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_changes_what_it_names_and_nothing_else() {
        let agent = Agent { instructions: "Be brief.".into(), ..Agent::default() };
        assert_eq!(ReplyOrder::default().agent(&agent), agent);
        let tool =
            Tool { name: "look".into(), description: String::new(), parameters: true.into() };
        let order = ReplyOrder {
            instructions: Some("Be kind.".into()),
            tools: Some((vec![tool.clone()], ToolChoice::Required)),
            modality: Some(Modality::Text),
            voice: Some(Voice { name: "ann".into(), speed: 1.5 }),
            max_tokens: Some(7),
            temperature: Some(0.5),
            ..ReplyOrder::default()
        };
        let expected = Agent {
            instructions: "Be kind.".into(),
            tools: vec![tool],
            tool_choice: ToolChoice::Required,
            modality: Modality::Text,
            voice: Voice { name: "ann".into(), speed: 1.5 },
            max_reply_tokens: 7,
            temperature: 0.5,
            ..agent.clone()
        };
        assert_eq!(order.agent(&agent), expected);
    }
}

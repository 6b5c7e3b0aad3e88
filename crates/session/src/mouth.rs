//! One call's mouth: the replies that are prepared or being said, and the prompt kept warm for the next.

use std::{collections::VecDeque, sync::Arc};

use futures::{StreamExt, stream};
use tracing::Instrument as _;
use trunkline_inference::{
    Chat, ChatOptions, Message, Overflow, Party, ReplyPiece, ReplyStream, Role, SpeechPiece,
};
use trunkline_turn::{Input, ItemKey, Mark, Order, ReplyCause, ReplyId, Transcript};

use crate::{
    Agent, Leg, LegOutput, Modality, News, Overrun, Plan, Usage,
    book::Book,
    milestones::Answer,
    orders::Orders,
    reply::{Meter, Reply, ReplyNews, now},
};

/// Replies whose usage is remembered; the oldest is forgotten.
const METERS: usize = 16;

pub(crate) struct Mouth {
    plan: Plan,
    /// Oldest first. All but the newest are wholly made, let out and being heard.
    replies: Vec<Reply>,
    /// The answer of the recognizer that the reply was made from.
    pub(crate) answer: Option<Answer>,
    pub(crate) book: Book,
    pub(crate) orders: Orders,
    cut: Option<ReplyId>,
    warmth: Warmth,
    meters: VecDeque<(ReplyId, Arc<Meter>)>,
}

/// A prompt that is evaluated ahead, and the last words of it.
#[derive(Default)]
struct Warmth {
    warming: Option<ReplyStream>,
    warmed: Option<String>,
}

impl Mouth {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut mouth = Self {
            plan,
            replies: Vec::new(),
            answer: None,
            book: Book::default(),
            orders: Orders::default(),
            cut: None,
            warmth: Warmth::default(),
            meters: VecDeque::new(),
        };
        // The instructions are evaluated while the greeting is spoken.
        mouth.warm_up_with("", &Transcript::default());
        mouth
    }

    /// The newest reply.
    pub(crate) fn reply(&self) -> Option<&Reply> {
        self.replies.last()
    }

    pub(crate) fn agent(&self) -> &Agent {
        &self.plan.agent
    }

    /// What the language model took for a reply, as far as it told.
    pub(crate) fn usage(&self, id: ReplyId) -> Usage {
        let meter = self.meters.iter().find(|(reply, _)| *reply == id);
        meter.map(|(_, meter)| meter.usage()).unwrap_or_default()
    }

    /// Speaks as another agent from the next reply on.
    pub(crate) fn speak_as(&mut self, agent: Arc<Agent>, transcript: &Transcript) {
        self.plan.agent = agent;
        self.warm_up_anew(transcript);
    }

    /// Waits for news of a reply, for ever when there is none. Cancel-safe.
    pub(crate) async fn next(&mut self) -> (ReplyId, ReplyNews) {
        loop {
            tokio::select! {
                biased;
                news = next_news(&mut self.replies) => return news,
                news = self.orders.next_beside() => return news,
                () = warmed_up(&mut self.warmth.warming) => self.warmth.warming = None,
            }
        }
    }

    pub(crate) fn prepare(
        &mut self,
        id: ReplyId,
        cause: &ReplyCause,
        transcript: &Transcript,
        answer: Option<Answer>,
    ) {
        self.stop_warming();
        self.answer = answer;
        // Only one is in the making.
        self.replies.retain(Reply::is_whole);
        let reply = match cause {
            ReplyCause::Ordered(order) => self.ordered(id, *order, transcript),
            ReplyCause::Turn { turn, text } if !transcript.has(ItemKey::Turn(*turn)) => {
                let chat = self.chat(transcript, text, self.plan.agent.max_reply_tokens);
                self.begin(id, self.plan.models.llm.reply(chat), &self.plan.agent)
            }
            ReplyCause::Turn { .. } | ReplyCause::Idle => {
                let messages = self.book.messages(transcript);
                let agent = &self.plan.agent;
                let chat = self.chat_of(agent, messages, agent.max_reply_tokens);
                self.begin(id, self.plan.models.llm.reply(chat), &self.plan.agent)
            }
            ReplyCause::Greeting(text)
            | ReplyCause::Silence(text)
            | ReplyCause::Apology(text)
            | ReplyCause::Farewell(text) => self.announce(id, text),
        };
        self.measure(&reply);
        self.replies.push(reply);
    }

    /// Begins to make an ordered reply beside the others; `None` when there are too many.
    pub(crate) fn prepare_beside(
        &mut self,
        order: Order,
        transcript: &Transcript,
    ) -> Option<ReplyId> {
        let id = self.orders.next_aside()?;
        let mut reply = self.ordered(id, order, transcript);
        reply.released_at = Some(now());
        self.measure(&reply);
        self.orders.begin_aside(reply);
        Some(id)
    }

    pub(crate) fn release(&mut self, id: ReplyId) {
        if let Some(reply) = self.replies.last_mut().filter(|r| r.id == id) {
            reply.released_at = Some(now());
        }
    }

    /// Drops the reply, and what was let out before it. True when some was let out, so that the leg
    /// must flush.
    pub(crate) fn stop(&mut self, id: ReplyId) -> bool {
        let Some(at) = self.replies.iter().position(|reply| reply.id == id) else { return false };
        let was_out = self.replies.get(at).is_some_and(|reply| reply.released_at.is_some());
        if was_out {
            self.replies.clear();
        } else {
            self.replies.remove(at);
        }
        self.cut = was_out.then_some(id);
        was_out
    }

    /// The reply that the leg's flush belongs to.
    pub(crate) fn take_cut(&mut self) -> Option<ReplyId> {
        self.cut.take()
    }

    pub(crate) fn played(&mut self, mark: Mark) {
        self.replies.retain_mut(|reply| reply.id != mark.reply || !reply.played(mark));
    }

    /// Passes a reply's news on: audio, marks and what is told to the leg, facts to the conversation.
    pub(crate) fn utter(
        &mut self,
        (id, news): (ReplyId, ReplyNews),
        leg: &mut impl Leg,
    ) -> Result<Vec<Input>, Overrun> {
        let Some(reply) = self.replies.iter_mut().find(|reply| reply.id == id) else {
            self.orders.utter(id, news, leg)?;
            return Ok(Vec::new());
        };
        Ok(match news {
            ReplyNews::Ready => {
                reply.ready_at = Some(now());
                vec![Input::ReplyReady { reply: id }]
            }
            ReplyNews::Piece(SpeechPiece::Audio(frame)) => {
                leg.send(LegOutput::Audio(frame))?;
                Vec::new()
            }
            ReplyNews::Piece(end @ SpeechPiece::ClauseEnd { .. }) => {
                let Some(spoken) = reply.end_clause(end) else { return Ok(Vec::new()) };
                leg.send(LegOutput::Mark(spoken.mark))?;
                let space = if spoken.mark.clause == 0 { "" } else { " " };
                let text = format!("{space}{}", spoken.text);
                leg.tell(News::Spoke { reply: id, text, duration: spoken.duration })?;
                vec![Input::Spoke(spoken)]
            }
            ReplyNews::Wrote(text) => {
                leg.tell(News::Wrote { reply: id, text: text.clone() })?;
                vec![Input::Wrote { reply: id, text }]
            }
            ReplyNews::Called(call) => {
                let index = reply.call();
                self.book.call(id, index, call.clone());
                leg.tell(News::ToolCalled { reply: id, index, call })?;
                vec![Input::ToolCalled { reply: id, index }]
            }
            ReplyNews::Whole if reply.ready_at.is_none() => {
                self.replies.retain(|reply| reply.id != id);
                let reason = "the model said nothing".to_owned();
                vec![Input::ReplyFailed { reply: id, reason }]
            }
            ReplyNews::Whole => {
                leg.tell(News::ReplyMade { reply: id, usage: reply.meter.usage() })?;
                self.replies.retain(|reply| reply.id != id || !reply.is_heard());
                vec![Input::ReplyWhole { reply: id }]
            }
            ReplyNews::Failed(error) => {
                tracing::error!(parent: &reply.span, %error, "a model failed while it replied");
                self.replies.retain(|reply| reply.id != id || !reply.is_heard());
                vec![Input::ReplyFailed { reply: id, reason: error.to_string() }]
            }
        })
    }

    /// Evaluates the prompt up to `text`, the stable beginning of what the caller is saying, so that
    /// the reply to the whole of it starts sooner.
    pub(crate) fn warm_up_with(&mut self, text: &str, transcript: &Transcript) {
        let stable = stable_words(text);
        if !self.replies.is_empty() || self.warmth.warmed.as_deref() == Some(stable) {
            return;
        }
        self.warmth.warmed = Some(stable.to_owned());
        let chat = self.chat(transcript, stable, 0);
        self.warmth.warming = Some(self.plan.models.llm.reply(chat));
    }

    /// Evaluates the prompt up to the caller's next words, once a reply has been heard.
    pub(crate) fn warm_up_anew(&mut self, transcript: &Transcript) {
        if self.replies.is_empty() {
            self.stop_warming();
            self.warm_up_with("", transcript);
        }
    }

    pub(crate) fn stop_warming(&mut self) {
        self.warmth = Warmth::default();
    }

    fn ordered(&self, id: ReplyId, order: Order, transcript: &Transcript) -> Reply {
        let order = self.orders.waiting(order.number).cloned().unwrap_or_default();
        let agent = order.agent(&self.plan.agent);
        let messages = order.input.unwrap_or_else(|| self.book.messages(transcript));
        let chat = self.chat_of(&agent, messages, agent.max_reply_tokens);
        let text = self.plan.models.llm.reply(chat);
        if order.is_aside && agent.modality == Modality::Text {
            let patience = agent.turn.limits.reply;
            return Reply::written(id, crate::orders::impatient(text, patience), &agent);
        }
        self.begin(id, text, &agent)
    }

    fn announce(&self, id: ReplyId, text: &str) -> Reply {
        let agent = &self.plan.agent;
        let recorded = match agent.modality {
            Modality::Audio => self.plan.models.announcements.of(agent, text),
            Modality::Text => None,
        };
        if let Some(speech) = recorded {
            return Reply::announced(id, speech, agent);
        }
        let pieces = stream::iter([Ok(ReplyPiece::Text(text.to_owned()))]);
        self.begin(id, Box::pin(pieces), agent)
    }

    fn begin(&self, id: ReplyId, text: ReplyStream, agent: &Agent) -> Reply {
        match agent.modality {
            Modality::Audio => Reply::spoken(id, text, &*self.plan.models.tts, self.party(), agent),
            Modality::Text => Reply::written(id, text, agent),
        }
    }

    fn measure(&mut self, reply: &Reply) {
        if self.meters.len() == METERS {
            self.meters.pop_front();
        }
        self.meters.push_back((reply.id, Arc::clone(&reply.meter)));
    }

    /// The chat, continued by what the caller is saying.
    fn chat(&self, transcript: &Transcript, text: &str, max_tokens: u32) -> Chat {
        let mut messages = self.book.messages(transcript);
        match messages.last_mut() {
            Some(last) if last.role == Role::User && !text.is_empty() => {
                last.content.push(' ');
                last.content.push_str(text);
            }
            _ => messages.push(Message::new(Role::User, text)),
        }
        self.chat_of(&self.plan.agent, messages, max_tokens)
    }

    fn chat_of(&self, agent: &Agent, messages: Vec<Message>, max_tokens: u32) -> Chat {
        let instructions = Message::new(Role::System, agent.instructions.clone());
        let options =
            ChatOptions { max_tokens, temperature: agent.temperature, ..ChatOptions::default() };
        Chat {
            messages: [instructions].into_iter().chain(messages).collect(),
            tools: agent.tools.clone(),
            tool_choice: agent.tool_choice.clone(),
            options,
            cache_salt: agent.cache_salt(self.plan.tenant),
            overflow: Overflow::DropOldest,
            party: self.party(),
        }
    }

    fn party(&self) -> Party {
        Party::caller(self.plan.tenant)
    }
}

/// All but the last two words: those may still change.
fn stable_words(text: &str) -> &str {
    let mut ends = text.char_indices().rev().filter(|(_, c)| c.is_whitespace());
    ends.nth(1).map_or("", |(at, _)| text.get(..at).unwrap_or_default())
}

async fn next_news(replies: &mut [Reply]) -> (ReplyId, ReplyNews) {
    match replies.last_mut() {
        Some(reply) => {
            let span = reply.span.clone();
            (reply.id, reply.next().instrument(span).await)
        }
        None => std::future::pending().await,
    }
}

async fn warmed_up(warming: &mut Option<ReplyStream>) {
    let Some(stream) = warming else { return std::future::pending().await };
    while let Some(piece) = stream.next().await {
        if let Err(error) = piece {
            tracing::debug!(%error, "the prompt was not evaluated ahead");
        }
    }
}

#[cfg(test)]
mod tests;

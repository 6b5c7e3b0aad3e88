//! One call's mouth: the reply that is prepared or being said, and the prompt kept warm for the next.

use futures::StreamExt;
use tracing::Instrument as _;
use trunkline_inference::{Chat, ChatOptions, Message, ReplyStream, Role, SpeechPiece};
use trunkline_turn::{Input, Mark, ReplyCause, ReplyId, Said, Transcript};

use crate::{
    Leg, LegOutput, Overrun, Plan,
    clauses::ClauseCutter,
    milestones::Answer,
    reply::{Reply, ReplyNews, now},
};

pub(crate) struct Mouth {
    plan: Plan,
    reply: Option<Reply>,
    /// The answer of the recognizer that the reply was made from.
    pub(crate) answer: Option<Answer>,
    cut: Option<ReplyId>,
    warming: Option<ReplyStream>,
    warmed: Option<String>,
}

impl Mouth {
    pub(crate) fn new(plan: Plan) -> Self {
        let mut mouth =
            Self { plan, reply: None, answer: None, cut: None, warming: None, warmed: None };
        // The instructions are evaluated while the greeting is spoken.
        mouth.warm_up_with("", &Transcript::default());
        mouth
    }

    pub(crate) fn reply(&self) -> Option<&Reply> {
        self.reply.as_ref()
    }

    /// Waits for news of the reply, for ever when there is none. Cancel-safe.
    pub(crate) async fn next(&mut self) -> ReplyNews {
        loop {
            tokio::select! {
                biased;
                news = next_news(&mut self.reply) => return news,
                () = warmed_up(&mut self.warming) => self.warming = None,
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
        let agent = &self.plan.agent;
        let models = &self.plan.models;
        let cutter = ClauseCutter::new(agent.language.clone());
        let reply = match cause {
            ReplyCause::Turn { text, .. } => {
                let chat = self.chat(transcript, text, agent.max_reply_tokens);
                let spoken_by = (&*models.tts, &agent.voice);
                Reply::of_chat(id, chat, &*models.llm, spoken_by, cutter)
            }
            ReplyCause::Greeting(_)
            | ReplyCause::Silence(_)
            | ReplyCause::Apology(_)
            | ReplyCause::Farewell(_) => {
                Reply::of_text(id, cause, &*models.tts, &agent.voice, cutter)
            }
        };
        self.reply = Some(reply);
    }

    pub(crate) fn release(&mut self, id: ReplyId) {
        if let Some(reply) = self.reply.as_mut().filter(|r| r.id == id) {
            reply.released_at = Some(now());
        }
    }

    /// Drops the reply. True when some of it was let out, so that the leg must flush.
    pub(crate) fn stop(&mut self, id: ReplyId) -> bool {
        let Some(reply) = self.reply.take_if(|r| r.id == id) else { return false };
        let was_out = reply.released_at.is_some();
        self.cut = was_out.then_some(id);
        was_out
    }

    /// The reply that the leg's flush belongs to.
    pub(crate) fn take_cut(&mut self) -> Option<ReplyId> {
        self.cut.take()
    }

    pub(crate) fn played(&mut self, mark: Mark) {
        self.reply.take_if(|r| r.id == mark.reply && r.played(mark));
    }

    /// Passes a reply's news on: audio and marks to the leg, facts to the conversation.
    pub(crate) fn utter(
        &mut self,
        news: ReplyNews,
        leg: &mut impl Leg,
    ) -> Result<Vec<Input>, Overrun> {
        let Some(reply) = &mut self.reply else { return Ok(Vec::new()) };
        let id = reply.id;
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
                let spoken = reply.end_clause(end);
                if let Some(spoken) = &spoken {
                    leg.send(LegOutput::Mark(spoken.mark))?;
                }
                spoken.into_iter().map(Input::Spoke).collect()
            }
            ReplyNews::Whole if reply.ready_at.is_none() => {
                let reason = "the model said nothing".to_owned();
                vec![Input::ReplyFailed { reply: id, reason }]
            }
            ReplyNews::Whole => {
                self.reply.take_if(|r| r.is_heard());
                vec![Input::ReplyWhole { reply: id }]
            }
            ReplyNews::Failed(error) => {
                tracing::error!(parent: &reply.span, %error, "a model failed while it replied");
                vec![Input::ReplyFailed { reply: id, reason: error.to_string() }]
            }
        })
    }

    /// Evaluates the prompt up to `text`, the stable beginning of what the caller is saying, so that
    /// the reply to the whole of it starts sooner.
    pub(crate) fn warm_up_with(&mut self, text: &str, transcript: &Transcript) {
        let stable = stable_words(text);
        if self.reply.is_some() || self.warmed.as_deref() == Some(stable) {
            return;
        }
        self.warmed = Some(stable.to_owned());
        let chat = self.chat(transcript, stable, 0);
        self.warming = Some(self.plan.models.llm.reply(chat));
    }

    /// Evaluates the prompt up to the caller's next words, once a reply has been heard.
    pub(crate) fn warm_up_anew(&mut self, transcript: &Transcript) {
        if self.reply.is_none() {
            self.stop_warming();
            self.warm_up_with("", transcript);
        }
    }

    pub(crate) fn stop_warming(&mut self) {
        self.warming = None;
        self.warmed = None;
    }

    fn chat(&self, transcript: &Transcript, text: &str, max_tokens: u32) -> Chat {
        let agent = &self.plan.agent;
        let instructions = Message::new(Role::System, agent.instructions.clone());
        let mut messages = vec![instructions];
        messages.extend(as_messages(transcript));
        match messages.last_mut() {
            Some(last) if last.role == Role::User && !text.is_empty() => {
                last.content.push(' ');
                last.content.push_str(text);
            }
            _ => messages.push(Message::new(Role::User, text)),
        }
        let options =
            ChatOptions { max_tokens, temperature: agent.temperature, ..ChatOptions::default() };
        Chat { messages, options, cache_salt: agent.cache_salt(), ..Chat::default() }
    }
}

/// The chat as the caller knows it: what was said and what was heard.
fn as_messages(transcript: &Transcript) -> impl Iterator<Item = Message> + '_ {
    transcript.messages().iter().map(|said| match said {
        Said::Caller(text) => Message::new(Role::User, text.as_str()),
        Said::Agent { text, .. } => Message::new(Role::Assistant, text.as_str()),
    })
}

/// All but the last two words: those may still change.
fn stable_words(text: &str) -> &str {
    let mut ends = text.char_indices().rev().filter(|(_, c)| c.is_whitespace());
    ends.nth(1).map_or("", |(at, _)| text.get(..at).unwrap_or_default())
}

async fn next_news(reply: &mut Option<Reply>) -> ReplyNews {
    match reply {
        Some(reply) => {
            let span = reply.span.clone();
            reply.next().instrument(span).await
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

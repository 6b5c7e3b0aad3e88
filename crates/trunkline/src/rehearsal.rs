//! One turn of a conversation with nobody, before the first caller comes: the models are warm after it, and
//! how long their busiest device was at work tells how many calls it can take.

use std::time::Duration;

use futures::{StreamExt, stream};
use trunkline_audio::resample_all;
use trunkline_inference::{
    Chat, ChatOptions, Devices, Message, ModelError, Party, ReplyPiece, Role, SttOptions,
    schedule::Tenant,
};
use trunkline_session::{Agent, Models, clauses};

use crate::{
    sound_file,
    speech::{self, SPOKEN_HZ},
    transcribe,
};

/// What the caller says: as long as callers' questions are, about four seconds.
const QUESTION: &str =
    "I would like to come by on Friday. When do you open, and where can I leave the car?";
/// Tokens of the reply: some twelve seconds of speech.
const REPLY_TOKENS: u32 = 40;

/// Has the models take a turn as `agent`; how long the busiest of `devices` was at work on it.
pub(crate) async fn turn(
    models: &Models,
    agent: &Agent,
    devices: &Devices,
) -> Result<Duration, ModelError> {
    let question = say(models, agent, QUESTION).await?;
    let question = resample_all(&question, SPOKEN_HZ, sound_file::HEARD_HZ).unwrap_or_default();
    // The instructions are read once, not in every turn.
    answer(models, agent, "", 0).await?;
    let before = devices.worked();
    let words = hear(models, agent, &question).await?;
    let words = if words.is_empty() { QUESTION } else { &words };
    let reply = answer(models, agent, words, REPLY_TOKENS).await?;
    if !reply.is_empty() {
        say(models, agent, &reply).await?;
    }
    Ok(devices.worked().saturating_sub(before))
}

/// For whom: what callers wait for counts as a call's.
fn caller() -> Party {
    Party::caller(Tenant::default())
}

async fn say(models: &Models, agent: &Agent, text: &str) -> Result<Vec<i16>, ModelError> {
    let clauses = clauses::of_text(text, agent.language.clone());
    speech::say(&*models.tts, clauses, &agent.voice, caller()).await
}

async fn hear(models: &Models, agent: &Agent, sound: &[i16]) -> Result<String, ModelError> {
    let options =
        SttOptions { language: agent.language.clone(), party: caller(), ..SttOptions::default() };
    let frames = stream::iter(transcribe::frames(sound));
    let mut words = models.stt.transcribe(Box::pin(frames), &options);
    let mut last = String::new();
    while let Some(transcript) = words.next().await {
        last = transcript?.text;
    }
    Ok(last)
}

async fn answer(
    models: &Models,
    agent: &Agent,
    words: &str,
    max_tokens: u32,
) -> Result<String, ModelError> {
    let messages = vec![
        Message::new(Role::System, agent.instructions.clone()),
        Message::new(Role::User, words),
    ];
    let chat = Chat {
        messages,
        options: ChatOptions { max_tokens, ..ChatOptions::default() },
        cache_salt: agent.cache_salt(Tenant::default()),
        party: caller(),
        ..Chat::default()
    };
    let (mut pieces, mut text) = (models.llm.reply(chat), String::new());
    while let Some(piece) = pieces.next().await {
        if let ReplyPiece::Text(more) = piece? {
            text.push_str(&more);
        }
    }
    Ok(text)
}

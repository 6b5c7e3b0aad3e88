//! Copies of one model on devices of their own: every stream is worked on by one of them.

mod places;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::Stream;

use self::places::{Place, Places};
use crate::{
    Chat, ChatModel, ClauseStream, Completion, HearingStream, ModelError, ModelStream, Party,
    ReplyStream, Role, SpeechStream, SpeechToText, SttOptions, TextToSpeech, TranscriptStream,
    Voice, lane::Load,
};

/// Copies of a model, at least one. A stream goes to the one with the fewest; a conversation stays where it
/// was, with what is remembered of it, unless that has several more to do than another. One that failed
/// lately is asked only when no other is left.
pub struct Replicas<M: ?Sized> {
    models: Vec<Arc<M>>,
    places: Arc<Places>,
}

impl<M: ?Sized> Replicas<M> {
    /// Of these copies.
    ///
    /// # Panics
    /// Where there is none.
    pub fn new(models: Vec<Arc<M>>) -> Self {
        assert!(!models.is_empty(), "a model has at least one copy");
        let places = Arc::new(Places::new(models.len()));
        Self { models, places }
    }

    fn open<T: 'static>(
        &self,
        conversation: Option<u64>,
        open: impl FnOnce(&M) -> ModelStream<T>,
    ) -> ModelStream<T> {
        let place = Places::take(&self.places, conversation);
        let stream = open(&self.models[place.number()]);
        Box::pin(Placed { stream, place })
    }
}

/// A stream of a copy.
struct Placed<T> {
    stream: ModelStream<T>,
    place: Place,
}

impl<T> Stream for Placed<T> {
    type Item = Result<T, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, waker: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(waker);
        if let Poll::Ready(Some(Err(ModelError::Engine { .. } | ModelError::Stopped { .. }))) =
            &polled
        {
            self.place.failed();
        }
        polled
    }
}

impl SpeechToText for Replicas<dyn SpeechToText> {
    fn transcribe(&self, audio: HearingStream, options: &SttOptions) -> TranscriptStream {
        self.open(None, |model| model.transcribe(audio, options))
    }

    fn lane_loads(&self) -> Vec<Arc<Load>> {
        self.models.iter().flat_map(|model| model.lane_loads()).collect()
    }
}

impl TextToSpeech for Replicas<dyn TextToSpeech> {
    fn speak(&self, clauses: ClauseStream, voice: &Voice, party: Party) -> SpeechStream {
        self.open(None, |model| model.speak(clauses, voice, party))
    }

    fn voices(&self) -> Vec<String> {
        self.models[0].voices()
    }

    fn lane_loads(&self) -> Vec<Arc<Load>> {
        self.models.iter().flat_map(|model| model.lane_loads()).collect()
    }
}

impl ChatModel for Replicas<dyn ChatModel> {
    fn reply(&self, chat: Chat) -> ReplyStream {
        self.open(Some(conversation(&chat)), |model| model.reply(chat))
    }

    fn complete(&self, completion: Completion) -> ReplyStream {
        self.open(None, |model| model.complete(completion))
    }

    fn count_tokens(&self, chat: &Chat) -> Option<u32> {
        self.models[0].count_tokens(chat)
    }

    fn lane_loads(&self) -> Vec<Arc<Load>> {
        self.models.iter().flat_map(|model| model.lane_loads()).collect()
    }
}

/// What the turns of a conversation have in common: everything up to what its user said first.
fn conversation(chat: &Chat) -> u64 {
    let mut hasher = DefaultHasher::new();
    chat.cache_salt.hash(&mut hasher);
    for message in &chat.messages {
        message.content.hash(&mut hasher);
        if message.role == Role::User {
            break;
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;

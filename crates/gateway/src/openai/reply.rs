//! The replies of a request: made side by side, told piece by piece or together.

use futures::{Stream, StreamExt, stream, stream::BoxStream};
use serde_json::{Value, json};
use trunkline_inference::{
    FinishReason, ModelError, ReplyPiece, ReplyStream, TokenLogprobs, ToolCall,
};

use crate::{refusal::Refusal, router::intake::Meter};

/// Replies of one request that are made at once; the others wait for one of them to end.
const AT_ONCE: usize = 8;

/// The pieces of several replies as they come, each with the number of its reply.
pub(crate) type Pieces = BoxStream<'static, (usize, Result<ReplyPiece, ModelError>)>;

/// Has one reply made for each job. Dropping the stream stops them all.
pub(crate) fn all<J: Send + 'static>(
    jobs: Vec<J>,
    open: impl Fn(J) -> ReplyStream + Send + 'static,
) -> Pieces {
    let numbered = stream::iter(jobs.into_iter().enumerate());
    numbered
        .flat_map_unordered(AT_ONCE, move |(number, job)| {
            open(job).map(move |piece| (number, piece)).boxed()
        })
        .boxed()
}

/// Has what each reply takes counted against what the caller may take.
pub(crate) fn metered(pieces: Pieces, meter: Meter) -> Pieces {
    let count = move |(_, piece): &(usize, Result<ReplyPiece, ModelError>)| {
        if let Ok(ReplyPiece::Usage { prompt, generated, .. }) = piece {
            meter.spent(prompt.saturating_add(*generated));
        }
    };
    pieces.inspect(count).boxed()
}

/// Leaves out every call of a function but the first.
pub(crate) fn one_call(reply: ReplyStream) -> ReplyStream {
    let mut calls = 0;
    let first = move |piece: &Result<ReplyPiece, ModelError>| {
        calls += usize::from(matches!(piece, Ok(ReplyPiece::ToolCall(_))));
        std::future::ready(calls < 2 || !matches!(piece, Ok(ReplyPiece::ToolCall(_))))
    };
    reply.filter(first).boxed()
}

/// Waits for the first piece, so that what fails at once is refused with its HTTP status.
pub(crate) async fn begun(pieces: Pieces) -> Result<Pieces, Refusal> {
    let mut pieces = Box::pin(pieces.peekable());
    match pieces.as_mut().peek().await {
        Some((_, Err(error))) => Err(error.clone().into()),
        Some((_, Ok(_))) | None => Ok(pieces.boxed()),
    }
}

/// What a request took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) prompt: u32,
    pub(crate) cached: u32,
    pub(crate) generated: u32,
}

impl Tally {
    /// Adds a reply to another prompt.
    pub(crate) fn add(&mut self, other: Self) {
        self.add_reply(other);
        self.prompt = self.prompt.saturating_add(other.prompt);
        self.cached = self.cached.saturating_add(other.cached);
    }

    /// Adds a reply to the same prompt, which counts once.
    pub(crate) fn add_reply(&mut self, other: Self) {
        self.generated = self.generated.saturating_add(other.generated);
    }

    /// As chats and completions tell it.
    pub(crate) fn usage(self) -> Value {
        json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.generated,
            "total_tokens": self.prompt.saturating_add(self.generated),
            "prompt_tokens_details": {
                "cached_tokens": self.cached, "cache_write_tokens": 0,
                "audio_tokens": 0, "text_tokens": self.prompt, "image_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 0, "audio_tokens": 0, "text_tokens": self.generated,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
            },
        })
    }
}

/// A whole reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) logprobs: Vec<TokenLogprobs>,
    pub(crate) tally: Tally,
    pub(crate) finish: FinishReason,
}

impl Reply {
    fn take(&mut self, piece: ReplyPiece) {
        match piece {
            ReplyPiece::Text(text) => self.text.push_str(&text),
            ReplyPiece::ToolCall(call) => self.calls.push(call),
            ReplyPiece::Logprobs(tokens) => self.logprobs.extend(tokens),
            ReplyPiece::Usage { prompt, cached, generated, finish } => {
                self.tally = Tally { prompt, cached, generated };
                self.finish = finish;
            }
        }
    }
}

/// Waits for all of `count` replies.
pub(crate) async fn collect(mut pieces: Pieces, count: usize) -> Result<Vec<Reply>, Refusal> {
    let mut replies = vec![Reply::default(); count];
    while let Some((number, piece)) = pieces.next().await {
        if let (piece, Some(reply)) = (piece?, replies.get_mut(number)) {
            reply.take(piece);
        }
    }
    Ok(replies)
}

/// Tells replies as events.
pub(crate) trait Teller: Send + 'static {
    /// A piece of the reply of this number came.
    fn tell(&mut self, number: usize, piece: ReplyPiece) -> Vec<Value>;

    /// All replies have ended.
    fn end(&mut self) -> Vec<Value>;

    /// One failed; nothing comes after it.
    fn fail(&mut self, error: ModelError) -> Result<Vec<Value>, Refusal> {
        Err(error.into())
    }
}

/// The events of some replies.
pub(crate) fn told(
    pieces: Pieces,
    teller: impl Teller,
) -> impl Stream<Item = Result<Value, Refusal>> + Send + 'static {
    let ending = pieces.map(Some).chain(stream::iter([None]));
    let steps = ending.scan((teller, false), |(teller, over), step| {
        if *over {
            return std::future::ready(None);
        }
        let events = match step {
            Some((number, Ok(piece))) => Ok(teller.tell(number, piece)),
            Some((_, Err(error))) => {
                *over = true;
                teller.fail(error)
            }
            None => Ok(teller.end()),
        };
        std::future::ready(Some(match events {
            Ok(events) => events.into_iter().map(Ok).collect(),
            Err(refusal) => vec![Err(refusal)],
        }))
    });
    steps.flat_map(stream::iter::<Vec<_>>)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(pieces: Vec<Result<ReplyPiece, ModelError>>) -> ReplyStream {
        stream::iter(pieces).boxed()
    }

    #[expect(clippy::unnecessary_wraps, reason = "an item of a stream")]
    fn text(text: &str) -> Result<ReplyPiece, ModelError> {
        Ok(ReplyPiece::Text(text.to_owned()))
    }

    fn failure() -> Result<ReplyPiece, ModelError> {
        Err(ModelError::Busy { engine: "test" })
    }

    struct Words;

    impl Teller for Words {
        fn tell(&mut self, _: usize, piece: ReplyPiece) -> Vec<Value> {
            vec![json!(format!("{piece:?}"))]
        }

        fn end(&mut self) -> Vec<Value> {
            vec![json!("end")]
        }
    }

    #[tokio::test]
    async fn replies_are_told_apart_by_their_numbers() {
        let pieces = all(vec!["a", "b"], |word| reply(vec![text(word), text(word)]));
        let replies = collect(begun(pieces).await.unwrap(), 2).await.unwrap();
        let texts: Vec<_> = replies.into_iter().map(|reply| reply.text).collect();
        assert_eq!(texts, ["aa", "bb"]);
    }

    #[tokio::test]
    async fn what_fails_at_once_is_refused_and_what_fails_later_is_the_end() {
        let early = all(vec![()], |()| reply(vec![failure()]));
        assert_eq!(begun(early).await.err().unwrap().status().as_u16(), 429);
        let late = all(vec![()], |()| reply(vec![text("a"), failure(), text("b")]));
        let events: Vec<_> = told(begun(late).await.unwrap(), Words).collect().await;
        assert_eq!(events.len(), 2);
        assert!(events[1].is_err());
        let whole = all(vec![()], |()| reply(vec![text("a")]));
        let events: Vec<_> = told(whole, Words).collect().await;
        assert_eq!(events[1].as_ref().unwrap(), "end");
    }

    #[tokio::test]
    async fn of_several_calls_only_the_first_is_let_through() {
        let call = |name: &str| {
            Ok(ReplyPiece::ToolCall(ToolCall { name: name.to_owned(), arguments: "{}".to_owned() }))
        };
        let pieces = all(vec![()], move |()| {
            one_call(reply(vec![text("a"), call("first"), call("second"), text("b")]))
        });
        let reply = collect(pieces, 1).await.unwrap().remove(0);
        assert_eq!((reply.text.as_str(), reply.calls.len()), ("ab", 1));
        assert_eq!(reply.calls[0].name, "first");
    }

    #[test]
    fn replies_to_one_prompt_count_it_once() {
        let one = Tally { prompt: 10, cached: 4, generated: 3 };
        let (mut same, mut other) = (one, one);
        same.add_reply(one);
        other.add(one);
        assert_eq!(same, Tally { generated: 6, ..one });
        assert_eq!(other, Tally { prompt: 20, cached: 8, generated: 6 });
        insta::assert_json_snapshot!(one.usage());
    }
}

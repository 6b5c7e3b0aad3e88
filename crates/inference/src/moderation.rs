//! Whether a text is harmful, and how: every example of `examples.txt` votes for its categories, the more
//! the closer a text's embedding is to its own.
//!
//! Kernel ridge regression (Saunders, Gammerman, Vovk 1998), solved when the first text is judged. The
//! constants are those of `MiniLM` embeddings. What it knows is English, and what it sees is the topic
//! more than the stance: a coarse first filter.

mod category;
mod examples;
mod judge;
mod pieces;

use std::sync::Arc;

use tokio::{sync::OnceCell, task::spawn_blocking};

pub use self::{category::Category, judge::Scores};
use self::{examples::examples, judge::Judge, pieces::pieces};
use crate::{ModelError, TextEmbedder};

/// What is judged of a text at most, in pieces of up to 160 bytes.
const PIECES: usize = 2048;
/// Texts that are embedded at once, so that others get their turn.
const BATCH: usize = 64;

/// Judges texts by their embeddings.
pub struct Moderation {
    embedder: Arc<dyn TextEmbedder>,
    judge: OnceCell<Judge>,
}

/// How a text was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// What it was given.
    pub scores: Scores,
    /// Tokens that were embedded.
    pub tokens: u32,
}

impl Moderation {
    /// By the embeddings of this model.
    pub fn new(embedder: Arc<dyn TextEmbedder>) -> Self {
        Self { embedder, judge: OnceCell::new() }
    }

    /// Judges a text by the worst of its sentences. One that is too long is refused with
    /// [`ModelError::BadRequest`]. Dropping the future stops the work.
    pub async fn judge(&self, text: &str) -> Result<Judged, ModelError> {
        let pieces: Vec<String> = pieces(text).take(PIECES + 1).collect();
        if pieces.len() > PIECES {
            let message = format!("a text is too long: {PIECES} sentences of it can be judged");
            return Err(ModelError::BadRequest(message));
        }
        let judge = self.judge.get_or_try_init(|| self.learn()).await?;
        let count = pieces.len();
        let (vectors, tokens) = self.embed(pieces).await?;
        let scores = vectors.iter().map(|vector| judge.scores(vector, count));
        Ok(Judged { scores: scores.fold(Scores::default(), Scores::worse), tokens })
    }

    async fn learn(&self) -> Result<Judge, ModelError> {
        let (texts, labels): (Vec<_>, Vec<_>) = examples().unzip();
        let (vectors, _) = self.embed(texts.into_iter().map(str::to_owned).collect()).await?;
        let learned = spawn_blocking(move || Judge::learn(&vectors, &labels)).await;
        let reason = "the moderation examples could not be learned from";
        let engine = || ModelError::Engine { engine: "moderation", reason: reason.into() };
        learned.ok().flatten().ok_or_else(engine)
    }

    async fn embed(&self, texts: Vec<String>) -> Result<(Vec<Vec<f32>>, u32), ModelError> {
        let (mut vectors, mut tokens) = (Vec::with_capacity(texts.len()), 0_u32);
        for batch in texts.chunks(BATCH) {
            let embedded = self.embedder.embed(batch.to_vec()).await?;
            vectors.extend(embedded.vectors);
            tokens = tokens.saturating_add(embedded.tokens);
        }
        Ok((vectors, tokens))
    }
}

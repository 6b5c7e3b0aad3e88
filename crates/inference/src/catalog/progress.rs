//! What happens during a pull or a verification, for whoever shows it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Is told what happens. Called from several threads.
pub trait PullObserver: Sync {
    /// Takes note of one event; must not wait.
    fn tell(&self, event: &PullEvent<'_>);
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullEvent<'a> {
    /// Another pull into the same folder is at work; this one waits for it.
    Waiting,
    /// Every file of the model is there already.
    AlreadyThere {
        /// The model.
        model: &'a str,
    },
    /// A stage of a model began.
    StageStarted {
        /// The model.
        model: &'a str,
        /// The stage.
        stage: Stage,
        /// How many bytes it will go through, about.
        total: u64,
    },
    /// A stage went on.
    Advanced {
        /// The model.
        model: &'a str,
        /// The stage.
        stage: Stage,
        /// How many bytes it has gone through.
        done: u64,
    },
    /// A stage ended well.
    StageEnded {
        /// The model.
        model: &'a str,
        /// The stage.
        stage: Stage,
    },
    /// A source failed; the next one is tried.
    SourceFailed {
        /// The file.
        file: &'a str,
        /// Why, in words.
        reason: &'a str,
    },
    /// All files of the model are in place.
    ModelReady {
        /// The model.
        model: &'a str,
    },
}

/// What is being done to a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Packages or files are coming.
    Fetching,
    /// Files are put together and hashed.
    Assembling,
    /// A conversion runs.
    Converting,
    /// Files in place are hashed.
    Verifying,
}

impl Stage {
    /// The stage as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fetching => "fetching",
            Self::Assembling => "assembling",
            Self::Converting => "converting",
            Self::Verifying => "verifying",
        }
    }
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl PullObserver for Quiet {
    fn tell(&self, _event: &PullEvent<'_>) {}
}

/// Counts the bytes of one stage of one model, from any thread.
pub(crate) struct Meter<'a> {
    observer: &'a dyn PullObserver,
    model: &'a str,
    stage: Stage,
    done: AtomicU64,
}

impl<'a> Meter<'a> {
    /// Begins a stage.
    pub(crate) fn start(
        observer: &'a dyn PullObserver,
        model: &'a str,
        stage: Stage,
        total: u64,
    ) -> Self {
        observer.tell(&PullEvent::StageStarted { model, stage, total });
        Self { observer, model, stage, done: AtomicU64::new(0) }
    }

    pub(crate) fn add(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.observer.tell(&PullEvent::Advanced { model: self.model, stage: self.stage, done });
    }

    pub(crate) fn source_failed(&self, file: &str, reason: &str) {
        self.observer.tell(&PullEvent::SourceFailed { file, reason });
    }

    /// Ends the stage well.
    pub(crate) fn end(self) {
        self.observer.tell(&PullEvent::StageEnded { model: self.model, stage: self.stage });
    }
}

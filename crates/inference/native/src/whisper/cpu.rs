//! A Whisper's layers on this machine's processors.

use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::{
    Whisper,
    decoder::{Memory, Next},
    layers::Work,
    network::{Network, Text, Window},
};

/// A network of this crate's kernels, with threads of its own.
pub(crate) struct Cpu {
    whisper: Arc<Whisper>,
    threads: ThreadPool,
    work: Work,
    desks: Vec<Desk>,
}

/// What is known of a desk's window.
enum Desk {
    Free,
    /// So many layers have seen the rows.
    Encoding {
        rows: Vec<f32>,
        layers: usize,
    },
    Listening(Memory),
}

impl Cpu {
    /// Starts the threads, with the priority of the one that calls.
    pub(crate) fn new(
        whisper: Arc<Whisper>,
        threads: usize,
        desks: usize,
    ) -> Result<Self, rayon::ThreadPoolBuildError> {
        let named = |n| format!("whisper-{n}");
        let threads = ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(named);
        let desks = (0..desks).map(|_| Desk::Free).collect();
        Ok(Self { whisper, threads: threads.build()?, work: Work::default(), desks })
    }
}

impl Network for Cpu {
    /// Runs one layer of the first window.
    fn encode(&mut self, windows: &[Window<'_>]) -> Result<usize, String> {
        let Some(window) = windows.first() else { return Ok(0) };
        let Self { whisper, threads, work, desks } = self;
        let desk = &mut desks[window.desk];
        Ok(usize::from(threads.install(|| desk.encode(window, whisper, work))))
    }

    fn read(&mut self, texts: &[Text<'_>], logits: &mut Vec<f32>) -> Result<(), String> {
        let Self { whisper, threads, work, desks } = self;
        let mut next: Vec<Next<'_>> = Vec::with_capacity(texts.len());
        let mut texts = texts.iter().peekable();
        for (number, desk) in desks.iter_mut().enumerate() {
            let Some(text) = texts.next_if(|text| text.desk == number) else { continue };
            let Desk::Listening(memory) = desk else {
                return Err(format!("the window of desk {number} is not encoded"));
            };
            memory.forget_text(text.position);
            next.push(Next { memory, tokens: text.tokens });
        }
        threads.install(|| whisper.decoder.step(&mut next, logits, work));
        Ok(())
    }

    fn forget(&mut self, desk: usize) {
        self.desks[desk] = Desk::Free;
    }
}

impl Desk {
    /// Whether the window is encoded now.
    fn encode(&mut self, window: &Window<'_>, whisper: &Whisper, work: &mut Work) -> bool {
        let encoder = &whisper.encoder;
        if !matches!(self, Self::Encoding { .. }) {
            *self = Self::Encoding { rows: encoder.begin(window.features, work), layers: 0 };
        }
        let Self::Encoding { rows, layers } = self else { return false };
        encoder.layer(*layers, rows, work);
        *layers += 1;
        let is_done = *layers == encoder.layers();
        if is_done {
            *self = Self::Listening(whisper.decoder.listen(&encoder.finish(rows), work));
        }
        is_done
    }
}

//! One turn of one caller: its sound so far, what was understood of it, and what to do next. Pure.

use std::time::Duration;

use trunkline_audio::MediaTime;
use trunkline_inference::{Segment, SttDetail, SttOptions, Transcript};

use crate::{
    evidence::Evidence,
    loudness::{CELL, Loudness, RATE_HZ},
    module::Style,
    passages::{self, Heard, Told},
    understood::Understood,
};

const SECOND: usize = RATE_HZ as usize;
/// The longest window: what is longer is cut, so that a monologue costs bounded time.
const FULL: usize = 25 * SECOND;
/// The longest window of a file: nobody waits for its words, and a cut costs some.
const FULL_OF_FILE: usize = 29 * SECOND;
/// Where in a full window the cut may fall: its last five seconds.
const CUT_WITHIN: usize = 5 * SECOND;
/// A window this long ends at the next pause of this length.
const LONG: usize = 15 * SECOND;
const LONG_PAUSE: usize = 3 * SECOND / 10;
/// Quiet after which the words so far are worth transcribing ahead: 80 ms.
const PAUSE: usize = 2 * SECOND / 25;
/// Voice after that quiet which says that it was none: 60 ms.
const RESUMED: usize = 3 * SECOND / 50;
/// Voice beyond an answer that is worth transcribing unasked. Less is the last word dying away, which
/// voice activity no longer took for speech; to transcribe it would keep the reply from the processor.
const NEWS: usize = SECOND / 5;
/// Quiet after the last voice that the model still hears.
const TAIL: usize = 2 * SECOND / 5;
/// Bytes of frozen text that go before the next window as its prompt.
const PROMPT_BYTES: usize = 200;
/// How often a file's window gives way to calls before it is worked through.
const MOST_GIVEN_WAY: u32 = 3;
/// Questions that wait for one answer. When full, the input waits.
const MOST_ASKS: usize = 16;

/// Why a window is to be transcribed, most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Somebody asked, or the stream ended.
    Owed,
    /// The window is full; no more input is taken until it is cut.
    Full,
    /// The caller paused: this may be all.
    Pause,
    /// There is a good deal of new sound.
    Growth,
}

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) why: Why,
    /// Samples of the window that the text will stand for.
    covers: usize,
    /// Samples of the window to transcribe: the rest of `covers` is silence.
    sound: usize,
}

/// A turn's state.
pub(crate) struct Turn {
    window: Vec<f32>,
    loudness: Loudness,
    latest: Option<Latest>,
    frozen: Frozen,
    owed: Owed,
    language: Option<String>,
    hint: String,
    partials: bool,
    style: Style,
    /// How often work on this window was given up for a call.
    given_way: u32,
}

/// What was last understood of the window.
struct Latest {
    covers: usize,
    text: String,
    segments: Vec<Segment>,
    evidence: Evidence,
    /// How long an asker waited for it.
    worked: Duration,
}

/// What came before the window.
struct Frozen {
    text: String,
    segments: Vec<Segment>,
    evidence: Evidence,
    samples: usize,
}

#[derive(Default)]
struct Owed {
    asks: Vec<Asked>,
    ended: bool,
    /// Samples heard when an answer was last given.
    answered: Option<usize>,
    /// Samples of the stream that the last answer stood for.
    told: usize,
}

/// A question, and up to where in the stream the answer must have listened: the last voice when it
/// was asked. A caller who goes on speaking must not put the answer off.
#[derive(Clone, Copy)]
struct Asked {
    ask: u32,
    needs: usize,
}

impl Turn {
    /// A turn without sound. `language` is for streams that name none.
    pub(crate) fn new(options: &SttOptions, language: Option<String>) -> Self {
        let (task, temperature, detail) = (options.task, options.temperature, options.detail);
        let (text, segments) = (String::new(), Vec::new());
        Self {
            window: Vec::new(),
            loudness: Loudness::default(),
            latest: None,
            frozen: Frozen { text, segments, evidence: Evidence::NONE, samples: 0 },
            owed: Owed::default(),
            language: options.language.clone().or(language),
            hint: options.prompt.clone().unwrap_or_default(),
            partials: options.partials,
            style: Style { task, temperature, detail },
            given_way: 0,
        }
    }

    /// How its text is to be written down.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// Whether its work is to wait for calls: it is a file, and has not waited too often.
    pub(crate) fn gives_way(&self) -> bool {
        self.is_file() && self.given_way < MOST_GIVEN_WAY
    }

    /// Notes that a job was given up.
    pub(crate) fn gave_way(&mut self) {
        self.given_way += 1;
    }

    /// Whether more input may come; else there is a job to do or an answer to give first.
    pub(crate) fn takes_input(&self) -> bool {
        self.window.len() < self.full() && self.owed.asks.len() < MOST_ASKS
    }

    /// Hears 16 kHz samples.
    pub(crate) fn hear(&mut self, samples: &[i16]) {
        let from = self.window.len();
        self.window.extend(samples.iter().map(|&s| f32::from(s) / 32_768.0));
        self.loudness.push(&self.window[from..]);
        self.freeze_at_pause();
    }

    /// Notes a question.
    pub(crate) fn ask(&mut self, ask: u32) {
        let needs = self.frozen.samples + self.loudness.voice_end();
        self.owed.asks.push(Asked { ask, needs });
    }

    /// Notes that nothing more will be said.
    pub(crate) fn end(&mut self) {
        self.owed.ended = true;
    }

    /// Whether an answer is owed that takes work.
    pub(crate) fn owes_work(&self) -> bool {
        self.owed.asks.iter().any(|asked| asked.needs > self.covered())
            || (self.owes_the_end() && !self.is_covered())
    }

    /// Whether what `job` yields will answer everything that is owed.
    pub(crate) fn is_served_by(&self, job: &Job) -> bool {
        let covers = self.frozen.samples + job.covers;
        job.why != Why::Full
            && self.owed.asks.iter().all(|asked| asked.needs <= covers)
            && (!self.owes_the_end() || job.covers >= self.loudness.voice_end())
    }

    /// Whether the quiet that `job` took for a pause is over.
    pub(crate) fn has_resumed_since(&self, job: &Job) -> bool {
        job.why == Why::Pause && self.loudness.voice_end() > job.covers + RESUMED
    }

    /// What to do next; `growth` is how many new samples are worth a partial transcript.
    pub(crate) fn job(&self, growth: usize) -> Option<Job> {
        let heard = self.window.len();
        let voice_end = self.loudness.voice_end();
        let job = |why, covers: usize| {
            let sound = if voice_end == 0 { 0 } else { covers.min(voice_end + TAIL) };
            Some(Job { why, covers, sound })
        };
        if self.owes_work() {
            return job(Why::Owed, heard);
        }
        if heard >= self.full() {
            return job(Why::Full, self.loudness.quietest_after(heard - CUT_WITHIN));
        }
        if !self.partials || self.is_known() {
            return None;
        }
        if heard >= voice_end + PAUSE {
            return job(Why::Pause, heard);
        }
        let covered = self.latest.as_ref().map_or(0, |l| l.covers);
        if heard >= covered + growth { job(Why::Growth, heard) } else { None }
    }

    /// The sound of a job.
    pub(crate) fn sound(&self, job: &Job) -> &[f32] {
        &self.window[..job.sound]
    }

    /// The language to listen for.
    pub(crate) fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    /// What the model reads before it listens.
    pub(crate) fn prompt(&self) -> String {
        let text = &self.frozen.text;
        let from = text.ceil_char_boundary(text.len().saturating_sub(PROMPT_BYTES));
        let tail = text.get(from..).unwrap_or_default();
        format!("{} {tail}", self.hint).trim().to_owned()
    }

    /// Takes the result of a job, which may be older than the last input; a transcript where a
    /// partial one is wanted.
    pub(crate) fn settle(
        &mut self,
        job: &Job,
        mut understood: Understood,
        worked: Duration,
    ) -> Option<Transcript> {
        self.given_way = 0;
        let Told { segments, rest } = self.tell(job, &mut understood);
        if self.language.is_none() && understood.tokens > 0 && !understood.language.is_empty() {
            self.language = Some(understood.language.clone());
        }
        let evidence = Evidence::of(&understood);
        let waited = if job.why == Why::Owed { worked } else { Duration::ZERO };
        let (covers, text) = (job.covers, understood.text);
        self.latest = Some(Latest { covers, text, segments, evidence, worked: waited });
        let partial = (self.partials && job.why != Why::Owed).then(|| {
            let end = self.frozen.samples + job.covers;
            Transcript { worked, ..self.transcript(None, end) }
        });
        match rest {
            Some(cut) => self.freeze(cut),
            None if job.why == Why::Full => self.freeze(job.covers),
            None => {}
        }
        partial
    }

    fn tell(&self, job: &Job, understood: &mut Understood) -> Told {
        if !self.is_file() {
            return Told::default();
        }
        let voiced = self.loudness.voiced(job.covers / CELL);
        let heard = Heard { voiced, from: self.frozen.samples };
        passages::tell(understood, &heard, self.style.detail)
    }

    fn is_file(&self) -> bool {
        self.style.detail > SttDetail::Text
    }

    fn full(&self) -> usize {
        if self.is_file() { FULL_OF_FILE } else { FULL }
    }

    /// How many transcripts [`answer`](Self::answer) may give.
    pub(crate) fn answers(&self) -> usize {
        self.owed.asks.len() + 1
    }

    /// The answers that are owed and ready; none while work is needed.
    pub(crate) fn answer(&mut self) -> Vec<Transcript> {
        let end = self.heard();
        let covered = self.covered();
        let asks = self.owed.asks.extract_if(.., |asked| asked.needs <= covered);
        let ready: Vec<u32> = asks.map(|asked| asked.ask).collect();
        let mut answers: Vec<_> =
            ready.into_iter().map(|ask| self.transcript(Some(ask), end)).collect();
        if answers.is_empty() && self.owes_the_end() && self.is_covered() {
            answers.push(self.transcript(None, end));
        }
        if answers.is_empty() {
            return answers;
        }
        self.owed.told = covered;
        if self.is_covered() {
            self.owed.answered = Some(end);
        }
        if let Some(latest) = &mut self.latest {
            latest.worked = Duration::ZERO;
        }
        self.freeze_at_pause();
        answers
    }

    /// Whether the stream has ended and everything is answered.
    pub(crate) fn is_done(&self) -> bool {
        self.owed.ended && !self.owes()
    }

    fn owes(&self) -> bool {
        !self.owed.asks.is_empty() || self.owes_the_end()
    }

    fn owes_the_end(&self) -> bool {
        self.owed.ended && self.owed.answered != Some(self.heard())
    }

    /// Samples of the stream that the text stands for.
    fn covered(&self) -> usize {
        self.frozen.samples + self.latest.as_ref().map_or(0, |l| l.covers)
    }

    /// Samples since the stream began.
    fn heard(&self) -> usize {
        self.frozen.samples + self.window.len()
    }

    /// Whether nothing was voiced that is not understood yet.
    fn is_covered(&self) -> bool {
        let covered = self.latest.as_ref().map_or(0, |l| l.covers);
        self.loudness.voice_end() <= covered
    }

    /// Whether nothing was voiced since, or next to nothing since the last answer.
    fn is_known(&self) -> bool {
        let voice_end = self.frozen.samples + self.loudness.voice_end();
        self.is_covered() || (self.owed.told > 0 && voice_end <= self.owed.told + NEWS)
    }

    fn transcript(&self, ask: Option<u32>, end: usize) -> Transcript {
        let (text, evidence, worked) = match &self.latest {
            Some(l) => {
                (joined(&self.frozen.text, &l.text), self.frozen.evidence.and(l.evidence), l.worked)
            }
            None => (self.frozen.text.clone(), self.frozen.evidence, Duration::ZERO),
        };
        Transcript {
            text,
            ask,
            end: MediaTime::from_samples(end as u64, RATE_HZ),
            no_speech: evidence.no_speech,
            avg_logprob: evidence.avg_logprob(),
            compression_ratio: evidence.compression_ratio,
            worked,
            language: self.language.clone(),
            segments: self.segments(),
        }
    }

    fn segments(&self) -> Vec<Segment> {
        let latest = self.latest.iter().flat_map(|latest| &latest.segments);
        self.frozen.segments.iter().chain(latest).cloned().collect()
    }

    fn freeze_at_pause(&mut self) {
        let heard = self.window.len();
        if heard >= LONG
            && self.latest.is_some()
            && self.is_covered()
            && heard - self.loudness.voice_end() >= LONG_PAUSE
        {
            self.freeze(heard / CELL * CELL);
        }
    }

    /// Ends the window at `cut`; what was last understood stands for it.
    fn freeze(&mut self, cut: usize) {
        if let Some(latest) = self.latest.take() {
            self.frozen.text = joined(&self.frozen.text, &latest.text);
            self.frozen.segments.extend(latest.segments);
            self.frozen.evidence = self.frozen.evidence.and(latest.evidence);
        }
        self.frozen.samples += cut;
        self.window.drain(..cut);
        self.loudness.forget_before(cut);
    }
}

fn joined(before: &str, after: &str) -> String {
    let space = if before.is_empty() || after.is_empty() { "" } else { " " };
    format!("{before}{space}{after}")
}

#[cfg(test)]
mod tests;

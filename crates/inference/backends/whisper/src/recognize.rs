//! What understands windows, and what is tried with one.

use trunkline_inference::{ModelError, SttDetail, SttTask};
pub(crate) use trunkline_native::Urgency;

use crate::{
    evidence::Evidence,
    fit,
    module::{Style, Tokens, Window},
    turn::Why,
    understood::Understood,
};

/// A text that compresses better than this repeats itself.
const MOST_COMPRESSED: f32 = 2.4;
/// A text less probable than this is a guess.
const LEAST_LOGPROB: f32 = -1.0;
/// Where nobody spoke, a guess needs no better one.
const NO_SPEECH: f32 = 0.6;
/// How freely a file's window that went wrong is written down again.
const ANOTHER_TEMPERATURE: f32 = 0.4;

/// What came of a window: `None` when it was given up.
pub(crate) type Outcome = Result<Option<Understood>, ModelError>;

/// Understands windows, one at each of its desks.
pub(crate) trait Recognize {
    /// Whether it can listen for a language (any, for `None`) and do this task;
    /// [`ModelError::BadRequest`] says why it cannot.
    fn check(&self, language: Option<&str>, task: SttTask) -> Result<(), ModelError>;

    /// Windows at a time.
    fn desks(&self) -> usize;

    /// Puts a window on a desk, in the place of what lies there.
    fn begin(&mut self, desk: usize, window: &Window<'_>) -> Result<(), ModelError>;

    /// Works for a little, on what is most urgent. `urgency` is asked for each desk at work, the first one
    /// first; what it knows no urgency of is given up. What has ended.
    fn step(&mut self, urgency: &mut dyn FnMut(usize) -> Option<Urgency>) -> Vec<(usize, Outcome)>;
}

/// Understands one window, and does nothing else meanwhile.
pub(crate) trait RecognizeAlone {
    /// As [`Recognize::check`].
    fn check(&self, language: Option<&str>, task: SttTask) -> Result<(), ModelError>;

    /// Transcribes; `None` when `interrupted` said to give up.
    fn recognize(&mut self, window: &Window<'_>, interrupted: &mut dyn FnMut() -> bool) -> Outcome;
}

/// A recognizer with one desk.
pub(crate) struct OneDesk<R> {
    pub(crate) recognizer: R,
    window: Option<OwnedWindow>,
}

impl<R> OneDesk<R> {
    pub(crate) fn new(recognizer: R) -> Self {
        Self { recognizer, window: None }
    }
}

impl<R: RecognizeAlone> Recognize for OneDesk<R> {
    fn check(&self, language: Option<&str>, task: SttTask) -> Result<(), ModelError> {
        self.recognizer.check(language, task)
    }

    fn desks(&self) -> usize {
        1
    }

    fn begin(&mut self, _: usize, window: &Window<'_>) -> Result<(), ModelError> {
        self.window = Some(OwnedWindow::of(window));
        Ok(())
    }

    fn step(&mut self, urgency: &mut dyn FnMut(usize) -> Option<Urgency>) -> Vec<(usize, Outcome)> {
        let Some(window) = self.window.take() else { return Vec::new() };
        let outcome = self.recognizer.recognize(&window.borrowed(), &mut || urgency(0).is_none());
        vec![(0, outcome)]
    }
}

/// A [`Window`] that owns what it holds.
pub(crate) struct OwnedWindow {
    pub(crate) samples: Vec<f32>,
    pub(crate) language: Option<String>,
    pub(crate) prompt: String,
    pub(crate) audio_positions: u32,
    pub(crate) tokens: Tokens,
    pub(crate) threads: u32,
    pub(crate) style: Style,
}

impl OwnedWindow {
    fn of(window: &Window<'_>) -> Self {
        Self {
            samples: window.samples.to_vec(),
            language: window.language.map(str::to_owned),
            prompt: window.prompt.to_owned(),
            audio_positions: window.audio_positions,
            tokens: window.tokens,
            threads: window.threads,
            style: window.style,
        }
    }

    pub(crate) fn borrowed(&self) -> Window<'_> {
        Window {
            samples: &self.samples,
            language: self.language.as_deref(),
            prompt: &self.prompt,
            audio_positions: self.audio_positions,
            language_positions: fit::language_positions(self.audio_positions),
            tokens: self.tokens,
            threads: self.threads,
            style: self.style,
        }
    }
}

/// What is tried with a window: a short one in which there are digits once more in a wider one, because a
/// tight window makes Whisper say them twice; a file's that went wrong once more and freely.
pub(crate) struct Looks {
    why: Why,
    /// Of the first look.
    positions: u32,
    look: Look,
}

enum Look {
    First,
    Wide { first: Understood },
    Another { first: Understood },
}

/// What follows a look.
pub(crate) enum Next {
    /// The window is to be looked at again.
    Look,
    /// This is what counts; `None` when there was no time.
    Done(Option<Understood>),
}

impl Looks {
    pub(crate) fn new(why: Why, window: &OwnedWindow) -> Self {
        Self { why, positions: window.audio_positions, look: Look::First }
    }

    /// Takes what a look brought, none where there was no time for it, and sets the window for the next.
    pub(crate) fn take(&mut self, seen: Option<Understood>, window: &mut OwnedWindow) -> Next {
        let understood = match std::mem::replace(&mut self.look, Look::First) {
            Look::First => {
                let Some(seen) = seen else { return Next::Done(None) };
                if self.wants_wide(&seen) {
                    window.audio_positions = fit::WIDE;
                    self.look = Look::Wide { first: seen };
                    return Next::Look;
                }
                seen
            }
            Look::Wide { first } => seen.unwrap_or(first),
            Look::Another { first } => {
                let better = seen.filter(|another| !went_wrong(another));
                return Next::Done(Some(better.unwrap_or(first)));
            }
        };
        let is_file = window.style.detail > SttDetail::Text;
        if is_file && window.style.temperature <= 0.0 && went_wrong(&understood) {
            window.audio_positions = self.positions;
            window.style.temperature = ANOTHER_TEMPERATURE;
            self.look = Look::Another { first: understood };
            return Next::Look;
        }
        Next::Done(Some(understood))
    }

    fn wants_wide(&self, seen: &Understood) -> bool {
        let has_digits = seen.text.contains(|c: char| c.is_ascii_digit());
        self.why != Why::Growth && self.positions < fit::WIDE && has_digits
    }
}

/// Whether a text is a loop or a guess at speech.
fn went_wrong(understood: &Understood) -> bool {
    let evidence = Evidence::of(understood);
    let is_guess = evidence.avg_logprob() < LEAST_LOGPROB && evidence.no_speech <= NO_SPEECH;
    evidence.compression_ratio > MOST_COMPRESSED || is_guess
}

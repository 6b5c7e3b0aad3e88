//! One transcription with whisper-rs: one sequence of tokens, no second try.

#![expect(unsafe_code, reason = "requests come as C pointers")]

use std::{
    ffi::{CStr, c_char},
    slice,
    sync::Arc,
};

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState,
    get_lang_id, get_lang_str, install_logging_hooks,
};

use crate::{
    abi::{Answer, LoadOptions, Piece, Request},
    ending::Ending,
    steps::{Steps, at_each_step},
};

/// whisper.cpp makes nothing of less than a tenth of a second.
const LEAST_SAMPLES: usize = 1_760;
/// Of a longer sound it encodes nothing when told to transcribe this much.
const NOTHING_MS: i32 = 100;
/// A time token stands for 20 ms.
const SAMPLES_PER_TIME: usize = 320;

/// A loaded model.
pub(crate) struct Model {
    context: Arc<WhisperContext>,
}

/// Working memory, and the text of the last answer.
pub(crate) struct State {
    context: Arc<WhisperContext>,
    memory: WhisperState,
    /// One for each language asked for.
    params: Vec<(&'static str, FullParams<'static, 'static>)>,
    text: Vec<u8>,
    pieces: Vec<Piece>,
    times: Vec<f32>,
}

/// A token as it was decoded.
struct Decoded {
    /// Its place among all tokens.
    at: usize,
    id: u32,
    logprob: f32,
    /// Of text tokens.
    bytes: Vec<u8>,
}

impl Model {
    /// Loads the file at `path`.
    pub(crate) fn load(path: &str, options: LoadOptions) -> Result<Self, String> {
        install_logging_hooks();
        let mut params = WhisperContextParameters::default();
        params
            .use_gpu(options.gpu != 0)
            .gpu_device(options.gpu_number.cast_signed())
            .flash_attn(options.flash_attention != 0);
        let context = WhisperContext::new_with_params(path, params).map_err(|e| e.to_string())?;
        Ok(Self { context: Arc::new(context) })
    }

    /// Whether it can do this.
    ///
    /// # Safety
    /// The language is null or ended by a zero.
    pub(crate) unsafe fn check(
        &self,
        language: *const c_char,
        translate: bool,
    ) -> Result<(), String> {
        // SAFETY: as this function asks.
        let language = unsafe { known_language(language) }?;
        if self.context.is_multilingual() {
            return Ok(());
        }
        match language {
            Some("en") | None if !translate => Ok(()),
            Some("en") | None => {
                Err("this model understands English only: it cannot translate".into())
            }
            Some(other) => Err(format!("this model understands English only, not {other:?}")),
        }
    }

    /// Makes working memory.
    pub(crate) fn new_state(&self) -> Result<State, String> {
        let memory = self.context.create_state().map_err(|e| e.to_string())?;
        Ok(State {
            context: Arc::clone(&self.context),
            memory,
            params: Vec::new(),
            text: Vec::new(),
            pieces: Vec::new(),
            times: Vec::new(),
        })
    }
}

impl State {
    /// Transcribes; `None` when the abort callback gave up.
    ///
    /// # Safety
    /// Every pointer in `request` is null or valid as [`Request`] says.
    pub(crate) unsafe fn transcribe(
        &mut self,
        request: &Request,
    ) -> Result<Option<Answer>, String> {
        if request.samples.is_null() || request.samples_len < LEAST_SAMPLES {
            return Err(format!("fewer than {LEAST_SAMPLES} samples"));
        }
        // SAFETY: not null, and of this length by the caller's promise.
        let samples = unsafe { slice::from_raw_parts(request.samples, request.samples_len) };
        // SAFETY: null or valid by the caller's promise.
        let prompt = self.prompt_tokens(unsafe { prompt(request) }, request.prompt_tokens);
        // SAFETY: null or ended by a zero, by the caller's promise.
        let language = unsafe { known_language(request.language) }?;
        let language = match language {
            _ if !self.context.is_multilingual() => "en",
            Some(language) => language,
            None => self.spoken_language(samples, request)?,
        };
        let mut params = self.params_for(language);
        params.set_tokens(&prompt);
        params.set_n_threads(int(request.threads.max(1)));
        params.set_audio_ctx(int(request.audio_positions));
        params.set_max_tokens(int(request.most_tokens));
        params.set_translate(request.translate != 0);
        params.set_temperature(request.temperature);
        // SAFETY: whisper.cpp calls it on this thread, during `full` only, with this argument.
        unsafe {
            params.set_abort_callback(request.abort);
            params.set_abort_callback_user_data(request.abort_argument);
        }
        let plausible = usize::try_from(request.plausible_tokens).unwrap_or(usize::MAX);
        let [end, first_time] =
            [self.context.token_eot(), self.context.token_beg()].map(i32::cast_unsigned);
        let ending = Ending::new(end, first_time, samples.len(), plausible);
        let columns = if request.detail < 2 { 0 } else { samples.len() / SAMPLES_PER_TIME + 1 };
        let mut steps = Steps::new(&self.context, ending, columns, request.temperature);
        // SAFETY: whisper.cpp calls it during `full` only, with this argument, which outlives that.
        unsafe {
            params.set_filter_logits_callback(Some(at_each_step));
            params.set_filter_logits_callback_user_data((&raw mut steps).cast());
        }
        let outcome = self.memory.full(params, samples);
        let gave_up = || {
            // SAFETY: the callback and its argument are valid until the caller gets its answer.
            request.abort.is_some_and(|abort| unsafe { abort(request.abort_argument) })
        };
        match outcome {
            Ok(()) => self.answer(&steps, request.detail > 0).map(Some),
            Err(_) if gave_up() => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Finds out the language. whisper.cpp's own way listens with as many positions as the request
    /// before this one had: a transcription of next to nothing sets them first.
    fn spoken_language(
        &mut self,
        samples: &[f32],
        request: &Request,
    ) -> Result<&'static str, String> {
        let mut params = self.params_for("en");
        params.set_audio_ctx(int(request.language_positions));
        params.set_duration_ms(NOTHING_MS);
        self.memory.full(params, samples).map_err(|e| e.to_string())?;
        let threads = usize::try_from(request.threads.max(1)).unwrap_or(1);
        let (language, _) = self.memory.lang_detect(0, threads).map_err(|e| e.to_string())?;
        get_lang_str(language).ok_or_else(|| "whisper.cpp found no language".to_owned())
    }

    fn answer(&mut self, steps: &Steps, wants_pieces: bool) -> Result<Answer, String> {
        let mut no_speech = 1.0_f32;
        let mut decoded = Vec::new();
        for segment in self.memory.as_iter() {
            no_speech = no_speech.min(segment.no_speech_probability());
            for token in (0..segment.n_tokens()).filter_map(|i| segment.get_token(i)) {
                let (at, id) = (decoded.len(), token.token_id().cast_unsigned());
                let is_text = steps.ending.is_text(id);
                let bytes =
                    if is_text { token.to_bytes().map_err(|e| e.to_string())? } else { &[] };
                let logprob = steps.logprob(at, id, token.token_data().plog);
                decoded.push(Decoded { at, id, logprob, bytes: bytes.to_vec() });
            }
        }
        let (logprob_sum, tokens) = self.keep(&decoded, steps, wants_pieces);
        let mut language = [0; 4];
        let spoken = get_lang_str(self.memory.full_lang_id_from_state()).unwrap_or_default();
        for (place, byte) in language.iter_mut().zip(spoken.bytes()) {
            *place = byte;
        }
        Ok(Answer {
            text: self.text.as_ptr(),
            text_len: self.text.len(),
            pieces: self.pieces.as_ptr(),
            pieces_len: self.pieces.len(),
            times: self.times.as_ptr(),
            times_len: self.times.len(),
            logprob_sum,
            tokens,
            no_speech,
            language,
        })
    }

    /// Keeps what was said, without what only repeats it: the sum of its log-probabilities, and how
    /// many text tokens it has.
    fn keep(&mut self, decoded: &[Decoded], steps: &Steps, wants_pieces: bool) -> (f32, u32) {
        let is_text = |token: &&Decoded| steps.ending.is_text(token.id);
        let spelling = |t: &Decoded| String::from_utf8_lossy(&t.bytes).trim().to_lowercase();
        let spellings: Vec<_> = decoded.iter().filter(is_text).map(spelling).collect();
        let kept = steps.ending.keep(&spellings);
        let first_time = self.context.token_beg();
        self.text.clear();
        self.pieces.clear();
        self.times.clear();
        let (mut logprob_sum, mut tokens) = (0.0, 0);
        for token in decoded {
            let is_text = is_text(&token);
            // Where something was left out, the time after it is not that of what was kept.
            if usize::try_from(tokens).is_ok_and(|n| n == kept)
                && (is_text || kept < spellings.len())
            {
                break;
            }
            if is_text {
                self.text.extend(&token.bytes);
                logprob_sum += token.logprob;
                tokens += 1;
            }
            let time = token.id.cast_signed() - first_time;
            if wants_pieces && (is_text || time >= 0) {
                self.pieces.push(Piece {
                    id: token.id,
                    logprob: token.logprob,
                    bytes_len: u32::try_from(token.bytes.len()).unwrap_or(0),
                    time: if is_text { -1 } else { time },
                });
                self.times.extend(steps.times(token.at));
            }
        }
        (logprob_sum, tokens)
    }

    /// The last `most` tokens of a prompt.
    fn prompt_tokens(&self, prompt: &str, most: u32) -> Vec<i32> {
        // A zero byte cannot pass to whisper.cpp; every token has at least a byte.
        let clean = prompt.replace('\0', " ");
        let mut tokens = if clean.trim().is_empty() {
            Vec::new()
        } else {
            self.context.tokenize(&clean, clean.len() + 8).unwrap_or_default()
        };
        tokens.drain(..tokens.len().saturating_sub(usize::try_from(most).unwrap_or(0)));
        tokens
    }

    /// The settings that every request shares. Kept by language: whisper-rs never frees the
    /// language's name.
    fn params_for(&mut self, language: &'static str) -> FullParams<'static, 'static> {
        if let Some((_, params)) = self.params.iter().find(|(of, _)| *of == language) {
            return params.clone();
        }
        let mut params = FullParams::new(SamplingStrategy::Greedy { best_of: 1 });
        params.set_language(Some(language));
        params.set_no_context(true);
        params.set_no_timestamps(false);
        params.set_single_segment(true);
        params.set_temperature_inc(0.0);
        // Above every probability: whether it was speech is for the caller to decide.
        params.set_no_speech_thold(2.0);
        params.set_print_progress(false);
        params.set_print_realtime(false);
        params.set_print_special(false);
        params.set_print_timestamps(false);
        self.params.push((language, params.clone()));
        params
    }
}

/// Whisper's own name for a language; `None` where none is given.
///
/// # Safety
/// The language is null or ended by a zero, and lives until this returns.
unsafe fn known_language(language: *const c_char) -> Result<Option<&'static str>, String> {
    if language.is_null() {
        return Ok(None);
    }
    // SAFETY: not null, and as this function asks.
    let language = unsafe { CStr::from_ptr(language) }.to_str().map_err(|e| e.to_string())?;
    let known = get_lang_id(language).and_then(get_lang_str);
    let unknown =
        || format!("Whisper does not know the language {language:?}: give its ISO 639-1 code");
    known.map(Some).ok_or_else(unknown)
}

/// # Safety
/// The prompt is null or of its length, and lives as long as the request.
unsafe fn prompt(request: &Request) -> &str {
    if request.prompt.is_null() {
        return "";
    }
    // SAFETY: not null, and as this function asks.
    let bytes = unsafe { slice::from_raw_parts(request.prompt, request.prompt_len) };
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn int(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

//! One transcription with whisper-rs: greedy, one segment, no second try.

#![expect(unsafe_code, reason = "requests come as C pointers")]

use std::{ffi::CStr, slice, sync::Arc};

use whisper_rs::{
    FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState,
    get_lang_id, get_lang_str, install_logging_hooks,
};

use crate::{
    abi::{Answer, LoadOptions, Request},
    ending::{Ending, end_in_time},
};

/// Prompt tokens that are kept, the last ones: enough to carry names and style over, cheap to read.
const PROMPT_TOKENS: usize = 96;
/// whisper.cpp makes nothing of less than a tenth of a second.
const LEAST_SAMPLES: usize = 1_760;
/// A loaded model.
pub(crate) struct Model {
    context: Arc<WhisperContext>,
}

/// Working memory, and the text of the last answer.
pub(crate) struct State {
    context: Arc<WhisperContext>,
    memory: WhisperState,
    params: Option<(&'static str, FullParams<'static, 'static>)>,
    text: Vec<u8>,
}

impl Model {
    /// Loads the file at `path`.
    pub(crate) fn load(path: &str, options: LoadOptions) -> Result<Self, String> {
        install_logging_hooks();
        let mut params = WhisperContextParameters::default();
        params.use_gpu(options.gpu != 0).flash_attn(options.flash_attention != 0);
        let context = WhisperContext::new_with_params(path, params).map_err(|e| e.to_string())?;
        Ok(Self { context: Arc::new(context) })
    }

    /// Makes working memory.
    pub(crate) fn new_state(&self) -> Result<State, String> {
        let memory = self.context.create_state().map_err(|e| e.to_string())?;
        Ok(State { context: Arc::clone(&self.context), memory, params: None, text: Vec::new() })
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
        let prompt = self.prompt_tokens(unsafe { prompt(request) });
        // SAFETY: null or ended by a zero, by the caller's promise.
        let language = unsafe { language(request) }?;
        let language = if self.context.is_multilingual() { language } else { "en" };
        let mut params = self.params_for(language);
        params.set_tokens(&prompt);
        params.set_n_threads(int(request.threads.max(1)));
        params.set_audio_ctx(int(request.audio_positions));
        params.set_max_tokens(int(request.most_tokens));
        // SAFETY: whisper.cpp calls it on this thread, during `full` only, with this argument.
        unsafe {
            params.set_abort_callback(request.abort);
            params.set_abort_callback_user_data(request.abort_argument);
        }
        let mut ending = Ending::new(&self.context, samples.len());
        // SAFETY: whisper.cpp calls it during `full` only, with this argument, which outlives that.
        unsafe {
            params.set_filter_logits_callback(Some(end_in_time));
            params.set_filter_logits_callback_user_data((&raw mut ending).cast());
        }
        let outcome = self.memory.full(params, samples);
        let gave_up = || {
            // SAFETY: the callback and its argument are valid until the caller gets its answer.
            request.abort.is_some_and(|abort| unsafe { abort(request.abort_argument) })
        };
        match outcome {
            Ok(()) => self.answer(&ending).map(Some),
            Err(_) if gave_up() => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn answer(&mut self, ending: &Ending) -> Result<Answer, String> {
        let mut answer = Answer {
            text: std::ptr::null(),
            text_len: 0,
            logprob_sum: 0.0,
            tokens: 0,
            no_speech: 1.0,
            language: [0; 4],
        };
        let (mut spellings, mut tokens) = (Vec::new(), Vec::new());
        for segment in self.memory.as_iter() {
            answer.no_speech = answer.no_speech.min(segment.no_speech_probability());
            for token in (0..segment.n_tokens()).filter_map(|i| segment.get_token(i)) {
                if ending.is_text(token.token_id()) {
                    let bytes = token.to_bytes().map_err(|e| e.to_string())?;
                    spellings.push(String::from_utf8_lossy(bytes).trim().to_lowercase());
                    tokens.push((bytes.to_vec(), token.token_data().plog));
                }
            }
        }
        self.text.clear();
        for (bytes, logprob) in &tokens[..ending.keep(&spellings)] {
            self.text.extend(bytes);
            answer.logprob_sum += logprob;
            answer.tokens += 1;
        }
        let language = get_lang_str(self.memory.full_lang_id_from_state()).unwrap_or_default();
        for (place, byte) in answer.language.iter_mut().zip(language.bytes()) {
            *place = byte;
        }
        answer.text = self.text.as_ptr();
        answer.text_len = self.text.len();
        Ok(answer)
    }

    fn prompt_tokens(&self, prompt: &str) -> Vec<i32> {
        // A zero byte cannot pass to whisper.cpp; every token has at least a byte.
        let clean = prompt.replace('\0', " ");
        let mut tokens = if clean.trim().is_empty() {
            Vec::new()
        } else {
            self.context.tokenize(&clean, clean.len() + 8).unwrap_or_default()
        };
        tokens.drain(..tokens.len().saturating_sub(PROMPT_TOKENS));
        tokens
    }

    /// The settings that every request shares. Kept by language: whisper-rs never frees the
    /// language's name.
    fn params_for(&mut self, language: &'static str) -> FullParams<'static, 'static> {
        if let Some((of, params)) = &self.params
            && *of == language
        {
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
        self.params = Some((language, params.clone()));
        params
    }
}

/// # Safety
/// The language is null or ended by a zero, and lives as long as the request.
unsafe fn language(request: &Request) -> Result<&'static str, String> {
    if request.language.is_null() {
        return Ok("auto");
    }
    // SAFETY: not null, and as this function asks.
    let language =
        unsafe { CStr::from_ptr(request.language) }.to_str().map_err(|e| e.to_string())?;
    get_lang_id(language)
        .and_then(get_lang_str)
        .ok_or_else(|| format!("Whisper does not know the language {language:?}"))
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

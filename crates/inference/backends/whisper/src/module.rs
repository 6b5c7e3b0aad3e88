//! The whisper module behind a safe face: found, loaded, its version checked, its pointers owned.

#![expect(unsafe_code, reason = "the module is called through C functions")]

use std::{
    ffi::{CStr, CString, c_void},
    mem::MaybeUninit,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    ptr::{self, NonNull},
    sync::Arc,
};

use trunkline_boundary::{ErrorText, Status, Unusable, find, table};
use trunkline_inference::{ModelError, SttDetail, SttTask};

use crate::{
    abi::{Functions, LoadOptions, ModelHandle, Request, StateHandle, VERSION},
    understood::Understood,
};

/// A function without arguments that gives the [`Functions`].
const SYMBOL: &str = "trunkline_whisper_functions";
const ENGINE: &str = "whisper";
const FILE_NAME: &str = "libtrunkline_whisper_module.so";
/// The same, built for NVIDIA GPUs: it cannot be loaded where there is no driver.
const CUDA_FILE_NAME: &str = "libtrunkline_whisper_module_cuda.so";

/// A loaded model.
pub(crate) struct Model {
    functions: &'static Functions,
    handle: NonNull<ModelHandle>,
}

/// Working memory for one transcription at a time.
pub(crate) struct State {
    model: Arc<Model>,
    handle: NonNull<StateHandle>,
}

/// What to transcribe, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    /// 16 kHz mono, -1..=1.
    pub(crate) samples: &'a [f32],
    /// ISO 639-1; `None` has the model find out.
    pub(crate) language: Option<&'a str>,
    /// What was said before, or words that are likely to come.
    pub(crate) prompt: &'a str,
    /// Encoder positions, 50 a second; 0 is all of them.
    pub(crate) audio_positions: u32,
    /// The same for finding out the language.
    pub(crate) language_positions: u32,
    /// How many tokens are expected and allowed.
    pub(crate) tokens: Tokens,
    /// Threads that compute.
    pub(crate) threads: u32,
    /// How it is written down.
    pub(crate) style: Style,
}

/// How a text is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Style {
    /// What to write down.
    pub(crate) task: SttTask,
    /// 0 is greedy.
    pub(crate) temperature: f32,
    /// What is told beside the text.
    pub(crate) detail: SttDetail,
}

/// Bounds on tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// Decoding stops after these.
    pub(crate) most: u32,
    /// A repetition beyond these is a loop.
    pub(crate) plausible: u32,
    /// The last ones of the prompt that are kept.
    pub(crate) prompt: u32,
}

// SAFETY: the module's handles may be used from any thread, one at a time; a model's functions only
// read it.
unsafe impl Send for Model {}
// SAFETY: as above.
unsafe impl Sync for Model {}
// SAFETY: as above; `transcribe` takes the state mutably.
unsafe impl Send for State {}

impl Model {
    /// Finds and loads the module, then the model file.
    pub(crate) fn load(
        model: &Path,
        module: Option<&Path>,
        options: LoadOptions,
    ) -> Result<Arc<Self>, ModelError> {
        if !model.is_file() {
            return Err(ModelError::Missing { path: model.to_owned() });
        }
        let file_name = if options.gpu == 0 { FILE_NAME } else { CUDA_FILE_NAME };
        let functions = open(module, file_name)?;
        let corrupt = |reason| ModelError::Corrupt { path: model.to_owned(), reason };
        let path = CString::new(model.as_os_str().as_encoded_bytes())
            .map_err(|_| corrupt("its path holds a zero".to_owned()))?;
        let mut error = ErrorText::default();
        // SAFETY: the path is ended by a zero and there is room for an error.
        let handle = unsafe { (functions.load)(path.as_ptr(), options, &raw mut error) };
        let handle = NonNull::new(handle).ok_or_else(|| corrupt(error.text()))?;
        Ok(Arc::new(Self { functions, handle }))
    }

    /// Makes working memory.
    pub(crate) fn new_state(self: &Arc<Self>) -> Result<State, ModelError> {
        let mut error = ErrorText::default();
        // SAFETY: the model lives as long as `self`, and there is room for an error.
        let handle = unsafe { (self.functions.new_state)(self.handle.as_ptr(), &raw mut error) };
        let handle = NonNull::new(handle).ok_or_else(|| failed(error.text()))?;
        Ok(State { model: Arc::clone(self), handle })
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: the handle came from `load` and is not used again; states hold the model.
        unsafe { (self.functions.free_model)(self.handle.as_ptr()) };
    }
}

impl State {
    /// Whether the model can do this; [`ModelError::BadRequest`] says why it cannot.
    pub(crate) fn check(&self, language: Option<&str>, task: SttTask) -> Result<(), ModelError> {
        let language = c_language(language)?;
        let language = language.as_deref().map_or(ptr::null(), CStr::as_ptr);
        let (model, mut error) = (&self.model, ErrorText::default());
        // SAFETY: the model lives, the language is null or ended by a zero, and there is room for an
        // error.
        let status = unsafe {
            (model.functions.check)(
                model.handle.as_ptr(),
                language,
                translate(task),
                &raw mut error,
            )
        };
        if status == Status::DONE { Ok(()) } else { Err(ModelError::BadRequest(error.text())) }
    }

    /// Transcribes a window; `None` when `interrupted` said to give up. It is asked after encoding
    /// and before each token.
    pub(crate) fn transcribe(
        &mut self,
        window: &Window<'_>,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Understood>, ModelError> {
        let language = c_language(window.language)?;
        let mut interrupted = interrupted;
        let request = Request {
            samples: window.samples.as_ptr(),
            samples_len: window.samples.len(),
            language: language.as_deref().map_or(ptr::null(), CStr::as_ptr),
            prompt: window.prompt.as_ptr(),
            prompt_len: window.prompt.len(),
            audio_positions: window.audio_positions,
            language_positions: window.language_positions,
            most_tokens: window.tokens.most,
            plausible_tokens: window.tokens.plausible,
            prompt_tokens: window.tokens.prompt,
            threads: window.threads,
            temperature: window.style.temperature,
            translate: translate(window.style.task),
            detail: match window.style.detail {
                SttDetail::Text => 0,
                SttDetail::Segments => 1,
                SttDetail::Words => 2,
            },
            abort: Some(abort),
            abort_argument: (&raw mut interrupted).cast(),
        };
        let mut answer = MaybeUninit::uninit();
        let mut error = ErrorText::default();
        // SAFETY: the state is this thread's alone through `&mut self`; everything in the request
        // outlives the call; there is room for the answer and the error.
        let status = unsafe {
            (self.model.functions.transcribe)(
                self.handle.as_ptr(),
                &raw const request,
                answer.as_mut_ptr(),
                &raw mut error,
            )
        };
        match status {
            // SAFETY: the module fills the answer when it says so, and its text lives until the
            // state's next call.
            Status::DONE => Ok(Some(unsafe { Understood::of(&answer.assume_init()) })),
            Status::ABORTED => Ok(None),
            Status::FAILED => Err(failed(error.text())),
            Status(other) => Err(failed(format!("the module answered {other}"))),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: the handle came from `new_state` and is not used again.
        unsafe { (self.model.functions.free_state)(self.handle.as_ptr()) };
    }
}

fn open(path: Option<&Path>, file_name: &str) -> Result<&'static Functions, ModelError> {
    let unusable = |Unusable(reason)| failed(reason);
    let path =
        path.map_or_else(|| find(file_name), |path| Ok(path.to_owned())).map_err(unusable)?;
    // SAFETY: the module is ours, and compiles the same table.
    unsafe { table(&path, SYMBOL, VERSION) }.map_err(unusable)
}

fn failed(reason: String) -> ModelError {
    ModelError::Engine { engine: ENGINE, reason }
}

fn c_language(language: Option<&str>) -> Result<Option<CString>, ModelError> {
    let language = language.map(CString::new).transpose();
    language.map_err(|_| ModelError::BadRequest("a language's name holds a zero".to_owned()))
}

fn translate(task: SttTask) -> u8 {
    match task {
        SttTask::Transcribe => 0,
        SttTask::Translate => 1,
    }
}

/// # Safety
/// `argument` is the `interrupted` of a [`State::transcribe`] that has not returned.
unsafe extern "C" fn abort(argument: *mut c_void) -> bool {
    // SAFETY: as this function asks; whisper.cpp calls it on the transcribing thread only.
    let interrupted = unsafe { &mut *argument.cast::<&mut dyn FnMut() -> bool>() };
    // Nothing may unwind into C++; a panic gives the window up.
    catch_unwind(AssertUnwindSafe(interrupted)).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_model_is_told_before_anything_is_loaded() {
        let options = LoadOptions { gpu: 0, gpu_number: 0, flash_attention: 0 };
        let missing = Model::load(Path::new("/no/model"), Some(Path::new("/no/module")), options);
        assert!(matches!(missing.err(), Some(ModelError::Missing { .. })));
    }
}

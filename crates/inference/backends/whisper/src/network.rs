//! A Whisper's layers in a module: candle's, which computes many windows and texts together on a GPU.

#![expect(unsafe_code, reason = "the module is called through C functions")]

use std::{
    ffi::CString,
    path::Path,
    ptr::{self, NonNull},
    slice,
};

use trunkline_boundary::{
    ErrorText, Status, Unusable, find,
    network::{Functions, Handle, Options, SYMBOL, Text as CText, VERSION, Window as CWindow},
    table,
};
use trunkline_inference::ModelError;
use trunkline_native::{Network, Text, Window};

/// Built for NVIDIA GPUs: it cannot be loaded where there is no driver.
const CUDA_FILE_NAME: &str = "libtrunkline_candle_module_cuda.so";

/// A network loaded by a module.
pub(crate) struct LoadedNetwork {
    functions: &'static Functions,
    handle: NonNull<Handle>,
}

// SAFETY: a handle may be used from any thread, one at a time.
unsafe impl Send for LoadedNetwork {}

/// The module for GPUs, where it was installed.
pub(crate) fn cuda_module() -> Option<std::path::PathBuf> {
    find(CUDA_FILE_NAME).ok()
}

impl LoadedNetwork {
    /// Loads the module, then the model file for so many desks.
    pub(crate) fn load(module: &Path, model: &Path, options: Options) -> Result<Self, ModelError> {
        let failed = |reason| ModelError::Engine { engine: "whisper", reason };
        // SAFETY: the module is ours, and compiles the same table.
        let functions: &'static Functions =
            unsafe { table(module, SYMBOL, VERSION) }.map_err(|Unusable(reason)| failed(reason))?;
        let path = CString::new(model.as_os_str().as_encoded_bytes())
            .map_err(|_| failed("the model's path holds a zero".to_owned()))?;
        let mut error = ErrorText::default();
        // SAFETY: the path is ended by a zero and there is room for an error.
        let handle = unsafe { (functions.load)(path.as_ptr(), options, &raw mut error) };
        let handle = NonNull::new(handle).ok_or_else(|| failed(error.text()))?;
        Ok(Self { functions, handle })
    }
}

impl Drop for LoadedNetwork {
    fn drop(&mut self) {
        // SAFETY: the handle came from `load` and is not used again.
        unsafe { (self.functions.free)(self.handle.as_ptr()) };
    }
}

impl Network for LoadedNetwork {
    fn encode(&mut self, windows: &[Window<'_>]) -> Result<usize, String> {
        let given: Vec<CWindow> = windows
            .iter()
            .map(|window| CWindow {
                desk: window.desk,
                features: window.features.as_ptr(),
                features_len: window.features.len(),
                positions: window.positions,
            })
            .collect();
        let (mut encoded, mut error) = (0, ErrorText::default());
        // SAFETY: the handle is this thread's alone through `&mut self`, the windows are as many as is said
        // and live, and there is room for the number and an error.
        let status = unsafe {
            (self.functions.encode)(
                self.handle.as_ptr(),
                given.as_ptr(),
                given.len(),
                &raw mut encoded,
                &raw mut error,
            )
        };
        if status == Status::DONE { Ok(encoded) } else { Err(error.text()) }
    }

    fn read(&mut self, texts: &[Text<'_>], logits: &mut Vec<f32>) -> Result<(), String> {
        let given: Vec<CText> = texts
            .iter()
            .map(|text| CText {
                desk: text.desk,
                position: text.position,
                tokens: text.tokens.as_ptr(),
                tokens_len: text.tokens.len(),
            })
            .collect();
        let (mut first, mut count, mut error) = (ptr::null(), 0, ErrorText::default());
        // SAFETY: as in `encode`; there is room for the pointer.
        let status = unsafe {
            (self.functions.read)(
                self.handle.as_ptr(),
                given.as_ptr(),
                given.len(),
                &raw mut first,
                &raw mut count,
                &raw mut error,
            )
        };
        if status != Status::DONE || first.is_null() {
            return Err(error.text());
        }
        logits.clear();
        // SAFETY: the module says where its logits are and how many, and keeps them until its next call.
        logits.extend_from_slice(unsafe { slice::from_raw_parts(first, count) });
        Ok(())
    }

    fn forget(&mut self, desk: usize) {
        // SAFETY: the handle is this thread's alone through `&mut self`.
        unsafe { (self.functions.forget)(self.handle.as_ptr(), desk) };
    }
}

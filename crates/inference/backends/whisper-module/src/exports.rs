//! The module's C functions: pointers checked, panics caught, everything else in plain Rust.

#![expect(unsafe_code, reason = "this is the C boundary")]

use std::{
    ffi::{CStr, c_char, c_void},
    ptr,
};

use trunkline_boundary::{ErrorText, Status, free, guarded, handed_over, tell};

use crate::{
    abi::{self, Answer, Functions, LoadOptions, ModelHandle, Request, StateHandle},
    transcription::{Model, State},
};

static FUNCTIONS: Functions =
    Functions { version: abi::VERSION, load, free_model, check, new_state, free_state, transcribe };

/// The table of everything this module does; its version is its first field.
// SAFETY: the name is this module's own; nothing else in a process exports it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn trunkline_whisper_functions() -> *const c_void {
    ptr::from_ref(&FUNCTIONS).cast()
}

unsafe extern "C" fn load(
    path: *const c_char,
    options: LoadOptions,
    error: *mut ErrorText,
) -> *mut ModelHandle {
    let loaded = guarded(|| {
        if path.is_null() {
            return Err("no path".to_owned());
        }
        // SAFETY: not null, and the caller ends it with a zero.
        let path = unsafe { CStr::from_ptr(path) }.to_str().map_err(|e| e.to_string())?;
        Model::load(path, options)
    });
    // SAFETY: the caller gives null or room.
    unsafe { handed_over(loaded, error) }.cast()
}

unsafe extern "C" fn free_model(model: *mut ModelHandle) {
    // SAFETY: the pointer is null or came from `load`, and is not used again.
    unsafe { free::<Model>(model.cast()) };
}

unsafe extern "C" fn check(
    model: *const ModelHandle,
    language: *const c_char,
    translate: u8,
    error: *mut ErrorText,
) -> Status {
    let checked = guarded(|| {
        // SAFETY: the pointer is null or came from `load`, and outlives this call.
        let model = unsafe { model.cast::<Model>().as_ref() }.ok_or("no model")?;
        // SAFETY: the language is null or ended by a zero, as in a request.
        unsafe { model.check(language, translate != 0) }
    });
    match checked {
        Ok(()) => Status::DONE,
        Err(reason) => {
            // SAFETY: the caller gives null or room.
            unsafe { tell(error, &reason) };
            Status::FAILED
        }
    }
}

unsafe extern "C" fn new_state(
    model: *const ModelHandle,
    error: *mut ErrorText,
) -> *mut StateHandle {
    let made = guarded(|| {
        // SAFETY: the pointer is null or came from `load`, and outlives this call.
        let model = unsafe { model.cast::<Model>().as_ref() }.ok_or("no model")?;
        model.new_state()
    });
    // SAFETY: the caller gives null or room.
    unsafe { handed_over(made, error) }.cast()
}

unsafe extern "C" fn free_state(state: *mut StateHandle) {
    // SAFETY: the pointer is null or came from `new_state`, and is not used again.
    unsafe { free::<State>(state.cast()) };
}

unsafe extern "C" fn transcribe(
    state: *mut StateHandle,
    request: *const Request,
    answer: *mut Answer,
    error: *mut ErrorText,
) -> Status {
    let outcome = guarded(|| {
        // SAFETY: the pointers are null or valid, and the caller lets nobody else use the state.
        let state = unsafe { state.cast::<State>().as_mut() }.ok_or("no state")?;
        // SAFETY: as above; the request and what it points to live until this returns.
        let request = unsafe { request.as_ref() }.ok_or("no request")?;
        // SAFETY: as the request's documentation promises.
        unsafe { state.transcribe(request) }
    });
    match outcome {
        Ok(Some(filled)) if !answer.is_null() => {
            // SAFETY: not null, and the caller gives room for an answer.
            unsafe { answer.write(filled) };
            Status::DONE
        }
        Ok(_) => Status::ABORTED,
        Err(reason) => {
            // SAFETY: the caller gives null or room.
            unsafe { tell(error, &reason) };
            Status::FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::MaybeUninit;

    use super::*;

    #[test]
    fn a_file_that_is_not_there_gives_null_and_a_reason() {
        let mut error = ErrorText::default();
        let options = LoadOptions { gpu: 0, gpu_number: 0, flash_attention: 0 };
        // SAFETY: a path ended by a zero and room for an error.
        let model = unsafe { load(c"/no/such/model".as_ptr(), options, &raw mut error) };
        assert!(model.is_null());
        assert!(!error.text().is_empty());
    }

    #[test]
    fn null_pointers_are_refused_not_followed() {
        let mut error = ErrorText::default();
        let mut answer = MaybeUninit::uninit();
        // SAFETY: null is allowed for every pointer but those with room behind them.
        let status = unsafe {
            free_model(ptr::null_mut());
            free_state(ptr::null_mut());
            assert!(new_state(ptr::null(), &raw mut error).is_null());
            assert_eq!(check(ptr::null(), ptr::null(), 0, &raw mut error), Status::FAILED);
            assert_eq!(error.text().as_str(), "no model");
            transcribe(ptr::null_mut(), ptr::null(), answer.as_mut_ptr(), &raw mut error)
        };
        assert_eq!((status, error.text().as_str()), (Status::FAILED, "no state"));
    }
}

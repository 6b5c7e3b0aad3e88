//! Whisper's layers through candle behind a few C functions. candle's code for GPUs wants a driver when it
//! is linked: a module is loaded only where there is one.

#![expect(unsafe_code, reason = "this is the C boundary")]

use std::{
    ffi::{CStr, c_char, c_void},
    path::Path,
    ptr, slice,
};

use trunkline_boundary::{
    ErrorText, Status, free, guarded, handed_over,
    network::{Functions, Handle, Options, Text, VERSION, Window},
    tell,
};
use trunkline_candle::WhisperNetwork;
use trunkline_native::{Network, Text as NativeText, Window as NativeWindow};

static FUNCTIONS: Functions =
    Functions { version: VERSION, load, free: free_network, encode, read, forget };

/// A network, and what it said last.
struct Loaded {
    network: WhisperNetwork,
    logits: Vec<f32>,
}

/// The table of everything this module does; its version is its first field.
// SAFETY: the name is this module's own; nothing else in a process exports it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn trunkline_whisper_network() -> *const c_void {
    ptr::from_ref(&FUNCTIONS).cast()
}

unsafe extern "C" fn load(
    path: *const c_char,
    options: Options,
    error: *mut ErrorText,
) -> *mut Handle {
    let loaded = guarded(|| {
        if path.is_null() {
            return Err("no path".to_owned());
        }
        // SAFETY: not null, and the caller ends it with a zero.
        let path = unsafe { CStr::from_ptr(path) }.to_str().map_err(|e| e.to_string())?;
        let gpu = (options.gpu != 0).then_some(options.gpu_number);
        let network = WhisperNetwork::load(Path::new(path), options.desks, gpu);
        Ok(Loaded { network: network.map_err(|e| e.to_string())?, logits: Vec::new() })
    });
    // SAFETY: the caller gives null or room.
    unsafe { handed_over(loaded, error) }.cast()
}

unsafe extern "C" fn free_network(network: *mut Handle) {
    // SAFETY: the pointer is null or came from `load`, and is not used again.
    unsafe { free::<Loaded>(network.cast()) };
}

unsafe extern "C" fn encode(
    network: *mut Handle,
    windows: *const Window,
    count: usize,
    encoded: *mut usize,
    error: *mut ErrorText,
) -> Status {
    let outcome = guarded(|| {
        // SAFETY: null or from `load`, and nobody else's meanwhile.
        let loaded = unsafe { network.cast::<Loaded>().as_mut() }.ok_or("no network")?;
        // SAFETY: the caller's arrays are of the lengths that come with them.
        let windows: Vec<NativeWindow<'_>> = unsafe { array(windows, count) }
            .iter()
            .map(|window| NativeWindow {
                desk: window.desk,
                // SAFETY: as above.
                features: unsafe { array(window.features, window.features_len) },
                positions: window.positions,
            })
            .collect();
        loaded.network.encode(&windows)
    });
    // SAFETY: the caller gives room for the number and null or room for an error.
    unsafe { answer(outcome, encoded, error) }
}

unsafe extern "C" fn read(
    network: *mut Handle,
    texts: *const Text,
    count: usize,
    logits: *mut *const f32,
    logits_len: *mut usize,
    error: *mut ErrorText,
) -> Status {
    let outcome = guarded(|| {
        // SAFETY: null or from `load`, and nobody else's meanwhile.
        let loaded = unsafe { network.cast::<Loaded>().as_mut() }.ok_or("no network")?;
        // SAFETY: the caller's arrays are of the lengths that come with them.
        let texts: Vec<NativeText<'_>> = unsafe { array(texts, count) }
            .iter()
            .map(|text| NativeText {
                desk: text.desk,
                position: text.position,
                // SAFETY: as above.
                tokens: unsafe { array(text.tokens, text.tokens_len) },
            })
            .collect();
        loaded.network.read(&texts, &mut loaded.logits)?;
        if !logits.is_null() {
            // SAFETY: not null, and the caller gives room for a pointer.
            unsafe { logits.write(loaded.logits.as_ptr()) };
        }
        Ok(loaded.logits.len())
    });
    // SAFETY: the caller gives room for the number and null or room for an error.
    unsafe { answer(outcome, logits_len, error) }
}

unsafe extern "C" fn forget(network: *mut Handle, desk: usize) {
    let forgotten = guarded(|| {
        // SAFETY: null or from `load`, and nobody else's meanwhile.
        let loaded = unsafe { network.cast::<Loaded>().as_mut() }.ok_or("no network")?;
        loaded.network.forget(desk);
        Ok(())
    });
    // There is nobody to tell: the next call about the desk says what is wrong.
    drop(forgotten);
}

/// # Safety
/// `number` is null or has room, and so has `error`.
unsafe fn answer(
    outcome: Result<usize, String>,
    number: *mut usize,
    error: *mut ErrorText,
) -> Status {
    match outcome {
        Ok(value) if !number.is_null() => {
            // SAFETY: not null, and as this function asks.
            unsafe { number.write(value) };
            Status::DONE
        }
        Ok(_) => Status::FAILED,
        Err(reason) => {
            // SAFETY: as this function asks.
            unsafe { tell(error, &reason) };
            Status::FAILED
        }
    }
}

/// # Safety
/// `first` is null or the first of `count` values, which live as long as what is returned.
unsafe fn array<'a, T>(first: *const T, count: usize) -> &'a [T] {
    if first.is_null() {
        return &[];
    }
    // SAFETY: not null, and as this function asks.
    unsafe { slice::from_raw_parts(first, count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_gives_null_and_a_reason() {
        let mut error = ErrorText::default();
        let options = Options { desks: 1, gpu: 0, gpu_number: 0 };
        // SAFETY: a path ended by a zero and room for an error.
        let network = unsafe { load(c"/no/such/model".as_ptr(), options, &raw mut error) };
        assert!(network.is_null());
        assert!(error.text().contains("/no/such/model"), "{}", error.text());
    }

    #[test]
    fn null_pointers_are_refused_not_followed() {
        let (mut error, mut number) = (ErrorText::default(), 0);
        // SAFETY: null is allowed for every pointer but those with room behind them.
        let status = unsafe {
            free_network(ptr::null_mut());
            forget(ptr::null_mut(), 0);
            encode(ptr::null_mut(), ptr::null(), 3, &raw mut number, &raw mut error)
        };
        assert_eq!((status, error.text().as_str()), (Status::FAILED, "no network"));
    }
}

//! llama.cpp's own log, sent to ours: its errors as warnings, the rest for debugging.

use std::{
    cell::RefCell,
    ffi::{CStr, c_char, c_void},
    ptr,
    sync::Once,
};

use llama_cpp_sys_2::{
    GGML_LOG_LEVEL_ERROR, GGML_LOG_LEVEL_WARN, ggml_log_level, ggml_log_set, llama_log_set,
};

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Sends everything that llama.cpp says to `tracing`, from the first call on.
pub(crate) fn route() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[expect(unsafe_code, reason = "llama.cpp takes a C function")]
        // SAFETY: `log` is a function of the right type that lives for ever and uses no user data.
        unsafe {
            llama_log_set(Some(log), ptr::null_mut());
            ggml_log_set(Some(log), ptr::null_mut());
        }
    });
}

/// The last error that llama.cpp reported on this thread, once.
pub(crate) fn take_last_error() -> Option<String> {
    let error = LAST_ERROR.take();
    (!error.is_empty()).then_some(error)
}

extern "C" fn log(level: ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    #[expect(unsafe_code, reason = "llama.cpp gives a C string")]
    // SAFETY: not null, and llama.cpp passes a terminated string that outlives this call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    report(level, text.trim());
}

fn report(level: ggml_log_level, text: &str) {
    // Progress dots and line ends come as messages of their own.
    if text.is_empty() || text.chars().all(|c| c == '.') {
        return;
    }
    if level == GGML_LOG_LEVEL_ERROR {
        // Not a warning: a step that is given up because its reader went away logs errors too, and
        // those that matter reach the reader as the last error.
        tracing::debug!(target: "llama_cpp", is_error = true, "{text}");
        LAST_ERROR.set(text.to_owned());
    } else if level == GGML_LOG_LEVEL_WARN {
        tracing::debug!(target: "llama_cpp", is_warning = true, "{text}");
    } else {
        tracing::debug!(target: "llama_cpp", "{text}");
    }
}

#[cfg(test)]
mod tests {
    use llama_cpp_sys_2::GGML_LOG_LEVEL_INFO;

    use super::*;

    #[test]
    fn the_last_error_is_told_once() {
        report(GGML_LOG_LEVEL_ERROR, "first");
        report(GGML_LOG_LEVEL_ERROR, "second");
        report(GGML_LOG_LEVEL_INFO, "chatter");
        assert_eq!(take_last_error().as_deref(), Some("second"));
        assert_eq!(take_last_error(), None);
    }

    #[test]
    fn progress_dots_are_no_error() {
        report(GGML_LOG_LEVEL_ERROR, "...");
        assert_eq!(take_last_error(), None);
    }
}

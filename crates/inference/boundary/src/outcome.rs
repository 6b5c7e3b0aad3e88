//! How a call across the boundary went.

use std::{
    ffi::CStr,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

/// How a call went.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub i32);

impl Status {
    /// The answer is filled in.
    pub const DONE: Self = Self(0);
    /// The abort callback said so.
    pub const ABORTED: Self = Self(1);
    /// The request or the engine is at fault; the error text says why.
    pub const FAILED: Self = Self(2);
}

/// Room for an error's text: UTF-8, cut to fit, ended by a zero.
#[repr(C)]
pub struct ErrorText {
    /// The text.
    pub bytes: [u8; 256],
}

impl Default for ErrorText {
    fn default() -> Self {
        Self { bytes: [0; 256] }
    }
}

impl ErrorText {
    /// What it says.
    pub fn text(&self) -> String {
        let text = CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default();
        text.to_string_lossy().into_owned()
    }
}

/// Runs `work`, with a panic as a failure.
pub fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("the module panicked".to_owned()))
}

/// Boxes a result for the caller to own, or tells why there is none: then null.
///
/// # Safety
/// `error` is null or has room for an error text.
pub unsafe fn handed_over<T>(result: Result<T, String>, error: *mut ErrorText) -> *mut T {
    match result {
        Ok(value) => Box::into_raw(Box::new(value)),
        Err(reason) => {
            // SAFETY: as this function asks.
            unsafe { tell(error, &reason) };
            ptr::null_mut()
        }
    }
}

/// Frees what was handed over.
///
/// # Safety
/// `pointer` is null or came from [`handed_over`] with this type, and is not used again.
pub unsafe fn free<T>(pointer: *mut T) {
    if !pointer.is_null() {
        // SAFETY: as this function asks.
        let owned = unsafe { Box::from_raw(pointer) };
        // A panic while freeing leaks the rest, which is all that can be done about it here.
        drop(guarded(|| {
            drop(owned);
            Ok(())
        }));
    }
}

/// Tells the other side why something failed.
///
/// # Safety
/// `error` is null or has room for an error text.
pub unsafe fn tell(error: *mut ErrorText, reason: &str) {
    let mut text = ErrorText::default();
    let length = reason.floor_char_boundary(text.bytes.len() - 1);
    text.bytes[..length].copy_from_slice(&reason.as_bytes()[..length]);
    if !error.is_null() {
        // SAFETY: not null, and as this function asks.
        unsafe { error.write(text) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stays_on_this_side() {
        let caught: Result<(), _> = guarded(|| panic!("on purpose"));
        assert_eq!(caught.unwrap_err(), "the module panicked");
    }

    #[test]
    fn a_long_reason_is_cut_at_a_letter() {
        let mut error = ErrorText { bytes: [1; 256] };
        // SAFETY: there is room.
        unsafe { tell(&raw mut error, &"é".repeat(200)) };
        assert_eq!(error.text(), "é".repeat(127));
    }

    #[test]
    fn nothing_is_told_and_nothing_freed_where_there_is_nothing() {
        // SAFETY: null is allowed.
        unsafe {
            tell(ptr::null_mut(), "whatever");
            free::<String>(ptr::null_mut());
        }
    }

    #[test]
    fn what_is_handed_over_is_whole() {
        let mut error = ErrorText::default();
        // SAFETY: there is room, and the pointer is freed once.
        unsafe {
            let pointer = handed_over(Ok("all".to_owned()), &raw mut error);
            assert_eq!((*pointer).as_str(), "all");
            free(pointer);
            assert!(handed_over::<String>(Err("none".to_owned()), &raw mut error).is_null());
        }
        assert_eq!(error.text(), "none");
    }
}

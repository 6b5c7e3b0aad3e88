//! One slice that threads write apart parts of.

#![expect(unsafe_code, reason = "the parts are known to whoever divides the work")]

use std::marker::PhantomData;

/// Where they write.
pub(crate) struct Apart<'a> {
    start: *mut f32,
    length: usize,
    slice: PhantomData<&'a mut [f32]>,
}

// SAFETY: threads write apart, as `part` asks.
unsafe impl Send for Apart<'_> {}
// SAFETY: likewise.
unsafe impl Sync for Apart<'_> {}

impl<'a> Apart<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), length: slice.len(), slice: PhantomData }
    }

    /// So many numbers from there on.
    ///
    /// # Safety
    /// Nobody else has any of them meanwhile.
    pub(crate) unsafe fn part(&self, from: usize, count: usize) -> &'a mut [f32] {
        assert!(from <= self.length && count <= self.length - from, "a part of the slice");
        // SAFETY: the numbers are within the slice, and nobody else has them.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), count) }
    }

    /// Where a part begins, for whoever writes with strides.
    pub(crate) fn at(&self, from: usize) -> *mut f32 {
        assert!(from <= self.length, "within the slice");
        self.start.wrapping_add(from)
    }
}

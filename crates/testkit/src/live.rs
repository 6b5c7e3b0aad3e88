//! Counts the streams that a fake has given out and nobody has dropped: dropping is the only cancellation,
//! so a test can see that nothing works on for a caller who is gone.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::Stream;

/// How many streams are alive. Cloning shares the count.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<AtomicUsize>);

impl Live {
    /// The number.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts `stream` until it is dropped.
    pub(crate) fn watch<T: 'static>(
        &self,
        stream: impl Stream<Item = T> + Send + 'static,
    ) -> Pin<Box<dyn Stream<Item = T> + Send>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(Watched { stream: Box::pin(stream), live: self.clone() })
    }
}

struct Watched<T> {
    stream: Pin<Box<dyn Stream<Item = T> + Send>>,
    live: Live,
}

impl<T> Stream for Watched<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.stream.as_mut().poll_next(cx)
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        self.live.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, stream};

    use super::*;

    #[test]
    fn a_stream_counts_until_it_is_dropped_however_far_it_was_read() {
        let live = Live::default();
        let mut read = live.watch(stream::iter([1, 2]));
        let unread = live.watch(stream::iter([3]));
        assert_eq!(read.next().now_or_never(), Some(Some(1)));
        assert_eq!(live.count(), 2);
        drop(unread);
        drop(read);
        assert_eq!(live.count(), 0);
    }
}

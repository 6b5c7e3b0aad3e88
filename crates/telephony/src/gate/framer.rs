//! Cuts a stream into messages by their `Content-Length` (RFC 3261, section 18.3).

use super::{MAX_MESSAGE, head::Head};

/// What the stream holds next.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// A whole message.
    Message(Vec<u8>),
    /// A message that cannot be cut out; the stream is of no use after it.
    Broken(Vec<u8>),
    /// A keep-alive that wants an answer.
    KeepAlive,
}

/// The part of a stream that has not been cut yet. Holds at most [`MAX_MESSAGE`] bytes and one read.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
}

impl Framer {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun and is not yet whole.
    pub fn is_waiting(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// The next piece that is whole.
    pub fn next_piece(&mut self) -> Option<Piece> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Some(Piece::KeepAlive);
        }
        // A lone CRLF may be the first half of a keep-alive, or padding before a message.
        while self.buffer.len() > 2 && self.buffer.starts_with(b"\r\n") && self.buffer[2] != b'\r' {
            self.buffer.drain(..2);
        }
        let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            return (self.buffer.len() > MAX_MESSAGE).then(|| self.broken());
        };
        let body_at = end + 4;
        let Some(length) = stated_length(&self.buffer[..body_at]) else {
            return Some(self.broken());
        };
        match body_at.checked_add(length) {
            Some(total) if total <= MAX_MESSAGE && self.buffer.len() >= total => {
                Some(Piece::Message(self.buffer.drain(..total).collect()))
            }
            Some(total) if total <= MAX_MESSAGE => None,
            Some(_) | None => Some(self.broken()),
        }
    }

    fn broken(&mut self) -> Piece {
        Piece::Broken(std::mem::take(&mut self.buffer))
    }
}

fn stated_length(head: &[u8]) -> Option<usize> {
    Head::read(head)?.first("content-length")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nl: 2\r\n\r\nhi";

    fn pieces(framer: &mut Framer) -> Vec<Piece> {
        std::iter::from_fn(|| framer.next_piece()).collect()
    }

    #[test]
    fn two_messages_in_one_read_are_two_pieces() {
        let mut framer = Framer::default();
        framer.push(b"\r\n");
        framer.push(&[MESSAGE, b"\r\n\r\n", MESSAGE].concat());
        assert_eq!(
            pieces(&mut framer),
            [Piece::Message(MESSAGE.to_vec()), Piece::KeepAlive, Piece::Message(MESSAGE.to_vec())]
        );
        assert!(!framer.is_waiting());
    }

    #[test]
    fn a_message_without_a_usable_length_breaks_the_stream() {
        for head in [
            "OPTIONS sip:a SIP/2.0\r\n\r\n".to_owned(),
            "OPTIONS sip:a SIP/2.0\r\nContent-Length: x\r\n\r\n".to_owned(),
            format!("OPTIONS sip:a SIP/2.0\r\nContent-Length: {}\r\n\r\n", usize::MAX),
            "x".repeat(MAX_MESSAGE + 1),
        ] {
            let mut framer = Framer::default();
            framer.push(head.as_bytes());
            assert_eq!(pieces(&mut framer), [Piece::Broken(head.clone().into_bytes())], "{head}");
        }
    }

    proptest! {
        #[test]
        fn pieces_do_not_depend_on_how_the_stream_was_read(cuts in prop::collection::vec(1usize..20, 1..20)) {
            let stream = [MESSAGE, MESSAGE, b"\r\n\r\n", MESSAGE].concat();
            let mut framer = Framer::default();
            let mut found = Vec::new();
            let mut rest = stream.as_slice();
            for cut in cuts.into_iter().chain([stream.len()]) {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                framer.push(now);
                found.extend(pieces(&mut framer));
                rest = later;
            }
            prop_assert_eq!(found.len(), 4);
        }

        #[test]
        fn no_bytes_make_it_hold_more_than_one_message(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut framer = Framer::default();
            for _ in 0..100 {
                framer.push(&bytes);
                let _found = pieces(&mut framer);
                prop_assert!(framer.buffer.len() <= MAX_MESSAGE + bytes.len());
            }
        }
    }
}

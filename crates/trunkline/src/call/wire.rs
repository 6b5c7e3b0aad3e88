//! What carries a call, as the caller on the line sees it.

use std::time::Instant;

use trunkline_telephony::{CallEvent, SipCall};
use trunkline_turn::Digit;

/// What happens at the caller's end.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// 20 ms of the other side's sound, 8 kHz mono, as they reach the caller's ear.
    Sound {
        /// When.
        arrived: Instant,
        /// The sound.
        samples: Vec<i16>,
    },
    /// The call is over.
    End,
}

/// The caller's end of a call.
pub(crate) trait Wire {
    /// What happens next. Cancel-safe.
    async fn recv(&mut self) -> Arrival;
    /// Sends 20 ms of the caller's sound, 8 kHz; when they left, unless they could not.
    fn send_frame(&mut self, samples: &[i16]) -> Option<Instant>;
    /// Presses a key.
    fn press(&mut self, digit: Digit);
}

impl Wire for SipCall {
    async fn recv(&mut self) -> Arrival {
        loop {
            match self.recv().await {
                CallEvent::Packet { arrived, samples, .. } => {
                    return Arrival::Sound { arrived, samples };
                }
                CallEvent::Pressed(_) | CallEvent::Held | CallEvent::Resumed => {}
                CallEvent::Ended(_) => return Arrival::End,
            }
        }
    }

    fn send_frame(&mut self, samples: &[i16]) -> Option<Instant> {
        self.send_frame(samples)
    }

    fn press(&mut self, digit: Digit) {
        self.press(digit);
    }
}

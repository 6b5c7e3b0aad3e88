//! A call that we placed, packet by packet.

use std::time::{Duration, Instant};

use tokio::{sync::oneshot, time::timeout};
use trunkline_session::{HangupReason, leg::Digit};

use super::Dialer;
use crate::{
    SipError,
    call::{CallLine, News, Order},
    rtp::{Received, RtpSession, RtpStats, now},
    sdp::{Direction, Negotiated},
};

/// What comes from the other side.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A packet of sound, as it arrived: not reordered, not concealed.
    Packet {
        /// When it arrived.
        arrived: Instant,
        /// Its sound, 8 kHz mono.
        samples: Vec<i16>,
        /// Its RTP timestamp, 8000 a second.
        timestamp: u32,
        /// Its RTP sequence number.
        seq: u16,
    },
    /// A key.
    Pressed(Digit),
    /// The other side put the call on hold.
    Held,
    /// The other side took the call back from hold.
    Resumed,
    /// The call is over.
    Ended(HangupReason),
}

/// How long a BYE may take before whoever hangs up is let go.
const GOODBYE: Duration = Duration::from_secs(4);

/// A call that we placed. Dropping it hangs up while a [`Dialer`] of the same stack lives;
/// [`hang_up`](Self::hang_up) does so in any case.
pub struct SipCall {
    session: RtpSession,
    line: CallLine,
    /// Keeps the stack alive.
    _dialer: Dialer,
}

impl SipCall {
    pub(super) fn new(session: RtpSession, line: CallLine, dialer: Dialer) -> Self {
        Self { session, line, _dialer: dialer }
    }

    /// The `Call-ID`.
    pub fn sip_call_id(&self) -> &str {
        &self.line.sip_call_id
    }

    /// What both sides agreed on.
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.session.negotiated()
    }

    /// What went over the wire so far.
    pub fn stats(&self) -> RtpStats {
        self.session.stats()
    }

    /// Waits for the next thing from the other side. Cancel-safe. After [`CallEvent::Ended`] it
    /// gives that again.
    pub async fn recv(&mut self) -> CallEvent {
        loop {
            tokio::select! {
                biased;
                news = self.line.news.recv() => if let Some(event) = self.on_news(news) {
                    return event;
                },
                () = tokio::time::sleep_until(self.session.next_report().into()) => {
                    self.session.report();
                }
                received = self.session.receive() => match received {
                    Received::Sound(numbered, samples) => return CallEvent::Packet {
                        arrived: now(),
                        samples,
                        timestamp: numbered.timestamp,
                        seq: numbered.seq,
                    },
                    Received::Pressed(_, digit) => return CallEvent::Pressed(digit),
                    Received::Other(_) => {}
                },
            }
        }
    }

    fn on_news(&mut self, news: Option<News>) -> Option<CallEvent> {
        match news {
            Some(News::Agreed(negotiated)) => {
                let was_held = self.session.negotiated().is_some_and(Negotiated::is_held);
                let is_held = negotiated.is_held();
                self.session.renegotiate(negotiated);
                match (was_held, is_held) {
                    (false, true) => Some(CallEvent::Held),
                    (true, false) => Some(CallEvent::Resumed),
                    (true, true) | (false, false) => None,
                }
            }
            Some(News::Pressed(digit)) => Some(CallEvent::Pressed(digit)),
            Some(News::Ended(reason)) => Some(CallEvent::Ended(reason)),
            None => Some(CallEvent::Ended(HangupReason::CallerHungUp)),
        }
    }

    /// Sends 20 ms of 8 kHz sound (160 samples); gives when it left, `None` when the other side
    /// does not listen. The caller paces. While a key is being pressed its packets leave instead.
    pub fn send_frame(&mut self, samples: &[i16]) -> Option<Instant> {
        self.session.send(samples, false)
    }

    /// Presses a key: its packets take the place of the next 14 frames sent.
    pub fn press(&mut self, digit: Digit) {
        self.session.press(digit);
    }

    /// Whether a key is still being sent.
    pub fn is_pressing(&self) -> bool {
        self.session.is_pressing()
    }

    /// Puts the call on hold by a re-INVITE (`sendonly`).
    pub async fn hold(&mut self) -> Result<Negotiated, SipError> {
        self.offer(Direction::SendOnly).await
    }

    /// Takes the call back from hold.
    pub async fn resume(&mut self) -> Result<Negotiated, SipError> {
        self.offer(Direction::SendRecv).await
    }

    async fn offer(&mut self, direction: Direction) -> Result<Negotiated, SipError> {
        let (done, agreed) = oneshot::channel();
        let order = Order::Offer { direction, done };
        self.line.orders.send(order).await.map_err(|_| SipError::Ended)?;
        agreed.await.map_err(|_| SipError::Ended)?
    }

    /// Hangs up, and waits until the other side has confirmed that, or a few seconds.
    pub async fn hang_up(self) {
        if self.line.orders.send(Order::HangUp).await.is_err() {
            return tracing::debug!("a call was over before it was hung up");
        }
        if timeout(GOODBYE, self.line.orders.closed()).await.is_err() {
            tracing::debug!("the other side did not confirm the end of a call");
        }
    }
}

impl Drop for SipCall {
    fn drop(&mut self) {
        self.session.goodbye();
    }
}

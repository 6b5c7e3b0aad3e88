//! RTP of one call: symmetric, locked to one source, with RTCP and telephone events (RFC 3550, 4733).

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rtp_types::RtpPacket;
use trunkline_audio::g711;
use trunkline_session::leg::Digit;

mod dtmf;
mod outgoing;
mod ports;
mod reception;
mod report;
mod source_lock;

use dtmf::{DtmfReceiver, DtmfSender};
use outgoing::Outgoing;
pub(crate) use ports::{MediaSocket, PortPool};
use reception::Reception;
use source_lock::SourceLock;

use crate::sdp::{Codec, Negotiated};

/// RTP samples a second, for G.711 and telephone events alike.
pub(crate) const CLOCK_HZ: u32 = 8_000;
/// Samples in a packet that we send.
pub(crate) const SAMPLES: usize = 160;
/// How often a report is sent (RFC 3550, section 6.2).
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Larger packets are nobody's telephone.
const MAX_PACKET: usize = 2048;

/// What went over the wire, as seen from here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RtpStats {
    /// Packets sent.
    pub sent: u64,
    /// Packets received from the locked source.
    pub received: u64,
    /// Packets of that source that did not arrive.
    pub lost: u64,
    /// Interarrival jitter (RFC 3550, section 6.4.1), milliseconds.
    pub jitter_ms: f64,
    /// Packets of anybody else, thrown away.
    pub rejected: u64,
}

/// Something that came from the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Sound, decoded.
    Sound(Numbered, Vec<i16>),
    /// A packet without sound that takes a number: a telephone event or comfort noise.
    Other(Numbered),
    /// A key was pressed; its packet takes a number too.
    Pressed(Numbered, Digit),
}

/// A packet's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) ssrc: u32,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
}

/// The media of one call.
#[derive(Debug)]
pub(crate) struct RtpSession {
    socket: MediaSocket,
    negotiated: Option<Negotiated>,
    lock: SourceLock,
    reception: Reception,
    keys: Keys,
    out: Outgoing,
    buffers: Buffers,
    times: Times,
}

#[derive(Debug, Default)]
struct Keys {
    heard: DtmfReceiver,
    pressed: DtmfSender,
}

/// What is read into: apart, because both sockets are read at once.
#[derive(Debug)]
struct Buffers {
    packet: Box<[u8; MAX_PACKET]>,
    report: Box<[u8; MAX_PACKET]>,
}

#[derive(Debug)]
struct Times {
    next_report: Instant,
    last_received: Instant,
}

impl RtpSession {
    /// Media over `socket` as agreed; `None` when the other side has yet to say where it is.
    pub(crate) fn new(socket: MediaSocket, negotiated: Option<Negotiated>) -> Self {
        let now = now();
        Self {
            lock: SourceLock::new(negotiated.as_ref().map(|negotiated| negotiated.remote)),
            socket,
            negotiated,
            reception: Reception::default(),
            keys: Keys::default(),
            out: Outgoing::random(),
            buffers: Buffers {
                packet: Box::new([0; MAX_PACKET]),
                report: Box::new([0; MAX_PACKET]),
            },
            times: Times { next_report: now + REPORT_EVERY, last_received: now },
        }
    }

    /// Both sides agreed anew: the other side may have another address from here on.
    pub(crate) fn renegotiate(&mut self, negotiated: Negotiated) {
        self.lock.expect(negotiated.remote);
        self.times.last_received = now();
        self.negotiated = Some(negotiated);
    }

    pub(crate) fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref()
    }

    /// When the other side's last packet came, or the session began or changed.
    pub(crate) fn last_received(&self) -> Instant {
        self.times.last_received
    }

    /// When [`report`](Self::report) is due.
    pub(crate) fn next_report(&self) -> Instant {
        self.times.next_report
    }

    pub(crate) fn stats(&self) -> RtpStats {
        RtpStats {
            sent: self.out.packets(),
            received: self.reception.received(),
            lost: self.reception.lost(),
            jitter_ms: self.reception.jitter_ms(),
            rejected: self.lock.rejected(),
        }
    }

    /// Waits for the next packet of the other side. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            tokio::select! {
                received = self.socket.rtp.recv_from(self.buffers.packet.as_mut_slice()) => {
                    if let Ok((length, from)) = received
                        && let Some(received) = self.take(length, from)
                    {
                        return received;
                    }
                }
                received = self.socket.rtcp.recv_from(self.buffers.report.as_mut_slice()) => {
                    if let Ok((length, from)) = received {
                        let bytes = self.buffers.report.get(..length).unwrap_or_default().to_vec();
                        self.take_report(&bytes, from);
                    }
                }
            }
        }
    }

    fn take(&mut self, length: usize, from: SocketAddr) -> Option<Received> {
        let now = now();
        let bytes = self.buffers.packet.get(..length)?;
        if report::is_report(bytes) {
            let bytes = bytes.to_vec();
            self.take_report(&bytes, from);
            return None;
        }
        let packet = RtpPacket::parse(bytes).ok()?;
        let numbered = Numbered {
            ssrc: packet.ssrc(),
            seq: packet.sequence_number(),
            timestamp: packet.timestamp(),
        };
        let meaning = self.meaning(packet.payload_type())?;
        if !self.lock.admit(now, from, numbered) {
            return None;
        }
        let payload = packet.payload();
        let received = match meaning {
            Meaning::Voice(_) if payload.is_empty() => Received::Other(numbered),
            Meaning::Voice(codec) => Received::Sound(numbered, decode(codec, payload)),
            Meaning::Key => match self.keys.heard.receive(numbered.timestamp, payload) {
                Some(digit) => Received::Pressed(numbered, digit),
                None => Received::Other(numbered),
            },
            Meaning::Silence => Received::Other(numbered),
        };
        let is_sound = matches!(received, Received::Sound(..));
        self.reception.receive(now, numbered, is_sound);
        self.times.last_received = now;
        Some(received)
    }

    fn meaning(&self, payload_type: u8) -> Option<Meaning> {
        let negotiated = self.negotiated.as_ref()?;
        if payload_type == negotiated.payload_type {
            return Some(Meaning::Voice(negotiated.codec));
        }
        if Some(payload_type) == negotiated.dtmf {
            return Some(Meaning::Key);
        }
        // Some send the other law than they agreed to; its number says so.
        match payload_type {
            0 => Some(Meaning::Voice(Codec::Pcmu)),
            8 => Some(Meaning::Voice(Codec::Pcma)),
            13 => Some(Meaning::Silence),
            _ => None,
        }
    }

    fn take_report(&mut self, bytes: &[u8], from: SocketAddr) {
        let is_theirs = self.destination().is_some_and(|destination| destination.ip() == from.ip());
        if is_theirs && let Some(ntp) = report::sender_report(bytes) {
            self.reception.sender_reported(now(), ntp);
        }
    }

    /// Sends 20 ms of sound, or of a key that is being pressed; gives when it left. `None` when the
    /// other side does not listen or the network did not take it.
    pub(crate) fn send(&mut self, samples: &[i16], is_onset: bool) -> Option<Instant> {
        let ticks = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let sent = self.try_send(samples, is_onset);
        self.out.advance(ticks);
        sent
    }

    /// 20 ms pass without a packet.
    pub(crate) fn pass(&mut self, ticks: u32) {
        self.out.advance(ticks);
    }

    fn try_send(&mut self, samples: &[i16], is_onset: bool) -> Option<Instant> {
        let negotiated = self.negotiated.as_ref()?;
        if negotiated.is_held() {
            return None;
        }
        let destination = self.destination()?;
        let timestamp = self.out.timestamp();
        let event = self.keys.pressed.next(timestamp);
        let packet = if let Some((payload_type, event)) = negotiated.dtmf.zip(event) {
            self.out.packet_at(event.timestamp, payload_type, event.is_first, &event.payload)
        } else {
            let payload = encode(negotiated.codec, samples);
            self.out.packet_at(timestamp, negotiated.payload_type, is_onset, &payload)
        };
        self.socket.rtp.try_send_to(&packet, destination).ok()?;
        self.out.count(packet.len());
        Some(now())
    }

    /// Presses a key: its packets take the place of the next ones sent.
    pub(crate) fn press(&mut self, digit: Digit) {
        self.keys.pressed.press(digit);
    }

    /// Whether a key is being sent.
    pub(crate) fn is_pressing(&self) -> bool {
        self.keys.pressed.is_busy()
    }

    /// Sends the report that is due.
    pub(crate) fn report(&mut self) {
        let now = now();
        while self.times.next_report <= now {
            self.times.next_report += REPORT_EVERY;
        }
        let block = self.reception.block(now);
        self.send_report(&report::compound(&self.out, block.as_ref(), report::Last::No));
    }

    /// Says goodbye.
    pub(crate) fn goodbye(&mut self) {
        let block = self.reception.block(now());
        self.send_report(&report::compound(&self.out, block.as_ref(), report::Last::Yes));
    }

    fn send_report(&self, bytes: &[u8]) {
        let Some(negotiated) = &self.negotiated else { return };
        let Some(destination) = self.destination() else { return };
        let (socket, destination) = if negotiated.is_muxed() {
            (&self.socket.rtp, destination)
        } else if destination == negotiated.remote {
            (&self.socket.rtcp, negotiated.remote_rtcp)
        } else {
            let port = destination.port().saturating_add(1);
            (&self.socket.rtcp, SocketAddr::new(destination.ip(), port))
        };
        if let Err(error) = socket.try_send_to(bytes, destination) {
            tracing::trace!(%error, "an RTCP report could not be sent");
        }
    }

    /// The locked source, else what the other side said.
    fn destination(&self) -> Option<SocketAddr> {
        let said = self.negotiated.as_ref()?.remote;
        let destination = self.lock.locked().unwrap_or(said);
        (!destination.ip().is_unspecified() && destination.port() != 0).then_some(destination)
    }
}

/// What a payload type means in this call.
enum Meaning {
    Voice(Codec),
    Key,
    Silence,
}

/// The clock of all media; virtual in tests.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn decode(codec: Codec, payload: &[u8]) -> Vec<i16> {
    let mut samples = Vec::with_capacity(payload.len());
    match codec {
        Codec::Pcmu => g711::decode_ulaw_slice(payload, &mut samples),
        Codec::Pcma => g711::decode_alaw_slice(payload, &mut samples),
    }
    samples
}

fn encode(codec: Codec, samples: &[i16]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(samples.len());
    match codec {
        Codec::Pcmu => g711::encode_ulaw_slice(samples, &mut payload),
        Codec::Pcma => g711::encode_alaw_slice(samples, &mut payload),
    }
    payload
}

//! Session descriptions: offers, answers and what both sides agreed on (RFC 8866, RFC 3264).

use std::net::{IpAddr, SocketAddr};

mod body;
mod read;
mod write;

pub use body::description_in;

/// A voice codec of the telephone network (RFC 3551), 8 kHz, one byte a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law, static payload type 0.
    Pcmu,
    /// G.711 A-law, static payload type 8.
    Pcma,
}

impl Codec {
    /// Every codec, in the order in which we offer them.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The payload type that needs no `rtpmap` (RFC 3551, table 4).
    pub fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    /// The encoding name of `rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

/// Who sends, seen from the side that says it (RFC 3264, section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    #[default]
    SendRecv,
    /// The one who says it.
    SendOnly,
    /// The other.
    RecvOnly,
    /// Nobody.
    Inactive,
}

impl Direction {
    /// Its attribute in a description.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The same, seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::SendRecv => Self::SendRecv,
            Self::SendOnly => Self::RecvOnly,
            Self::RecvOnly => Self::SendOnly,
            Self::Inactive => Self::Inactive,
        }
    }

    /// Whether the one who says it sends.
    pub fn is_sending(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the one who says it receives.
    pub fn is_receiving(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// What is left when both sides have said theirs, seen from the side of `self`.
    fn limited_by(self, other: Self) -> Self {
        let allowed = other.reversed();
        match (
            self.is_sending() && allowed.is_sending(),
            self.is_receiving() && allowed.is_receiving(),
        ) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Where the other side wants its RTP; symmetric RTP may find a better address. The address is
    /// unspecified (0.0.0.0) for an old-style hold.
    pub remote: SocketAddr,
    /// Where the other side wants its RTCP; equal to `remote` when multiplexed (RFC 5761).
    pub remote_rtcp: SocketAddr,
    /// The voice codec, both ways.
    pub codec: Codec,
    /// The codec's payload type in packets we send.
    pub payload_type: u8,
    /// The payload type of `telephone-event` (RFC 4733), when both sides know it.
    pub dtmf: Option<u8>,
    /// What we may do.
    pub direction: Direction,
    /// Milliseconds of sound that the other side would like in a packet; informative, we send 20.
    pub ptime_ms: u32,
}

impl Negotiated {
    /// Whether the other side does not listen.
    pub fn is_held(&self) -> bool {
        !self.direction.is_sending()
    }

    /// Whether RTP and RTCP share a port.
    pub fn is_muxed(&self) -> bool {
        self.remote == self.remote_rtcp
    }
}

/// Why there is no agreement. SIP says 488 for all of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It cannot be read.
    #[error("the session description cannot be read: {0}")]
    Malformed(String),
    /// It is larger than any telephone's.
    #[error("the session description has {0} bytes, more than is read")]
    TooLarge(usize),
    /// No audio stream over plain RTP.
    #[error("no audio stream over RTP/AVP in the session description")]
    NoAudio,
    /// No address to send to.
    #[error("no usable connection address in the session description: {0}")]
    NoAddress(String),
    /// No codec in common.
    #[error("no codec in common: we know PCMU and PCMA at 8000 Hz")]
    NoCodec,
}

/// Our side of a call's descriptions: writes offers and answers and keeps their version (RFC 3264,
/// section 8).
#[derive(Clone, Debug)]
pub struct Description {
    local: SocketAddr,
    codecs: Vec<Codec>,
    id: u64,
    version: u64,
    last: Option<write::Content>,
}

impl Description {
    /// RTP is received at `local`, RTCP there or on the next port. `id` is any number that no other
    /// session of ours has (RFC 8866, section 5.2).
    pub fn new(local: SocketAddr, codecs: impl Into<Vec<Codec>>, id: u64) -> Self {
        Self { local, codecs: codecs.into(), id, version: id, last: None }
    }

    /// An offer to send and receive as `direction` says.
    pub fn offer(&mut self, direction: Direction) -> String {
        let content = write::Content::offer(&self.codecs, direction);
        self.write(content)
    }

    /// Answers an offer; `direction` is what we would like to do.
    pub fn answer(
        &mut self,
        offer: &str,
        direction: Direction,
    ) -> Result<(String, Negotiated), SdpError> {
        let read = read::Read::parse(offer, &self.codecs)?;
        let negotiated = read.negotiated(direction);
        let content = write::Content::answer(&read, &negotiated);
        Ok((self.write(content), negotiated))
    }

    /// Takes the answer to the last offer, in which we said `direction`.
    pub fn accept(&self, answer: &str, direction: Direction) -> Result<Negotiated, SdpError> {
        Ok(read::Read::parse(answer, &self.codecs)?.negotiated(direction))
    }

    fn write(&mut self, content: write::Content) -> String {
        if self.last.as_ref().is_some_and(|last| *last != content) {
            self.version += 1;
        }
        let text = content.to_text(self.local, self.id, self.version);
        self.last = Some(content);
        text
    }
}

/// Whether an offer could be answered at all, before a port is spent on it.
pub fn check(offer: &str) -> Result<(), SdpError> {
    read::Read::parse(offer, &Codec::ALL).map(drop)
}

fn is_unspecified(address: IpAddr) -> bool {
    address.is_unspecified()
}

#[cfg(test)]
mod tests;

//! What can go wrong with a telephone call.

use std::{io, net::SocketAddr, ops::RangeInclusive};

use crate::sdp::SdpError;

/// A failure of the SIP side.
#[derive(Debug, thiserror::Error)]
pub enum SipError {
    /// The SIP port cannot be opened.
    #[error(
        "cannot listen for SIP over {transport} on {address}: {source}; is another program using the port?"
    )]
    Bind {
        /// `udp` or `tcp`.
        transport: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Neither UDP nor TCP was asked for.
    #[error("SIP needs udp or tcp switched on")]
    NoTransport,
    /// Every RTP port is taken.
    #[error("no free RTP port in {}-{}: widen the range or lower the number of calls", .0.start(), .0.end())]
    NoPorts(RangeInclusive<u16>),
    /// A socket failed.
    #[error("the network failed: {0}")]
    Io(#[from] io::Error),
    /// No agreement about the sound.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// The caller gave up before we answered.
    #[error("the caller gave up before the call was answered")]
    Cancelled,
    /// The call is over.
    #[error("the call is over")]
    Ended,
    /// The SIP stack refused.
    #[error("the SIP stack failed: {0}")]
    Stack(String),
}

impl From<rsipstack::Error> for SipError {
    fn from(error: rsipstack::Error) -> Self {
        Self::Stack(error.to_string())
    }
}

/// Why an outgoing call was not answered.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Not a SIP address that we can call.
    #[error("cannot call {uri}: {reason}")]
    BadUri {
        /// What was asked for.
        uri: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody there.
    #[error("cannot reach {uri}: {source}")]
    Unreachable {
        /// Who was called.
        uri: String,
        /// Why.
        source: io::Error,
    },
    /// The other side said no.
    #[error("the call was refused: {status} {reason}")]
    Rejected {
        /// The SIP status, 300 to 699.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// Our side failed.
    #[error(transparent)]
    Sip(#[from] SipError),
}

//! A call that rings.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rsipstack::sip::{Request, Uri, prelude::HeadersExt};
use tokio::sync::oneshot;

use super::Shared;
use crate::{
    SipError, SipLeg,
    call::{CallLine, Order},
    rtp::{MediaSocket, RtpSession},
    sdp::{Codec, Description},
};

/// Who calls whom.
#[derive(Clone, Debug)]
pub(super) struct Ringing {
    from: String,
    to_user: String,
    to_uri: String,
    source: SocketAddr,
}

impl Ringing {
    pub(super) fn of(invite: &Request, source: SocketAddr) -> Self {
        let from = invite.from_header().ok().and_then(|from| from.uri().ok());
        Self {
            from: from.map_or_else(|| "unknown".into(), |uri| plain(&uri)),
            to_user: invite.uri.user().unwrap_or_default().to_owned(),
            to_uri: plain(&invite.uri),
            source,
        }
    }
}

/// A call that rings: answer it or reject it. Dropping it rejects it.
pub struct IncomingCall {
    shared: Arc<Shared>,
    line: CallLine,
    ringing: Ringing,
}

impl IncomingCall {
    pub(super) fn new(shared: Arc<Shared>, line: CallLine, ringing: Ringing) -> Self {
        Self { shared, line, ringing }
    }

    /// Who calls, a SIP or tel URI without parameters.
    pub fn from(&self) -> &str {
        &self.ringing.from
    }

    /// The user part of who was called: the dialled number or name; empty when there is none.
    pub fn to_user(&self) -> &str {
        &self.ringing.to_user
    }

    /// Who was called, a URI without parameters.
    pub fn to_uri(&self) -> &str {
        &self.ringing.to_uri
    }

    /// The `Call-ID`, for finding the call in another system's logs.
    pub fn sip_call_id(&self) -> &str {
        &self.line.sip_call_id
    }

    /// Where the call came from.
    pub fn source(&self) -> SocketAddr {
        self.ringing.source
    }

    /// Tells the caller that it rings.
    pub async fn ring(&mut self) -> Result<(), SipError> {
        self.line.orders.send(Order::Ring).await.map_err(|_| SipError::Cancelled)
    }

    /// Answers; the leg is alive at once.
    pub async fn answer(self) -> Result<SipLeg, SipError> {
        let config = &self.shared.config;
        let ip = match config.media_ip {
            Some(ip) => ip,
            None => self.shared.stack.local_ip_towards(self.ringing.source)?,
        };
        let socket =
            MediaSocket::open(&self.shared.ports, self.shared.stack.local().ip(), ip).await?;
        let ours = Description::new(socket.advertised(), Codec::ALL, rand::random::<u32>().into());
        let (done, agreed) = oneshot::channel();
        let order = Order::Answer { ours, done };
        self.line.orders.send(order).await.map_err(|_| SipError::Cancelled)?;
        let negotiated = agreed.await.map_err(|_| SipError::Cancelled)??;
        let session = RtpSession::new(socket, negotiated);
        Ok(SipLeg::new(session, self.line, config.no_media_timeout))
    }

    /// Refuses with a SIP status (486 busy, 503 full, 603 declined ...), which is brought into
    /// 400 to 699, and tells when to try again.
    pub async fn reject(self, status: u16, retry_after: Option<Duration>) {
        let retry_after_seconds =
            retry_after.map(|after| u32::try_from(after.as_secs()).unwrap_or(u32::MAX));
        let order = Order::Reject { status: status.clamp(400, 699), retry_after_seconds };
        if self.line.orders.send(order).await.is_err() {
            tracing::debug!("a call was over before it was rejected");
        }
    }
}

fn plain(uri: &Uri) -> String {
    Uri { params: Vec::new(), headers: Vec::new(), ..uri.clone() }.to_string()
}

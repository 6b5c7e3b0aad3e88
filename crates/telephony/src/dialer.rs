//! Places calls over SIP.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rsipstack::{
    sip::{Host, Param, Scheme, Transport, Uri},
    transaction::make_tag,
};
use tokio::{sync::oneshot, task::JoinSet};

mod sip_call;

pub use sip_call::{CallEvent, SipCall};

use crate::{
    DialError, SipConfig, SipError,
    call::{Answered, CallLine, Calling, Way, line},
    dialog::{Dialog, DialogKey},
    rtp::{MediaSocket, RtpSession},
    sdp::{Codec, Description},
    stack::Hop,
    user_agent::{Shared, open_for_dialing},
};

const DEFAULT_PORT: u16 = 5060;

/// How a call is placed.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Who calls: a SIP URI. Default none: `sip:caller@` and our address.
    pub from: Option<String>,
    /// How long it may ring. Default 60 seconds.
    pub timeout: Duration,
    /// What is offered, the preferred first. Default PCMU and PCMA.
    pub codecs: Vec<Codec>,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self { from: None, timeout: Duration::from_mins(1), codecs: Codec::ALL.into() }
    }
}

/// Places calls. Calls go on when it is dropped.
#[derive(Clone)]
pub struct Dialer {
    shared: Arc<Shared>,
    /// The task of a stack of its own; `None` when it is a server's.
    desk: Option<Arc<JoinSet<()>>>,
}

/// Where a call goes.
struct Target {
    uri: Uri,
    peer: SocketAddr,
    transport: Transport,
}

impl Dialer {
    /// Opens sockets of its own; calls that come in there are refused.
    pub async fn bind(config: SipConfig) -> Result<Self, SipError> {
        let (shared, desk) = open_for_dialing(config).await?;
        Ok(Self { shared, desk: Some(Arc::new(desk)) })
    }

    pub(crate) fn over(shared: Arc<Shared>) -> Self {
        Self { shared, desk: None }
    }

    /// Where SIP is listened for.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.stack.local()
    }

    /// Calls `uri`, as `sip:demo@192.0.2.1:5060;transport=tcp`, over UDP unless it says otherwise.
    /// Dropping the future gives the call up.
    pub async fn dial(&self, uri: &str, options: DialOptions) -> Result<SipCall, DialError> {
        let target = Target::of(uri).await?;
        let stack = self.shared.stack.clone();
        let hop = stack.hop(target.peer, target.transport).await.map_err(|error| {
            if let SipError::Io(source) = error {
                return DialError::Unreachable { uri: uri.to_owned(), source };
            }
            DialError::Sip(error)
        })?;
        let ip = match self.shared.config.media_ip {
            Some(ip) => ip,
            None => hop.local.ip(),
        };
        let socket = MediaSocket::open(&self.shared.ports, stack.local().ip(), ip).await?;
        let id = rand::random::<u32>().into();
        let ours = Description::new(socket.advertised(), options.codecs.as_slice(), id);
        let (call_line, answered) = self.start(&target, hop, ours, &options).await?;
        let Answered { negotiated } =
            answered.await.map_err(|_| DialError::Sip(SipError::Ended))??;
        let session = RtpSession::new(socket, Some(negotiated));
        Ok(SipCall::new(session, call_line, self.clone()))
    }

    async fn start(
        &self,
        target: &Target,
        hop: Hop,
        ours: Description,
        options: &DialOptions,
    ) -> Result<(CallLine, oneshot::Receiver<Result<Answered, DialError>>), DialError> {
        let timeout = options.timeout;
        let from = options.from.clone().unwrap_or_else(|| format!("sip:caller@{}", hop.local));
        if from.contains(['\r', '\n', '<', '>', '"']) {
            let reason = "the caller's address has characters that no address has".to_owned();
            return Err(DialError::BadUri { uri: from, reason });
        }
        let key = DialogKey {
            call_id: format!("{:032x}@trunkline", rand::random::<u128>()),
            local_tag: make_tag().to_string(),
        };
        let agent = &self.shared.config.user_agent;
        let dialog = Dialog::calling(key.clone(), &format!("<{from}>"), &target.uri, agent);
        let (call_line, end) = line(key.call_id.clone());
        let registration = self.shared.registry.enter(key);
        let way = Way { stack: self.shared.stack.clone(), source: hop.peer, hop };
        let calling = Calling { way, dialog, ours, timeout, end, registration };
        let (done, answered) = oneshot::channel();
        self.shared.stack.spawn(Box::pin(calling.run(done))).await?;
        Ok((call_line, answered))
    }
}

impl Drop for Dialer {
    fn drop(&mut self) {
        if self.desk.as_ref().is_some_and(|desk| Arc::strong_count(desk) == 1) {
            self.shared.stack.stop();
        }
    }
}

impl Target {
    async fn of(uri: &str) -> Result<Self, DialError> {
        let bad = |reason: String| DialError::BadUri { uri: uri.to_owned(), reason };
        if uri.contains(char::is_whitespace) || uri.chars().any(char::is_control) {
            return Err(bad("an address has no spaces".into()));
        }
        let parsed = Uri::try_from(uri).map_err(|error| bad(error.to_string()))?;
        match &parsed.scheme {
            Some(Scheme::Sip) => {}
            Some(Scheme::Sips) => return Err(bad("SIP over TLS is not available".into())),
            Some(Scheme::Other(scheme)) => {
                return Err(bad(format!("'{scheme}' is not SIP; write sip:user@host")));
            }
            None => return Err(bad("write sip:user@host".into())),
        }
        let transport = parsed.params.iter().find_map(|param| {
            if let Param::Transport(transport) = param { Some(*transport) } else { None }
        });
        let transport = match transport {
            None | Some(Transport::Udp) => Transport::Udp,
            Some(Transport::Tcp) => Transport::Tcp,
            Some(other) => return Err(bad(format!("SIP over {other} is not available"))),
        };
        let port =
            parsed.host_with_port.port.as_ref().map_or(DEFAULT_PORT, rsipstack::sip::Port::value);
        let peer = match &parsed.host_with_port.host {
            Host::IpAddr(ip) => SocketAddr::new(*ip, port),
            Host::Domain(name) => resolve(uri, &name.0, port).await?,
        };
        Ok(Self { uri: parsed, peer, transport })
    }
}

/// The first address of a name.
async fn resolve(uri: &str, name: &str, port: u16) -> Result<SocketAddr, DialError> {
    let unreachable = |source| DialError::Unreachable { uri: uri.to_owned(), source };
    let mut addresses = tokio::net::lookup_host((name, port)).await.map_err(unreachable)?;
    addresses.next().ok_or_else(|| unreachable(io::ErrorKind::NotFound.into()))
}

//! Answers calls that come in over SIP, and what to do with each.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

mod desk;
mod incoming;

pub use incoming::IncomingCall;

use crate::{
    Dialer, SipError,
    call::Registry,
    rtp::PortPool,
    stack::{Running, Stack},
};

/// Calls that ring and nobody has looked at; one more is answered 503.
const RINGING: usize = 64;
/// How long calls that are told to end at a shutdown have for their BYE.
const GOODBYE: Duration = Duration::from_secs(2);

/// How SIP and RTP reach the network.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Where SIP is listened for. Default `0.0.0.0:5060`, SIP's own port; port 0 takes a free one.
    pub bind: SocketAddr,
    /// SIP over UDP. Default on: most trunks speak nothing else.
    pub udp: bool,
    /// SIP over TCP on the same port. Default on.
    pub tcp: bool,
    /// The address that callers send their sound to. Default none: the address that the kernel
    /// would send from; set it where a network translates addresses.
    pub media_ip: Option<IpAddr>,
    /// Ports for RTP, two a call. Default 40000-40999, enough for 500 calls.
    pub rtp_ports: RangeInclusive<u16>,
    /// Our name in `Server` and `User-Agent`. Default `trunkline`: no version, which helps nobody
    /// but attackers.
    pub user_agent: String,
    /// Calls at a time; one more is answered 503 with `Retry-After`. Default 250.
    pub max_calls: usize,
    /// A call without a packet from the caller for this long ends, unless it is held. Default
    /// 30 seconds.
    pub no_media_timeout: Duration,
}

impl Default for SipConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 5060),
            udp: true,
            tcp: true,
            media_ip: None,
            rtp_ports: 40_000..=40_999,
            user_agent: "trunkline".into(),
            max_calls: 250,
            no_media_timeout: Duration::from_secs(30),
        }
    }
}

/// Everything that the calls of one server share.
pub(crate) struct Shared {
    pub(crate) stack: Arc<Stack>,
    pub(crate) registry: Registry,
    pub(crate) ports: PortPool,
    pub(crate) config: SipConfig,
}

/// A SIP server: answers what comes in, hands out calls.
pub struct SipServer {
    shared: Arc<Shared>,
    calls: mpsc::Receiver<IncomingCall>,
    desk: JoinSet<()>,
    drain: CancellationToken,
}

impl SipServer {
    /// Opens the sockets. Fails when a port is taken.
    pub async fn bind(config: SipConfig) -> Result<Self, SipError> {
        let (shared, running) = open(config).await?;
        let (ring, calls) = mpsc::channel(RINGING);
        let drain = CancellationToken::new();
        let mut desk = JoinSet::new();
        desk.spawn(desk::Desk::new(shared.clone(), Some(ring), drain.clone()).run(running));
        Ok(Self { shared, calls, desk, drain })
    }

    /// Where SIP is listened for.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.stack.local()
    }

    /// Calls in progress, ringing ones included.
    pub fn calls_in_progress(&self) -> usize {
        self.shared.registry.len()
    }

    /// The next call that rings; `None` after [`shutdown`](Self::shutdown) began. Cancel-safe.
    pub async fn accept(&mut self) -> Option<IncomingCall> {
        self.calls.recv().await
    }

    /// Places calls from the same address.
    pub fn dialer(&self) -> Dialer {
        Dialer::over(self.shared.clone())
    }

    /// Takes no more calls, waits until those in progress are over or `deadline` has passed, then
    /// ends them, and closes the sockets.
    pub async fn shutdown(mut self, deadline: Duration) {
        self.drain.cancel();
        self.calls.close();
        while let Ok(call) = self.calls.try_recv() {
            drop(call);
        }
        if timeout(deadline, self.desk.join_next()).await.is_err() {
            self.shared.registry.hang_up_all.cancel();
            if timeout(GOODBYE, self.desk.join_next()).await.is_err() {
                tracing::warn!("some calls did not confirm their end before the shutdown");
            }
        }
        self.shared.stack.stop();
    }
}

impl Drop for SipServer {
    fn drop(&mut self) {
        self.shared.stack.stop();
    }
}

/// Opens a stack that only places calls.
pub(crate) async fn open_for_dialing(
    config: SipConfig,
) -> Result<(Arc<Shared>, JoinSet<()>), SipError> {
    let (shared, running) = open(config).await?;
    let mut desk = JoinSet::new();
    let drain = CancellationToken::new();
    desk.spawn(desk::Desk::new(shared.clone(), None, drain).run(running));
    Ok((shared, desk))
}

async fn open(config: SipConfig) -> Result<(Arc<Shared>, Running), SipError> {
    let (stack, running) = Stack::open(&config).await?;
    let ports = PortPool::new(config.rtp_ports.clone());
    let registry = Registry::default();
    Ok((Arc::new(Shared { stack, registry, ports, config }), running))
}

//! The SIP stack behind our gate: rsipstack's transactions over our own sockets.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use rsipstack::{
    EndpointBuilder,
    sip::{Method, Request, Transport},
    transaction::{
        TransactionReceiver,
        endpoint::{EndpointInnerRef, EndpointOption},
        key::{TransactionKey, TransactionRole},
        make_via_branch,
        transaction::Transaction,
    },
    transport::{SipAddr, SipConnection, TransportLayer, udp::UdpConnection},
};
use tokio::{
    net::{TcpListener, UdpSocket},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

mod datagrams;
mod streams;

use crate::{SipConfig, SipError, gate::Gate};

/// Work waiting for a task; a caller waits when it is full.
const SPAWN_QUEUE: usize = 64;

/// Opened sockets and the endpoint over them, shared by all calls.
pub(crate) struct Stack {
    endpoint: EndpointInnerRef,
    gate: Arc<Gate>,
    local: SocketAddr,
    udp: Option<SipConnection>,
    stop: CancellationToken,
    spawn: mpsc::Sender<BoxFuture<'static, ()>>,
}

/// What a new stack leaves to its owner: new transactions, and tasks to run.
pub(crate) struct Running {
    pub(crate) transactions: TransactionReceiver,
    pub(crate) spawned: mpsc::Receiver<BoxFuture<'static, ()>>,
    /// The endpoint, the TCP listener.
    pub(crate) tasks: JoinSet<()>,
}

/// How to reach the other side of a dialog.
#[derive(Clone)]
pub(crate) struct Hop {
    connection: SipConnection,
    pub(crate) peer: SocketAddr,
    /// What we say our address is.
    pub(crate) local: SocketAddr,
    pub(crate) transport: Transport,
}

impl Stack {
    /// Opens the sockets of `config` and starts the endpoint.
    pub(crate) async fn open(config: &SipConfig) -> Result<(Arc<Self>, Running), SipError> {
        if !config.udp && !config.tcp {
            return Err(SipError::NoTransport);
        }
        let gate = Arc::new(Gate::new(config.user_agent.clone(), rand::random()));
        let stop = CancellationToken::new();
        let transport = TransportLayer::new(stop.clone());
        let (udp, listener, local) = sockets(config).await?;
        let mut connection = None;
        if let Some(socket) = udp {
            let gated = Arc::new(datagrams::GatedSocket::new(socket, gate.clone()));
            let udp: SipConnection =
                UdpConnection::from_socket(gated, None, Some(stop.clone())).await?.into();
            transport.add_transport(udp.clone());
            connection = Some(udp);
        }
        let option =
            EndpointOption { callid_suffix: Some("trunkline".into()), ..EndpointOption::default() };
        let endpoint = EndpointBuilder::new()
            .with_user_agent(&config.user_agent)
            .with_transport_layer(transport)
            .with_cancel_token(stop.clone())
            .with_option(option)
            .build();
        let transactions = endpoint.incoming_transactions()?;
        let (spawn, spawned) = mpsc::channel(SPAWN_QUEUE);
        let stack = Arc::new(Self {
            endpoint: endpoint.inner.clone(),
            gate,
            local,
            udp: connection,
            stop,
            spawn,
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { endpoint.serve().await });
        if let Some(listener) = listener {
            tasks.spawn(streams::listen(stack.clone(), listener));
        }
        Ok((stack, Running { transactions, spawned, tasks }))
    }

    /// Where SIP is listened for.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Runs `task` until its end, or until the stack's owner is gone.
    pub(crate) async fn spawn(&self, task: BoxFuture<'static, ()>) -> Result<(), SipError> {
        self.spawn.send(task).await.map_err(|_| SipError::Ended)
    }

    /// Closes the sockets and ends every transaction.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// How to reach `peer`; opens a connection for TCP.
    pub(crate) async fn hop(
        &self,
        peer: SocketAddr,
        transport: Transport,
    ) -> Result<Hop, SipError> {
        let ip = self.local_ip_towards(peer)?;
        let local = SocketAddr::new(ip, self.local.port());
        let connection = match (transport, &self.udp) {
            (Transport::Tcp, _) => {
                let within = tokio::time::timeout(CONNECT_TIMEOUT, streams::connect(self, peer));
                within.await.map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??
            }
            (Transport::Udp, Some(udp)) => udp.clone(),
            (other, _) => return Err(SipError::Stack(format!("no transport for {other}"))),
        };
        Ok(Hop { connection, peer, local, transport })
    }

    /// The way back to whoever sent the request of `transaction`, at `peer`.
    pub(crate) fn hop_back(
        &self,
        transaction: &Transaction,
        peer: SocketAddr,
    ) -> Result<Hop, SipError> {
        let connection = transaction.connection.clone().ok_or(SipError::Ended)?;
        let transport = if connection.is_reliable() { Transport::Tcp } else { Transport::Udp };
        let local = SocketAddr::new(self.local_ip_towards(peer)?, self.local.port());
        Ok(Hop { connection, peer, local, transport })
    }

    /// A client transaction for `request`, not yet sent.
    pub(crate) fn transaction(&self, request: Request, hop: &Hop) -> Result<Transaction, SipError> {
        let key = TransactionKey::from_request(&request, TransactionRole::Client)?;
        let connection = Some(hop.connection.clone());
        let mut transaction =
            Transaction::new_client(key, request, self.endpoint.clone(), connection);
        transaction.destination =
            Some(SipAddr { r#type: Some(hop.transport), addr: hop.peer.into() });
        Ok(transaction)
    }

    /// Our address as `peer` sees it, when no network translates it.
    pub(crate) fn local_ip_towards(&self, peer: SocketAddr) -> Result<IpAddr, SipError> {
        if !self.local.ip().is_unspecified() {
            return Ok(self.local.ip());
        }
        let any: IpAddr = match peer {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        // Connecting a datagram socket sends nothing; it asks the kernel for its route.
        let probe = std::net::UdpSocket::bind((any, 0))?;
        probe.connect(peer)?;
        Ok(probe.local_addr()?.ip())
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Hop {
    /// A fresh `Via` (RFC 3261, section 8.1.1.7).
    pub(crate) fn via(&self) -> String {
        let transport = if self.is_tcp() { "TCP" } else { "UDP" };
        format!("SIP/2.0/{transport} {};rport{}", self.local, make_via_branch())
    }

    /// Our `Contact` address.
    pub(crate) fn contact(&self) -> String {
        let transport = if self.is_tcp() { ";transport=tcp" } else { "" };
        format!("<sip:trunkline@{}{transport}>", self.local)
    }

    fn is_tcp(&self) -> bool {
        self.transport == Transport::Tcp
    }
}

/// Both sockets on the same port, also when the port is left to the system.
async fn sockets(
    config: &SipConfig,
) -> Result<(Option<UdpSocket>, Option<TcpListener>, SocketAddr), SipError> {
    const TRIES: u32 = 16;
    for attempt in 1.. {
        let failed =
            |transport, address| move |source| SipError::Bind { transport, address, source };
        let udp = if config.udp {
            Some(UdpSocket::bind(config.bind).await.map_err(failed("udp", config.bind))?)
        } else {
            None
        };
        let mut address = match &udp {
            Some(socket) => socket.local_addr()?,
            None => config.bind,
        };
        if !config.tcp {
            return Ok((udp, None, address));
        }
        match TcpListener::bind(address).await {
            Ok(listener) => {
                address = listener.local_addr()?;
                return Ok((udp, Some(listener), address));
            }
            // The port that UDP got by chance may be taken for TCP.
            Err(_) if config.bind.port() == 0 && attempt < TRIES => {}
            Err(error) => return Err(failed("tcp", address)(error)),
        }
    }
    Err(SipError::NoTransport)
}

/// Whether a method makes a transaction whose answer is acknowledged.
pub(crate) fn is_invite(request: &Request) -> bool {
    *request.method() == Method::Invite
}

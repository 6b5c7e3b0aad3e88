//! The front desk: takes every request that the gate and the stack let through to where it belongs.

use std::{net::SocketAddr, sync::Arc};

use rsipstack::{
    sip::{
        Header, Method, Request, StatusCode,
        prelude::{HeadersExt, ToTypedHeader},
    },
    transaction::{make_tag, transaction::Transaction},
    transport::SipConnection,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{IncomingCall, Shared, incoming::Ringing};
use crate::{
    call::{self, Answering, Way, destination, line},
    dialog::{Dialog, DialogKey, key_of},
    sdp,
    stack::Running,
};

/// What a caller is told to wait when we are full, seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

pub(super) struct Desk {
    shared: Arc<Shared>,
    /// `None` where calls are only placed.
    ring: Option<mpsc::Sender<IncomingCall>>,
    drain: CancellationToken,
    tasks: JoinSet<()>,
}

/// A refusal.
struct Refusal {
    status: u16,
    headers: Vec<Header>,
}

impl Refusal {
    fn new(status: u16) -> Self {
        Self { status, headers: Vec::new() }
    }

    fn full() -> Self {
        let headers = vec![Header::RetryAfter(RETRY_AFTER_SECONDS.to_string().into())];
        Self { status: 503, headers }
    }
}

impl Desk {
    pub(super) fn new(
        shared: Arc<Shared>,
        ring: Option<mpsc::Sender<IncomingCall>>,
        drain: CancellationToken,
    ) -> Self {
        Self { shared, ring, drain, tasks: JoinSet::new() }
    }

    /// Works until it has drained: no more new calls, and the last one over.
    pub(super) async fn run(mut self, running: Running) {
        let Running { mut transactions, mut spawned, mut tasks } = running;
        loop {
            if self.drain.is_cancelled() && self.shared.registry.len() == 0 && self.tasks.is_empty()
            {
                return;
            }
            tokio::select! {
                transaction = transactions.recv() => match transaction {
                    Some(transaction) => self.take(transaction),
                    None => return,
                },
                Some(task) = spawned.recv() => drop(self.tasks.spawn(task)),
                Some(ended) = self.tasks.join_next() => report(ended),
                Some(ended) = tasks.join_next() => {
                    report(ended);
                    return;
                }
                () = self.drain.cancelled(), if self.ring.is_some() => self.ring = None,
            }
        }
    }

    fn take(&mut self, transaction: Transaction) {
        let key = key_of(&transaction.original);
        let refused = match (key, *transaction.original.method()) {
            (Some(key), _) => self.forward(&key, transaction),
            (None, Method::Invite) => self.ring(transaction),
            (None, _) => Some((transaction, Refusal::new(481))),
        };
        if let Some((transaction, refusal)) = refused {
            self.tasks.spawn(refuse(transaction, refusal));
        }
    }

    /// A request inside a call.
    fn forward(&self, key: &DialogKey, transaction: Transaction) -> Option<(Transaction, Refusal)> {
        let Some(call) = self.shared.registry.find(key) else {
            return Some((transaction, Refusal::new(481)));
        };
        match call.try_send(transaction) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(transaction)) => {
                Some((transaction, Refusal::full()))
            }
            Err(mpsc::error::TrySendError::Closed(transaction)) => {
                Some((transaction, Refusal::new(481)))
            }
        }
    }

    /// A new call.
    fn ring(&mut self, transaction: Transaction) -> Option<(Transaction, Refusal)> {
        let Some(ring) = self.ring.clone() else {
            return Some((transaction, Refusal::full()));
        };
        let Ok(place) = ring.try_reserve_owned() else {
            return Some((transaction, Refusal::full()));
        };
        if self.shared.registry.len() >= self.shared.config.max_calls {
            return Some((transaction, Refusal::full()));
        }
        let offer = call::offer_in(&transaction.original);
        if let Some(Err(error)) = offer.as_deref().map(sdp::check) {
            tracing::debug!(%error, "refused an offer");
            return Some((transaction, Refusal::new(488)));
        }
        match self.answering(transaction) {
            Ok((answering, incoming)) => {
                self.tasks.spawn(answering.run());
                drop(place.send(incoming));
                None
            }
            Err(transaction) => Some((*transaction, Refusal::new(400))),
        }
    }

    fn answering(
        &self,
        invite: Transaction,
    ) -> Result<(Answering, IncomingCall), Box<Transaction>> {
        let tag = make_tag().to_string();
        let agent = &self.shared.config.user_agent;
        let Some(dialog) = Dialog::called(&invite.original, &tag, agent) else {
            return Err(Box::new(invite));
        };
        let Some(source) = source_of(&invite) else {
            return Err(Box::new(invite));
        };
        let peer = destination(&dialog.next_hop(), source, dialog.is_routed());
        let Ok(hop) = self.shared.stack.hop_back(&invite, peer) else {
            return Err(Box::new(invite));
        };
        let (call_line, end) = line(dialog.key.call_id.clone());
        let ringing = Ringing::of(&invite.original, source);
        let registration = self.shared.registry.enter(dialog.key.clone());
        let way = Way { stack: self.shared.stack.clone(), hop, source };
        let answering = Answering { way, dialog, invite, end, registration };
        Ok((answering, IncomingCall::new(self.shared.clone(), call_line, ringing)))
    }
}

/// Where the request really came from.
fn source_of(transaction: &Transaction) -> Option<SocketAddr> {
    if let Some(SipConnection::Channel(connection)) = &transaction.connection {
        return connection.get_remote_addr()?.get_socketaddr().ok();
    }
    received_in(&transaction.original)
}

/// The stack notes the source of a datagram in the topmost `Via` (RFC 3581).
fn received_in(request: &Request) -> Option<SocketAddr> {
    let via = request.via_header().ok()?.first_value().ok()?;
    let (_, address) = SipConnection::parse_target_from_via(&via).ok()?;
    drop(via.typed().ok()?);
    address.try_into().ok()
}

async fn refuse(mut transaction: Transaction, refusal: Refusal) {
    let status = StatusCode::from(refusal.status);
    if let Err(error) = transaction.reply_with(status, refusal.headers, None).await {
        tracing::debug!(%error, "a request could not be refused");
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a task of the SIP side failed; its call is lost");
    }
}

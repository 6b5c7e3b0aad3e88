//! The signalling of one call: a task that owns its dialog, whoever placed it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rsipstack::transaction::transaction::Transaction;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use trunkline_session::{HangupReason, leg::Digit};

mod answering;
mod calling;
mod dtmf_body;
mod session_timer;
mod talking;

pub(crate) use answering::{Answering, offer_in};
pub(crate) use calling::{Answered, Calling};

use crate::{
    SipError,
    dialog::{Dialog, DialogKey},
    sdp::{Description, Direction, Negotiated},
    stack::{Hop, Stack},
};

/// News for the leg that it has not read yet. What comes when it is full is lost, but never the end
/// of the call: that also closes the queue.
const NEWS: usize = 32;
/// Orders of the leg that the signalling has not read yet; the leg gives one or two in its life.
const ORDERS: usize = 8;
/// Requests of the peer inside a call that wait; one more is answered 503.
const REQUESTS: usize = 16;

/// What the signalling tells whoever has the call.
#[derive(Clone, Debug)]
pub(crate) enum News {
    /// What both sides agreed on, first or anew.
    Agreed(Negotiated),
    /// A key, sent by INFO.
    Pressed(Digit),
    /// The call is over.
    Ended(HangupReason),
}

/// What whoever has the call tells the signalling.
#[derive(Debug)]
pub(crate) enum Order {
    /// Say that it rings.
    Ring,
    /// Answer with this description of ours.
    Answer { ours: Description, done: oneshot::Sender<Result<Option<Negotiated>, SipError>> },
    /// Refuse with this status and these seconds of `Retry-After`.
    Reject { status: u16, retry_after_seconds: Option<u32> },
    /// Offer anew: hold, resume.
    Offer { direction: Direction, done: oneshot::Sender<Result<Negotiated, SipError>> },
    /// End the call.
    HangUp,
}

/// The way to the peer.
pub(crate) struct Way {
    pub(crate) stack: Arc<Stack>,
    pub(crate) hop: Hop,
    /// Where the peer's first message came from, or where ours went.
    pub(crate) source: SocketAddr,
}

impl Way {
    /// The way to the peer by what its dialog says now.
    pub(crate) fn follow(&self, dialog: &Dialog) -> Hop {
        let mut hop = self.hop.clone();
        hop.peer = destination(&dialog.next_hop(), self.source, dialog.is_routed());
        hop
    }
}

/// A call as whoever has it sees its signalling.
#[derive(Debug)]
pub(crate) struct CallLine {
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) news: mpsc::Receiver<News>,
    pub(crate) sip_call_id: String,
}

/// The other end of a [`CallLine`].
pub(crate) struct LineEnd {
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) news: mpsc::Sender<News>,
}

impl LineEnd {
    /// Tells without waiting.
    pub(crate) fn tell(&self, news: News) {
        if self.news.try_send(news).is_err() {
            tracing::debug!("news of a call found no room or no reader");
        }
    }
}

/// Both ends.
pub(crate) fn line(sip_call_id: String) -> (CallLine, LineEnd) {
    let (order, orders) = mpsc::channel(ORDERS);
    let (tell, news) = mpsc::channel(NEWS);
    (CallLine { orders: order, news, sip_call_id }, LineEnd { orders, news: tell })
}

/// Which task has which dialog.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    calls: Arc<Mutex<HashMap<DialogKey, mpsc::Sender<Transaction>>>>,
    /// Cancelled when every call must end.
    pub(crate) hang_up_all: CancellationToken,
}

impl Registry {
    /// Calls in progress.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// The task that has this dialog.
    pub(crate) fn find(&self, key: &DialogKey) -> Option<mpsc::Sender<Transaction>> {
        self.lock().get(key).cloned()
    }

    /// Enters a dialog until the registration is dropped.
    pub(crate) fn enter(&self, key: DialogKey) -> Registration {
        let (sender, requests) = mpsc::channel(REQUESTS);
        self.lock().insert(key.clone(), sender);
        Registration { registry: self.clone(), key, requests }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<DialogKey, mpsc::Sender<Transaction>>> {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A dialog's place in the registry, and the requests that come for it.
pub(crate) struct Registration {
    registry: Registry,
    key: DialogKey,
    pub(crate) requests: mpsc::Receiver<Transaction>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().remove(&self.key);
    }
}

impl Registration {
    pub(crate) fn hang_up_all(&self) -> CancellationToken {
        self.registry.hang_up_all.clone()
    }
}

/// Where requests of a dialog go: the peer's source for a peer behind a translator of addresses,
/// which its `Contact` betrays, else what the dialog says.
pub(crate) fn destination(
    next_hop: &rsipstack::sip::Uri,
    source: SocketAddr,
    is_routed: bool,
) -> SocketAddr {
    let named = address_of(next_hop);
    match named {
        Some(address) if is_routed || address.ip() == source.ip() => address,
        Some(_) | None => source,
    }
}

/// The literal address of a URI.
pub(crate) fn address_of(uri: &rsipstack::sip::Uri) -> Option<SocketAddr> {
    let port = uri.host_with_port.port.as_ref().map_or(5060, rsipstack::sip::Port::value);
    match &uri.host_with_port.host {
        rsipstack::sip::Host::IpAddr(ip) => Some(SocketAddr::new(*ip, port)),
        rsipstack::sip::Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_behind_a_translator_of_addresses_is_reached_where_it_came_from() {
        let source: SocketAddr = "198.51.100.1:61000".parse().unwrap();
        for (next_hop, is_routed, expected) in [
            ("sip:a@10.0.0.5:5060", false, "198.51.100.1:61000"),
            ("sip:a@198.51.100.1:5080", false, "198.51.100.1:5080"),
            ("sip:a@phone.example", false, "198.51.100.1:61000"),
            ("sip:192.0.2.50:5070;lr", true, "192.0.2.50:5070"),
            ("sip:192.0.2.50;lr", true, "192.0.2.50:5060"),
        ] {
            let uri = rsipstack::sip::Uri::try_from(next_hop).unwrap();
            assert_eq!(destination(&uri, source, is_routed).to_string(), expected, "{next_hop}");
        }
    }

    #[test]
    fn a_dialog_is_found_until_its_registration_is_dropped() {
        let registry = Registry::default();
        let key = DialogKey { call_id: "c".into(), local_tag: "t".into() };
        let registration = registry.enter(key.clone());
        assert!(registry.find(&key).is_some());
        assert_eq!(registry.len(), 1);
        drop(registration);
        assert!(registry.find(&key).is_none());
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn news_nobody_reads_is_lost_but_the_end_is_not() {
        let (mut call_line, end) = line("c".into());
        for _ in 0..NEWS + 5 {
            end.tell(News::Pressed(Digit('1')));
        }
        drop(end);
        let read = std::iter::from_fn(|| call_line.news.try_recv().ok()).count();
        assert_eq!(read, NEWS);
        assert!(matches!(call_line.news.try_recv(), Err(mpsc::error::TryRecvError::Disconnected)));
    }
}

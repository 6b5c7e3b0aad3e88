//! A call that is up, until somebody hangs up.

use std::time::{Duration, Instant};

use rsipstack::{
    sip::{Method, Request, Response, SipMessage, StatusCodeKind},
    transaction::{TransactionType, transaction::Transaction},
};
use tokio::time::timeout;
use trunkline_session::HangupReason;

use super::{
    LineEnd, News, Order, Registration, Way,
    answering::{TALK, offer_in, warning},
    dtmf_body,
    session_timer::{MIN_SECONDS, Refresher, SessionTimer, Wish},
};
use crate::{
    SipError,
    dialog::{Dialog, Extra, header},
    gate::{ACCEPT, ALLOW},
    sdp::{self, Description, Direction, Negotiated, SdpError},
    stack::is_invite,
};

/// How long a BYE waits for the ACK of our 2xx (RFC 3261, section 15).
const ACK_PATIENCE: Duration = Duration::from_secs(2);
/// How long a BYE is tried (64 * T1).
const BYE_PATIENCE: Duration = Duration::from_secs(32);

/// Our session description and what is open about it.
#[derive(Debug)]
pub(super) struct Described {
    ours: Description,
    /// What we want to do.
    direction: Direction,
    /// We offered in a 2xx; the ACK brings the answer.
    awaits_answer: bool,
}

impl Described {
    pub(super) fn new(ours: Description) -> Self {
        Self { ours, direction: TALK, awaits_answer: false }
    }

    pub(super) fn agreed(ours: Description, direction: Direction) -> Self {
        Self { ours, direction, awaits_answer: false }
    }

    /// Our answer to an offer, or our offer when there is none.
    pub(super) fn answer_to(
        &mut self,
        offer: Option<&str>,
    ) -> Result<(String, Option<Negotiated>), SdpError> {
        let Some(offer) = offer else {
            self.awaits_answer = true;
            return Ok((self.ours.offer(self.direction), None));
        };
        let (text, negotiated) = self.ours.answer(offer, self.direction)?;
        self.awaits_answer = false;
        Ok((text, Some(negotiated)))
    }

    /// The answer that an ACK brings, when one is awaited.
    fn answered_by(&mut self, ack: &Request) -> Option<Negotiated> {
        let awaited = std::mem::take(&mut self.awaits_answer);
        let answer = offer_in(ack).filter(|_| awaited)?;
        self.ours.accept(&answer, self.direction).ok()
    }
}

/// A dialog that is confirmed, or whose 2xx waits for its ACK.
pub(super) struct Talking {
    pub(super) way: Way,
    pub(super) dialog: Dialog,
    pub(super) described: Described,
    /// An INVITE whose transaction still lives: theirs waits for its ACK, ours answers
    /// retransmissions of the 2xx.
    pub(super) unsettled: Option<Transaction>,
    pub(super) timer: Option<SessionTimer>,
    pub(super) end: LineEnd,
    pub(super) registration: Registration,
    /// The peer said BYE while it was to answer an offer of ours.
    pub(super) was_ended: bool,
}

/// How the call goes on.
enum Step {
    On,
    /// We end it.
    HangUp(HangupReason),
    /// The peer ended it.
    Over(HangupReason),
}

impl Talking {
    pub(super) async fn run(mut self) {
        let hang_up_all = self.registration.hang_up_all();
        loop {
            let due = self.timer.map(|timer| timer.due());
            let step = tokio::select! {
                message = receive(&mut self.unsettled) => self.on_message(message),
                order = self.end.orders.recv() => self.on_order(order).await,
                request = self.registration.requests.recv() => match request {
                    Some(request) => self.on_request(request).await,
                    None => Step::Over(HangupReason::LegFailed),
                },
                refresher = until(due) => self.on_timer(refresher).await,
                () = hang_up_all.cancelled() => Step::HangUp(HangupReason::Shutdown),
            };
            match step {
                Step::On => {}
                Step::Over(reason) => return self.end.tell(News::Ended(reason)),
                Step::HangUp(reason) => {
                    self.end.tell(News::Ended(reason));
                    return self.bye().await;
                }
            }
        }
    }

    fn on_message(&mut self, message: Option<SipMessage>) -> Step {
        match message {
            Some(SipMessage::Request(request)) if *request.method() == Method::Ack => {
                self.unsettled = None;
                if let Some(negotiated) = self.described.answered_by(&request) {
                    self.end.tell(News::Agreed(negotiated));
                } else if self.described.awaits_answer {
                    return Step::HangUp(HangupReason::LegFailed);
                }
                Step::On
            }
            // Another CANCEL, or a 2xx again: the transaction has answered it.
            Some(SipMessage::Request(_) | SipMessage::Response(_)) => Step::On,
            None => {
                let is_unacknowledged = self.is_unacknowledged();
                self.unsettled = None;
                // RFC 3261, section 13.3.1.4: no ACK within 64 * T1 ends the session.
                if is_unacknowledged { Step::HangUp(HangupReason::LegFailed) } else { Step::On }
            }
        }
    }

    async fn on_order(&mut self, order: Option<Order>) -> Step {
        match order {
            Some(Order::Offer { direction, done }) => {
                let agreed = self.offer(direction).await;
                if done.send(agreed).is_err() {
                    tracing::debug!("nobody waits for the answer to an offer");
                }
                self.unless_ended(Step::On)
            }
            Some(Order::Ring | Order::Answer { .. }) => Step::On,
            Some(Order::Reject { .. } | Order::HangUp) | None => {
                Step::HangUp(HangupReason::AgentHungUp)
            }
        }
    }

    async fn on_request(&mut self, mut transaction: Transaction) -> Step {
        let request = transaction.original.clone();
        if !self.dialog.take(&request) {
            self.respond(&mut transaction, 500, Extra::default()).await;
            return Step::On;
        }
        match *request.method() {
            Method::Bye => {
                self.respond(&mut transaction, 200, Extra::default()).await;
                return Step::Over(HangupReason::CallerHungUp);
            }
            Method::Invite | Method::Update => self.on_offer(transaction).await,
            Method::Info => self.on_info(&mut transaction).await,
            Method::Options => {
                self.respond(&mut transaction, 200, Extra::header("Accept", ACCEPT)).await;
            }
            Method::Ack
            | Method::Cancel
            | Method::Message
            | Method::Notify
            | Method::PRack
            | Method::Publish
            | Method::Refer
            | Method::Register
            | Method::Subscribe => {
                self.respond(&mut transaction, 405, Extra::header("Allow", ALLOW)).await;
            }
        }
        Step::On
    }

    /// A re-INVITE or an UPDATE: hold, resume, another address, another codec, or a refresh.
    async fn on_offer(&mut self, mut transaction: Transaction) {
        let request = transaction.original.clone();
        if self.is_unacknowledged() && is_invite(&request) {
            // RFC 3261, section 14.2: the INVITE before is not settled.
            let extra = Extra::header("Retry-After", "1");
            return self.respond(&mut transaction, 500, extra).await;
        }
        let mut extra = Extra::default();
        match SessionTimer::wished(&request.headers, Instant::now()) {
            Wish::TooShort => {
                let extra = Extra::header("Min-SE", MIN_SECONDS.to_string());
                return self.respond(&mut transaction, 422, extra).await;
            }
            Wish::Timer(timer) => {
                extra = extra.with("Session-Expires", timer.answer()).with("Require", "timer");
                self.timer = Some(timer);
            }
            Wish::None => {}
        }
        let offer = offer_in(&request);
        if offer.is_some() || is_invite(&request) {
            match self.described.answer_to(offer.as_deref()) {
                Ok((text, negotiated)) => {
                    extra.description = Some(text);
                    if let Some(negotiated) = negotiated {
                        self.end.tell(News::Agreed(negotiated));
                    }
                }
                Err(error) => return self.respond(&mut transaction, 488, warning(&error)).await,
            }
        }
        self.dialog.retarget(&request.headers);
        self.respond(&mut transaction, 200, extra).await;
        if is_invite(&request) {
            self.unsettled = Some(transaction);
        }
    }

    async fn on_info(&mut self, transaction: &mut Transaction) {
        let request = &transaction.original;
        let kind = header(&request.headers, "Content-Type").unwrap_or_default();
        let digit = dtmf_body::digit(kind, &request.body);
        let status = if digit.is_some() || request.body.is_empty() { 200 } else { 415 };
        if let Some(digit) = digit {
            self.end.tell(News::Pressed(digit));
        }
        let extra = if status == 415 { Extra::header("Accept", ACCEPT) } else { Extra::default() };
        self.respond(transaction, status, extra).await;
    }

    async fn on_timer(&mut self, refresher: Refresher) -> Step {
        match refresher {
            Refresher::Peer => Step::HangUp(HangupReason::LegFailed),
            Refresher::Us => match self.offer(self.described.direction).await {
                Ok(_) => Step::On,
                Err(error) => {
                    tracing::debug!(%error, "a session could not be refreshed");
                    self.unless_ended(Step::HangUp(HangupReason::LegFailed))
                }
            },
        }
    }

    fn unless_ended(&self, step: Step) -> Step {
        if self.was_ended { Step::Over(HangupReason::CallerHungUp) } else { step }
    }

    /// A request of the peer that crosses our offer.
    async fn on_crossing(&mut self, mut transaction: Transaction) {
        let status = match *transaction.original.method() {
            // RFC 3261, section 14.2.
            Method::Invite | Method::Update => 491,
            Method::Bye => {
                self.was_ended = true;
                200
            }
            Method::Info => return self.on_info(&mut transaction).await,
            Method::Ack
            | Method::Cancel
            | Method::Message
            | Method::Notify
            | Method::Options
            | Method::PRack
            | Method::Publish
            | Method::Refer
            | Method::Register
            | Method::Subscribe => 500,
        };
        self.respond(&mut transaction, status, Extra::default()).await;
    }

    /// Offers by a re-INVITE.
    async fn offer(&mut self, direction: Direction) -> Result<Negotiated, SipError> {
        let text = self.described.ours.offer(direction);
        let mut extra = Extra::description(text);
        if let Some(timer) = &self.timer {
            extra = extra.with("Session-Expires", timer.answer());
        }
        self.unsettled = None;
        let hop = self.way.follow(&self.dialog);
        let request = self.dialog.request(Method::Invite, &hop, extra);
        let mut invite = self.way.stack.transaction(request, &hop)?;
        invite.send().await?;
        let response = loop {
            tokio::select! {
                response = final_response(&mut invite) => break response,
                Some(request) = self.registration.requests.recv() => {
                    self.on_crossing(request).await;
                    if self.was_ended {
                        return Err(SipError::Ended);
                    }
                }
            }
        };
        let response = response.ok_or(SipError::Ended)?;
        let status = response.status_code.code();
        if !(200..300).contains(&status) {
            return Err(SipError::Stack(format!("the offer was answered with {status}")));
        }
        self.dialog.retarget(&response.headers);
        self.unsettled = Some(invite);
        if let Some(timer) = &mut self.timer {
            timer.refresh(Instant::now());
        }
        let kind = header(&response.headers, "Content-Type");
        let answer = sdp::description_in(kind, &response.body)
            .ok_or_else(|| SdpError::Malformed("an answer without a description".into()))?;
        let negotiated = self.described.ours.accept(&answer, direction)?;
        self.described.direction = direction;
        self.end.tell(News::Agreed(negotiated.clone()));
        Ok(negotiated)
    }

    /// Says BYE and waits until the peer has heard it, or is surely gone.
    pub(super) async fn bye(mut self) {
        if self.is_unacknowledged() {
            // The peer may not know yet that it was answered.
            let settled = timeout(ACK_PATIENCE, receive(&mut self.unsettled)).await;
            tracing::trace!(acknowledged = settled.is_ok(), "ending a call");
        }
        let hop = self.way.follow(&self.dialog);
        let request = self.dialog.request(Method::Bye, &hop, Extra::default());
        let mut bye = match self.way.stack.transaction(request, &hop) {
            Ok(bye) => bye,
            Err(error) => return tracing::debug!(%error, "a call could not be ended"),
        };
        let ended = timeout(BYE_PATIENCE, async {
            bye.send().await?;
            loop {
                tokio::select! {
                    response = final_response(&mut bye) => return Ok(response),
                    Some(mut request) = self.registration.requests.recv() => {
                        // The peer's BYE crosses ours.
                        self.respond(&mut request, 200, Extra::default()).await;
                    }
                }
            }
        });
        let ended: Result<Result<Option<Response>, SipError>, _> = ended.await;
        match ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a call could not be ended"),
            Err(_) => tracing::debug!("a BYE had no answer"),
        }
    }

    async fn respond(&self, transaction: &mut Transaction, status: u16, extra: Extra) {
        let response =
            self.dialog.respond(&transaction.original, status.into(), &self.way.hop, extra);
        if let Err(error) = transaction.respond(response).await {
            tracing::debug!(%error, "a request could not be answered");
        }
    }

    /// Whether a 2xx of ours waits for its ACK.
    fn is_unacknowledged(&self) -> bool {
        self.unsettled
            .as_ref()
            .is_some_and(|invite| invite.transaction_type == TransactionType::ServerInvite)
    }
}

/// The final response of a client transaction.
pub(super) async fn final_response(transaction: &mut Transaction) -> Option<Response> {
    loop {
        match transaction.receive().await? {
            SipMessage::Response(response)
                if response.status_code.kind() != StatusCodeKind::Provisional =>
            {
                return Some(response);
            }
            SipMessage::Response(_) | SipMessage::Request(_) => {}
        }
    }
}

/// The next message of a transaction; never, when there is none.
async fn receive(transaction: &mut Option<Transaction>) -> Option<SipMessage> {
    match transaction {
        Some(transaction) => transaction.receive().await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<(Instant, Refresher)>) -> Refresher {
    match due {
        Some((at, refresher)) => {
            tokio::time::sleep_until(at.into()).await;
            refresher
        }
        None => std::future::pending().await,
    }
}

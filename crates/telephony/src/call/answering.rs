//! A call that came in, until it is answered, refused or given up.

use std::time::Instant;

use rsipstack::{
    sip::{Method, Request, SipMessage, StatusCode},
    transaction::transaction::Transaction,
};
use tokio::sync::oneshot;
use trunkline_session::HangupReason;

use super::{
    LineEnd, News, Order, Registration, Way,
    session_timer::{MIN_SECONDS, SessionTimer, Wish},
    talking::{Described, Talking},
};
use crate::{
    SipError,
    dialog::{Dialog, Extra, header},
    sdp::{self, Description, Direction, Negotiated},
};

/// An INVITE that waits for the decision of whoever has the call.
pub(crate) struct Answering {
    pub(crate) way: Way,
    pub(crate) dialog: Dialog,
    pub(crate) invite: Transaction,
    pub(crate) end: LineEnd,
    pub(crate) registration: Registration,
}

/// What a step of the ringing phase came to.
enum Step {
    On,
    Answered(Described),
    Over,
}

impl Answering {
    /// Rings until there is a decision, then talks until the call is over.
    pub(crate) async fn run(mut self) {
        if self.invite.send_trying().await.is_err() {
            self.end.tell(News::Ended(HangupReason::LegFailed));
            return;
        }
        let timer = match SessionTimer::wished(&self.invite.original.headers, Instant::now()) {
            Wish::None => None,
            Wish::Timer(timer) => Some(timer),
            Wish::TooShort => {
                self.end.tell(News::Ended(HangupReason::LegFailed));
                let extra = Extra::header("Min-SE", MIN_SECONDS.to_string());
                return self.respond(422, extra).await;
            }
        };
        let hang_up_all = self.registration.hang_up_all();
        loop {
            let step = tokio::select! {
                message = self.invite.receive() => self.on_message(message).await,
                order = self.end.orders.recv() => self.on_order(order, timer.as_ref()).await,
                Some(request) = self.registration.requests.recv() => {
                    self.on_early(request).await;
                    Step::On
                }
                () = hang_up_all.cancelled() => {
                    self.end.tell(News::Ended(HangupReason::Shutdown));
                    self.respond(503, Extra::default()).await;
                    Step::Over
                }
            };
            match step {
                Step::On => {}
                Step::Over => return,
                Step::Answered(described) => {
                    let Self { way, dialog, invite, end, registration } = self;
                    let talking = Talking {
                        way,
                        dialog,
                        described,
                        unsettled: Some(invite),
                        timer,
                        end,
                        registration,
                        was_ended: false,
                    };
                    return talking.run().await;
                }
            }
        }
    }

    async fn on_message(&mut self, message: Option<SipMessage>) -> Step {
        match message {
            Some(SipMessage::Request(request)) if *request.method() == Method::Cancel => {
                self.end.tell(News::Ended(HangupReason::Cancelled));
                self.respond(487, Extra::default()).await;
                Step::Over
            }
            Some(SipMessage::Request(_) | SipMessage::Response(_)) => Step::On,
            None => {
                self.end.tell(News::Ended(HangupReason::LegFailed));
                Step::Over
            }
        }
    }

    async fn on_order(&mut self, order: Option<Order>, timer: Option<&SessionTimer>) -> Step {
        match order {
            Some(Order::Ring) => {
                self.respond(180, Extra::default()).await;
                Step::On
            }
            Some(Order::Answer { ours, done }) => self.answer(ours, done, timer).await,
            Some(Order::Offer { done, .. }) => {
                // The caller of this order has gone when nobody takes the refusal.
                drop(done.send(Err(SipError::Ended)));
                Step::On
            }
            Some(Order::Reject { status, retry_after_seconds }) => {
                let extra = retry_after_seconds.map_or_else(Extra::default, |seconds| {
                    Extra::header("Retry-After", seconds.to_string())
                });
                self.respond(status, extra).await;
                Step::Over
            }
            Some(Order::HangUp) => {
                self.respond(603, Extra::default()).await;
                Step::Over
            }
            // Whoever had the call dropped it without a word.
            None => {
                self.respond(480, Extra::default()).await;
                Step::Over
            }
        }
    }

    async fn answer(
        &mut self,
        ours: Description,
        done: oneshot::Sender<Result<Option<Negotiated>, SipError>>,
        timer: Option<&SessionTimer>,
    ) -> Step {
        let mut described = Described::new(ours);
        let (text, negotiated) =
            match described.answer_to(offer_in(&self.invite.original).as_deref()) {
                Ok(agreed) => agreed,
                Err(error) => {
                    self.respond(488, warning(&error)).await;
                    drop(done.send(Err(error.into())));
                    return Step::Over;
                }
            };
        let mut extra = Extra::description(text);
        if let Some(timer) = timer {
            extra = extra.with("Session-Expires", timer.answer()).with("Require", "timer");
        }
        self.respond(200, extra).await;
        if done.send(Ok(negotiated)).is_err() {
            tracing::debug!("an answered call found nobody to talk to");
        }
        Step::Answered(described)
    }

    /// A BYE or another request in the early dialog.
    async fn on_early(&mut self, mut request: Transaction) {
        let status = if self.dialog.take(&request.original) { 200 } else { 500 };
        let response =
            self.dialog.respond(&request.original, status.into(), &self.way.hop, Extra::default());
        if let Err(error) = request.respond(response).await {
            tracing::debug!(%error, "an early request could not be answered");
        }
    }

    async fn respond(&mut self, status: u16, extra: Extra) {
        let status = StatusCode::from(status);
        let response = self.dialog.respond(&self.invite.original, status, &self.way.hop, extra);
        if let Err(error) = self.invite.respond(response).await {
            tracing::debug!(%error, "an INVITE could not be answered");
        }
    }
}

/// The session description in a request.
pub(crate) fn offer_in(request: &Request) -> Option<String> {
    let kind = header(&request.headers, "Content-Type");
    sdp::description_in(kind, &request.body).map(std::borrow::Cow::into_owned)
}

/// Says in a response why there is no agreement (RFC 3261, section 20.43).
pub(super) fn warning(error: &sdp::SdpError) -> Extra {
    let code = match error {
        sdp::SdpError::NoCodec => 305,
        sdp::SdpError::NoAudio => 304,
        sdp::SdpError::NoAddress(_) => 301,
        sdp::SdpError::Malformed(_) | sdp::SdpError::TooLarge(_) => 399,
    };
    let text: String =
        error.to_string().chars().filter(|c| !matches!(c, '"' | '\\') && !c.is_control()).collect();
    Extra::header("Warning", format!("{code} trunkline \"{text}\""))
}

/// What we would like to do in a call that came in.
pub(super) const TALK: Direction = Direction::SendRecv;

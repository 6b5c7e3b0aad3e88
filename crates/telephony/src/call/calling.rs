//! A call that we place, until it is answered, refused or given up.

use std::time::Duration;

use rsipstack::{
    sip::{Method, Response, StatusCode, StatusCodeKind},
    transaction::transaction::Transaction,
};
use tokio::{sync::oneshot, time::timeout};

use super::{
    LineEnd, Registration, Way,
    talking::{Described, Talking, final_response},
};
use crate::{
    DialError,
    dialog::{Dialog, Extra, header},
    sdp::{self, Description, Direction, Negotiated, SdpError},
};

/// How long a cancelled INVITE waits for its last response.
const CANCEL_PATIENCE: Duration = Duration::from_secs(8);

/// A call that was answered.
pub(crate) struct Answered {
    pub(crate) negotiated: Negotiated,
}

/// An INVITE of ours on its way.
pub(crate) struct Calling {
    pub(crate) way: Way,
    pub(crate) dialog: Dialog,
    pub(crate) ours: Description,
    pub(crate) timeout: Duration,
    pub(crate) end: LineEnd,
    pub(crate) registration: Registration,
}

/// What became of an INVITE.
enum Outcome {
    Final(Response),
    GaveUp,
    Failed,
}

impl Calling {
    /// Calls; tells `done` what came of it, and talks until the call is over. Whoever drops the
    /// other end of `done` gives the call up.
    pub(crate) async fn run(mut self, mut done: oneshot::Sender<Result<Answered, DialError>>) {
        let offer = self.ours.offer(Direction::SendRecv);
        let request = self.dialog.request(Method::Invite, &self.way.hop, Extra::description(offer));
        let mut invite = match self.start(request).await {
            Ok(invite) => invite,
            Err(error) => return drop(done.send(Err(error))),
        };
        let outcome = tokio::select! {
            response = final_response(&mut invite) => {
                response.map_or(Outcome::Failed, Outcome::Final)
            }
            () = tokio::time::sleep(self.timeout) => Outcome::GaveUp,
            () = done.closed() => Outcome::GaveUp,
        };
        match outcome {
            Outcome::Final(response) => Box::pin(self.on_final(invite, response, done)).await,
            Outcome::Failed => drop(done.send(Err(DialError::Timeout))),
            Outcome::GaveUp => {
                drop(done.send(Err(DialError::Timeout)));
                Box::pin(self.cancel(invite)).await;
            }
        }
    }

    async fn start(&mut self, request: rsipstack::sip::Request) -> Result<Transaction, DialError> {
        let mut invite = self.way.stack.transaction(request, &self.way.hop)?;
        invite.send().await.map_err(crate::SipError::from)?;
        Ok(invite)
    }

    async fn on_final(
        mut self,
        invite: Transaction,
        response: Response,
        done: oneshot::Sender<Result<Answered, DialError>>,
    ) {
        let status = response.status_code.code();
        if response.status_code.kind() != StatusCodeKind::Successful {
            let error = if response.status_code == StatusCode::RequestTimeout {
                DialError::Timeout
            } else {
                DialError::Rejected { status, reason: reason(&response) }
            };
            return drop(done.send(Err(error)));
        }
        self.dialog.answered(&response);
        let agreed = self.agreed(&response);
        let talking = self.talking(invite);
        match agreed {
            Ok(negotiated) => {
                if done.send(Ok(Answered { negotiated })).is_err() {
                    return talking.bye().await;
                }
                Box::pin(talking.run()).await;
            }
            Err(error) => {
                drop(done.send(Err(crate::SipError::Sdp(error).into())));
                talking.bye().await;
            }
        }
    }

    fn agreed(&self, response: &Response) -> Result<Negotiated, SdpError> {
        let kind = header(&response.headers, "Content-Type");
        let answer = sdp::description_in(kind, &response.body)
            .ok_or_else(|| SdpError::Malformed("an answer without a description".into()))?;
        self.ours.accept(&answer, Direction::SendRecv)
    }

    fn talking(self, invite: Transaction) -> Talking {
        let Self { way, dialog, ours, end, registration, .. } = self;
        Talking {
            way,
            dialog,
            described: Described::agreed(ours, Direction::SendRecv),
            unsettled: Some(invite),
            timer: None,
            end,
            registration,
            was_ended: false,
        }
    }

    /// Gives the call up; a 2xx that crosses the CANCEL is ended by a BYE (RFC 3261, section 9.1).
    async fn cancel(self, mut invite: Transaction) {
        // A CANCEL must not overtake its INVITE: wait for any sign of life.
        if invite.last_response.is_none()
            && !matches!(timeout(CANCEL_PATIENCE, invite.receive()).await, Ok(Some(_)))
        {
            return;
        }
        if is_final(&invite) {
            return self.on_late_final(invite).await;
        }
        let Some(request) = self.dialog.cancel(&invite.original, &self.way.hop) else { return };
        let sent = match self.way.stack.transaction(request, &self.way.hop) {
            Ok(mut cancel) => match cancel.send().await {
                Ok(()) => Some(cancel),
                Err(_) => None,
            },
            Err(_) => None,
        };
        let Some(mut cancel) = sent else { return };
        let answered = timeout(CANCEL_PATIENCE, async {
            tokio::join!(final_response(&mut invite), final_response(&mut cancel))
        });
        if answered.await.is_err() {
            tracing::debug!("a CANCEL was not answered");
        }
        self.on_late_final(invite).await;
    }

    /// What the transaction has last received counts, also when nobody waited for it then.
    async fn on_late_final(mut self, invite: Transaction) {
        if let Some(response) = invite.last_response.clone()
            && response.status_code.kind() == StatusCodeKind::Successful
        {
            self.dialog.answered(&response);
            self.talking(invite).bye().await;
        }
    }
}

fn is_final(invite: &Transaction) -> bool {
    invite
        .last_response
        .as_ref()
        .is_some_and(|response| response.status_code.kind() != StatusCodeKind::Provisional)
}

fn reason(response: &Response) -> String {
    let standard = response.status_code.text().to_owned();
    response.wire_reason.clone().unwrap_or(standard)
}

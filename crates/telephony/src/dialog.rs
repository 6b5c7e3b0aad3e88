//! A SIP dialog as data: writes its requests and responses, keeps its sequence (RFC 3261, section 12).

use rsipstack::sip::{
    Header, Headers, Method, Request, Response, StatusCode, Uri, Version, headers::untyped,
    prelude::HeadersExt,
};

use crate::{
    gate::{ACCEPT, ALLOW, SUPPORTED},
    stack::Hop,
};

/// What a request or a response carries beside what every one carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    pub(crate) headers: Vec<Header>,
    /// A session description.
    pub(crate) description: Option<String>,
}

impl Extra {
    pub(crate) fn description(text: String) -> Self {
        Self { headers: Vec::new(), description: Some(text) }
    }

    pub(crate) fn header(name: &str, value: impl Into<String>) -> Self {
        Self { headers: vec![Header::Other(name.into(), value.into())], description: None }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(Header::Other(name.into(), value.into()));
        self
    }
}

/// Which call a request belongs to. The peer's tag is left out: it may change until the answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DialogKey {
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
}

/// One side of a dialog.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) key: DialogKey,
    /// Our address with our tag, as `From` in our requests.
    local: String,
    /// The peer's address with its tag, as `To` in our requests.
    remote: String,
    local_seq: u32,
    /// The peer's last; `None` before its first request.
    remote_seq: Option<u32>,
    /// Where the peer wants requests.
    target: Uri,
    /// The proxies on the way, nearest first.
    routes: Vec<String>,
    agent: String,
}

impl Dialog {
    /// The side that is called. `tag` is ours.
    pub(crate) fn called(invite: &Request, tag: &str, agent: &str) -> Option<Self> {
        let to = invite.to_header().ok()?;
        Some(Self {
            key: DialogKey { call_id: call_id(invite)?, local_tag: tag.to_owned() },
            local: format!("{};tag={tag}", to.value()),
            remote: invite.from_header().ok()?.value().to_owned(),
            // RFC 3261, section 12.2.1.1: our first request may begin anywhere.
            local_seq: 0,
            remote_seq: invite.cseq_header().ok()?.seq().ok(),
            target: contact_of(invite)?,
            routes: record_routes(&invite.headers),
            agent: agent.to_owned(),
        })
    }

    /// The side that calls, before an answer: `to` is an address in brackets.
    pub(crate) fn calling(key: DialogKey, from: &str, to: &Uri, agent: &str) -> Self {
        Self {
            local: format!("{from};tag={}", key.local_tag),
            remote: format!("<{}>", address_only(to)),
            local_seq: 0,
            remote_seq: None,
            target: to.clone(),
            routes: Vec::new(),
            agent: agent.to_owned(),
            key,
        }
    }

    /// Takes what the 2xx to our first INVITE says: tag, target and route.
    pub(crate) fn answered(&mut self, response: &Response) {
        if let Ok(to) = response.to_header() {
            self.remote = to.value().to_owned();
        }
        self.routes = record_routes(&response.headers);
        self.routes.reverse();
        self.retarget(&response.headers);
    }

    /// Takes the peer's new address from a re-INVITE, an UPDATE or the 2xx to ours.
    pub(crate) fn retarget(&mut self, headers: &Headers) {
        if let Some(target) = first_contact(headers) {
            self.target = target;
        }
    }

    /// Where our requests go first.
    pub(crate) fn next_hop(&self) -> Uri {
        self.routes
            .first()
            .and_then(|route| Uri::try_from(bracketed(route)).ok())
            .unwrap_or_else(|| self.target.clone())
    }

    /// Whether requests go through proxies that asked to stay on the way.
    pub(crate) fn is_routed(&self) -> bool {
        !self.routes.is_empty()
    }

    /// The next request of ours.
    pub(crate) fn request(&mut self, method: Method, hop: &Hop, extra: Extra) -> Request {
        self.local_seq += 1;
        self.request_numbered(method, self.local_seq, &hop.via(), hop, extra)
    }

    /// The CANCEL of `invite`: everything as in it, its branch too (RFC 3261, section 9.1).
    pub(crate) fn cancel(&self, invite: &Request, hop: &Hop) -> Option<Request> {
        let via = invite.via_header().ok()?.value().to_owned();
        let seq = invite.cseq_header().ok()?.seq().ok()?;
        Some(self.request_numbered(Method::Cancel, seq, &via, hop, Extra::default()))
    }

    fn request_numbered(
        &self,
        method: Method,
        seq: u32,
        via: &str,
        hop: &Hop,
        extra: Extra,
    ) -> Request {
        let mut headers = Headers::from(vec![
            Header::Via(via.into()),
            Header::MaxForwards(70.into()),
            Header::From(untyped::From::new(self.local.clone())),
            Header::To(untyped::To::new(self.remote.clone())),
            Header::CallId(self.key.call_id.clone().into()),
            Header::CSeq(format!("{seq} {method}").into()),
            Header::UserAgent(self.agent.clone().into()),
        ]);
        for route in &self.routes {
            headers.push(Header::Route(route.clone().into()));
        }
        if matches!(method, Method::Invite | Method::Update) {
            headers.push(Header::Contact(hop.contact().into()));
            headers.push(Header::Allow(ALLOW.into()));
            headers.push(Header::Supported(SUPPORTED.into()));
        }
        let uri = self.target.clone();
        let body = finish(&mut headers, extra);
        Request { method, uri, version: Version::V2, headers, body }
    }

    /// A response of ours to `request`, in this dialog.
    pub(crate) fn respond(
        &self,
        request: &Request,
        status: StatusCode,
        hop: &Hop,
        extra: Extra,
    ) -> Response {
        let succeeds = (200..300).contains(&status.code());
        let mut headers = Headers::default();
        for header in request.headers.iter() {
            match header {
                Header::Via(_) | Header::From(_) | Header::CallId(_) | Header::CSeq(_) => {
                    headers.push(header.clone());
                }
                Header::To(to) if to.tag().is_ok_and(|tag| tag.is_some()) => {
                    headers.push(header.clone());
                }
                Header::To(_) => {
                    headers.push(Header::To(untyped::To::new(self.local.clone())));
                }
                Header::RecordRoute(_) => headers.push(header.clone()),
                _ => {}
            }
        }
        if matches!(request.method, Method::Invite | Method::Update) {
            headers.push(Header::Contact(hop.contact().into()));
        }
        if succeeds {
            headers.push(Header::Allow(ALLOW.into()));
            headers.push(Header::Supported(SUPPORTED.into()));
            headers.push(Header::Accept(ACCEPT.into()));
        }
        headers.push(Header::Server(self.agent.clone().into()));
        let body = finish(&mut headers, extra);
        Response { status_code: status, wire_reason: None, version: Version::V2, headers, body }
    }

    /// Whether a request of the peer is in order (RFC 3261, section 12.2.2).
    pub(crate) fn take(&mut self, request: &Request) -> bool {
        let Ok(seq) = request.cseq_header().and_then(untyped::CSeq::seq) else {
            return false;
        };
        if self.remote_seq.is_some_and(|last| seq < last) {
            return false;
        }
        self.remote_seq = Some(seq);
        true
    }
}

/// The key of the dialog that a request claims to belong to; `None` outside dialogs.
pub(crate) fn key_of(request: &Request) -> Option<DialogKey> {
    let tag = request.to_header().ok()?.tag().ok()??;
    Some(DialogKey { call_id: call_id(request)?, local_tag: tag.value().to_owned() })
}

/// The first value of a header by its name.
pub(crate) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name().eq_ignore_ascii_case(name)).map(Header::value)
}

fn call_id(request: &Request) -> Option<String> {
    Some(request.call_id_header().ok()?.value().to_owned())
}

/// Body and what describes it.
fn finish(headers: &mut Headers, extra: Extra) -> Vec<u8> {
    headers.extend(extra.headers);
    let body = extra.description.unwrap_or_default().into_bytes();
    if !body.is_empty() {
        headers.push(Header::ContentType("application/sdp".into()));
    }
    let length = u32::try_from(body.len()).expect("a description is shorter than 4 GiB");
    headers.push(Header::ContentLength(length.into()));
    body
}

fn contact_of(request: &Request) -> Option<Uri> {
    first_contact(&request.headers).or_else(|| request.from_header().ok()?.uri().ok())
}

fn first_contact(headers: &Headers) -> Option<Uri> {
    let value = header(headers, "Contact")?;
    Uri::try_from(bracketed(value)).ok()
}

/// The address in a header value: what is in its brackets, or all before its parameters.
fn bracketed(value: &str) -> &str {
    match (value.find('<'), value.find('>')) {
        (Some(open), Some(close)) if open < close => value.get(open + 1..close).unwrap_or_default(),
        _ => value.split(';').next().unwrap_or_default(),
    }
}

fn address_only(uri: &Uri) -> Uri {
    Uri { params: Vec::new(), headers: Vec::new(), ..uri.clone() }
}

/// Each proxy of every `Record-Route` line, in order.
fn record_routes(headers: &Headers) -> Vec<String> {
    headers
        .iter()
        .filter_map(|header| match header {
            Header::RecordRoute(route) => Some(route.value()),
            _ => None,
        })
        .flat_map(|value| value.split(','))
        .map(|route| route.trim().to_owned())
        .filter(|route| !route.is_empty())
        .collect()
}

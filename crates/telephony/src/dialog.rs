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
            to.value().clone_into(&mut self.remote);
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
        self.request_numbered(&hop.via(), (self.local_seq, method), hop, extra)
    }

    /// The CANCEL of `invite`: everything as in it, its branch too (RFC 3261, section 9.1).
    pub(crate) fn cancel(&self, invite: &Request, hop: &Hop) -> Option<Request> {
        let via = invite.via_header().ok()?.value().to_owned();
        let seq = invite.cseq_header().ok()?.seq().ok()?;
        Some(self.request_numbered(&via, (seq, Method::Cancel), hop, Extra::default()))
    }

    fn request_numbered(
        &self,
        via: &str,
        (seq, method): (u32, Method),
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
            if let Header::To(to) = header
                && !to.tag().is_ok_and(|tag| tag.is_some())
            {
                headers.push(Header::To(untyped::To::new(self.local.clone())));
            } else if is_repeated(header) {
                headers.push(header.clone());
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

/// What a response repeats of its request (RFC 3261, sections 8.2.6.2 and 12.1.1).
fn is_repeated(header: &Header) -> bool {
    matches!(
        header,
        Header::Via(_)
            | Header::From(_)
            | Header::To(_)
            | Header::CallId(_)
            | Header::CSeq(_)
            | Header::RecordRoute(_)
    )
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
        .filter_map(|header| {
            if let Header::RecordRoute(route) = header { Some(route.value()) } else { None }
        })
        .flat_map(|value| value.split(','))
        .map(|route| route.trim().to_owned())
        .filter(|route| !route.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:demo@192.0.2.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK1\r\n\
        Record-Route: <sip:p2.example;lr>, <sip:192.0.2.200:5070;lr>\r\n\
        Record-Route: <sip:p0.example;lr>\r\n\
        From: <sip:a@198.51.100.7>;tag=theirs\r\nTo: <sip:demo@192.0.2.1>\r\n\
        Call-ID: c1\r\nCSeq: 41 INVITE\r\nContact: \"A\" <sip:a@198.51.100.7:5080>\r\n\
        Content-Length: 0\r\n\r\n";

    fn request(text: &str) -> Request {
        Request::try_from(text).unwrap()
    }

    fn called() -> Dialog {
        Dialog::called(&request(INVITE), "ours", "trunkline").unwrap()
    }

    fn in_dialog(seq: u32) -> Request {
        let text = INVITE
            .replace("INVITE sip", "BYE sip")
            .replace("41 INVITE", &format!("{seq} BYE"))
            .replace("To: <sip:demo@192.0.2.1>", "To: <sip:demo@192.0.2.1>;tag=ours");
        request(&text)
    }

    #[test]
    fn the_called_side_keeps_the_order_of_proxies_and_the_calling_side_reverses_it() {
        let called = called();
        assert_eq!(
            called.routes,
            ["<sip:p2.example;lr>", "<sip:192.0.2.200:5070;lr>", "<sip:p0.example;lr>"]
        );
        assert!(called.is_routed());
        assert_eq!(called.next_hop().to_string(), "sip:p2.example;lr");

        let text = INVITE
            .replace("INVITE sip:demo@192.0.2.1 SIP/2.0", "SIP/2.0 200 OK")
            .replace("To: <sip:demo@192.0.2.1>", "To: <sip:demo@192.0.2.1>;tag=far");
        let response = Response::try_from(text.as_str()).unwrap();
        let key = DialogKey { call_id: "c1".into(), local_tag: "ours".into() };
        let to = Uri::try_from("sip:demo@192.0.2.1;transport=tcp").unwrap();
        let mut calling = Dialog::calling(key, "<sip:me@192.0.2.9>", &to, "trunkline");
        assert_eq!(calling.remote, "<sip:demo@192.0.2.1>");
        calling.answered(&response);
        assert_eq!(calling.next_hop().to_string(), "sip:p0.example;lr");
        assert_eq!(calling.target.to_string(), "sip:a@198.51.100.7:5080");
        assert!(calling.remote.ends_with(";tag=far"));
    }

    #[test]
    fn requests_out_of_order_are_told_from_new_ones() {
        let mut dialog = called();
        assert!(dialog.take(&in_dialog(42)));
        assert!(dialog.take(&in_dialog(50)));
        assert!(!dialog.take(&in_dialog(49)));
    }

    #[test]
    fn a_request_names_its_dialog_only_by_our_tag() {
        assert_eq!(key_of(&request(INVITE)), None);
        assert_eq!(key_of(&in_dialog(42)), Some(called().key));
    }

    #[test]
    fn a_new_contact_moves_the_target_and_nonsense_does_not() {
        let mut dialog = called();
        let moved = request(&INVITE.replace("198.51.100.7:5080", "203.0.113.5:6000"));
        dialog.retarget(&moved.headers);
        assert_eq!(dialog.target.to_string(), "sip:a@203.0.113.5:6000");
        let nonsense = request(&INVITE.replace("<sip:a@198.51.100.7:5080>", "<>"));
        dialog.retarget(&nonsense.headers);
        assert_eq!(dialog.target.to_string(), "sip:a@203.0.113.5:6000");
    }

    #[test]
    fn a_peer_without_contact_is_reached_where_it_says_it_is() {
        let bare = request(&INVITE.replace("Contact: \"A\" <sip:a@198.51.100.7:5080>\r\n", ""));
        let dialog = Dialog::called(&bare, "ours", "trunkline").unwrap();
        assert_eq!(dialog.target.to_string(), "sip:a@198.51.100.7");
    }
}

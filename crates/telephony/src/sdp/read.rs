//! Reads a description: which stream we take, with which codec, to which address.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Connection, Media, Session};

use super::{Codec, Direction, Negotiated, SdpError, is_unspecified};

/// Longer descriptions are refused unread: a telephone's has a few hundred bytes.
const MAX_BYTES: usize = 16 * 1024;
/// More streams than this are refused: each costs a line in the answer.
const MAX_STREAMS: usize = 16;
const DEFAULT_PTIME_MS: u32 = 20;

/// What a description says about the one stream that we take.
pub(super) struct Read {
    /// Each `m=` line as (media, protocol, formats), for the answer's refusals.
    pub(super) streams: Vec<(String, String, String)>,
    /// Which of them we take.
    pub(super) chosen: usize,
    /// The other side wants RTP and RTCP on one port.
    pub(super) mux: bool,
    address: SocketAddr,
    rtcp: SocketAddr,
    codec: Codec,
    payload_type: u8,
    dtmf: Option<u8>,
    direction: Direction,
    ptime_ms: u32,
}

impl Read {
    pub(super) fn parse(text: &str, codecs: &[Codec]) -> Result<Self, SdpError> {
        if text.len() > MAX_BYTES {
            return Err(SdpError::TooLarge(text.len()));
        }
        let session = Session::parse(text.as_bytes())
            .map_err(|error| SdpError::Malformed(error.to_string()))?;
        if session.medias.len() > MAX_STREAMS {
            return Err(SdpError::Malformed(format!("{} media streams", session.medias.len())));
        }
        let audio = session.medias.iter().enumerate().filter(|(_, media)| is_voice(media));
        let mut refusal = SdpError::NoAudio;
        for (index, media) in audio {
            match Self::stream(&session, index, media, codecs) {
                Ok(read) => return Ok(read),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn stream(
        session: &Session,
        chosen: usize,
        media: &Media,
        codecs: &[Codec],
    ) -> Result<Self, SdpError> {
        let ip = address_of(session, media)?;
        let formats = Formats(media);
        let (payload_type, codec) = formats.voice(codecs).ok_or(SdpError::NoCodec)?;
        let address = SocketAddr::new(ip, media.port);
        let mux = media.has_attribute("rtcp-mux");
        Ok(Self {
            streams: session
                .medias
                .iter()
                .map(|media| (media.media.clone(), media.proto.clone(), media.fmt.clone()))
                .collect(),
            chosen,
            mux,
            address,
            rtcp: if mux { address } else { rtcp_address(media, address) },
            codec,
            payload_type,
            dtmf: formats.telephone_event(),
            direction: direction_of(session, media, ip),
            ptime_ms: ptime(media),
        })
    }

    /// What holds when we would like to do `ours`.
    pub(super) fn negotiated(&self, ours: Direction) -> Negotiated {
        Negotiated {
            remote: self.address,
            remote_rtcp: self.rtcp,
            codec: self.codec,
            payload_type: self.payload_type,
            dtmf: self.dtmf,
            direction: ours.limited_by(self.direction),
            ptime_ms: self.ptime_ms,
        }
    }
}

/// A stream that carries voice as we do: plain RTP (RFC 3551; with feedback, RFC 4585, too).
fn is_voice(media: &Media) -> bool {
    media.media.eq_ignore_ascii_case("audio")
        && media.port != 0
        && (media.proto.eq_ignore_ascii_case("RTP/AVP")
            || media.proto.eq_ignore_ascii_case("RTP/AVPF"))
}

fn address_of(session: &Session, media: &Media) -> Result<IpAddr, SdpError> {
    let connection: &Connection = media
        .connections
        .first()
        .or(session.connection.as_ref())
        .ok_or_else(|| SdpError::NoAddress("there is no c= line".into()))?;
    let literal = connection.connection_address.split('/').next().unwrap_or_default();
    let ip: IpAddr =
        literal.parse().map_err(|_| SdpError::NoAddress(connection.connection_address.clone()))?;
    if ip.is_multicast() {
        return Err(SdpError::NoAddress(connection.connection_address.clone()));
    }
    Ok(ip)
}

/// `a=rtcp` (RFC 3605), else the port after RTP's.
fn rtcp_address(media: &Media, rtp: SocketAddr) -> SocketAddr {
    let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
    let Some(Some(value)) = media.get_first_attribute_value("rtcp") else {
        return next;
    };
    let mut words = value.split_ascii_whitespace();
    let Some(port) = words.next().and_then(|word| word.parse().ok()) else {
        return next;
    };
    let ip = words.nth(2).and_then(|word| word.parse().ok()).unwrap_or(rtp.ip());
    SocketAddr::new(ip, port)
}

/// The stream's direction, the session's when it has none; an address of 0.0.0.0 means "do not
/// send to me" as RFC 2543 had it.
fn direction_of(session: &Session, media: &Media, ip: IpAddr) -> Direction {
    let named = |has: &dyn Fn(&str) -> bool| {
        [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive]
            .into_iter()
            .find(|direction| has(direction.name()))
    };
    let stated = named(&|name| media.has_attribute(name))
        .or_else(|| named(&|name| session.has_attribute(name)))
        .unwrap_or_default();
    match (is_unspecified(ip), stated) {
        (true, Direction::SendRecv | Direction::SendOnly) => Direction::SendOnly,
        (true, Direction::RecvOnly | Direction::Inactive) => Direction::Inactive,
        (false, stated) => stated,
    }
}

fn ptime(media: &Media) -> u32 {
    match media.get_first_attribute_value("ptime") {
        Some(Some(value)) => value.trim().parse().unwrap_or(DEFAULT_PTIME_MS).clamp(10, 200),
        Some(None) | None => DEFAULT_PTIME_MS,
    }
}

/// The payload types of a stream with their meanings.
struct Formats<'a>(&'a Media);

impl Formats<'_> {
    /// The first payload type, in the other side's order, whose codec we know.
    fn voice(&self, codecs: &[Codec]) -> Option<(u8, Codec)> {
        self.payload_types().find_map(|payload_type| {
            let codec = self.codec(payload_type)?;
            codecs.contains(&codec).then_some((payload_type, codec))
        })
    }

    fn telephone_event(&self) -> Option<u8> {
        self.payload_types().find(|payload_type| {
            self.rtpmap(*payload_type).is_some_and(|map| is_named(map, "telephone-event"))
        })
    }

    fn payload_types(&self) -> impl Iterator<Item = u8> {
        self.0
            .fmt
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .filter(|payload_type| *payload_type < 128)
    }

    fn codec(&self, payload_type: u8) -> Option<Codec> {
        match self.rtpmap(payload_type) {
            Some(map) => Codec::ALL.into_iter().find(|codec| is_named(map, codec.name())),
            None => Codec::ALL.into_iter().find(|codec| codec.payload_type() == payload_type),
        }
    }

    fn rtpmap(&self, payload_type: u8) -> Option<&str> {
        self.0.get_attribute_values("rtpmap").flatten().find_map(|value| {
            let (number, map) = value.trim().split_once(' ')?;
            (number.parse() == Ok(payload_type)).then(|| map.trim())
        })
    }
}

/// `map` is `name/8000` or `name/8000/1`.
fn is_named(map: &str, name: &str) -> bool {
    let mut parts = map.split('/');
    parts.next().is_some_and(|part| part.eq_ignore_ascii_case(name))
        && parts.next() == Some("8000")
        && matches!(parts.next(), None | Some("1"))
}

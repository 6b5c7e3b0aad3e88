//! Writes a description.

use std::{fmt::Write as _, net::SocketAddr};

use super::{Codec, Direction, Negotiated, read::Read};

/// The payload type of `telephone-event` in our offers: what most telephones use.
const DTMF_PAYLOAD_TYPE: u8 = 101;

/// Everything in a description but its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Line {
    /// The stream that we take.
    Voice(Voice),
    /// A stream that we refuse: media, protocol, formats.
    Refused(String, String, String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Voice {
    proto: String,
    codecs: Vec<(u8, Codec)>,
    dtmf: Option<u8>,
    direction: Direction,
    mux: bool,
}

impl Content {
    pub(super) fn offer(codecs: &[Codec], direction: Direction) -> Self {
        let voice = Voice {
            proto: "RTP/AVP".into(),
            codecs: codecs.iter().map(|codec| (codec.payload_type(), *codec)).collect(),
            dtmf: Some(DTMF_PAYLOAD_TYPE),
            direction,
            mux: true,
        };
        Self { lines: vec![Line::Voice(voice)] }
    }

    pub(super) fn answer(offer: &Read, negotiated: &Negotiated) -> Self {
        let voice = |proto: &str| Voice {
            proto: proto.into(),
            codecs: vec![(negotiated.payload_type, negotiated.codec)],
            dtmf: negotiated.dtmf,
            direction: negotiated.direction,
            mux: offer.mux,
        };
        let line = |(index, (media, proto, formats)): (usize, &(String, String, String))| {
            if index == offer.chosen {
                Line::Voice(voice(proto))
            } else {
                Line::Refused(media.clone(), proto.clone(), formats.clone())
            }
        };
        Self { lines: offer.streams.iter().enumerate().map(line).collect() }
    }

    pub(super) fn to_text(&self, local: SocketAddr, id: u64, version: u64) -> String {
        let family = if local.is_ipv6() { "IP6" } else { "IP4" };
        let ip = local.ip();
        let mut text = format!(
            "v=0\r\no=trunkline {id} {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n"
        );
        for line in &self.lines {
            match line {
                Line::Voice(voice) => voice.write(&mut text, local.port()),
                Line::Refused(media, proto, formats) => {
                    push(&mut text, format_args!("m={media} 0 {proto} {formats}"));
                }
            }
        }
        text
    }
}

impl Voice {
    fn write(&self, text: &mut String, port: u16) {
        let mut formats = String::new();
        for payload_type in self.codecs.iter().map(|(number, _)| *number).chain(self.dtmf) {
            formats.push(' ');
            formats.push_str(&payload_type.to_string());
        }
        push(text, format_args!("m=audio {port} {}{formats}", self.proto));
        for (payload_type, codec) in &self.codecs {
            push(text, format_args!("a=rtpmap:{payload_type} {}/8000", codec.name()));
        }
        if let Some(payload_type) = self.dtmf {
            push(text, format_args!("a=rtpmap:{payload_type} telephone-event/8000"));
            push(text, format_args!("a=fmtp:{payload_type} 0-15"));
        }
        push(text, format_args!("a=ptime:20"));
        if self.mux {
            push(text, format_args!("a=rtcp-mux"));
        }
        push(text, format_args!("a={}", self.direction.name()));
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    write!(text, "{line}\r\n").expect("writing to a string cannot fail");
}

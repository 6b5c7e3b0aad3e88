//! The telephone side, and logs.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
};

use schemars::JsonSchema;
use serde::Deserialize;
use trunkline_gateway::{ApiConfig, GatewayConfig};

use super::problem::Within;

/// The telephone side.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SipSection {
    /// Where SIP is served, over UDP and TCP. Beyond loopback anybody who reaches the port can call:
    /// keep it behind the trunk's or the PBX's network. Default: `127.0.0.1:5060`.
    pub(crate) bind: SocketAddr,
    /// The address that callers send sound to, where it differs from the one bound (NAT). Default: none.
    pub(crate) media_ip: Option<IpAddr>,
    /// First UDP port for sound. Default: 20000.
    pub(crate) rtp_port_min: u16,
    /// Last UDP port for sound; each call takes two. Default: 29999.
    pub(crate) rtp_port_max: u16,
    /// Calls at once; more are answered 503 with Retry-After. Default: 250.
    pub(crate) max_calls: usize,
    /// Seconds without any sound from the caller after which a call is ended, 5 to 3600. Default: 30.
    pub(crate) no_media_seconds: u64,
}

impl Default for SipSection {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 5060)),
            media_ip: None,
            rtp_port_min: 20_000,
            rtp_port_max: 29_999,
            max_calls: 250,
            no_media_seconds: 30,
        }
    }
}

impl SipSection {
    pub(crate) fn rtp_ports(&self) -> RangeInclusive<u16> {
        self.rtp_port_min..=self.rtp_port_max
    }

    pub(super) fn check(&self, problems: &mut Within<'_>) {
        if self.rtp_port_min < 1024 || self.rtp_port_max <= self.rtp_port_min {
            let what =
                format!("{} to {} is no range of ports", self.rtp_port_min, self.rtp_port_max);
            problems.add(
                "sip.rtp_port_min",
                what,
                "choose ports from 1024, the first below the last",
            );
        }
        let room = usize::from(self.rtp_port_max.saturating_sub(self.rtp_port_min)) / 2;
        if self.max_calls == 0 || self.max_calls > room {
            let what = format!("{} calls do not fit the {room} pairs of ports", self.max_calls);
            problems.add("sip.max_calls", what, "allow fewer calls or more ports");
        }
        if !(5..=3600).contains(&self.no_media_seconds) {
            let what = format!("{} seconds is out of range", self.no_media_seconds);
            problems.add("sip.no_media_seconds", what, "choose 5 to 3600");
        }
    }
}

pub(super) fn check_gateway(gateway: &GatewayConfig, problems: &mut Within<'_>) {
    if !gateway.bind.ip().is_loopback() && gateway.admin_key_sha256.is_empty() {
        let what = format!("{} is reached by other machines, and there is no key", gateway.bind);
        problems.add("gateway.bind", what, "add `admin_key_sha256` or bind to loopback");
    }
}

pub(super) fn check_api(api: &ApiConfig, problems: &mut Within<'_>) {
    let mut range = |field: &str, value: u32, unit: &str, most: u32| {
        if !(1..=most).contains(&value) {
            let what = format!("{value} {unit} is out of range");
            problems.add(&format!("api.{field}"), what, format!("choose 1 to {most}"));
        }
    };
    range("max_upload_mib", api.max_upload_mib, "MiB", 1024);
    range("max_audio_minutes", api.max_audio_minutes, "minutes", 1440);
    range("max_requests", api.max_requests, "requests", 4096);
    range("max_realtime_sessions", api.max_realtime_sessions, "sessions", 4096);
    range("timeout_seconds", api.timeout_seconds, "seconds", 3600);
    for origin in &api.cors_origins {
        let is_origin = origin.split_once("://").is_some_and(|(scheme, host)| {
            matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains('/')
        });
        if origin != "*" && !is_origin {
            let what = format!("`{origin}` is no origin");
            problems.add("api.cors_origins", what, "write `https://host` or `https://host:port`");
        }
    }
}

/// Logs.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// `text` for people, `json` for machines. Default: `text`.
    pub(crate) format: LogFormat,
    /// The least severe level that is logged: `error`, `warn`, `info`, `debug` (with transcripts) or
    /// `trace` (with SIP messages). Default: `info`.
    pub(crate) level: LogLevel,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// Someone must act.
    Error,
    /// Something is wrong that mends itself.
    Warn,
    /// One line a call and less.
    #[default]
    Info,
    /// One line a turn, with transcripts.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

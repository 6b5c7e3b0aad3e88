//! What the `[gateway]` and `[store]` sections of the configuration hold.

mod api;

use std::{borrow::Cow, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use self::api::ApiConfig;

/// The HTTP port and who may ask it about calls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Address and port of the HTTP server. Default `127.0.0.1:8080`, which only this machine
    /// reaches: `/admin` shows what callers said. A server that others scrape or query binds
    /// `0.0.0.0:8080` and sets `admin_key_sha256`.
    pub bind: SocketAddr,
    /// SHA-256 of each admin key, 64 hexadecimal digits. Default none. A request shows its key as
    /// `Authorization: Bearer KEY`; `/admin` and `/metrics` ask for one unless the server is bound
    /// to loopback. The digest is kept rather than the key, so that the file gives nothing away.
    pub admin_key_sha256: Vec<KeyDigest>,
    /// Milliseconds from the end of a caller's speech to the reply within which a turn counts as
    /// on time in `trunkline_sla_compliance_ratio`. Default 2000, past which callers speak again.
    pub turn_slo_ms: u32,
    /// Whether new calls, sessions and requests are refused while they would make turns of calls in
    /// progress take longer than `turn_slo_ms` by the 95th percentile. Default true.
    pub admission: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_key_sha256: Vec::new(),
            turn_slo_ms: 2000,
            admission: true,
        }
    }
}

/// Where calls are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Folder of the call database and its journal, made with mode 0700 when missing. Default
    /// `data`, in the folder that the server is started in. One server a folder.
    pub data_dir: PathBuf,
    /// Milliseconds, 1 to 50, for which the journal gathers entries before it makes them durable
    /// with one fsync. Default 20: few fsyncs under load, little lost when the power fails.
    pub journal_fsync_ms: FsyncDelay,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("data"), journal_fsync_ms: FsyncDelay::default() }
    }
}

/// How long the journal gathers entries before one fsync: 1 to 50 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u64")]
pub struct FsyncDelay(u8);

impl FsyncDelay {
    const LONGEST_MS: u8 = 50;

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0))
    }
}

impl Default for FsyncDelay {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<u64> for FsyncDelay {
    type Error = String;

    fn try_from(ms: u64) -> Result<Self, String> {
        u8::try_from(ms)
            .ok()
            .filter(|ms| (1..=Self::LONGEST_MS).contains(ms))
            .map(Self)
            .ok_or_else(|| format!("{ms} is not between 1 and {} ms", Self::LONGEST_MS))
    }
}

impl JsonSchema for FsyncDelay {
    fn schema_name() -> Cow<'static, str> {
        "FsyncDelay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": Self::LONGEST_MS })
    }
}

/// The SHA-256 of a key, which the key cannot be found from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyDigest([u8; 32]);

impl KeyDigest {
    /// The digest of a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Whether both are the same, in a time that does not tell where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        let differing = self.0.iter().zip(&other.0).fold(0, |bits, (a, b)| bits | (a ^ b));
        std::hint::black_box(differing) == 0
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TryFrom<String> for KeyDigest {
    type Error = String;

    fn try_from(hex: String) -> Result<Self, String> {
        let wrong = || "not the SHA-256 of a key: 64 hexadecimal digits are needed".to_owned();
        let nibbles: Vec<u8> = hex
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        let bytes: Vec<u8> =
            nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[pair.len() - 1]).collect();
        bytes.try_into().ok().filter(|_| nibbles.len() == 64).map(Self).ok_or_else(wrong)
    }
}

impl JsonSchema for KeyDigest {
    fn schema_name() -> Cow<'static, str> {
        "KeyDigest".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default() {
        assert_eq!(toml::from_str::<GatewayConfig>("").unwrap(), GatewayConfig::default());
        assert_eq!(toml::from_str::<StoreConfig>("").unwrap(), StoreConfig::default());
        assert!(GatewayConfig::default().bind.ip().is_loopback());
    }

    #[test]
    fn every_field_can_be_set() {
        // SHA-256 of "abc", from FIPS 180-2, appendix B.1.
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let text =
            format!("bind = '0.0.0.0:80'\nadmin_key_sha256 = ['{digest}']\nturn_slo_ms = 900\n");
        let gateway: GatewayConfig = toml::from_str(&text).unwrap();
        assert_eq!(gateway.bind.port(), 80);
        assert_eq!(gateway.admin_key_sha256, [KeyDigest::of("abc")]);
        assert_eq!(gateway.turn_slo_ms, 900);
        let store: StoreConfig =
            toml::from_str("data_dir = '/srv/calls'\njournal_fsync_ms = 50").unwrap();
        assert_eq!(store.data_dir, PathBuf::from("/srv/calls"));
        assert_eq!(store.journal_fsync_ms.duration(), Duration::from_millis(50));
    }

    #[test]
    fn nonsense_is_refused_with_its_reason() {
        let refusal = |text| toml::from_str::<StoreConfig>(text).unwrap_err().to_string();
        assert!(refusal("journal_fsync_ms = 0").contains("0 is not between 1 and 50 ms"));
        assert!(refusal("journal_fsync_ms = 51").contains("51 is not between"));
        assert!(refusal("dir = 'x'").contains("unknown field `dir`"));
        for key in ["secret".to_owned(), "a".repeat(63), "a".repeat(65), "é".repeat(64)] {
            let text = format!("admin_key_sha256 = ['{key}']");
            let said = toml::from_str::<GatewayConfig>(&text).unwrap_err().to_string();
            assert!(said.contains("64 hexadecimal digits"), "{said}");
        }
        assert!(toml::from_str::<GatewayConfig>("bind = 'here'").is_err());
    }

    #[test]
    fn a_key_matches_only_its_own_digest() {
        let digest = KeyDigest::of("one");
        assert!(digest.matches(&KeyDigest::of("one")));
        assert!(!digest.matches(&KeyDigest::of("two")));
        assert!(!digest.matches(&KeyDigest::of("")));
    }
}

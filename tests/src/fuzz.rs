//! Requests that no client should send, made from those that clients do: by a seed, so that what broke
//! the server once can be sent again.

mod samples;
mod values;

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;

use self::{samples::Sample, values::Values};

/// The largest text-level cut or insertion.
const FEW_BYTES: usize = 8;
const BOUNDARY: &str = "trunkline-fuzz";
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// A request as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzedRequest {
    /// The method.
    pub method: &'static str,
    /// The path with its query, percent-encoded where it must be.
    pub path: String,
    /// Header names and values.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Makes requests.
#[derive(Debug)]
pub struct Fuzzer {
    rng: StdRng,
}

impl Fuzzer {
    /// The same seed makes the same requests.
    pub fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed) }
    }

    /// The next one.
    pub fn request(&mut self) -> FuzzedRequest {
        let sample = samples::pick(&mut self.rng);
        let (mut content_type, mut body) = match &sample {
            Sample::Json { body, .. } => ("application/json".to_owned(), self.json(body)),
            Sample::Form { fields, .. } => {
                (format!("multipart/form-data; boundary={BOUNDARY}"), self.form(fields))
            }
            Sample::Path { .. } => (String::new(), Vec::new()),
        };
        if self.one_in(6) {
            self.spoil(&mut body);
        }
        if self.one_in(20) {
            let types =
                ["", "text/plain", "application/xml", "multipart/form-data", "\u{7f}", "*/*"];
            types[self.rng.random_range(0..types.len())].clone_into(&mut content_type);
        }
        let method = if self.one_in(25) { self.method() } else { sample.method() };
        let path = self.path(sample.path());
        FuzzedRequest { method, path, headers: self.headers(content_type), body }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.random_ratio(1, n)
    }

    fn method(&mut self) -> &'static str {
        METHODS[self.rng.random_range(0..METHODS.len())]
    }

    fn json(&mut self, sample: &str) -> Vec<u8> {
        let mut value: Value = serde_json::from_str(sample).unwrap_or_default();
        for _ in 0..self.rng.random_range(0..4) {
            Values(&mut self.rng).change(&mut value);
        }
        value.to_string().into_bytes()
    }

    fn form(&mut self, fields: &[(&str, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in fields {
            if self.one_in(10) {
                continue;
            }
            let is_file = *name == "file";
            let file = if is_file { "; filename=\"a.wav\"" } else { "" };
            let head = format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            if is_file {
                body.extend(self.sound());
            } else if self.one_in(4) {
                body.extend_from_slice(Values(&mut self.rng).any().to_string().as_bytes());
            } else {
                body.extend_from_slice(value.as_bytes());
            }
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        body
    }

    /// A short WAV file, more or less.
    fn sound(&mut self) -> Vec<u8> {
        let samples = self.rng.random_range(0..4000_u32);
        let mut wav = samples::wav(samples);
        if self.one_in(2) {
            self.spoil(&mut wav);
        }
        wav
    }

    /// Damages bytes.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.random_range(0..=bytes.len());
        match self.rng.random_range(0..4) {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.rng.random_range(0..8);
                }
            }
            2 => {
                let mut junk = vec![0; self.rng.random_range(1..FEW_BYTES)];
                self.rng.fill_bytes(&mut junk);
                bytes.splice(at..at, junk);
            }
            _ => {
                let end = (at + FEW_BYTES).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }

    fn path(&mut self, path: &str) -> String {
        if !self.one_in(12) {
            return path.to_owned();
        }
        let ends =
            ["/", "/x", "?a=%ff", "%2e%2e/", "/%00", "?limit=-1", "//", "/%F0%9F%98%80", ";x"];
        format!("{path}{}", ends[self.rng.random_range(0..ends.len())])
    }

    fn headers(&mut self, content_type: String) -> Vec<(&'static str, String)> {
        let mut headers = vec![("content-type", content_type)];
        if self.one_in(10) {
            let odd = [
                ("authorization", "Bearer sk-whatever"),
                ("authorization", "Basic \u{80}\u{81}"),
                ("api-key", ""),
                ("accept", "text/event-stream"),
                ("accept-encoding", "br, zstd"),
                ("openai-organization", "org-1"),
                ("idempotency-key", "same"),
                ("x-request-id", "a b\tc"),
                ("range", "bytes=5-1"),
                ("upgrade", "websocket"),
                ("origin", "https://elsewhere.example"),
            ];
            let (name, value) = odd[self.rng.random_range(0..odd.len())];
            headers.push((name, value.to_owned()));
        }
        headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_requests_again_and_another_makes_others() {
        let requests = |seed| {
            let mut fuzzer = Fuzzer::new(seed);
            (0..50).map(|_| fuzzer.request()).collect::<Vec<_>>()
        };
        assert_eq!(requests(1), requests(1));
        assert_ne!(requests(1), requests(2));
    }

    #[test]
    fn every_route_is_asked_for_and_bodies_are_both_sound_and_broken() {
        let mut fuzzer = Fuzzer::new(3);
        let requests: Vec<_> = (0..2000).map(|_| fuzzer.request()).collect();
        for path in samples::paths() {
            assert!(requests.iter().any(|r| r.path == path), "{path}");
        }
        let json = |r: &&FuzzedRequest| serde_json::from_slice::<Value>(&r.body).is_ok();
        let sound = requests.iter().filter(json).count();
        assert!((200..1900).contains(&sound), "{sound}");
    }
}

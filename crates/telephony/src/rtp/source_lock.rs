//! Decides whose packets belong to the call, so that nobody else can speak or listen in.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::Numbered;

/// Packets in a row from where the description said, until we listen to nobody else.
const PROOF_EXPECTED: u32 = 3;
/// Packets in a row from anywhere else, as for a caller behind a translator of addresses.
const PROOF_FOREIGN: u32 = 5;
/// How long the locked source must be silent before another may take its place.
const SILENCE: Duration = Duration::from_secs(3);
/// How far a stream's numbers may have run on when it comes from another address: 20 s of packets.
const MAX_GAP: u16 = 1000;

/// Locks the call to one source (compare CVE-2025-53399, RTP injection and bleed).
///
/// The address that the description named always wins. Another is only believed after
/// [`PROOF_FOREIGN`] packets in a row of one stream while the named one is silent; its packets
/// before that are thrown away. Once locked, another source takes over only after
/// [`SILENCE`], and only with the same SSRC and numbers that go on where they stopped, which
/// somebody who does not see the call cannot guess; or after a new description names it.
#[derive(Debug)]
pub(super) struct SourceLock {
    expected: Option<SocketAddr>,
    locked: Option<Locked>,
    candidate: Option<Candidate>,
    rejected: u64,
}

#[derive(Clone, Copy, Debug)]
struct Locked {
    address: SocketAddr,
    ssrc: u32,
    seq: u16,
    last: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    ssrc: u32,
    seq: u16,
    count: u32,
}

impl SourceLock {
    pub(super) fn new(expected: Option<SocketAddr>) -> Self {
        let expected = expected.filter(is_usable);
        Self { expected, locked: None, candidate: None, rejected: 0 }
    }

    /// A new description: when it names another address, that one may take over at once.
    pub(super) fn expect(&mut self, address: SocketAddr) {
        let address = Some(address).filter(is_usable);
        if address.is_some() && address != self.expected {
            self.locked = None;
            self.candidate = None;
        }
        self.expected = address.or(self.expected);
    }

    /// Where our packets go, once we are sure.
    pub(super) fn locked(&self) -> Option<SocketAddr> {
        self.locked.map(|locked| locked.address)
    }

    /// Packets thrown away.
    pub(super) fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Whether a packet belongs to the call.
    pub(super) fn admit(&mut self, now: Instant, from: SocketAddr, packet: Numbered) -> bool {
        let is_admitted = self.decide(now, from, packet);
        self.rejected += u64::from(!is_admitted);
        is_admitted
    }

    fn decide(&mut self, now: Instant, from: SocketAddr, packet: Numbered) -> bool {
        if let Some(locked) = self.locked.as_mut().filter(|locked| locked.address == from) {
            *locked = Locked { address: from, ssrc: packet.ssrc, seq: packet.seq, last: now };
            // Somebody else's run of packets is no longer undisturbed.
            self.candidate = None;
            return true;
        }
        if Some(from) == self.expected {
            if self.count(from, packet) >= PROOF_EXPECTED {
                self.lock(now, from, packet);
            }
            // Until it is proven, the named address speaks only while nobody else is locked.
            return self.locked.is_none_or(|locked| locked.address == from);
        }
        let may_take_over = match self.locked {
            None => true,
            Some(locked) => {
                let gap = packet.seq.wrapping_sub(locked.seq);
                now.duration_since(locked.last) >= SILENCE
                    && packet.ssrc == locked.ssrc
                    && (1..=MAX_GAP).contains(&gap)
            }
        };
        if !may_take_over || self.is_named_source_speaking() {
            return false;
        }
        if self.count(from, packet) < PROOF_FOREIGN {
            return false;
        }
        self.lock(now, from, packet);
        true
    }

    /// Whether the candidate is the address that the description named.
    fn is_named_source_speaking(&self) -> bool {
        self.candidate.is_some_and(|candidate| Some(candidate.address) == self.expected)
    }

    /// Packets in a row from this source, this one included.
    fn count(&mut self, address: SocketAddr, packet: Numbered) -> u32 {
        let goes_on = |candidate: &Candidate| {
            candidate.address == address
                && candidate.ssrc == packet.ssrc
                && (1..=8).contains(&packet.seq.wrapping_sub(candidate.seq))
        };
        let before = self.candidate.filter(goes_on).map_or(0, |candidate| candidate.count);
        let count = before + 1;
        self.candidate = Some(Candidate { address, ssrc: packet.ssrc, seq: packet.seq, count });
        count
    }

    fn lock(&mut self, now: Instant, address: SocketAddr, packet: Numbered) {
        self.locked = Some(Locked { address, ssrc: packet.ssrc, seq: packet.seq, last: now });
        self.candidate = None;
    }
}

fn is_usable(address: &SocketAddr) -> bool {
    !address.ip().is_unspecified() && address.port() != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        lock: SourceLock,
        now: Instant,
    }

    const CALLER: &str = "192.0.2.1:4000";
    const NAT: &str = "198.51.100.1:61000";
    const THIRD: &str = "203.0.113.66:5555";

    impl World {
        fn new() -> Self {
            Self { lock: SourceLock::new(Some(CALLER.parse().unwrap())), now: Instant::now() }
        }

        /// How many of `count` packets from `from` are let in, 20 ms apart.
        fn send(&mut self, from: &str, ssrc: u32, first: u16, count: u16) -> u16 {
            (0..count)
                .filter(|n| {
                    self.now += Duration::from_millis(20);
                    let seq = first.wrapping_add(*n);
                    let packet = Numbered { ssrc, seq, timestamp: u32::from(seq) * 160 };
                    self.lock.admit(self.now, from.parse().unwrap(), packet)
                })
                .count()
                .try_into()
                .unwrap()
        }

        fn wait(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        fn locked(&self) -> Option<String> {
            self.lock.locked().map(|address| address.to_string())
        }
    }

    #[test]
    fn the_named_source_is_heard_from_its_first_packet() {
        let mut world = World::new();
        assert_eq!(world.send(CALLER, 1, 65_530, 20), 20);
        assert_eq!(world.locked().as_deref(), Some(CALLER));
    }

    #[test]
    fn a_third_party_is_never_heard_once_the_call_is_locked() {
        let mut world = World::new();
        world.send(CALLER, 1, 0, 10);
        assert_eq!(world.send(THIRD, 2, 0, 300), 0);
        assert_eq!(world.send(CALLER, 1, 10, 10), 10);
        assert_eq!(world.locked().as_deref(), Some(CALLER));
        assert_eq!(world.lock.rejected(), 300);
    }

    #[test]
    fn a_third_party_is_not_heard_after_silence_nor_with_guessed_numbers() {
        let mut world = World::new();
        world.send(CALLER, 1, 0, 10);
        world.wait(5);
        assert_eq!(world.send(THIRD, 2, 10, 100), 0, "another stream");
        assert_eq!(world.send(THIRD, 1, 30_000, 100), 0, "the same stream elsewhere");
        let neighbour = "192.0.2.1:4002";
        assert_eq!(world.send(neighbour, 2, 10, 100), 0, "the same host");
        assert_eq!(world.locked().as_deref(), Some(CALLER));
    }

    #[test]
    fn a_caller_behind_a_translator_is_heard_after_its_proof() {
        let mut world = World::new();
        assert_eq!(world.send(NAT, 1, 0, 20), 16);
        assert_eq!(world.locked().as_deref(), Some(NAT));
    }

    #[test]
    fn a_third_party_that_comes_first_loses_to_the_named_source() {
        let mut world = World::new();
        let heard = world.send(THIRD, 2, 0, 8);
        assert!(heard <= 5, "{heard}");
        world.send(CALLER, 1, 0, 10);
        assert_eq!(world.locked().as_deref(), Some(CALLER));
        assert_eq!(world.send(THIRD, 2, 8, 50), 0);
    }

    #[test]
    fn interleaved_strangers_prove_nothing() {
        let mut world = World::new();
        for n in 0..50 {
            assert_eq!(world.send(THIRD, 2, n, 1), 0);
            assert_eq!(world.send(CALLER, 1, n, 1), 1);
        }
        assert_eq!(world.locked().as_deref(), Some(CALLER));
    }

    #[test]
    fn a_caller_that_changes_its_address_is_found_again() {
        let mut world = World::new();
        world.send(CALLER, 1, 0, 10);
        assert_eq!(world.send(NAT, 1, 10, 20), 0, "not while the old address may still speak");
        world.wait(3);
        assert_eq!(world.send(NAT, 1, 160, 20), 16);
        assert_eq!(world.locked().as_deref(), Some(NAT));
        assert_eq!(world.send(CALLER, 9, 0, 1), 0, "the old address has to prove itself");
    }

    #[test]
    fn a_new_description_moves_the_call_at_once() {
        let mut world = World::new();
        world.send(CALLER, 1, 0, 10);
        world.lock.expect(NAT.parse().unwrap());
        assert_eq!(world.locked(), None);
        assert_eq!(world.send(NAT, 7, 500, 5), 5);
        assert_eq!(world.send(CALLER, 1, 10, 5), 0);
    }

    #[test]
    fn the_same_description_again_or_a_hold_changes_nothing() {
        let mut world = World::new();
        world.send(NAT, 1, 0, 10);
        world.lock.expect(CALLER.parse().unwrap());
        world.lock.expect("0.0.0.0:4000".parse().unwrap());
        assert_eq!(world.locked().as_deref(), Some(NAT));
    }

    #[test]
    fn a_stream_that_begins_anew_at_the_same_address_is_heard() {
        let mut world = World::new();
        world.send(CALLER, 1, 0, 10);
        assert_eq!(world.send(CALLER, 99, 40_000, 10), 10);
    }
}

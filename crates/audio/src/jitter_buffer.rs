//! The jitter buffer: packets in as the network delivers them, sound out in order and in time.

mod arrivals;
mod sequence;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use arrivals::Arrivals;
pub use sequence::Numbers;
use sequence::{Place, Sequence};

/// A packet of an RTP stream (RFC 3550), as far as the buffer needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtpPayload<T> {
    /// Who sends; a change starts the buffer afresh.
    pub ssrc: u32,
    /// The sequence number.
    pub seq: u16,
    /// The timestamp of the first sample.
    pub timestamp: u32,
    /// What it carries.
    pub content: Content<T>,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<T> {
    /// Sound to be played.
    Sound {
        /// The payload, decoded or not: the buffer does not look into it.
        item: T,
        /// How long it sounds, in ticks of the stream's clock (160 for 20 ms of G.711).
        ticks: u32,
        /// Whether it is so quiet that nobody misses it when the buffer must become shorter.
        is_quiet: bool,
    },
    /// A telephone event, comfort noise or anything else that takes a sequence number but is no
    /// sound: whoever understands it acts on it at once, the buffer only counts it.
    Other,
}

/// What there is to play next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Popped<T> {
    /// The next sound.
    Packet(T),
    /// Sound that should be here is not: conceal this many ticks.
    Lost {
        /// How much to conceal.
        ticks: u32,
    },
    /// The sender is silent, or sound is gathering: play silence or comfort noise.
    Empty,
}

/// How much sound waits in the buffer, and the clock of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JitterConfig {
    /// Ticks a second of the timestamps: 8000 for G.711.
    pub clock_hz: u32,
    /// The shortest depth; 20 ms, one packet.
    pub min: Duration,
    /// The depth until the network is known; 40 ms.
    pub start: Duration,
    /// The greatest depth; 200 ms. What would wait longer is skipped.
    pub max: Duration,
}

impl Default for JitterConfig {
    fn default() -> Self {
        Self {
            clock_hz: 8_000,
            min: Duration::from_millis(20),
            start: Duration::from_millis(40),
            max: Duration::from_millis(200),
        }
    }
}

/// What a stream went through. Counts run on when the stream restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterStatistics {
    /// Packets that arrived, late ones included, duplicates not.
    pub received: u64,
    /// Packets that were absent when their time came.
    pub lost: u64,
    /// Lost packets that arrived after their time.
    pub late: u64,
    /// Packets that arrived again.
    pub duplicated: u64,
    /// Packets thrown away to become shorter: quiet ones, and those beyond the greatest depth.
    pub skipped: u64,
    /// Times the stream started afresh: another SSRC, a jump in numbers or timestamps.
    pub restarts: u64,
    /// The interarrival jitter of RFC 3550, section 6.4.1.
    pub jitter: Duration,
    /// How long a packet may wait now.
    pub depth: Duration,
}

/// Reorders and paces the packets of one RTP stream, without knowing the codec.
///
/// The player pops whenever it needs sound: once every 20 ms where packets carry 20 ms. The depth
/// is the longest that a packet waits, including the packet's own length; it follows the measured
/// delays of the last [`arrivals::WINDOW`] packets. It grows by concealing when the network is
/// slower than believed, and shrinks by skipping a quiet packet.
#[derive(Debug)]
pub struct JitterBuffer<T> {
    config: JitterConfig,
    arrivals: Arrivals,
    sequence: Sequence,
    /// By unwrapped sequence number. Holds at most [`MAX_PACKETS`]; the oldest gives way.
    waiting: BTreeMap<u64, Waiting<T>>,
    state: State,
    statistics: JitterStatistics,
}

impl<T> JitterBuffer<T> {
    /// Makes an empty buffer.
    pub fn new(config: JitterConfig) -> Self {
        Self {
            config,
            arrivals: Arrivals::new(config.clock_hz),
            sequence: Sequence::default(),
            waiting: BTreeMap::new(),
            state: State::Gathering,
            statistics: JitterStatistics::default(),
        }
    }

    /// Takes a packet that arrived at `now`.
    pub fn push(&mut self, now: Instant, packet: RtpPayload<T>) {
        let seq = match self.sequence.place(packet.ssrc, packet.seq) {
            Place::At(seq) => seq,
            Place::Restart(seq) => {
                self.restart();
                seq
            }
            Place::Duplicate => {
                self.statistics.duplicated += 1;
                return;
            }
            Place::Stray => return,
        };
        self.statistics.received += 1;
        let is_past = self.sequence.is_past(seq);
        let waiting = match packet.content {
            Content::Other => Waiting::Other,
            Content::Sound { item, ticks, is_quiet } => {
                if self.arrivals.is_jump(now, packet.timestamp) {
                    if is_past {
                        return;
                    }
                    self.restart();
                    self.sequence.start_at(seq);
                }
                let starts = self.arrivals.add(now, packet.timestamp);
                self.statistics.late += u64::from(is_past);
                Waiting::Sound(Sound { item, starts, ticks: i64::from(ticks.max(1)), is_quiet })
            }
        };
        if !is_past {
            self.waiting.insert(seq, waiting);
        }
        if self.waiting.len() > MAX_PACKETS {
            self.skip_oldest();
        }
    }

    /// Gives what to play next at `now`.
    pub fn pop(&mut self, now: Instant) -> Popped<T> {
        self.pass_others();
        match self.state {
            State::Gathering => self.gather(now),
            State::Playing(playing) => self.play(now, playing),
        }
    }

    /// What the stream went through so far.
    pub fn statistics(&self) -> JitterStatistics {
        let usual = self.arrivals.to_ticks(USUAL_PACKET);
        let depth = self.arrivals.to_duration(self.depth(usual));
        JitterStatistics { jitter: self.arrivals.jitter(), depth, ..self.statistics }
    }

    /// The numbers of the stream in progress, for receiver reports; `None` before the first packet.
    pub fn numbers(&self) -> Option<Numbers> {
        self.sequence.numbers()
    }

    fn restart(&mut self) {
        self.statistics.skipped += self.waiting.len() as u64;
        self.statistics.restarts += 1;
        self.waiting.clear();
        self.arrivals.reset();
        self.state = State::Gathering;
    }

    /// Takes packets without sound off the front, so that their numbers do not count as lost.
    fn pass_others(&mut self) {
        while let Some(entry) = self.waiting.first_entry() {
            let is_next = self.sequence.next().is_none_or(|next| next == *entry.key());
            if !is_next || !matches!(entry.get(), Waiting::Other) {
                return;
            }
            let (seq, _) = entry.remove_entry();
            self.sequence.pass(seq);
        }
    }

    fn gather(&mut self, now: Instant) -> Popped<T> {
        let Some((_, first)) = self.first_sound() else { return Popped::Empty };
        if !self.is_due(now, first) {
            return Popped::Empty;
        }
        let playing = Playing { cursor: first.starts, ticks: first.ticks, starved: 0 };
        self.play(now, playing)
    }

    fn play(&mut self, now: Instant, playing: Playing) -> Popped<T> {
        self.skip_the_overdue(now);
        let Some((seq, first)) = self.first_sound() else { return self.starve(playing) };
        let is_next = self.sequence.next().is_none_or(|next| next == seq);
        let silence = first.starts - playing.cursor;
        if is_next && silence > 0 && !self.is_due(now, first) {
            // No number is missing: the sender was silent for a while, and this is a new start.
            self.state = State::Gathering;
            return Popped::Empty;
        }
        if !is_next && silence > playing.starved && !self.is_too_deep(now, first) {
            // The missing ones are concealed first, which is their last chance to come.
            return self.starve(playing);
        }
        if first.is_quiet && self.waiting.len() > 1 && self.is_too_deep(now, first) {
            self.skip_oldest();
        }
        self.take_first(playing)
    }

    /// Nothing to play yet: conceals without giving anything up, so that sound that is only late
    /// is still played; after a while the sender counts as silent.
    fn starve(&mut self, mut playing: Playing) -> Popped<T> {
        playing.starved += playing.ticks;
        if playing.starved > self.arrivals.to_ticks(STARVED_AFTER) {
            self.state = State::Gathering;
            return Popped::Empty;
        }
        self.state = State::Playing(playing);
        Popped::Lost { ticks: playing.ticks as u32 }
    }

    fn take_first(&mut self, playing: Playing) -> Popped<T> {
        while let Some((seq, waiting)) = self.waiting.pop_first() {
            self.statistics.lost += self.sequence.pass(seq);
            match waiting {
                Waiting::Other => {}
                Waiting::Sound(Sound { item, starts, ticks, .. }) => {
                    self.state =
                        State::Playing(Playing { cursor: starts + ticks, ticks, starved: 0 });
                    return Popped::Packet(item);
                }
            }
        }
        self.starve(playing)
    }

    /// Throws away what has waited beyond the greatest depth, after an outage say.
    fn skip_the_overdue(&mut self, now: Instant) {
        let max = self.arrivals.to_ticks(self.config.max);
        while let Some((_, first)) = self.first_sound() {
            if self.waiting.len() < 2 || self.arrivals.age(now, first.starts) <= max {
                return;
            }
            self.skip_oldest();
        }
    }

    /// Whether the sound has waited as long as the network asks for.
    fn is_due(&self, now: Instant, sound: &Sound<T>) -> bool {
        self.arrivals.age(now, sound.starts) >= self.depth(sound.ticks) - sound.ticks
    }

    fn is_too_deep(&self, now: Instant, sound: &Sound<T>) -> bool {
        self.arrivals.age(now, sound.starts) >= self.depth(sound.ticks)
    }

    /// The depth to keep, in clock ticks: what the network needs plus one packet.
    fn depth(&self, packet_ticks: i64) -> i64 {
        let needed = self.arrivals.spread() + self.arrivals.to_ticks(MARGIN) + packet_ticks;
        let floor = if self.arrivals.is_known() { self.config.min } else { self.config.start };
        needed
            .max(self.arrivals.to_ticks(floor))
            .min(self.arrivals.to_ticks(self.config.max))
            .max(packet_ticks)
    }

    fn first_sound(&self) -> Option<(u64, &Sound<T>)> {
        self.waiting.iter().find_map(|(seq, waiting)| match waiting {
            Waiting::Sound(sound) => Some((*seq, sound)),
            Waiting::Other => None,
        })
    }

    fn skip_oldest(&mut self) {
        if let Some((seq, waiting)) = self.waiting.pop_first() {
            self.statistics.skipped += u64::from(matches!(waiting, Waiting::Sound(_)));
            self.statistics.lost += self.sequence.pass(seq);
        }
    }
}

/// Two seconds of 20 ms packets. What waits beyond [`JitterConfig::max`] goes sooner.
const MAX_PACKETS: usize = 100;

/// Without packets for this long, the sender counts as silent; concealment has faded by then.
const STARVED_AFTER: Duration = Duration::from_millis(100);

/// Added to the measured delays: how unevenly the player's own clock ticks.
const MARGIN: Duration = Duration::from_millis(2);

/// The packet that the statistics' depth assumes.
const USUAL_PACKET: Duration = Duration::from_millis(20);

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing plays; the first sound waits for its time.
    Gathering,
    Playing(Playing),
}

#[derive(Clone, Copy, Debug)]
struct Playing {
    /// The timestamp, unwrapped, that comes next.
    cursor: i64,
    /// The length of the last packet.
    ticks: i64,
    /// Ticks concealed since then.
    starved: i64,
}

#[derive(Debug)]
enum Waiting<T> {
    Sound(Sound<T>),
    Other,
}

#[derive(Debug)]
struct Sound<T> {
    item: T,
    /// The timestamp, unwrapped.
    starts: i64,
    ticks: i64,
    is_quiet: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer, a clock in milliseconds, and the numbers it played; -1 stands for a lost packet.
    struct Line {
        buffer: JitterBuffer<u32>,
        start: Instant,
        played: Vec<i64>,
    }

    impl Line {
        #[expect(clippy::disallowed_methods, reason = "virtual time needs some start")]
        fn new() -> Self {
            let buffer = JitterBuffer::new(JitterConfig::default());
            Self { buffer, start: Instant::now(), played: Vec::new() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn push(&mut self, ms: u64, n: u32) {
            self.push_sound(ms, n, false);
        }

        fn push_sound(&mut self, ms: u64, n: u32, is_quiet: bool) {
            let content = Content::Sound { item: n, ticks: 160, is_quiet };
            let timestamp = n.wrapping_mul(160);
            let packet = RtpPayload { ssrc: 7, seq: n as u16, timestamp, content };
            self.buffer.push(self.at(ms), packet);
        }

        fn pop(&mut self, ms: u64) -> Popped<u32> {
            let popped = self.buffer.pop(self.at(ms));
            match popped {
                Popped::Packet(n) => self.played.push(i64::from(n)),
                Popped::Lost { .. } => self.played.push(-1),
                Popped::Empty => {}
            }
            popped
        }

        /// Runs packets `0..count`, sent every 20 ms and delayed as told, `None` for a loss; pops
        /// at 10 ms past each sending.
        fn run(&mut self, count: u32, delay: impl Fn(u32) -> Option<u64>) {
            let mut arrivals: Vec<(u64, u32)> =
                (0..count).filter_map(|n| delay(n).map(|ms| (u64::from(n) * 20 + ms, n))).collect();
            arrivals.sort_unstable();
            let mut arrivals = arrivals.into_iter().peekable();
            for tick in 0..u64::from(count) + 20 {
                let now = tick * 20 + 10;
                while let Some((ms, n)) = arrivals.next_if(|(ms, _)| *ms <= now) {
                    self.push(ms, n);
                }
                self.pop(now);
            }
        }

        fn whole(&self) -> Vec<i64> {
            self.played.iter().copied().filter(|n| *n >= 0).collect()
        }
    }

    #[test]
    fn a_perfect_network_loses_and_conceals_nothing() {
        let mut line = Line::new();
        line.run(500, |_| Some(30));
        assert_eq!(line.whole(), (0..500).collect::<Vec<_>>());
        let statistics = line.buffer.statistics();
        assert_eq!((statistics.received, statistics.lost, statistics.skipped), (500, 0, 0));
        assert_eq!(statistics.depth, Duration::from_millis(22));
    }

    #[test]
    fn silence_brings_the_start_depth_down_to_one_packet() {
        let mut line = Line::new();
        for n in 0..100 {
            let sent = u64::from(n) * 20;
            line.push_sound(sent, n, n > 50);
            let popped = line.pop(sent + 10);
            match n {
                0 => assert_eq!(popped, Popped::Empty),
                1..=51 => assert_eq!(popped, Popped::Packet(n - 1), "30 ms old"),
                _ => assert_eq!(popped, Popped::Packet(n), "10 ms old"),
            }
        }
        assert_eq!(line.buffer.statistics().skipped, 1);
    }

    #[test]
    fn a_lost_packet_is_concealed_once_and_nothing_shifts() {
        let mut line = Line::new();
        line.run(100, |n| (n != 50).then_some(0));
        let expected: Vec<i64> = (0..100).map(|n| if n == 50 { -1 } else { n }).collect();
        assert_eq!(line.played[..100], expected);
        assert_eq!(line.buffer.statistics().lost, 1);
    }

    #[test]
    fn a_lost_packet_at_the_smallest_depth_is_concealed_once() {
        let mut line = Line::new();
        for n in (0..100).filter(|n| *n != 80) {
            line.push_sound(u64::from(n) * 20, n, n > 50 && n < 60);
            line.pop(u64::from(n) * 20 + 10);
            if n == 79 {
                assert_eq!(line.pop(80 * 20 + 10), Popped::Lost { ticks: 160 });
            }
        }
        assert_eq!(line.played.last(), Some(&99));
        assert_eq!(line.buffer.statistics().lost, 1);
    }

    #[test]
    fn reordered_packets_come_out_in_order() {
        let mut line = Line::new();
        line.run(200, |n| Some(if n % 10 == 3 { 25 } else { 0 }));
        assert_eq!(line.whole(), (0..200).collect::<Vec<_>>());
        assert_eq!(line.buffer.statistics().lost, 0);
    }

    #[test]
    fn the_depth_follows_the_jitter_up_and_bounds_the_loss() {
        let mut line = Line::new();
        line.run(1_000, |n| Some(u64::from(n * 7_919 % 61)));
        let statistics = line.buffer.statistics();
        assert!(statistics.lost <= 5, "{statistics:?}");
        let depth = statistics.depth.as_millis();
        assert!((70..=90).contains(&depth), "depth {depth} ms for 60 ms of jitter");
        assert!(line.whole().is_sorted());
    }

    #[test]
    fn a_packet_after_its_time_is_late_not_played() {
        let mut line = Line::new();
        line.run(100, |n| Some(if n == 60 { 150 } else { 0 }));
        assert!(!line.whole().contains(&60));
        let statistics = line.buffer.statistics();
        assert_eq!((statistics.lost, statistics.late, statistics.received), (1, 1, 100));
    }

    #[test]
    fn duplicates_are_counted_and_dropped() {
        let mut line = Line::new();
        for n in 0..50 {
            line.push(u64::from(n) * 20, n);
            line.push(u64::from(n) * 20 + 5, n);
            line.pop(u64::from(n) * 20 + 10);
        }
        assert_eq!(line.buffer.statistics().duplicated, 50);
        assert_eq!(line.whole(), (0..49).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_and_timestamps_may_wrap() {
        let mut line = Line::new();
        let first = u32::MAX / 160 - 30;
        for n in 0..100 {
            let (sent, number) = (u64::from(n) * 20, first + n);
            let content = Content::Sound { item: n, ticks: 160, is_quiet: false };
            let (seq, timestamp) = (65_500_u16.wrapping_add(n as u16), number.wrapping_mul(160));
            line.buffer.push(line.at(sent), RtpPayload { ssrc: 1, seq, timestamp, content });
            line.pop(sent + 10);
        }
        assert_eq!(line.whole(), (0..99).collect::<Vec<_>>());
        let statistics = line.buffer.statistics();
        assert_eq!((statistics.lost, statistics.restarts), (0, 0));
    }

    #[test]
    fn an_outage_ends_at_the_greatest_depth() {
        let mut line = Line::new();
        line.run(200, |n| Some(if (50..75).contains(&n) { u64::from(75 - n) * 20 } else { 0 }));
        assert!(line.whole().is_sorted());
        let statistics = line.buffer.statistics();
        assert!(statistics.skipped >= 10, "{statistics:?}");
        // The last packets leave no later than 200 ms and one tick after they were sent.
        assert_eq!(line.whole().last(), Some(&199));
        assert!(line.played.len() <= 200 + 11, "{}", line.played.len());
    }

    #[test]
    fn a_sender_that_falls_silent_is_not_concealed_for_ever() {
        let mut line = Line::new();
        line.run(50, |_| Some(0));
        let lost = line.played.iter().filter(|n| **n < 0).count();
        assert_eq!(lost, 5);
        assert_eq!(line.pop(60_000), Popped::Empty);
        assert_eq!(line.buffer.statistics().lost, 0);
    }

    #[test]
    fn a_pause_in_the_timestamps_is_silence_not_loss() {
        let mut line = Line::new();
        line.run(50, |_| Some(0));
        // Ten seconds later the numbers go on where they were.
        for n in 0..10_u32 {
            let sent = 11_000 + u64::from(n) * 20;
            let content = Content::Sound { item: 50 + n, ticks: 160, is_quiet: false };
            let (seq, timestamp) = (50 + n as u16, (550 + n) * 160);
            line.buffer.push(line.at(sent), RtpPayload { ssrc: 7, seq, timestamp, content });
            line.pop(sent + 10);
        }
        assert_eq!(line.whole().last(), Some(&59));
        let statistics = line.buffer.statistics();
        assert_eq!((statistics.lost, statistics.restarts), (0, 0));
    }

    #[test]
    fn telephone_events_take_numbers_without_being_lost() {
        let mut line = Line::new();
        for n in 0..60_u32 {
            let sent = u64::from(n) * 20;
            if (20..30).contains(&n) {
                let (seq, timestamp) = (n as u16, 20 * 160);
                let packet = RtpPayload { ssrc: 7, seq, timestamp, content: Content::Other };
                line.buffer.push(line.at(sent), packet);
            } else {
                line.push(sent, n);
            }
            line.pop(sent + 10);
        }
        let expected: Vec<i64> = (0..20).chain(30..59).collect();
        assert_eq!(line.whole()[..expected.len()], expected);
        assert_eq!(line.buffer.statistics().lost, 0);
    }

    #[test]
    fn another_sender_starts_afresh() {
        let mut line = Line::new();
        line.run(50, |_| Some(0));
        for n in 0..20_u32 {
            let sent = 1_400 + u64::from(n) * 20;
            let content = Content::Sound { item: 1_000 + n, ticks: 160, is_quiet: false };
            let (seq, timestamp) = (9 + n as u16, 77 + n * 160);
            line.buffer.push(line.at(sent), RtpPayload { ssrc: 8, seq, timestamp, content });
            line.pop(sent + 10);
        }
        assert_eq!(line.whole().last(), Some(&1_018));
        let statistics = line.buffer.statistics();
        assert_eq!((statistics.restarts, statistics.lost), (1, 0));
        assert_eq!(line.buffer.numbers(), Some(Numbers { highest: 28, expected: 20 }));
    }

    #[test]
    fn a_leap_of_the_timestamps_starts_afresh() {
        let mut line = Line::new();
        line.run(50, |_| Some(0));
        for n in 0..20_u32 {
            let sent = 1_400 + u64::from(n) * 20;
            let content = Content::Sound { item: 50 + n, ticks: 160, is_quiet: false };
            let (seq, timestamp) = (50 + n as u16, 3_000_000_000 + n * 160);
            line.buffer.push(line.at(sent), RtpPayload { ssrc: 7, seq, timestamp, content });
            line.pop(sent + 10);
        }
        assert_eq!(line.whole().last(), Some(&68));
        assert_eq!(line.buffer.statistics().restarts, 1);
        assert_eq!(line.buffer.statistics().lost, 0);
    }

    #[test]
    fn packets_of_10_and_30_ms_play_at_their_own_pace() {
        for (ticks, every_ms) in [(80_u32, 10_u64), (240, 30)] {
            let mut line = Line::new();
            let (mut queued, mut concealed) = (0_i64, 0);
            let mut sent = 0;
            for now in (10..4_000).step_by(20) {
                while u64::from(sent) * every_ms <= now {
                    let content = Content::Sound { item: sent, ticks, is_quiet: false };
                    let (seq, timestamp) = (sent as u16, sent * ticks);
                    let arrived = line.at(u64::from(sent) * every_ms);
                    line.buffer.push(arrived, RtpPayload { ssrc: 1, seq, timestamp, content });
                    sent += 1;
                }
                while queued < 160 {
                    match line.pop(now) {
                        Popped::Packet(_) => queued += i64::from(ticks),
                        Popped::Lost { ticks } => {
                            concealed += 1;
                            queued += i64::from(ticks);
                        }
                        Popped::Empty => queued = 160,
                    }
                }
                queued -= 160;
            }
            assert!(line.whole().windows(2).all(|pair| pair[1] == pair[0] + 1));
            assert!(line.whole().len() as u64 > 3_900 / every_ms);
            assert!(concealed <= 1, "{concealed} concealed of {every_ms} ms packets");
        }
    }

    #[test]
    fn what_nobody_pops_is_bounded() {
        let mut line = Line::new();
        for n in 0..5_000 {
            line.push(u64::from(n) * 20, n);
        }
        assert_eq!(line.buffer.waiting.len(), MAX_PACKETS);
        assert_eq!(line.buffer.statistics().skipped, 4_900);
    }
}

//! What holds for the jitter buffer and the playout whatever the network and the session do.
#![expect(clippy::disallowed_methods, reason = "virtual time needs some start")]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "the numbers are small"
)]

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use proptest::{collection::vec, option, prelude::*};
use trunkline_audio::{
    Content, Flushed, Frame, JitterBuffer, JitterConfig, JitterStatistics, MediaTime, Playout,
    Popped, RtpPayload, Sound,
};

proptest! {
    #[test]
    fn a_stream_comes_out_in_order_and_is_accounted_for(
        fates in vec((option::weighted(0.9, 0_u64..400), 0_u8..3, 0_u8..4), 1..200),
        first_seq: u16,
        first_timestamp: u32,
    ) {
        let (played, statistics, sound_received) = run_stream(&fates, first_seq, first_timestamp);
        prop_assert!(played.windows(2).all(|pair| pair[0] < pair[1]), "{played:?}");
        prop_assert_eq!(statistics.restarts, 0);
        let accounted = played.len() as u64 + statistics.late + statistics.skipped;
        prop_assert_eq!(accounted, sound_received);
        prop_assert!(statistics.lost <= fates.len() as u64);
        prop_assert!(statistics.depth <= JitterConfig::default().max);
    }

    #[test]
    fn no_packets_break_the_buffer(
        packets in vec((0_u64..100, 0_u32..2, any::<u16>(), any::<u32>(), any::<u32>(), 0_u8..4), 0..300),
    ) {
        let (start, mut elapsed) = (Instant::now(), 0);
        let mut buffer = JitterBuffer::new(JitterConfig::default());
        for (pause, ssrc, seq, timestamp, ticks, kind) in packets {
            elapsed += pause;
            let now = start + Duration::from_millis(elapsed);
            let is_quiet = kind == 1;
            let content =
                if kind == 0 { Content::Other } else { Content::Sound { item: (), ticks, is_quiet } };
            buffer.push(now, RtpPayload { ssrc, seq, timestamp, content });
            if kind == 3 {
                buffer.pop(now);
            }
        }
        for _ in 0..200 {
            elapsed += 20;
            buffer.pop(start + Duration::from_millis(elapsed));
        }
        prop_assert!(buffer.statistics().depth >= Duration::ZERO);
    }

    #[test]
    fn the_playout_does_what_its_model_does(steps in vec(step(), 1..200)) {
        let (mut playout, mut model) = (Playout::new(RATE_HZ), Model::default());
        for step in steps {
            model.follow(&mut playout, step)?;
        }
    }

    #[test]
    fn no_sound_is_lost_or_added_in_conversion(
        lengths in vec(1_usize..3_000, 1..10),
        rate_hz in prop::sample::select(vec![8_000_u32, 16_000, 24_000, 48_000]),
    ) {
        let mut playout: Playout<()> = Playout::new(RATE_HZ);
        for length in &lengths {
            playout.push(&Frame::new(vec![9_000; *length], rate_hz, MediaTime::ZERO)).unwrap();
        }
        let mut loud = 0;
        while !playout.is_empty() {
            loud += playout.tick().samples.iter().filter(|sample| **sample > 4_500).count();
        }
        let expected = lengths.iter().sum::<usize>() * RATE_HZ as usize / rate_hz as usize;
        prop_assert!(loud.abs_diff(expected) <= 2, "{loud} of {expected}");
    }
}

/// Sends packets every 20 ms with their fates (delay or loss, copies beyond the first, kind), pops
/// every 20 ms until all is still; gives what was played, the statistics, and how many different
/// packets with sound arrived.
fn run_stream(
    fates: &[(Option<u64>, u8, u8)],
    first_seq: u16,
    first_timestamp: u32,
) -> (Vec<usize>, JitterStatistics, u64) {
    let start = Instant::now();
    let mut buffer = JitterBuffer::new(JitterConfig::default());
    let mut arrivals = Vec::new();
    for (n, (delay, copies, _)) in fates.iter().enumerate() {
        if let Some(delay) = delay {
            arrivals.extend((0..=u64::from(*copies)).map(|copy| (n as u64 * 20 + delay + copy, n)));
        }
    }
    arrivals.sort_unstable();
    let sound_received = fates.iter().filter(|(delay, _, kind)| delay.is_some() && *kind != 0);
    let sound_received = sound_received.count() as u64;
    let mut arrivals = VecDeque::from(arrivals);
    let mut played = Vec::new();
    for tick in 0..fates.len() as u64 + 60 {
        let now = tick * 20 + 13;
        while let Some((ms, n)) = arrivals.pop_front_if(|(ms, _)| *ms <= now) {
            let content = match fates[n].2 {
                0 => Content::Other,
                kind => Content::Sound { item: n, ticks: 160, is_quiet: kind == 1 },
            };
            let seq = first_seq.wrapping_add(n as u16);
            let timestamp = first_timestamp.wrapping_add(n as u32 * 160);
            let packet = RtpPayload { ssrc: 5, seq, timestamp, content };
            buffer.push(start + Duration::from_millis(ms), packet);
        }
        if let Popped::Packet(n) = buffer.pop(start + Duration::from_millis(now)) {
            played.push(n);
        }
    }
    (played, buffer.statistics(), sound_received)
}

const RATE_HZ: u32 = 8_000;
const TICK: usize = 160;

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(usize),
    Mark,
    Tick,
    Flush,
    Pause,
    Resume,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..700).prop_map(Step::Push),
        3 => Just(Step::Mark),
        8 => Just(Step::Tick),
        1 => Just(Step::Flush),
        1 => Just(Step::Pause),
        1 => Just(Step::Resume),
    ]
}

/// The playout, written as plainly as possible: a list of samples and marks.
#[derive(Debug, Default)]
struct Model {
    queue: VecDeque<Item>,
    pushed: usize,
    marked: u32,
    /// Whether the queue was left in the middle of its sound.
    is_sounding: bool,
    mode: Mode,
    last: Option<u32>,
    since_mark: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Item {
    Sample(i16),
    Mark(u32),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mode {
    #[default]
    Running,
    Fading,
    Pausing,
    Paused,
    Resuming,
}

impl Model {
    fn follow(&mut self, playout: &mut Playout<u32>, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push(length) => {
                // Every sample is loud and unlike its neighbours.
                let samples: Vec<i16> =
                    (0..length).map(|n| 1_000 + ((self.pushed + n) % 251) as i16).collect();
                self.pushed += length;
                self.queue.extend(samples.iter().map(|sample| Item::Sample(*sample)));
                let pushed = playout.push(&Frame::new(samples, RATE_HZ, MediaTime::ZERO));
                prop_assert_eq!(pushed, Ok(()));
            }
            Step::Mark => {
                self.marked += 1;
                self.queue.push_back(Item::Mark(self.marked));
                prop_assert_eq!(playout.mark(self.marked), Ok(()));
            }
            Step::Tick => self.tick(playout)?,
            Step::Flush => self.flush(playout)?,
            Step::Pause => {
                playout.pause();
                self.mode = match self.mode {
                    Mode::Running if self.is_sounding => Mode::Pausing,
                    Mode::Fading | Mode::Pausing => Mode::Pausing,
                    Mode::Running | Mode::Paused | Mode::Resuming => Mode::Paused,
                };
            }
            Step::Resume => {
                playout.resume();
                if matches!(self.mode, Mode::Pausing | Mode::Paused) {
                    self.mode = Mode::Resuming;
                }
            }
        }
        let samples = self.queue.iter().filter(|item| matches!(item, Item::Sample(_))).count();
        let queued = MediaTime::from_samples(samples as u64, RATE_HZ).to_duration();
        prop_assert_eq!(playout.queued(), queued);
        Ok(())
    }

    fn tick(&mut self, playout: &mut Playout<u32>) -> Result<(), TestCaseError> {
        let tick = playout.tick();
        prop_assert_eq!(tick.samples.len(), TICK);
        let mode = std::mem::replace(&mut self.mode, Mode::Running);
        match mode {
            Mode::Fading => {
                prop_assert_eq!(tick.sound, Sound::Goes);
                prop_assert_eq!(tick.played, self.take_marks());
            }
            Mode::Pausing | Mode::Paused => {
                self.mode = Mode::Paused;
                prop_assert_eq!(tick.played, Vec::<u32>::new());
            }
            Mode::Running | Mode::Resuming => {
                let was_sounding = self.is_sounding;
                let (samples, marks) = self.take();
                // A fade in begins at nothing: of a single sample nothing is left.
                let quietest = usize::from(mode == Mode::Resuming && !was_sounding);
                prop_assert_eq!(tick.sound == Sound::Silent, samples.len() <= quietest);
                prop_assert_eq!(tick.played, marks);
                if mode == Mode::Running {
                    prop_assert_eq!(&tick.samples[..samples.len()], &samples[..]);
                }
                prop_assert!(tick.samples[samples.len()..].iter().all(|sample| *sample == 0));
            }
        }
        Ok(())
    }

    fn flush(&mut self, playout: &mut Playout<u32>) -> Result<(), TestCaseError> {
        let since_mark = MediaTime::from_samples(self.since_mark, RATE_HZ).to_duration();
        prop_assert_eq!(playout.flush(), Flushed { last: self.last.take(), since_mark });
        let fades = self.mode == Mode::Running && self.is_sounding;
        self.mode = if fades { Mode::Fading } else { Mode::Running };
        self.queue.clear();
        self.since_mark = 0;
        self.is_sounding = false;
        Ok(())
    }

    fn take(&mut self) -> (Vec<i16>, Vec<u32>) {
        let (mut samples, mut marks) = (Vec::new(), self.take_marks());
        while samples.len() < TICK {
            let Some(Item::Sample(sample)) = self.queue.pop_front() else { break };
            samples.push(sample);
            self.since_mark += 1;
            marks.extend(self.take_marks());
        }
        self.is_sounding = self.queue.iter().any(|item| matches!(item, Item::Sample(_)));
        (samples, marks)
    }

    fn take_marks(&mut self) -> Vec<u32> {
        let mut marks = Vec::new();
        while let Some(Item::Mark(mark)) =
            self.queue.pop_front_if(|item| matches!(item, Item::Mark(_)))
        {
            (self.last, self.since_mark) = (Some(mark), 0);
            marks.push(mark);
        }
        marks
    }
}

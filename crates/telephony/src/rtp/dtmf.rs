//! Keys as telephone events (RFC 4733).

use std::collections::VecDeque;

use trunkline_session::leg::Digit;

/// Keys waiting to be sent; one more is thrown away.
const MAX_WAITING: usize = 64;
/// Packets of a key, its three ends not counted: 160 ms.
const STEPS: u16 = 8;
/// Repetitions of the end, because one may be lost (section 2.5.1.4).
const ENDS: u16 = 3;
/// Packets without a key after each, so that two presses of one key are two.
const REST: u16 = 3;
/// Ticks in a packet.
const TICKS: u16 = 160;
/// About 10 dB below full scale.
const VOLUME: u8 = 10;

/// Finds the presses in a stream of events, each once.
///
/// An event is known by its timestamp; neither its marker bit nor its end has to arrive.
#[derive(Debug, Default)]
pub(super) struct DtmfReceiver {
    last: Option<Heard>,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    timestamp: u32,
    event: u8,
    duration: u16,
    is_over: bool,
}

impl DtmfReceiver {
    /// Takes an event's payload; gives the key when it is a new press.
    pub(super) fn receive(&mut self, timestamp: u32, payload: &[u8]) -> Option<Digit> {
        let &[event, flags, high, low, ..] = payload else {
            return None;
        };
        let digit = digit_of(event)?;
        let duration = u16::from_be_bytes([high, low]);
        let is_over = flags & 0x80 != 0;
        let heard = Heard { timestamp, event, duration, is_over };
        let is_new = match self.last {
            None => true,
            Some(last) => is_new(last, heard),
        };
        let is_old = self.last.is_some_and(|last| is_before(timestamp, last.timestamp));
        if !is_old {
            self.last = Some(heard);
        }
        is_new.then_some(digit)
    }
}

fn is_new(last: Heard, heard: Heard) -> bool {
    if heard.timestamp == last.timestamp {
        return heard.event != last.event;
    }
    if is_before(heard.timestamp, last.timestamp) {
        return false;
    }
    // A long press goes on in a new segment where the one before ended (section 2.5.1.3).
    let segment_end = last.timestamp.wrapping_add(last.duration.into());
    let goes_on = heard.event == last.event && !last.is_over && heard.timestamp == segment_end;
    !goes_on
}

fn is_before(timestamp: u32, other: u32) -> bool {
    let ahead = timestamp.wrapping_sub(other);
    ahead > u32::MAX / 2
}

fn digit_of(event: u8) -> Option<Digit> {
    let digit = match event {
        0..=9 => char::from(b'0' + event),
        10 => '*',
        11 => '#',
        12..=15 => char::from(b'A' + event - 12),
        _ => return None,
    };
    Some(Digit(digit))
}

fn event_of(digit: Digit) -> Option<u8> {
    (0..16).find(|event| digit_of(*event) == Some(Digit(digit.0.to_ascii_uppercase())))
}

/// A packet of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// When the key went down, in RTP time.
    pub(super) timestamp: u32,
    /// The first packet of a press has the marker.
    pub(super) is_first: bool,
    pub(super) payload: [u8; 4],
}

/// Presses keys, one packet every 20 ms.
#[derive(Debug, Default)]
pub(super) struct DtmfSender {
    waiting: VecDeque<u8>,
    current: Option<Current>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    event: u8,
    timestamp: u32,
    step: u16,
}

impl DtmfSender {
    pub(super) fn press(&mut self, digit: Digit) {
        if let Some(event) = event_of(digit)
            && self.waiting.len() < MAX_WAITING
        {
            self.waiting.push_back(event);
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.current.is_some() || !self.waiting.is_empty()
    }

    /// The next packet at `timestamp`, or `None` when sound is to be sent.
    pub(super) fn next(&mut self, timestamp: u32) -> Option<Event> {
        if self.current.is_none() {
            let event = self.waiting.pop_front()?;
            self.current = Some(Current { event, timestamp, step: 0 });
        }
        let current = self.current.as_mut()?;
        current.step += 1;
        let Current { event, timestamp, step } = *current;
        if step >= STEPS + ENDS + REST {
            self.current = None;
        }
        if step > STEPS + ENDS {
            return None;
        }
        let duration = step.min(STEPS) * TICKS;
        let end = if step > STEPS { 0x80 } else { 0 };
        let [high, low] = duration.to_be_bytes();
        Some(Event { timestamp, is_first: step == 1, payload: [event, end | VOLUME, high, low] })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every packet that a press of these keys makes, with its timestamp.
    fn packets(keys: &str) -> Vec<Event> {
        let mut sender = DtmfSender::default();
        keys.chars().for_each(|key| sender.press(Digit(key)));
        let mut sent = Vec::new();
        let mut timestamp = u32::MAX - 1000;
        while sender.is_busy() {
            sent.extend(sender.next(timestamp));
            timestamp = timestamp.wrapping_add(TICKS.into());
        }
        sent
    }

    fn heard<'a>(packets: impl IntoIterator<Item = &'a Event>) -> String {
        let mut receiver = DtmfReceiver::default();
        packets
            .into_iter()
            .filter_map(|packet| receiver.receive(packet.timestamp, &packet.payload))
            .map(|digit| digit.0)
            .collect()
    }

    #[test]
    fn every_key_arrives_once() {
        let keys = "0123456789*#ABCD1122";
        assert_eq!(heard(&packets(keys)), keys);
    }

    #[test]
    fn a_press_is_eight_packets_and_three_ends_with_one_marker() {
        let packets = packets("5");
        assert_eq!(packets.len(), 11);
        assert_eq!(packets.iter().filter(|packet| packet.is_first).count(), 1);
        assert_eq!(packets.iter().filter(|packet| packet.payload[1] & 0x80 != 0).count(), 3);
        assert!(packets.iter().all(|packet| packet.timestamp == packets[0].timestamp));
    }

    #[test]
    fn a_press_is_heard_without_its_start_and_without_its_end() {
        let packets = packets("77");
        assert_eq!(heard(&packets[4..]), "77");
        let without_ends: Vec<_> =
            packets.iter().filter(|packet| packet.payload[1] & 0x80 == 0).collect();
        assert_eq!(heard(without_ends), "77");
    }

    #[test]
    fn a_late_packet_of_an_older_press_is_not_a_new_one() {
        let mut packets = packets("12");
        let last_of_first = packets.remove(10);
        packets.insert(12, last_of_first);
        assert_eq!(heard(&packets), "12");
    }

    #[test]
    fn a_long_press_in_segments_is_one_press() {
        let mut receiver = DtmfReceiver::default();
        assert_eq!(receiver.receive(1000, &[5, 10, 0xff, 0xff]), Some(Digit('5')));
        assert_eq!(receiver.receive(1000 + 0xffff, &[5, 10, 0, 160]), None);
        assert_eq!(receiver.receive(1000 + 0xffff, &[5, 0x8a, 1, 64]), None);
        assert_eq!(receiver.receive(200_000, &[5, 10, 0, 160]), Some(Digit('5')));
    }

    #[test]
    fn what_is_no_key_is_ignored() {
        let mut receiver = DtmfReceiver::default();
        assert_eq!(receiver.receive(0, &[16, 0, 0, 0]), None);
        assert_eq!(receiver.receive(0, &[1, 0]), None);
        let mut sender = DtmfSender::default();
        sender.press(Digit('x'));
        assert!(!sender.is_busy());
    }

    proptest! {
        #[test]
        fn keys_survive_the_loss_of_any_packets_but_all_of_a_press(lost in prop::collection::vec(any::<bool>(), 33)) {
            let packets = packets("123");
            let kept: Vec<_> = packets.iter().zip(&lost).filter(|(_, lost)| !**lost).map(|(packet, _)| packet).collect();
            let expected: String = (0u8..3)
                .filter(|n| lost[usize::from(*n) * 11..][..11].iter().any(|lost| !lost))
                .map(|n| char::from(b'1' + n))
                .collect();
            prop_assert_eq!(heard(kept), expected);
        }
    }
}

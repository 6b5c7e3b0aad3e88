//! RTCP: reports about both directions, and the goodbye (RFC 3550, section 6).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rtcp_types::{
    Bye, Compound, Packet, ReceiverReport, ReportBlock, RtcpPacketWriter, RtcpPacketWriterExt,
    Sdes, SdesChunk, SdesItem, SenderReport,
};

use super::{outgoing::Outgoing, reception::Block};

/// Seconds from the epoch of NTP to that of Unix.
const NTP_OFFSET: u64 = 2_208_988_800;

/// Whether a report is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Yes,
    No,
}

/// Whether a packet on a shared port is RTCP (RFC 5761, section 4).
pub(super) fn is_report(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// The NTP time of the sender report in a packet.
pub(super) fn sender_report(bytes: &[u8]) -> Option<u64> {
    let compound = Compound::parse(bytes).ok()?;
    compound.flatten().find_map(|packet| {
        if let Packet::Sr(report) = packet { Some(report.ntp_timestamp()) } else { None }
    })
}

/// A report: of the sender when we sent, else of the receiver; our name; perhaps a goodbye.
pub(super) fn compound(out: &Outgoing, block: Option<&Block>, last: Last) -> Vec<u8> {
    let name = SdesItem::builder(SdesItem::CNAME, out.cname());
    let names = Sdes::builder().add_chunk(SdesChunk::builder(out.ssrc()).add_item(name));
    let mut compound = if out.packets() > 0 {
        let mut report = SenderReport::builder(out.ssrc())
            .ntp_timestamp(ntp(SystemTime::now()))
            .rtp_timestamp(out.timestamp())
            .packet_count(low_half(out.packets()))
            .octet_count(low_half(out.octets()));
        if let Some(block) = block {
            report = report.add_report_block(written(block));
        }
        Compound::builder().add_packet(report)
    } else {
        let mut report = ReceiverReport::builder(out.ssrc());
        if let Some(block) = block {
            report = report.add_report_block(written(block));
        }
        Compound::builder().add_packet(report)
    };
    compound = compound.add_packet(names);
    if last == Last::Yes {
        compound = compound.add_packet(Bye::builder().add_source(out.ssrc()));
    }
    let mut bytes = vec![0; compound.calculate_size().unwrap_or_default()];
    match compound.write_into(&mut bytes) {
        Ok(_) => bytes,
        Err(_) => Vec::new(),
    }
}

fn written(block: &Block) -> rtcp_types::ReportBlockBuilder {
    ReportBlock::builder(block.ssrc)
        .fraction_lost(block.fraction_lost)
        .cumulative_lost(block.lost)
        .extended_sequence_number(block.highest)
        .interarrival_jitter(block.jitter)
        .last_sender_report_timestamp(block.last_sender_report)
        .delay_since_last_sender_report_timestamp(block.delay)
}

fn ntp(now: SystemTime) -> u64 {
    let since: Duration = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    ((since.as_secs() + NTP_OFFSET) << 32) | fraction
}

fn low_half(number: u64) -> u32 {
    u32::try_from(number & 0xffff_ffff).expect("32 bits fit")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block() -> Block {
        Block {
            ssrc: 7,
            fraction_lost: 25,
            lost: 10,
            highest: 70_000,
            jitter: 12,
            last_sender_report: 1,
            delay: 2,
        }
    }

    fn kinds(bytes: &[u8]) -> Vec<u8> {
        let mut kinds = Vec::new();
        let mut rest = bytes;
        while let [_, kind, high, low, ..] = rest {
            kinds.push(*kind);
            let words = usize::from(u16::from_be_bytes([*high, *low])) + 1;
            rest = &rest[words * 4..];
        }
        kinds
    }

    #[test]
    fn a_listener_reports_as_receiver_and_a_speaker_as_sender() {
        let mut out = Outgoing::random();
        assert_eq!(kinds(&compound(&out, None, Last::No)), [201, 202]);
        out.count(172);
        let report = compound(&out, Some(&block()), Last::Yes);
        assert_eq!(kinds(&report), [200, 202, 203]);
        assert!(is_report(&report));
        let ntp_seconds = sender_report(&report).unwrap() >> 32;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + NTP_OFFSET;
        assert!(now - ntp_seconds <= 1);
    }

    #[test]
    fn what_was_received_is_reported() {
        let mut out = Outgoing::random();
        out.count(172);
        let report = compound(&out, Some(&block()), Last::No);
        let parsed = Compound::parse(&report).unwrap();
        let blocks: Vec<_> = parsed
            .flatten()
            .filter_map(|packet| if let Packet::Sr(report) = packet { Some(report) } else { None })
            .flat_map(|report| {
                report
                    .report_blocks()
                    .map(|block| (block.ssrc(), block.fraction_lost(), block.cumulative_lost()))
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(blocks, [(7, 25, 10)]);
    }

    #[test]
    fn sound_is_not_taken_for_a_report() {
        let mut out = Outgoing::random();
        for marker in [true, false] {
            for payload_type in [0, 8, 96, 101, 127] {
                let packet = out.packet_at(0, payload_type, marker, &[0; 160]);
                assert!(!is_report(&packet), "{payload_type}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _found = sender_report(&bytes);
            let _packet = rtp_types::RtpPacket::parse(&bytes).map(|packet| packet.payload().len());
        }
    }
}

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
    compound.flatten().find_map(|packet| match packet {
        Packet::Sr(report) => Some(report.ntp_timestamp()),
        _ => None,
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

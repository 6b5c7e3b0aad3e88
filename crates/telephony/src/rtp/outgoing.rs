//! The stream that we send: its numbers (RFC 3550, section 5.1).

use rtp_types::RtpPacketBuilder;

/// Numbers of an outgoing stream.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    ssrc: u32,
    seq: u16,
    timestamp: u32,
    packets: u64,
    octets: u64,
    cname: String,
}

impl Outgoing {
    /// A stream that begins at random numbers, so that nobody can guess them.
    pub(super) fn random() -> Self {
        Self {
            ssrc: rand::random(),
            seq: rand::random(),
            timestamp: rand::random(),
            packets: 0,
            octets: 0,
            cname: format!("{:016x}@trunkline", rand::random::<u64>()),
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn cname(&self) -> &str {
        &self.cname
    }

    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes of payload sent.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Time passes, whether something was sent or not.
    pub(super) fn advance(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
    }

    /// The next packet.
    pub(super) fn packet_at(
        &mut self,
        timestamp: u32,
        payload_type: u8,
        marker: bool,
        payload: &[u8],
    ) -> Vec<u8> {
        let packet = RtpPacketBuilder::<&[u8], &[u8]>::new()
            .payload_type(payload_type)
            .marker_bit(marker)
            .sequence_number(self.seq)
            .timestamp(timestamp)
            .ssrc(self.ssrc)
            .payload(payload)
            .write_vec()
            .expect("payload types are below 128 and nothing else can be wrong");
        self.seq = self.seq.wrapping_add(1);
        packet
    }

    /// A packet of `length` bytes has left.
    pub(super) fn count(&mut self, length: usize) {
        const HEADER: usize = 12;
        self.packets += 1;
        self.octets += length.saturating_sub(HEADER) as u64;
    }
}

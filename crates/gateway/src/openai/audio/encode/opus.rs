//! Opus in Ogg (RFC 7845).

use ogg::{PacketWriteEndInfo, PacketWriter};
use opus::{Application, Bitrate, Channels};
use trunkline_inference::ModelError;

use super::{Encoder, SPOKEN_HZ, failed};

const ENGINE: &str = "opus encoder";
/// Samples of a packet, 20 ms.
const PACKET: usize = 480;
/// Ogg counts Opus at 48 kHz, whatever the input's rate.
const GRANULES_A_SAMPLE: u64 = 2;
/// Packets of a page, 100 ms: a page is what a player gets at once.
const PAGE: u64 = 5;
const BITS_A_SECOND: i32 = 48_000;
/// The longest packet, bytes (RFC 6716, section 3.2.1, with room).
const PACKET_BYTES: usize = 4_000;
/// The number of the file's only stream.
const SERIAL: u32 = 1;

/// An Ogg file with an Opus stream.
pub(super) struct OggOpus {
    opus: opus::Encoder,
    ogg: PacketWriter<'static, Vec<u8>>,
    waiting: Vec<i16>,
    /// Samples that the decoder leaves out at the start: what the encoder looks ahead.
    skip: u64,
    /// Samples taken.
    taken: u64,
    packets: u64,
}

impl OggOpus {
    pub(super) fn new() -> Result<Self, ModelError> {
        let fail = |e| failed(ENGINE, e);
        let mut opus =
            opus::Encoder::new(SPOKEN_HZ, Channels::Mono, Application::Audio).map_err(fail)?;
        opus.set_bitrate(Bitrate::Bits(BITS_A_SECOND)).map_err(fail)?;
        let skip = u64::try_from(opus.get_lookahead().map_err(fail)?).unwrap_or_default();
        let mut ogg = PacketWriter::new(Vec::new());
        for packet in [head(skip), tags()] {
            ogg.write_packet(packet, SERIAL, PacketWriteEndInfo::EndPage, 0)
                .map_err(|e| failed(ENGINE, e))?;
        }
        Ok(Self { opus, ogg, waiting: Vec::new(), skip, taken: 0, packets: 0 })
    }

    /// Writes the next 20 ms; the granule position says how much sound there is up to their end.
    fn packet(&mut self, end: PacketWriteEndInfo) -> Result<(), ModelError> {
        let samples: Vec<i16> = self.waiting.drain(..PACKET).collect();
        let packet = self.opus.encode_vec(&samples, PACKET_BYTES).map_err(|e| failed(ENGINE, e))?;
        self.packets += 1;
        let whole = self.packets * PACKET as u64;
        let last = end == PacketWriteEndInfo::EndStream;
        let samples = if last { whole.min(self.taken + self.skip) } else { whole };
        self.ogg
            .write_packet(packet, SERIAL, end, samples * GRANULES_A_SAMPLE)
            .map_err(|e| failed(ENGINE, e))
    }

    fn written(&mut self) -> Vec<u8> {
        std::mem::take(self.ogg.inner_mut())
    }
}

impl Encoder for OggOpus {
    fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, ModelError> {
        self.taken += samples.len() as u64;
        self.waiting.extend_from_slice(samples);
        // One packet is kept back, as the last one is marked.
        while self.waiting.len() > PACKET {
            let ends_page = (self.packets + 1).is_multiple_of(PAGE);
            let end = if ends_page {
                PacketWriteEndInfo::EndPage
            } else {
                PacketWriteEndInfo::NormalPacket
            };
            self.packet(end)?;
        }
        if self.packets < PAGE { Ok(Vec::new()) } else { Ok(self.written()) }
    }

    fn finish(&mut self) -> Result<Vec<u8>, ModelError> {
        // Silence pushes out what the encoder still looks ahead at.
        let all = usize::try_from(self.skip).unwrap_or_default() + self.waiting.len();
        self.waiting.resize(all.div_ceil(PACKET).max(1) * PACKET, 0);
        while self.waiting.len() > PACKET {
            self.packet(PacketWriteEndInfo::NormalPacket)?;
        }
        self.packet(PacketWriteEndInfo::EndStream)?;
        Ok(self.written())
    }
}

/// The identification header (section 5.1).
fn head(skip: u64) -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    let skip = u16::try_from(skip * GRANULES_A_SAMPLE).unwrap_or(u16::MAX);
    head.extend([1, 1]);
    head.extend(skip.to_le_bytes());
    head.extend(SPOKEN_HZ.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

/// The comment header (section 5.2), without comments.
fn tags() -> Vec<u8> {
    let vendor = opus::version().as_bytes();
    let mut tags = b"OpusTags".to_vec();
    tags.extend(u32::try_from(vendor.len()).unwrap_or_default().to_le_bytes());
    tags.extend(vendor);
    tags.extend(0_u32.to_le_bytes());
    tags
}

//! FLAC as a stream: its head says that the length is not known (RFC 9639, section 8.2).

use flacenc::{
    bitsink::ByteSink,
    component::{BitRepr, Stream, StreamInfo},
    config,
    error::{Verified, Verify},
    source::{Fill, FrameBuf},
};
use trunkline_inference::ModelError;

use super::{Encoder, SPOKEN_HZ, failed};

const ENGINE: &str = "flac encoder";
/// Samples of a block, 100 ms.
const BLOCK: usize = 2_400;
/// The fewest samples of a block that the encoder takes; the last one is filled up with silence.
const LEAST: usize = 32;

/// A FLAC file.
pub(super) struct Flac {
    config: Verified<config::Encoder>,
    info: StreamInfo,
    waiting: Vec<i32>,
    blocks: usize,
    head: Vec<u8>,
}

impl Flac {
    pub(super) fn new() -> Result<Self, ModelError> {
        let mut config = config::Encoder::default();
        config.block_size = BLOCK;
        let config = config.into_verified().map_err(|(_, e)| failed(ENGINE, e))?;
        let hz = usize::try_from(SPOKEN_HZ).unwrap_or_default();
        let mut info = StreamInfo::new(hz, 1, 16).map_err(|e| failed(ENGINE, e))?;
        info.set_block_sizes(BLOCK, BLOCK).map_err(|e| failed(ENGINE, e))?;
        let mut head = ByteSink::new();
        let stream = Stream::with_stream_info(info.clone());
        stream.write(&mut head).map_err(|e| failed(ENGINE, e))?;
        Ok(Self { config, info, waiting: Vec::new(), blocks: 0, head: head.into_inner() })
    }

    fn block(&mut self, samples: usize) -> Result<Vec<u8>, ModelError> {
        let fail = |e| failed(ENGINE, e);
        let mut block = FrameBuf::with_size(1, samples).map_err(fail)?;
        block.fill_interleaved(&self.waiting[..samples]).map_err(|e| failed(ENGINE, e))?;
        self.waiting.drain(..samples);
        let frame = flacenc::encode_fixed_size_frame(&self.config, &block, self.blocks, &self.info)
            .map_err(|e| failed(ENGINE, e))?;
        self.blocks += 1;
        let mut sink = ByteSink::new();
        frame.write(&mut sink).map_err(|e| failed(ENGINE, e))?;
        Ok(sink.into_inner())
    }
}

impl Encoder for Flac {
    fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, ModelError> {
        self.waiting.extend(samples.iter().map(|&sample| i32::from(sample)));
        let mut bytes = Vec::new();
        while self.waiting.len() >= BLOCK {
            if bytes.is_empty() {
                bytes = std::mem::take(&mut self.head);
            }
            bytes.extend(self.block(BLOCK)?);
        }
        Ok(bytes)
    }

    fn finish(&mut self) -> Result<Vec<u8>, ModelError> {
        let mut bytes = std::mem::take(&mut self.head);
        if !self.waiting.is_empty() {
            let rest = self.waiting.len().max(LEAST);
            self.waiting.resize(rest, 0);
            bytes.extend(self.block(rest)?);
        }
        Ok(bytes)
    }
}

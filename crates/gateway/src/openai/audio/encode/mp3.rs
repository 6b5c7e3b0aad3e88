//! MP3 by LAME: constant bit rate, so that a player needs no table of the whole.

use mp3lame_encoder::{Bitrate, Builder, FlushNoGap, Mode, MonoPcm, Quality, VbrMode};
use trunkline_inference::ModelError;

use super::{Encoder, SPOKEN_HZ, failed};

const ENGINE: &str = "mp3 encoder";
/// What LAME may need to end a file, by its documentation.
const END_BYTES: usize = 7_200;

/// An MP3 file.
pub(super) struct Mp3 {
    lame: mp3lame_encoder::Encoder,
}

impl Mp3 {
    pub(super) fn new() -> Result<Self, ModelError> {
        let builder = Builder::new().ok_or_else(|| failed(ENGINE, "no memory"))?;
        let lame = builder
            .with_num_channels(1)
            .and_then(|b| b.with_sample_rate(SPOKEN_HZ))
            .and_then(|b| b.with_output_sample_rate(std::num::NonZeroU32::new(SPOKEN_HZ)))
            .and_then(|b| b.with_mode(Mode::Mono))
            .and_then(|b| b.with_brate(Bitrate::Kbps96))
            .and_then(|b| b.with_vbr_mode(VbrMode::Off))
            .and_then(|b| b.with_to_write_vbr_tag(false))
            .and_then(|b| b.with_quality(Quality::Good))
            .and_then(Builder::build)
            .map_err(|e| failed(ENGINE, e))?;
        Ok(Self { lame })
    }
}

impl Encoder for Mp3 {
    fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, ModelError> {
        let mut bytes =
            Vec::with_capacity(mp3lame_encoder::max_required_buffer_size(samples.len()));
        self.lame.encode_to_vec(MonoPcm(samples), &mut bytes).map_err(|e| failed(ENGINE, e))?;
        Ok(bytes)
    }

    fn finish(&mut self) -> Result<Vec<u8>, ModelError> {
        let mut bytes = Vec::with_capacity(END_BYTES);
        self.lame.flush_to_vec::<FlushNoGap>(&mut bytes).map_err(|e| failed(ENGINE, e))?;
        Ok(bytes)
    }
}

//! A fake engine that tells voices apart.

use std::{f32::consts::FRAC_PI_2, sync::Arc};

use futures::{FutureExt, future::BoxFuture};
use trunkline_inference::{ModelError, SpeakerEncoder};

/// Takes those who speak equally loud for the same person: its voices are directions on a quarter of a
/// circle, from silence to full scale.
#[derive(Clone, Copy, Debug, Default)]
pub struct FakeSpeakers;

impl SpeakerEncoder for FakeSpeakers {
    fn embed(&self, samples: Arc<[i16]>) -> BoxFuture<'_, Result<Vec<f32>, ModelError>> {
        let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max();
        let voice = loudest
            .map(|peak| {
                let (sin, cos) = (f32::from(peak) / 32_768.0 * FRAC_PI_2).sin_cos();
                vec![cos, sin]
            })
            .ok_or_else(|| ModelError::BadRequest("there is no sound".to_owned()));
        std::future::ready(voice).boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn voice(peak: i16) -> Vec<f32> {
        let samples = Arc::from([0, peak, -peak].as_slice());
        FakeSpeakers.embed(samples).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn who_speaks_equally_loud_is_the_same_person() {
        let likeness = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!(likeness(&voice(6_000), &voice(6_100)) > 0.99);
        assert!(likeness(&voice(6_000), &voice(30_000)) < 0.5);
        let nothing = FakeSpeakers.embed(Arc::from([].as_slice())).now_or_never().unwrap();
        assert!(matches!(nothing, Err(ModelError::BadRequest(_))));
    }
}

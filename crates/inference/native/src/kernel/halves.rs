//! Numbers of 16 bits to numbers of 32.

#![expect(unsafe_code, reason = "the processor's vectors are used directly")]

use half::{f16, slice::HalfFloatSliceExt};

/// Numbers of a vector.
#[cfg(target_arch = "x86_64")]
const LANES: usize = 16;

/// Writes each number, exactly.
pub(crate) fn widen(from: &[f16], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "as many numbers");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        let (whole, rest) = from.split_at(from.len() - from.len() % LANES);
        // SAFETY: the processor has what the function needs.
        unsafe { vectors(whole, &mut to[..whole.len()]) };
        return rest.convert_to_f32_slice(&mut to[whole.len()..]);
    }
    from.convert_to_f32_slice(to);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn vectors(from: &[f16], to: &mut [f32]) {
    use std::arch::x86_64::{_mm256_loadu_si256, _mm512_cvtph_ps, _mm512_storeu_ps};
    let (from, _) = from.as_chunks::<LANES>();
    let (to, _) = to.as_chunks_mut::<LANES>();
    for (from, to) in from.iter().zip(to) {
        // SAFETY: sixteen numbers of 2 bytes are read, and sixteen of 4 are written.
        unsafe {
            let wide = _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast()));
            _mm512_storeu_ps(to.as_mut_ptr(), wide);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stays_what_it_is() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|x| !x.is_nan()).collect();
        for count in [0, 1, 15, 16, 33, all.len()] {
            let mut wide = vec![7.0; count];
            widen(&all[..count], &mut wide);
            assert!(
                wide.iter().zip(&all).all(|(wide, half)| wide.to_bits() == half.to_f32().to_bits())
            );
        }
    }
}

//! Rotary positions (Su et al. 2021): pairs of a head's numbers, turned by angles that grow with the position.

/// Which numbers of a head make a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairs {
    /// Each with the next one, as in Llama's files.
    Neighbours,
    /// Each of the first half with one of the second, as in Qwen's.
    Halves,
}

/// How numbers are turned.
pub(crate) struct Rotation {
    pairs: Pairs,
    /// Radians a position, of each pair.
    speeds: Vec<f64>,
}

/// The cosine and the sine of each pair's angle.
pub(crate) type Angles = Vec<(f32, f32)>;

impl Rotation {
    /// The first `numbers` of each head are turned, the slowest pair once in about `base` positions. Where there
    /// are `factors`, each pair is so many times slower.
    pub(crate) fn new(pairs: Pairs, numbers: usize, base: f32, factors: Option<&[f32]>) -> Self {
        let speed = |pair: usize| {
            let speed = f64::from(base).powf(-2.0 * pair as f64 / numbers as f64);
            factors.map_or(speed, |factors| speed / f64::from(factors[pair]))
        };
        Self { pairs, speeds: (0..numbers / 2).map(speed).collect() }
    }

    /// Adds the angles of a position.
    pub(crate) fn angles(&self, position: usize, to: &mut Angles) {
        to.extend(self.speeds.iter().map(|speed| {
            let (sin, cos) = (position as f64 * speed).sin_cos();
            (cos as f32, sin as f32)
        }));
    }

    /// Pairs of a head.
    pub(crate) fn count(&self) -> usize {
        self.speeds.len()
    }

    /// Turns heads of so many numbers.
    pub(crate) fn turn(&self, heads: &mut [f32], head: usize, angles: &[(f32, f32)]) {
        for numbers in heads.chunks_exact_mut(head) {
            match self.pairs {
                Pairs::Neighbours => {
                    for ([x, y], angle) in numbers.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                        (*x, *y) = turned(*x, *y, *angle);
                    }
                }
                Pairs::Halves => {
                    let (first, second) = numbers.split_at_mut(self.count());
                    for ((x, y), angle) in first.iter_mut().zip(second).zip(angles) {
                        (*x, *y) = turned(*x, *y, *angle);
                    }
                }
            }
        }
    }
}

fn turned(x: f32, y: f32, (cos, sin): (f32, f32)) -> (f32, f32) {
    (x * cos - y * sin, x * sin + y * cos)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "rounded numbers")]
mod tests {
    use super::*;

    #[test]
    fn pairs_turn_by_their_position() {
        let quarter = std::f32::consts::FRAC_PI_2;
        let mut angles = Vec::new();
        // The second pair turns 1/100 as fast.
        Rotation::new(Pairs::Halves, 4, 10_000.0, None).angles(1, &mut angles);
        assert!((angles[0].1 - 1.0_f32.sin()).abs() < 1e-6);
        assert!((angles[1].1 - 0.01_f32.sin()).abs() < 1e-6);
        let turn = |pairs| {
            let rotation = Rotation::new(pairs, 4, 10_000.0, Some(&[1.0, 0.01]));
            let mut head = [1.0, 2.0, 3.0, 4.0, 9.0];
            let turned = [(quarter.cos(), quarter.sin()), (1.0, 0.0)];
            rotation.turn(&mut head[..5], 5, &turned);
            head.map(f32::round)
        };
        assert_eq!(turn(Pairs::Neighbours), [-2.0, 1.0, 3.0, 4.0, 9.0]);
        assert_eq!(turn(Pairs::Halves), [-3.0, 2.0, 1.0, 4.0, 9.0]);
        let mut slowed = Vec::new();
        Rotation::new(Pairs::Halves, 4, 10_000.0, Some(&[2.0, 1.0])).angles(1, &mut slowed);
        assert!((slowed[0].1 - 0.5_f32.sin()).abs() < 1e-6);
    }
}

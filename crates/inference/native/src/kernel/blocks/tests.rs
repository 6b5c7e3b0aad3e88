//! Products beside plain arithmetic.

#![expect(clippy::float_cmp, reason = "whole numbers, or the same sums")]

use half::f16;
use proptest::prelude::*;

use super::{After, Blocks, Kind, Rows, Wanted, multiply, tile};

const KINDS: [Kind; 8] =
    [Kind::Q4_0, Kind::Q4_1, Kind::Q5_0, Kind::Q5_1, Kind::Q8_0, Kind::Q4K, Kind::Q5K, Kind::Q6K];
/// A multiple of every block.
const INPUTS: usize = 512;

#[test]
fn numbers_are_read_as_ggml_writes_them() {
    // 1 for the scale, the other bytes as said.
    let block = |kind: Kind, fill: &dyn Fn(usize) -> u8| {
        let mut bytes: Vec<u8> = (0..kind.written().0).map(fill).collect();
        let scale = if kind == Kind::Q6K { 208 } else { 0 };
        bytes[scale..scale + 2].copy_from_slice(&f16::ONE.to_le_bytes());
        let mut row = vec![0.0; kind.written().1];
        Blocks::read(kind, &bytes, 1, row.len()).unwrap().row(0, &mut row);
        row
    };
    let row = block(Kind::Q4_0, &|at| if at == 2 { 0x3f } else { 0x88 });
    assert_eq!((row[0], row[1], row[16]), (7.0, 0.0, -5.0));
    let row = block(Kind::Q5_0, &|at| [0, 0, 1, 0, 1, 0, 0x21][at.min(6)]);
    assert_eq!((row[0], row[1], row[16], row[17]), (1.0, -15.0, 2.0, -14.0));
    let row = block(Kind::Q8_0, &|at| if at == 2 { 0x80 } else { 5 });
    assert_eq!((row[0], row[1]), (-128.0, 5.0));
    // Scales of 2 and floors of 3 times 1 for the first four blocks.
    let row = block(Kind::Q4K, &|at| match at {
        2 => 0,
        3 => 0x3c,
        4..8 => 2,
        8..12 => 3,
        12..16 => 0x11,
        _ => 0x52,
    });
    assert_eq!((row[0], row[32], row[128]), (2.0 * 2.0 - 3.0, 2.0 * 5.0 - 3.0, 2.0 - 1.0));
    // The second block's fifth bits.
    let row = block(Kind::Q5K, &|at| match at {
        2 => 0,
        3 => 0x3c,
        4..8 | 16..48 => 2,
        8..12 => 3,
        12..16 => 0x11,
        _ => 0x52,
    });
    assert_eq!((row[0], row[32], row[128]), (2.0 * 2.0 - 3.0, 2.0 * 21.0 - 3.0, 2.0 - 1.0));
    // Low bits 3 and 4, high ones 0, 1, 2 and 3 of the quarters; scales 1.
    let row = block(Kind::Q6K, &|at| match at {
        0..128 => 0x43,
        128..192 => 0b11_10_01_00,
        _ => 1,
    });
    let expected = [3.0 - 32.0, 19.0 - 32.0, 36.0 - 32.0, 52.0 - 32.0];
    assert_eq!([row[0], row[32], row[64], row[96]], expected);
    assert_eq!([row[128 + 15], row[128 + 47], row[128 + 79], row[255]], expected);
}

#[test]
fn too_few_bytes_or_half_a_block_are_no_matrix() {
    assert!(Blocks::read(Kind::Q8_0, &[0; 67], 2, 32).is_none());
    assert!(Blocks::read(Kind::Q8_0, &[0; 68], 2, 32).is_some());
    assert!(Blocks::read(Kind::Q6K, &[0; 1000], 2, 128).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_product_is_that_of_the_weights(
        kind in 0..KINDS.len(), count in 1_usize..20, outputs in 1_usize..70, seed: u32,
    ) {
        let kind = KINDS[kind];
        let matrix = matrix(kind, outputs, seed);
        let rows = noise(count * INPUTS, seed ^ 1);
        let mut product = vec![1.0; count * outputs];
        product_of(&matrix, &rows, After::Add, &mut product);
        let mut weights = vec![0.0; INPUTS];
        for output in 0..outputs {
            matrix.row(output, &mut weights);
            for (row, given) in rows.chunks_exact(INPUTS).enumerate() {
                let pairs = || given.iter().zip(&weights).map(|(a, b)| a * b);
                let expected = 1.0 + pairs().sum::<f32>();
                // Rows are rounded to 8 bits.
                let size = pairs().map(|x| x * x).sum::<f32>().sqrt();
                let found = product[row * outputs + output];
                prop_assert!((found - expected).abs() <= 0.02 * size + 1e-3, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_row_is_the_same_whatever_is_multiplied_beside_it(
        kind in 0..KINDS.len(), count in 2_usize..20, seed: u32,
    ) {
        let (matrix, rows) = (matrix(KINDS[kind], 40, seed), noise(count * INPUTS, seed ^ 1));
        let mut together = vec![0.0; count * 40];
        product_of(&matrix, &rows, After::Put, &mut together);
        for (row, together) in rows.chunks_exact(INPUTS).zip(together.chunks_exact(40)) {
            let mut alone = vec![0.0; 40];
            product_of(&matrix, row, After::Put, &mut alone);
            prop_assert_eq!(&alone, together);
        }
    }

    #[test]
    fn every_processor_gives_the_same(kind in 0..KINDS.len(), count in 1_usize..9, seed: u32) {
        let kind = KINDS[kind];
        let matrix = matrix(kind, 16, seed);
        let mut rows = Rows::default();
        rows.take(&noise(count * INPUTS, seed ^ 1), INPUTS);
        let factors = tile::Factors {
            kind,
            rows: rows.part(0..count, kind.block()),
            numbers: &matrix.numbers,
            scales: &matrix.scales,
            floors: &matrix.floors,
        };
        let mut fast = [[0.0; 16]; tile::HEIGHT];
        let mut plain = fast;
        tile::multiply(&factors, &mut fast);
        tile::portable::multiply(&factors, &mut plain);
        prop_assert_eq!(&fast[..count], &plain[..count]);
    }
}

#[test]
fn products_of_the_same_rows_are_made_together() {
    let (one, other) = (matrix(Kind::Q4_0, 20, 1), matrix(Kind::Q6K, 33, 2));
    let rows = noise(3 * INPUTS, 3);
    let (mut apart, mut other_apart) = (vec![0.0; 60], vec![0.0; 99]);
    product_of(&one, &rows, After::Put, &mut apart);
    product_of(&other, &rows, After::Put, &mut other_apart);
    let (mut out, mut other_out) = (vec![5.0; 60], vec![5.0; 99]);
    let mut given = Rows::default();
    given.take(&rows, INPUTS);
    multiply(
        &given,
        &mut [
            Wanted { matrix: &one, out: &mut out, after: After::Put },
            Wanted { matrix: &other, out: &mut other_out, after: After::Put },
        ],
    );
    assert_eq!((out, other_out), (apart, other_apart));
}

fn product_of(matrix: &Blocks, rows: &[f32], after: After, out: &mut [f32]) {
    let mut given = Rows::default();
    given.take(rows, INPUTS);
    multiply(&given, &mut [Wanted { matrix, out, after }]);
}

/// Weights of about -1..1.
fn matrix(kind: Kind, outputs: usize, mut seed: u32) -> Blocks {
    let (bytes, numbers) = kind.written();
    let mut written = Vec::new();
    let small = f16::from_f32(0.01).to_le_bytes();
    for _ in 0..outputs * INPUTS / numbers {
        let start = written.len();
        written.extend((0..bytes).map(|_| chance(&mut seed).to_le_bytes()[2]));
        let places: &[usize] = match kind {
            Kind::Q6K => &[208],
            Kind::Q4_0 | Kind::Q5_0 | Kind::Q8_0 => &[0],
            Kind::Q4_1 | Kind::Q5_1 | Kind::Q4K | Kind::Q5K => &[0, 2],
        };
        for place in places {
            written[start + place..start + place + 2].copy_from_slice(&small);
        }
    }
    Blocks::read(kind, &written, outputs, INPUTS).unwrap()
}

/// Numbers of -1..1 that look random.
fn noise(count: usize, mut seed: u32) -> Vec<f32> {
    (0..count).map(|_| (chance(&mut seed) >> 8) as f32 / 8_388_608.0 - 1.0).collect()
}

fn chance(seed: &mut u32) -> u32 {
    *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    *seed
}

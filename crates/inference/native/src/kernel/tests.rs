//! The kernels beside plain arithmetic.

use proptest::prelude::*;

use super::{
    attention::{self, HEAD},
    matrix::{After, Matrix, Scratch},
    tile::{self, DEPTH, HEIGHT, PANELS, WIDTH},
    vector,
};

/// Numbers of -1..1 that look random.
fn noise(count: usize, mut seed: u32) -> Vec<f32> {
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn close(a: &[f32], b: &[f32], tolerance: f32) {
    assert_eq!(a.len(), b.len());
    for (n, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance, "{n}: {a} is not {b}");
    }
}

/// Softmax as in a book.
fn probabilities(row: &[f32]) -> Vec<f32> {
    let most = row.iter().copied().fold(f32::MIN, f32::max);
    let powers: Vec<f32> = row.iter().map(|x| (x - most).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.iter().map(|power| power / sum).collect()
}

#[test]
fn a_softmax_is_one_of_any_length() {
    for count in [1, 5, 16, 17, 100] {
        let row = noise(count, 3);
        let mut mine = row.clone();
        vector::softmax(&mut mine, 2.0);
        let doubled: Vec<f32> = row.iter().map(|x| x * 2.0).collect();
        close(&mine, &probabilities(&doubled), 1e-6);
        let (most, sum) = vector::log_sum_exp(&row);
        assert!((most - row.iter().copied().fold(f32::MIN, f32::max)).abs() < 1e-9);
        assert!((sum - row.iter().map(|x| x.exp()).sum::<f32>().ln()).abs() < 1e-5);
    }
}

#[test]
fn what_cannot_be_has_no_probability() {
    let mut row = [-1e30, 0.0, -1e30];
    vector::softmax(&mut row, 1.0);
    close(&row, &[0.0, 1.0, 0.0], 1e-30);
}

#[test]
fn gelu_is_that_of_the_error_function() {
    // From tables of the error function.
    let mut row = [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 12.0];
    vector::gelu(&mut row);
    let expected = [
        -0.004_049_7,
        -0.158_655_3,
        -0.154_268_8,
        0.0,
        0.345_731_2,
        0.841_344_7,
        2.995_950_3,
        12.0,
    ];
    close(&row, &expected, 2e-6);
}

#[test]
fn a_norm_has_mean_0_and_variance_1() {
    let (row, mut to) = (noise(100, 5), vec![0.0; 100]);
    vector::layer_norm(&row, &[2.0; 100], &[0.5; 100], &mut to);
    let mean = to.iter().sum::<f32>() / 100.0;
    let variance = to.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / 100.0;
    assert!((mean - 0.5).abs() < 1e-5 && (variance - 4.0).abs() < 1e-2, "{mean} {variance}");
}

#[test]
fn attention_everywhere_is_attention_of_each() {
    let (width, positions) = (2 * HEAD, 70);
    let rows = noise(positions * 3 * width, 9);
    let mut mine = vec![0.0; positions * width];
    attention::everywhere(&rows, width, &mut mine);
    let part = |of: usize| -> Vec<f32> {
        rows.chunks(3 * width).flat_map(|row| &row[of * width..(of + 1) * width]).copied().collect()
    };
    let (queries, keys, values) = (part(0), part(1), part(2));
    let (mut weights, mut out) = (Vec::new(), vec![0.0; width]);
    for (query, mine) in queries.chunks(width).zip(mine.chunks(width)) {
        attention::back(query, &keys, &values, &mut weights, &mut out);
        close(mine, &out, 1e-5);
        for head in (0..width).step_by(HEAD) {
            let scores: Vec<f32> = keys
                .chunks(width)
                .map(|key| dot(&query[head..head + HEAD], &key[head..]) / 8.0)
                .collect();
            let weights = probabilities(&scores);
            let first: f32 =
                weights.iter().zip(values.chunks(width)).map(|(w, v)| w * v[head]).sum();
            assert!((out[head] - first).abs() < 1e-5);
        }
    }
}

proptest! {
    #[test]
    fn a_product_is_within_the_rounding_of_its_factors(
        rows in 1_usize..40,
        inputs in 1_usize..150,
        outputs in 1_usize..120,
        seed: u32,
    ) {
        let (given, weights) = (noise(rows * inputs, seed), noise(outputs * inputs, seed ^ 0x7));
        let bias = noise(outputs, seed ^ 0x4d);
        let matrix = Matrix::new(&weights, &bias, inputs);
        let mut product = vec![0.0; rows * outputs];
        matrix.multiply(&given, After::Put, &mut product, &mut Scratch::default());
        // Half a step on either side of each factor, of numbers below 1.
        let tolerance = (inputs as f32).sqrt() * 4.0 / 127.0;
        for (row, product) in given.chunks(inputs).zip(product.chunks(outputs)) {
            for ((weights, bias), product) in weights.chunks(inputs).zip(&bias).zip(product) {
                let exact = dot(row, weights) + bias;
                prop_assert!((exact - product).abs() < tolerance, "{exact} {product}");
            }
        }
        let mut more = product.clone();
        matrix.multiply(&given, After::Add, &mut more, &mut Scratch::default());
        let doubled: Vec<f32> = product.iter().map(|x| x + x).collect();
        close(&more, &doubled, 1e-5);
        let mut row = vec![0.0; inputs];
        matrix.row(outputs - 1, &mut row);
        close(&row, &weights[(outputs - 1) * inputs..], 1.0 / 127.0);
    }

    #[test]
    fn both_tiles_say_the_same(height in 1..=HEIGHT, panels in 1..=PANELS, deep in 1_usize..20, seed: u32) {
        let whole = |count: usize, seed| noise(count, seed).into_iter().map(|x| (x * 127.0) as i8);
        let rows: Vec<u8> = whole(height * deep * DEPTH, seed).map(|x| x.cast_unsigned() ^ 128).collect();
        let numbers: Vec<i8> = whole(panels * deep * WIDTH * DEPTH, seed ^ 0x5).collect();
        let weights: Vec<_> =
            numbers.as_chunks().0.iter().map(|&cell| tile::Cell(cell)).collect();
        let sum = |output: usize| {
            let panel = &weights[output / WIDTH * deep..][..deep];
            let of = |cell: &tile::Cell| {
                let first = output % WIDTH * DEPTH;
                cell.0[first..first + DEPTH].iter().map(|&x| i32::from(x)).sum::<i32>()
            };
            128 * panel.iter().map(of).sum::<i32>()
        };
        let sums: Vec<i32> = (0..panels * WIDTH).map(sum).collect();
        let (scales, bias) = (noise(panels * WIDTH, seed ^ 0x9), noise(panels * WIDTH, seed ^ 0xb));
        let factors = tile::Factors {
            rows: &rows,
            row_scales: &noise(height, seed ^ 0xd),
            weights: &weights,
            weight_scales: &scales,
            sums: &sums,
            bias: &bias,
        };
        let (mut best, mut plain) = ([[0.0; PANELS * WIDTH]; HEIGHT], [[0.0; PANELS * WIDTH]; HEIGHT]);
        tile::multiply(&factors, &mut best);
        tile::portable::multiply(&factors, &mut plain);
        for (best, plain) in best.iter().zip(&plain) {
            for (best, plain) in best.iter().zip(plain) {
                prop_assert!((best - plain).abs() <= plain.abs() * 1e-5 + 1e-4, "{best} {plain}");
            }
        }
    }
}

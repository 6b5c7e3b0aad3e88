//! What Whisper's layers do through candle on this machine, GPU or none (G1): windows a second, of 30 s and as
//! short as a turn, alone and together, and tokens a second for so many texts at once.
//!
//! `recognizer_steps (turbo | small | MODEL.bin) [SECONDS]`
//!
//! `turbo` and `small` are random weights in that shape (1.6 GB, 50 MB), written below the current folder and
//! taken away again. Prints a line of JSON for each figure.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a tool for developers")]
#![expect(clippy::cast_precision_loss, reason = "counts of windows and tokens are small")]

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use trunkline_benches::random_weights::Written;
use trunkline_candle::WhisperNetwork;
use trunkline_native::{Network, Sizes, Text, Window};
use trunkline_testkit::WhisperShape;

const DESKS: usize = 64;
/// Of a window of 30 s, and of a turn of 4 s.
const POSITIONS: [usize; 2] = [1_500, 256];
const TOGETHER: [usize; 4] = [1, 4, 16, 64];
/// A base of English: what CPUs and small GPUs take.
const SMALL: WhisperShape = WhisperShape {
    words: 51_864,
    audio_positions: 1_500,
    width: 512,
    audio_layers: 6,
    text_positions: 448,
    text_layers: 6,
    mels: 80,
};

fn main() {
    let mut args = std::env::args().skip(1);
    let model = args.next().expect("usage: recognizer_steps (turbo | small | MODEL.bin) [SECONDS]");
    let seconds = args.next().map_or(2.0, |seconds| seconds.parse().unwrap());
    let (path, _random) = model_file(&model);
    let (sizes, gpu) = (Sizes::of_file(&path).unwrap(), cfg!(feature = "recognizer-cuda"));
    let loading = Instant::now();
    let mut network = WhisperNetwork::load(&path, DESKS, gpu.then_some(0)).unwrap();
    tell(&json!({"model": model, "gpu": gpu, "loaded_s": loading.elapsed().as_secs_f64()}));
    for positions in POSITIONS {
        for together in TOGETHER {
            encode(&mut network, sizes, (positions, together), seconds);
        }
        for together in TOGETHER {
            write(&mut network, sizes, (positions, together), seconds);
        }
    }
}

fn model_file(model: &str) -> (PathBuf, Option<Written>) {
    let shape = match model {
        "turbo" => WhisperShape::TURBO,
        "small" => SMALL,
        file => return (file.into(), None),
    };
    let path = Path::new(&format!("random-{model}.bin")).to_owned();
    shape.write(&mut BufWriter::new(File::create(&path).unwrap()), true).unwrap();
    (path.clone(), Some(Written(path)))
}

/// Windows a second, of so many positions and together; with them the work of their matrices a second.
fn encode(
    network: &mut WhisperNetwork,
    sizes: Sizes,
    (positions, together): (usize, usize),
    seconds: f64,
) {
    let features: Vec<f32> = (0..2 * positions * sizes.mels).map(|n| (n as f32).sin()).collect();
    let window = |desk| Window { desk, features: &features, positions };
    let windows: Vec<Window<'_>> = (0..together).map(window).collect();
    let mut once = || {
        let mut done = 0;
        while done < windows.len() {
            done += network.encode(&windows[done..]).unwrap();
        }
        // A GPU works behind: what is read of it has been done.
        let mut logits = Vec::new();
        let last = [Text { desk: together - 1, position: 0, tokens: &[1] }];
        network.read(&last, &mut logits).unwrap();
    };
    let rate = times_a_second(&mut once, seconds) * together as f64;
    let work = operations(sizes, positions);
    tell(&json!({"figure": "windows_a_s", "positions": positions, "together": together,
        "windows": rate, "tera_operations_a_s": rate * work / 1e12}));
}

/// Operations of a window: two for each weight and position, and those of attention.
fn operations(sizes: Sizes, positions: usize) -> f64 {
    let (width, count) = (sizes.width as f64, positions as f64);
    let layer = 24.0 * width * width * count + 4.0 * width * count * count;
    let first = 2.0 * 2.0 * count * 3.0 * sizes.mels as f64 * width;
    let second = 2.0 * count * 3.0 * width * width;
    first + second + sizes.audio_layers as f64 * layer
}

/// Tokens a second of so many texts about windows of so many positions, in the middle of the text.
fn write(
    network: &mut WhisperNetwork,
    sizes: Sizes,
    (positions, together): (usize, usize),
    seconds: f64,
) {
    const POSITION: usize = 40;
    let features = vec![0.5_f32; 2 * positions * sizes.mels];
    let window = |desk| Window { desk, features: &features, positions };
    let windows: Vec<Window<'_>> = (0..together).map(window).collect();
    let mut done = 0;
    while done < windows.len() {
        done += network.encode(&windows[done..]).unwrap();
    }
    let texts: Vec<Text<'_>> =
        (0..together).map(|desk| Text { desk, position: POSITION, tokens: &[9] }).collect();
    let mut logits = Vec::new();
    let mut once = || network.read(&texts, &mut logits).unwrap();
    let rate = times_a_second(&mut once, seconds);
    tell(&json!({"figure": "tokens_a_s", "positions": positions, "texts": together,
        "tokens": rate * together as f64, "step_ms": 1e3 / rate}));
}

/// How often a second something can be done, after once to warm up.
fn times_a_second(once: &mut dyn FnMut(), seconds: f64) -> f64 {
    once();
    let (begun, mut times) = (Instant::now(), 0_u32);
    while times < 2 || begun.elapsed() < Duration::from_secs_f64(seconds) {
        once();
        times += 1;
    }
    f64::from(times) / begun.elapsed().as_secs_f64()
}

fn tell(figure: &Value) {
    println!("{figure}");
}

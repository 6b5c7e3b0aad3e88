//! What a Whisper lane needs to know before it starts.

use std::{
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use trunkline_inference::Device;

/// More threads than this gain little on windows of a few seconds.
const USEFUL_THREADS: u32 = 2;

/// A Whisper lane's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhisperConfig {
    /// The model, in whisper.cpp's format.
    pub model: PathBuf,
    /// candle's module, which then computes the layers. `None` computes on the CPU without one; with `gpu`
    /// it looks for `libtrunkline_candle_module_cuda.so` beside the program, in `../lib/trunkline/`, in
    /// `deps/` and one folder up, in this order, and does with whisper.cpp's where that is not there.
    pub network: Option<PathBuf>,
    /// whisper.cpp's module, which then transcribes, one window at a time; looked for as
    /// `libtrunkline_whisper_module_cuda.so`.
    pub module: Option<PathBuf>,
    /// Threads that compute; the default is 2, or 1 on a machine of one core. Never more than there
    /// are free cores.
    pub threads: u32,
    /// Streams at once; the default is 16. A slot costs the sound of its turn, at most 2 MB.
    pub slots: usize,
    /// ISO 639-1, for streams that name no language. `None`, the default, has the model find out,
    /// which costs the first window of each stream the encoding of ten seconds. Models of one
    /// language ignore it.
    pub language: Option<String>,
    /// Whether to use an NVIDIA GPU; the default is no.
    pub gpu: bool,
    /// Which of them, as CUDA numbers them; the default is the first, 0.
    pub gpu_number: u32,
    /// The device that it shares with other lanes. Default none: it steps whenever it has work.
    pub device: Option<Device>,
}

impl WhisperConfig {
    /// The defaults for the model file at `model`.
    pub fn new(model: impl AsRef<Path>) -> Self {
        let cores = available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        Self {
            model: model.as_ref().to_owned(),
            network: None,
            module: None,
            threads: cores.min(USEFUL_THREADS),
            slots: 16,
            language: None,
            gpu: false,
            gpu_number: 0,
            device: None,
        }
    }
}

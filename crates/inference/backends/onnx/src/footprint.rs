//! What the models of this crate need of a device's memory: the files' sizes, and what ONNX Runtime takes
//! beside them, measured.

use std::path::Path;

use trunkline_inference::{
    ModelError,
    budget::{Footprint, Item, Part},
};

use crate::{KokoroConfig, MiniLmConfig, PiperConfig, SileroConfig, SmartTurnConfig};

const MIB: u64 = 1 << 20;

/// What a model takes at most while it loads and works, rounded up: voices with sentences as long as they
/// come, the VAD with 64 calls, MiniLM with 64 texts of the greatest length. `real_memory.rs` measures it.
#[derive(Clone, Copy)]
struct Measured {
    /// Percent of the file's size: the runtime reads it whole, and keeps some weights in two orders.
    weights_percent: u64,
    /// What is used to compute, MiB.
    workspace_mib: u64,
}

const SILERO: Measured = Measured { weights_percent: 150, workspace_mib: 32 };
const SMART_TURN: Measured = Measured { weights_percent: 150, workspace_mib: 48 };
const PIPER: Measured = Measured { weights_percent: 250, workspace_mib: 128 };
const KOKORO: Measured = Measured { weights_percent: 200, workspace_mib: 320 };
const MINILM: Measured = Measured { weights_percent: 150, workspace_mib: 240 };

/// What Silero VAD needs of the machine's memory.
pub fn silero(config: &SileroConfig) -> Result<Footprint, ModelError> {
    SILERO.of(&config.model)
}

/// What smart-turn needs of the machine's memory.
pub fn smart_turn(config: &SmartTurnConfig) -> Result<Footprint, ModelError> {
    SMART_TURN.of(&config.model)
}

/// What a Piper voice needs of the machine's memory, espeak-ng's process apart.
pub fn piper(config: &PiperConfig) -> Result<Footprint, ModelError> {
    PIPER.of(&config.model)
}

/// What Kokoro needs of its device's memory. Measured on a processor, and taken to be the same on a GPU.
pub fn kokoro(config: &KokoroConfig) -> Result<Footprint, ModelError> {
    KOKORO.of(&config.model)
}

/// What MiniLM needs of the machine's memory.
pub fn minilm(config: &MiniLmConfig) -> Result<Footprint, ModelError> {
    MINILM.of(&config.model)
}

impl Measured {
    fn of(self, model: &Path) -> Result<Footprint, ModelError> {
        let found = model.metadata().ok().filter(std::fs::Metadata::is_file);
        let file = found.ok_or_else(|| ModelError::Missing { path: model.to_owned() })?.len();
        let percent = self.weights_percent;
        let weights = file.saturating_mul(percent) / 100;
        let formula = format!("{percent} % of the file, measured");
        Ok(Footprint {
            items: vec![
                Item::amount(Part::Weights, "weights", weights, formula),
                Item::amount(Part::Workspace, "runtime", self.workspace_mib * MIB, "measured"),
            ],
        })
    }
}

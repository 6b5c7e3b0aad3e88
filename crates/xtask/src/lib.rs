//! What the chores and the tidy test know of this repository: its sources and its crates.

pub mod manifest;
pub mod measure;
pub mod source;

pub use manifest::CrateManifest;
pub use measure::Measure;
pub use source::SourceFile;

use std::path::Path;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/xtask is below the root")
}

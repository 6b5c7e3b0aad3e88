//! Whether the files in place are the right ones: thoroughly, or at a glance.

use std::path::{Path, PathBuf};

use super::{
    CatalogError, Item, Model, ModelFile, PullObserver, Sha256, Stage, progress::Meter,
    record::Record,
};

/// What was found of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport {
    /// The model.
    pub model: String,
    /// The file's path.
    pub path: PathBuf,
    /// What it is.
    pub verdict: Verdict,
}

/// What a file was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its content is the pinned one.
    Sound,
    /// Its content is the one recorded when it came or was made; the catalog pins none.
    AsRecorded,
    /// Nothing says what its content should be.
    Unknown,
    /// It is not there.
    Missing,
    /// It ends too early.
    Truncated {
        /// The right size in bytes.
        expected: u64,
        /// Its size in bytes.
        got: u64,
    },
    /// Its content is another.
    WrongHash {
        /// The right hash.
        expected: Sha256,
        /// Its hash.
        got: Sha256,
    },
}

impl Verdict {
    /// Whether the file may be used.
    pub fn is_good(self) -> bool {
        match self {
            Self::Sound | Self::AsRecorded => true,
            Self::Unknown | Self::Missing | Self::Truncated { .. } | Self::WrongHash { .. } => {
                false
            }
        }
    }
}

/// Hashes every file of `models` in `dir`, whatever the record says of its time.
pub fn verify(
    models: &[&Model],
    dir: &Path,
    observer: &dyn PullObserver,
) -> Result<Vec<FileReport>, CatalogError> {
    let mut reports = Vec::new();
    for model in models {
        let folder = dir.join(&model.name);
        let record = Record::read(&folder);
        let meter = Meter::start(observer, &model.name, Stage::Verifying, model.bytes());
        for file in &model.files {
            let path = folder.join(file.name());
            let verdict = judge(file, &path, &record, &meter)?;
            reports.push(FileReport { model: model.name.clone(), path, verdict });
        }
        meter.end();
    }
    Ok(reports)
}

fn judge(
    file: &ModelFile,
    path: &Path,
    record: &Record,
    meter: &Meter<'_>,
) -> Result<Verdict, CatalogError> {
    if !path.is_file() {
        return Ok(Verdict::Missing);
    }
    let (got, bytes) =
        Sha256::of_file(path, &mut |n| meter.add(n)).map_err(CatalogError::io("read", path))?;
    let pinned = match file {
        ModelFile::Fetched(Item { sha256: Some(hash), bytes, .. }) => Some((*hash, *bytes)),
        ModelFile::Fetched(Item { sha256: None, .. }) | ModelFile::Converted(_) => None,
    };
    let recorded = || {
        let known = record.get(file).filter(|known| known.is_of(file))?;
        Some((known.sha256.parse().ok()?, Some(known.bytes)))
    };
    let Some((expected, whole)) = pinned.or_else(recorded) else { return Ok(Verdict::Unknown) };
    Ok(match whole {
        _ if got == expected && pinned.is_some() => Verdict::Sound,
        _ if got == expected => Verdict::AsRecorded,
        Some(whole) if bytes < whole => Verdict::Truncated { expected: whole, got: bytes },
        Some(_) | None => Verdict::WrongHash { expected, got },
    })
}

/// How much of a model is in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelState {
    /// Every file, untouched since it was checked.
    Ready,
    /// Some files only, or some were touched since.
    Incomplete {
        /// The others' paths.
        missing: Vec<PathBuf>,
    },
    /// Nothing.
    Absent,
}

/// Looks at a model's files by size and time only: quick enough for a start-up.
pub fn state(model: &Model, dir: &Path) -> ModelState {
    let folder = dir.join(&model.name);
    let record = Record::read(&folder);
    let missing: Vec<PathBuf> = model
        .files
        .iter()
        .filter(|file| !record.vouches_for(&folder, file))
        .map(|file| folder.join(file.name()))
        .collect();
    match missing.len() {
        0 => ModelState::Ready,
        count if count == model.files.len() => ModelState::Absent,
        _ => ModelState::Incomplete { missing },
    }
}

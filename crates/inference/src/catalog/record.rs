//! What is known of the files in place: a small file beside each model.

use std::{collections::BTreeMap, fs, path::Path, time::UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{CatalogError, Item, ModelFile, Sha256};

/// The record's name in the model's folder.
const NAME: &str = ".trunkline.json";

/// The record of one model's folder.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Record {
    /// By the file's path below the folder.
    files: BTreeMap<String, FileRecord>,
}

/// What was true of a file when it was put in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    /// Its hash.
    pub(crate) sha256: String,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// When it was last modified, in nanoseconds since 1970.
    pub(crate) modified_ns: u64,
    /// For a converted file: the step, and the hash of each input by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) made_from: BTreeMap<String, String>,
}

impl Record {
    /// The record of a model's folder; an unreadable one counts as none, so that files are hashed.
    pub(crate) fn read(folder: &Path) -> Self {
        let text = fs::read(folder.join(NAME)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Replaces the record in one step.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), CatalogError> {
        let (path, part) = (folder.join(NAME), folder.join(".trunkline.json.part"));
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| CatalogError::io("write", &part)(error.into()))?;
        fs::write(&part, text).map_err(CatalogError::io("write", &part))?;
        fs::rename(&part, &path).map_err(CatalogError::io("replace", &path))
    }

    pub(crate) fn get(&self, file: &ModelFile) -> Option<&FileRecord> {
        self.files.get(file.name())
    }

    /// Notes a file that was just found or put in place.
    pub(crate) fn note(
        &mut self,
        folder: &Path,
        file: &ModelFile,
        sha256: Sha256,
    ) -> Result<(), CatalogError> {
        let path = folder.join(file.name());
        let (bytes, modified_ns) = stamp(&path).map_err(CatalogError::io("look at", &path))?;
        let made_from = made_from(file);
        let entry = FileRecord { sha256: sha256.to_string(), bytes, modified_ns, made_from };
        self.files.insert(file.name().to_owned(), entry);
        self.write(folder)
    }

    /// Whether the file in place is the one recorded, by size and time, and the one the catalog means.
    pub(crate) fn vouches_for(&self, folder: &Path, file: &ModelFile) -> bool {
        let Some(record) = self.get(file) else { return false };
        let untouched = stamp(&folder.join(file.name()))
            .is_ok_and(|found| found == (record.bytes, record.modified_ns));
        untouched && record.is_of(file)
    }
}

impl FileRecord {
    /// Whether the catalog still means this content: same hash, or made the same way.
    pub(crate) fn is_of(&self, file: &ModelFile) -> bool {
        match file {
            ModelFile::Fetched(Item { sha256: Some(pinned), .. }) => {
                self.sha256 == pinned.to_string()
            }
            ModelFile::Fetched(Item { sha256: None, .. }) => true,
            ModelFile::Converted(_) => self.made_from == made_from(file),
        }
    }
}

fn made_from(file: &ModelFile) -> BTreeMap<String, String> {
    let ModelFile::Converted(recipe) = file else { return BTreeMap::new() };
    let pinned = |input: &Item| input.sha256.map_or_else(String::new, |hash| hash.to_string());
    let inputs = recipe.inputs.iter().map(|input| (input.name.clone(), pinned(input)));
    inputs.chain([("conversion".to_owned(), recipe.conversion.as_str().to_owned())]).collect()
}

fn stamp(path: &Path) -> std::io::Result<(u64, u64)> {
    let meta = fs::metadata(path)?;
    let since = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((meta.len(), u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)))
}

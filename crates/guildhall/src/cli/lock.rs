//! The lock on an embedded database: one writing process at a time.
//! Refuses to wait: whoever comes second is told who has it.

use crate::config::Config;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions, create_dir_all};
use std::io::{Read as _, Seek as _, Write as _};

/// Held while a process writes to an embedded database; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock of the configured database; none is needed on Postgres.
    pub fn take(config: &Config) -> Result<Option<DataLock>, String> {
        let Some(database) = config.database_url().sqlite_file() else { return Ok(None) };
        if let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_dir_all(folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
        }
        let path = database.with_extension("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| format!("{}: {e}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            // Who holds it is told when it can be read.
            drop(file.read_to_string(&mut holder));
            return Err(format!(
                "{} is in use by process {}: stop it first, or ask the running server over its API",
                database.display(),
                holder.trim()
            ));
        }
        let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
        written.map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Some(DataLock { _file: file }))
    }
}

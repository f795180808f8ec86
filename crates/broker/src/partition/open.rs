//! Finds a partition again: walks its segments, cuts off what a crash tore, and remembers its producers.
//! Refuses a closed segment that is damaged: cutting there would lose what was acknowledged.

use super::{Active, Partition, Settings};
use crate::Error;
use crate::producers::Producers;
use crate::segment::{self, Segment, walk};
use crate::topics::sync_folder;
use parking_lot::{Mutex, RwLock};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;

impl Partition {
    /// Opens a partition's folder, or begins an empty one. Reads every segment's batch headers, and every byte of the last segment.
    pub(crate) fn open(folder: PathBuf, topic: Arc<str>, index: u32, lane: usize, settings: Settings) -> Result<Partition, Error> {
        fs::create_dir_all(&folder).map_err(|error| Error::io("creating", &folder, &error))?;
        let bases = bases(&folder)?;
        let mut producers = Producers::new(settings.producers_max);
        let mut segments = Vec::new();
        let (mut next, mut newest_ms) = (bases.first().copied().unwrap_or(0), i64::MIN);
        for (place, &base) in bases.iter().enumerate() {
            let last = place + 1 == bases.len();
            let segment = Segment::new(&folder, base, None);
            if base != next {
                return Err(corrupt(&segment.path, format!("the segment before it ends at offset {next}")));
            }
            let file =
                File::options().read(true).write(true).open(&segment.path).map_err(|error| Error::io("opening", &segment.path, &error))?;
            let found = walk(&file, base, last, &mut |header, at| {
                segment.publish(header, at);
                producers.note(header);
            });
            let found = found.map_err(|error| Error::io("reading", &segment.path, &error))?;
            match found.broken {
                Some(reason) if last => cut(&file, &segment.path, found.good, &reason)?,
                Some(reason) => return Err(corrupt(&segment.path, format!("at byte {}: {reason}", found.good))),
                None => (),
            }
            next = found.next;
            newest_ms = newest_ms.max(segment.newest_ms());
            segments.push(Arc::new(segment));
        }
        let (segment, file) = match segments.pop() {
            Some(last) => reopen(&folder, last)?,
            None => create(&folder, 0)?,
        };
        segments.push(segment.clone());
        let size = segment.size();
        let active = Active { segment, file, size, next, newest_ms, producers, staged: Vec::new(), failed: None };
        let (end, _) = watch::channel(next);
        let (active, segments, gone) = (Mutex::new(active), RwLock::new(segments), AtomicBool::new(false));
        Ok(Partition { topic, index, lane, folder, settings, segments, end, active, gone })
    }

    /// Closes the active segment, durable as it is, and begins the next.
    pub(super) fn roll(&self, active: &mut Active) -> Result<(), Error> {
        let (segment, file) = create(&self.folder, active.next)?;
        active.segment.close();
        self.segments.write().push(segment.clone());
        active.segment = segment;
        active.file = file;
        active.size = 0;
        Ok(())
    }

    /// After a write that failed: the file is cut back to what is durable, and what was learned from the rest is forgotten.
    pub(super) fn back_out(&self, active: &mut Active) -> Result<(), Error> {
        active.staged.clear();
        let path = &active.segment.path;
        let size = active.segment.size();
        let cut = || {
            active.file.set_len(size)?;
            (&*active.file).seek(SeekFrom::Start(size))
        };
        cut().map_err(|error| Error::io("cutting back", path, &error))?;
        active.size = size;
        active.next = self.end();
        let mut producers = Producers::new(self.settings.producers_max);
        for segment in self.segments.read().iter() {
            let file = File::open(&segment.path).map_err(|error| Error::io("opening", &segment.path, &error))?;
            walk(&file, segment.base, false, &mut |header, _| producers.note(header))
                .map_err(|error| Error::io("reading", &segment.path, &error))?;
        }
        active.producers = producers;
        Ok(())
    }
}

fn bases(folder: &Path) -> Result<Vec<i64>, Error> {
    let failed = |error: std::io::Error| Error::io("listing", folder, &error);
    let mut bases = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        bases.extend(segment::base_of(&entry.map_err(failed)?.path()));
    }
    bases.sort_unstable();
    Ok(bases)
}

fn create(folder: &Path, base: i64) -> Result<(Arc<Segment>, Arc<File>), Error> {
    let path = folder.join(segment::file_name(base));
    let made = || {
        let file = File::options().create(true).read(true).write(true).truncate(true).open(&path)?;
        file.sync_all()?;
        sync_folder(folder)?;
        Ok(Arc::new(file))
    };
    let file = made().map_err(|error| Error::io("creating", &path, &error))?;
    Ok((Arc::new(Segment::new(folder, base, Some(file.clone()))), file))
}

fn reopen(folder: &Path, segment: Arc<Segment>) -> Result<(Arc<Segment>, Arc<File>), Error> {
    let opened = || {
        let mut file = File::options().read(true).write(true).open(&segment.path)?;
        file.seek(SeekFrom::Start(segment.size()))?;
        // A power cut after a cut or a creation must not bring the old length or an unnamed file back.
        file.sync_all()?;
        sync_folder(folder)?;
        Ok(Arc::new(file))
    };
    let file = opened().map_err(|error| Error::io("opening", &segment.path, &error))?;
    segment.keep(file.clone());
    Ok((segment, file))
}

/// Cuts off a torn tail. The bytes are kept beside the segment, because a disk that damages what it had confirmed looks the same.
fn cut(file: &File, path: &Path, good: u64, reason: &str) -> Result<(), Error> {
    let size = file.metadata().map_err(|error| Error::io("reading", path, &error))?.len();
    let aside = path.with_extension("torn");
    tracing::warn!(path = %path.display(), at = good, bytes = size - good, reason, "the log's tail was torn by a crash: it is cut off and kept aside");
    let keep = || {
        let mut tail = vec![0; usize::try_from(size - good).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut tail, good)?;
        fs::write(&aside, tail)?;
        file.set_len(good)?;
        file.sync_all()
    };
    keep().map_err(|error| Error::io("cutting the torn tail of", path, &error))
}

fn corrupt(path: &Path, reason: String) -> Error {
    Error::Corrupt { place: path.display().to_string(), reason }
}

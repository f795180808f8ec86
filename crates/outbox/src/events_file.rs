//! A file that events are appended to, one JSON object per line, on disk before they count as taken.
//! Refuses to rotate: whoever moves the file away finds a new one after the next batch.

use crate::{Outgoing, Sink};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Appends events to a file. After a crash a line may stand there twice, and a last line that was cut off is ended as it is:
/// readers dedupe by `id` and pass over what is not JSON.
pub struct EventsFile {
    path: PathBuf,
    // Batches are appended one after the other, or their lines would mingle.
    turn: Arc<Mutex<()>>,
}

impl EventsFile {
    /// The file at a path; made with its folder when the first event comes, readable by its owner only.
    pub fn new(path: impl Into<PathBuf>) -> EventsFile {
        EventsFile { path: path.into(), turn: Arc::default() }
    }
}

impl Sink for EventsFile {
    fn name(&self) -> &str {
        "events-file"
    }

    fn target(&self) -> String {
        self.path.display().to_string()
    }

    fn send<'a>(&'a self, batch: &'a [&'a Outgoing]) -> BoxFuture<'a, Vec<Result<(), String>>> {
        async move {
            let lines = lines_of(batch);
            let (path, turn) = (self.path.clone(), self.turn.clone());
            let appended = tokio::task::spawn_blocking(move || {
                let _turn = turn.lock();
                append(&path, lines).map_err(|e| format!("{}: {e}", path.display()))
            })
            .await
            .unwrap_or_else(|e| Err(e.to_string()));
            batch.iter().map(|_| appended.clone()).collect()
        }
        .boxed()
    }
}

fn lines_of(batch: &[&Outgoing]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(batch.len() * 512);
    for outgoing in batch {
        serde_json::to_writer(&mut lines, outgoing).expect("an event is plain data, and a vector takes all of it");
        lines.push(b'\n');
    }
    lines
}

fn append(path: &Path, mut lines: Vec<u8>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let length = file.metadata()?.len();
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            // A crash or a full disk cut the last line off; the next one must not be glued to it.
            lines.insert(0, b'\n');
        }
    }
    file.write_all(&lines)?;
    file.sync_data()?;
    if length == 0 {
        // A new file's name is on disk only with its folder.
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/events.jsonl");
        append(&path, b"{\"a\":1}\n{\"b\"".to_vec()).unwrap();
        append(&path, b"{\"c\":3}\n".to_vec()).unwrap();
        append(&path, b"{\"d\":4}\n".to_vec()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\"\n{\"c\":3}\n{\"d\":4}\n");
    }
}

//! A request's body as a reader that blocks: its parts come through a channel that holds a few of them.
//! Refuses codings but gzip and zstd.

use crate::source::files::WINDOW_LOG_MAX;
use bytes::{Buf as _, Bytes};
use flate2::read::MultiGzDecoder;
use kernel::{Code, Refusal};
use std::io::{self, Read};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Parts of a body that wait to be read.
const PARTS: usize = 4;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    Gzip,
    Zstd,
}

impl Coding {
    /// The coding that a `Content-Encoding` names; none for none.
    pub(crate) fn named(name: Option<&str>) -> Result<Coding, Refusal> {
        match name.map(str::trim) {
            None | Some("" | "identity") => Ok(Coding::Plain),
            Some(name) if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Ok(Coding::Gzip),
            Some(name) if name.eq_ignore_ascii_case("zstd") => Ok(Coding::Zstd),
            Some(name) => {
                let told = format!("Content-Encoding {name:?} is not taken: gzip, zstd or none would be right");
                Err(Refusal::new(Code::WrongMediaType, told))
            }
        }
    }

    pub(super) fn unpack(self, body: Chunks) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Coding::Plain => Box::new(body),
            Coding::Gzip => Box::new(MultiGzDecoder::new(body)),
            Coding::Zstd => {
                let mut unpacking = zstd::stream::read::Decoder::new(body)?;
                unpacking.window_log_max(WINDOW_LOG_MAX)?;
                Box::new(unpacking)
            }
        })
    }
}

/// A part of a body, or why no more of it comes.
pub(crate) type Part = Result<Bytes, String>;

/// The reading end.
pub(crate) struct Chunks {
    parts: Receiver<Part>,
    current: Bytes,
}

impl Chunks {
    /// Both ends.
    pub(crate) fn pair() -> (Sender<Part>, Chunks) {
        let (sender, parts) = channel(PARTS);
        (sender, Chunks { parts, current: Bytes::new() })
    }

    #[cfg(test)]
    pub(super) fn whole(body: Vec<u8>) -> Chunks {
        let (_, parts) = channel(1);
        Chunks { parts, current: Bytes::from(body) }
    }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.parts.blocking_recv() {
                None => return Ok(0),
                Some(Ok(part)) => self.current = part,
                Some(Err(why)) => return Err(io::Error::other(why)),
            }
        }
        let read = into.len().min(self.current.len());
        self.current.copy_to_slice(&mut into[..read]);
        Ok(read)
    }
}

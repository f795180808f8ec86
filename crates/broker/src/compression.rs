//! Unpacks what producers packed, within a limit, to check it at its door and to read it in process.
//! Refuses to pack anything again: batches are kept as they came.

use crate::batch::Codec;
use crate::error::Unpack;
use std::io::Read;

/// A zstd window beyond this many bits costs more memory than a batch may have.
const ZSTD_WINDOW_BITS_MAX: u32 = 24;

/// What the Java client writes before its snappy blocks.
const SNAPPY_JAVA: &[u8] = b"\x82SNAPPY\0";
const SNAPPY_JAVA_HEADER: usize = 16;

/// The records of a batch as they were before packing, at most `max` bytes.
pub(crate) fn unpack(codec: Codec, packed: &[u8], max: usize) -> Result<Vec<u8>, Unpack> {
    match codec {
        Codec::None => Ok(packed.to_vec()),
        Codec::Gzip => drain(codec, flate2::read::MultiGzDecoder::new(packed), max),
        Codec::Snappy => snappy(packed, max),
        Codec::Lz4 => drain(codec, lz4_flex::frame::FrameDecoder::new(packed), max),
        Codec::Zstd => {
            let broken = |error: std::io::Error| Unpack::Broken(codec, error.to_string());
            let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_BITS_MAX).map_err(broken)?;
            drain(codec, decoder, max)
        }
    }
}

fn drain(codec: Codec, from: impl Read, max: usize) -> Result<Vec<u8>, Unpack> {
    let mut out = Vec::new();
    let read = from.take(max as u64 + 1).read_to_end(&mut out).map_err(|error| Unpack::Broken(codec, error.to_string()))?;
    if read > max { Err(Unpack::TooLarge(max)) } else { Ok(out) }
}

/// The Java client frames its blocks, librdkafka sends one bare block.
fn snappy(packed: &[u8], max: usize) -> Result<Vec<u8>, Unpack> {
    if !packed.starts_with(SNAPPY_JAVA) {
        let mut out = Vec::new();
        block(packed, &mut out, max)?;
        return Ok(out);
    }
    let broken = |reason: &str| Unpack::Broken(Codec::Snappy, reason.to_owned());
    let mut rest = packed.get(SNAPPY_JAVA_HEADER..).ok_or_else(|| broken("the header is cut off"))?;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(|| broken("a block's length is cut off"))?;
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let bytes = after.get(..length).ok_or_else(|| broken("a block is cut off"))?;
        block(bytes, &mut out, max)?;
        rest = &after[length..];
    }
    Ok(out)
}

fn block(packed: &[u8], out: &mut Vec<u8>, max: usize) -> Result<(), Unpack> {
    let broken = |error: snap::Error| Unpack::Broken(Codec::Snappy, error.to_string());
    let length = snap::raw::decompress_len(packed).map_err(broken)?;
    let from = out.len();
    if length > max.saturating_sub(from) {
        return Err(Unpack::TooLarge(max));
    }
    out.resize(from + length, 0);
    snap::raw::Decoder::new().decompress(packed, &mut out[from..]).map_err(broken)?;
    Ok(())
}

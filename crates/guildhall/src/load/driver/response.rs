//! Reads one HTTP/1.1 answer from the bytes that have come so far (RFC 9112, section 6.3).
//! Refuses to remember: an incomplete answer is read again from its beginning when more has come.

use httparse::{ParserConfig, Status};
use std::borrow::Cow;
use std::mem::MaybeUninit;

/// A whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'b> {
    pub(super) status: u16,
    /// Empty when nobody wanted it.
    pub(super) body: Cow<'b, [u8]>,
    /// Whether the server leaves the connection open.
    pub(super) keep_alive: bool,
    /// Bytes the answer took.
    pub(super) used: usize,
}

/// The bytes are not an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

enum Length {
    None,
    Known(usize),
    Chunked,
    UntilEnd,
}

struct Head {
    status: u16,
    keep_alive: bool,
    length: Length,
    used: usize,
}

/// The answer at the beginning of the bytes, or none while it is incomplete. `has_ended` says that no more will come.
pub(super) fn parse(bytes: &[u8], has_ended: bool, wants_body: bool) -> Result<Option<Answer<'_>>, Malformed> {
    let mut from = 0;
    let head = loop {
        match head(bytes.get(from..).unwrap_or_default())? {
            None => return Ok(None),
            // 100 and its like announce the answer proper.
            Some(interim) if interim.status < 200 => from += interim.used,
            Some(head) => break head,
        }
    };
    let body_from = from + head.used;
    let rest = &bytes[body_from..];
    let (body, used) = match head.length {
        Length::None => (Cow::Borrowed(&rest[..0]), 0),
        Length::Known(length) if rest.len() < length => return Ok(None),
        Length::Known(length) => (Cow::Borrowed(&rest[..length]), length),
        Length::UntilEnd if !has_ended => return Ok(None),
        Length::UntilEnd => (Cow::Borrowed(rest), rest.len()),
        Length::Chunked => match chunks(rest, wants_body)? {
            None => return Ok(None),
            Some((body, used)) => (Cow::Owned(body), used),
        },
    };
    Ok(Some(Answer { status: head.status, body, keep_alive: head.keep_alive, used: body_from + used }))
}

fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut fields = [const { MaybeUninit::uninit() }; 64];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut fields);
    let Status::Complete(used) = parsed.map_err(|_| Malformed)? else { return Ok(None) };
    let status = response.code.ok_or(Malformed)?;
    // HTTP/1.0 closes unless it says otherwise.
    let mut keep_alive = response.version == Some(1);
    let mut length = Length::UntilEnd;
    for field in response.headers.iter() {
        // Most fields of an answer are told apart by the length of their names alone.
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") => {
                keep_alive = if field.value.eq_ignore_ascii_case(b"close") {
                    false
                } else {
                    keep_alive || field.value.eq_ignore_ascii_case(b"keep-alive")
                }
            }
            14 if field.name.eq_ignore_ascii_case("content-length") && !matches!(length, Length::Chunked) => {
                let text = std::str::from_utf8(field.value).map_err(|_| Malformed)?;
                length = Length::Known(text.trim().parse().map_err(|_| Malformed)?);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => length = Length::Chunked,
            _ => {}
        }
    }
    if status < 200 || status == 204 || status == 304 {
        length = Length::None;
    }
    Ok(Some(Head { status, keep_alive: keep_alive && !matches!(length, Length::UntilEnd), length, used }))
}

/// A chunked body and the bytes it took, its trailer fields too; none while it is incomplete.
fn chunks(bytes: &[u8], wants_body: bool) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let Status::Complete((used, size)) = httparse::parse_chunk_size(&bytes[at..]).map_err(|_| Malformed)? else { return Ok(None) };
        at += used;
        if size == 0 {
            return Ok(after_trailer(bytes, at).map(|end| (body, end)));
        }
        let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size)).ok_or(Malformed)?;
        match bytes.get(end..end.saturating_add(2)) {
            Some(b"\r\n") => {}
            Some(_) => return Err(Malformed),
            None => return Ok(None),
        }
        if wants_body {
            body.extend_from_slice(&bytes[at..end]);
        }
        at = end + 2;
    }
}

/// Where the empty line after the last chunk and its trailer fields ends.
fn after_trailer(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let line = bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
        at += line;
        if line <= 2 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the answer from every beginning of its bytes; all but the whole must be incomplete.
    fn whole(bytes: &[u8]) -> Answer<'_> {
        for end in 0..bytes.len() {
            assert_eq!(parse(&bytes[..end], false, true), Ok(None), "after {end} bytes");
        }
        parse(bytes, false, true).unwrap().expect("it is whole")
    }

    #[test]
    fn a_body_of_known_length_is_read_from_any_cut() {
        let bytes = b"HTTP/1.1 409 Conflict\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
        let answer = whole(bytes);
        assert_eq!((answer.status, &*answer.body, answer.keep_alive, answer.used), (409, &b"hello"[..], true, bytes.len()));
    }

    #[test]
    fn a_chunked_body_is_put_together_from_any_cut() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n, guild\r\n!\r\n0\r\nDigest: z\r\n\r\n";
        let answer = whole(bytes);
        assert_eq!((&*answer.body, answer.used), (&b"hello, guild\r\n!"[..], bytes.len()));
        assert!(parse(bytes, false, false).unwrap().unwrap().body.is_empty(), "nobody wanted it");
    }

    #[test]
    fn answers_without_a_body_end_with_their_head() {
        for status in ["204 No Content", "304 Not Modified"] {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\n");
            assert_eq!(whole(text.as_bytes()).used, text.len());
        }
    }

    #[test]
    fn an_interim_answer_is_skipped() {
        assert_eq!(whole(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").status, 201);
    }

    #[test]
    fn a_body_without_a_length_lasts_until_the_end() {
        let bytes = b"HTTP/1.1 200 OK\r\n\r\nall of it";
        assert_eq!(parse(bytes, false, true), Ok(None));
        let answer = parse(bytes, true, true).unwrap().unwrap();
        assert_eq!((&*answer.body, answer.keep_alive), (&b"all of it"[..], false));
    }

    #[test]
    fn whether_the_connection_stays_is_read_from_version_and_field() {
        for (first, field, stays) in [
            ("HTTP/1.1 200 OK", "X: y", true),
            ("HTTP/1.1 200 OK", "connection: Close", false),
            ("HTTP/1.0 200 OK", "X: y", false),
            ("HTTP/1.0 200 OK", "Connection: keep-alive", true),
        ] {
            let text = format!("{first}\r\n{field}\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(whole(text.as_bytes()).keep_alive, stays, "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for bytes in [
            &b"SSH-2.0-x\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n",
        ] {
            assert_eq!(parse(bytes, false, true), Err(Malformed), "{}", String::from_utf8_lossy(bytes));
        }
    }
}

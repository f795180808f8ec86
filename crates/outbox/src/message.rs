//! A mail as the bytes of RFC 5322, with headers in UTF-8 by RFC 2047 and the text as RFC 2045 and 6532 let it be.
//! Refuses addresses that would reach into other headers.

use crate::Mail;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use kernel::{Instant, Uuid};

/// RFC 5322, 2.1.1: a line has at most 998 bytes and should have at most 78.
const LINE_BYTES_MAX: usize = 998;
const HEADER_CHARS_WANTED: usize = 78;
/// RFC 2047, 2: an encoded word has at most 75 characters, of which `=?UTF-8?B?` and `?=` take 12; base64 makes 4 of 3 bytes.
const WORD_BYTES_MAX: usize = (75 - 12) / 4 * 3;

/// A message that is the same whenever it is composed for the same row.
pub(crate) fn compose(from: &str, mail: &Mail, id: Uuid, at: Instant) -> Result<Vec<u8>, String> {
    let stamp = jiff::Timestamp::from_microsecond(at.0).map_err(|e| format!("the row's time {at} cannot be shown: {e}"))?;
    let date = rfc2822::to_string(&stamp.to_zoned(TimeZone::UTC)).map_err(|e| format!("the row's time {at} cannot be shown: {e}"))?;
    let (encoding, text) = body(&mail.text);
    let message = format!(
        "Date: {date}\r\nFrom: {}\r\nTo: {}\r\nMessage-ID: <{id}@guildhall>\r\nSubject: {}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{text}",
        address("sender", from)?,
        address("recipient", &mail.to)?,
        unstructured("Subject: ".len(), &mail.subject),
    );
    Ok(message.into_bytes())
}

/// An address as it stands; one in other letters than ASCII is UTF-8 by RFC 6532, since encoded words are not allowed in addresses.
fn address<'a>(whose: &str, address: &'a str) -> Result<&'a str, String> {
    let fits = !address.trim().is_empty() && address.contains('@') && address.len() <= 512 && !address.chars().any(char::is_control);
    if fits { Ok(address) } else { Err(format!("the {whose}'s address is none, or holds a control character or more than 512 bytes")) }
}

/// Text of a header: as it is where it fits a line of ASCII, in encoded words otherwise.
fn unstructured(name_chars: usize, text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    if text.is_ascii() && !text.contains("=?") && name_chars + text.len() <= HEADER_CHARS_WANTED {
        return text.to_owned();
    }
    // The first word shares its line with the header's name. Words end between characters; the space between two is not shown.
    let mut words: Vec<String> = vec![String::new()];
    for c in text.chars() {
        let room = if words.len() == 1 { WORD_BYTES_MAX - name_chars.div_ceil(4) * 3 } else { WORD_BYTES_MAX };
        if words.last().is_some_and(|word| word.len() + c.len_utf8() > room) {
            words.push(String::new());
        }
        words.last_mut().expect("there is always a word").push(c);
    }
    let encoded: Vec<String> = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

/// The text with CRLF, readable as it is; in base64 when a line is longer than mail may have.
fn body(text: &str) -> (&'static str, String) {
    let mut lines: Vec<String> = text.replace("\r\n", "\n").replace('\r', "\n").split('\n').map(str::to_owned).collect();
    if lines.last().is_some_and(|line| !line.is_empty()) {
        lines.push(String::new());
    }
    let text = lines.join("\r\n");
    if lines.iter().any(|line| line.len() > LINE_BYTES_MAX || line.contains('\0')) {
        let encoded = STANDARD.encode(&text);
        let lines: Vec<&str> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
        return ("base64", lines.join("\r\n") + "\r\n");
    }
    (if text.is_ascii() { "7bit" } else { "8bit" }, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(subject: &str, text: &str) -> String {
        let mail = Mail { to: "jane@example.com".to_owned(), subject: subject.to_owned(), text: text.to_owned() };
        let id = Uuid::from_bytes([7; 16]);
        String::from_utf8(compose("Guildhall <guildhall@localhost>", &mail, id, Instant(1_795_250_096_123_456)).unwrap()).unwrap()
    }

    /// Reads encoded words as RFC 2047 has it.
    fn decoded(header: &str) -> String {
        let word = |word: &str| STANDARD.decode(word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap()).unwrap();
        header.split("\r\n ").map(|w| String::from_utf8(word(w)).expect("a word ends between characters")).collect()
    }

    #[test]
    fn a_plain_message_stands_there_as_it_is() {
        assert_eq!(
            composed("Your new password", "Hello\n\nhttps://guild.example/reset?token=abc"),
            "Date: Sat, 21 Nov 2026 08:34:56 +0000\r\nFrom: Guildhall <guildhall@localhost>\r\nTo: jane@example.com\r\n\
             Message-ID: <07070707-0707-0707-0707-070707070707@guildhall>\r\nSubject: Your new password\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
             Hello\r\n\r\nhttps://guild.example/reset?token=abc\r\n"
        );
    }

    #[test]
    fn other_subjects_are_folded_into_encoded_words_that_read_back() {
        for subject in
            ["Zoë", "비밀번호를 재설정하려면 아래의 링크를 눌러 주세요. 한 시간 동안 유효합니다", "=?UTF-8?Q?no?=", &"long ".repeat(40)]
        {
            let header = unstructured("Subject: ".len(), subject);
            assert_eq!(decoded(&header), subject.trim());
            assert!(format!("Subject: {header}").split("\r\n").all(|line| line.len() <= HEADER_CHARS_WANTED), "{header}");
        }
    }

    #[test]
    fn nothing_reaches_into_another_header() {
        assert!(composed("a\r\nBcc: eve@example.com", "x").contains("\r\nSubject: a  Bcc: eve@example.com\r\n"));
        let mail = Mail { to: "jane@example.com\r\nBcc: eve@example.com".to_owned(), subject: String::new(), text: String::new() };
        let refused = compose("g@localhost", &mail, Uuid::from_bytes([7; 16]), Instant(0)).unwrap_err();
        assert!(!refused.contains("jane"), "an address must not get into the log: {refused}");
    }

    #[test]
    fn lines_that_mail_cannot_have_are_encoded() {
        let text = format!("Zoë {}", "x".repeat(1000));
        let message = composed("s", &text);
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with("Content-Transfer-Encoding: base64"));
        assert!(body.lines().all(|line| line.len() <= 76));
        assert_eq!(STANDARD.decode(body.replace("\r\n", "")).unwrap(), format!("{text}\r\n").into_bytes());
        assert!(composed("s", "Zoë").contains("Content-Transfer-Encoding: 8bit\r\n\r\nZoë\r\n"));
    }
}

//! Texts of SQL as texts: parameters found and replaced, names quoted.
//! Refuses to look into strings, quoted names and comments: what stands there is no parameter.

/// A name as SQL takes it whatever it is called.
pub(crate) fn quoted(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let reserved = ["order", "group", "user", "table", "index", "key", "check", "default", "limit", "offset", "end", "desc", "references"];
    if plain && !name.is_empty() && !name.as_bytes()[0].is_ascii_digit() && !reserved.contains(&name) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// One piece of a text.
enum Piece<'a> {
    Plain(&'a str),
    /// `$3`, `?3`: with its number.
    Numbered(usize),
    /// `?`
    Bare,
}

/// Splits a text at its parameters.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let skip = match bytes[at] {
            quote @ (b'\'' | b'"') => bytes[at + 1..].iter().position(|byte| *byte == quote).map_or(bytes.len() - at, |end| end + 2),
            b'-' if bytes.get(at + 1) == Some(&b'-') => bytes[at..].iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len() - at),
            b'$' | b'?' => {
                let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                let number = text[at + 1..at + 1 + digits].parse::<usize>().ok();
                let piece = match (bytes[at], number) {
                    (_, Some(number)) => Some(Piece::Numbered(number)),
                    // Postgres has operators that begin with a question mark, and a bare one is no parameter there.
                    (b'?', None) if !matches!(bytes.get(at + 1), Some(b'|' | b'&' | b'?')) => Some(Piece::Bare),
                    _ => None,
                };
                if let Some(piece) = piece {
                    found.push(Piece::Plain(&text[from..at]));
                    found.push(piece);
                    from = at + 1 + digits;
                }
                1 + digits
            }
            _ => 1,
        };
        at += skip;
    }
    found.push(Piece::Plain(&text[from.min(text.len())..]));
    found
}

/// The text with `?` as `$1`, `$2`, … in their order; numbered parameters stay.
pub(crate) fn numbered(text: &str) -> String {
    let mut bare = 0;
    let mut render = |piece: &Piece<'_>| match piece {
        Piece::Plain(plain) => (*plain).to_owned(),
        Piece::Numbered(number) => format!("${number}"),
        Piece::Bare => {
            bare += 1;
            format!("${bare}")
        }
    };
    pieces(text).iter().map(&mut render).collect()
}

/// How many parameters a numbered text takes.
pub(crate) fn parameters(text: &str) -> usize {
    let number = |piece: &Piece<'_>| if let Piece::Numbered(number) = piece { *number } else { 0 };
    pieces(text).iter().map(number).max().unwrap_or(0)
}

/// The text with literals for its numbered parameters; one without a literal is null.
pub(crate) fn filled(text: &str, literals: &[String]) -> String {
    let render = |piece: &Piece<'_>| match piece {
        Piece::Plain(plain) => (*plain).to_owned(),
        Piece::Numbered(number) => literals.get(number.wrapping_sub(1)).cloned().unwrap_or_else(|| "null".to_owned()),
        Piece::Bare => "null".to_owned(),
    };
    pieces(text).iter().map(render).collect()
}

/// The statements of a file: each is named by a comment `-- name: NAME` above it, or `statement 1` and on.
pub(crate) fn named_statements(file: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut name, mut text) = (None, String::new());
    let mut finish = |name: &mut Option<String>, text: &mut String| {
        let whole = std::mem::take(text).trim().trim_end_matches(';').trim().to_owned();
        if !whole.is_empty() {
            let named = name.take().unwrap_or_else(|| format!("statement {}", found.len() + 1));
            found.push((named, numbered(&whole)));
        }
    };
    for line in file.lines() {
        let trimmed = line.trim();
        if let Some(comment) = trimmed.strip_prefix("--") {
            if let Some(told) = comment.trim().strip_prefix("name:") {
                finish(&mut name, &mut text);
                name = Some(told.trim().to_owned());
            }
            continue;
        }
        text.push_str(line);
        text.push('\n');
        if trimmed.ends_with(';') {
            finish(&mut name, &mut text);
        }
    }
    finish(&mut name, &mut text);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_strings_and_comments_are_none() {
        let text = "select '$1 ?', \"a$2\" -- $9\n from t where a = $2 and b = ?1";
        assert_eq!(parameters(text), 2);
        assert_eq!(filled(text, &["7".into(), "'x'".into()]), "select '$1 ?', \"a$2\" -- $9\n from t where a = 'x' and b = 7");
    }

    #[test]
    fn bare_parameters_are_numbered_in_their_order() {
        assert_eq!(numbered("select 1 from t where a = ? and b in (?, ?)"), "select 1 from t where a = $1 and b in ($2, $3)");
        assert_eq!(numbered("select a ?| b from t"), "select a ?| b from t");
    }

    #[test]
    fn a_file_names_its_statements_by_comments() {
        let file = "-- name: items of a payment\nselect 1\nfrom t where a = ?;\n\n-- a remark\nselect 2;\n-- name: last\nselect 3";
        let found = named_statements(file);
        let right = [("items of a payment", "select 1\nfrom t where a = $1"), ("statement 2", "select 2"), ("last", "select 3")];
        assert_eq!(found, right.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn names_that_sql_would_misread_are_quoted() {
        assert_eq!(
            (quoted("payment_id"), quoted("order"), quoted("Odd\"One")),
            ("payment_id".into(), "\"order\"".into(), "\"Odd\"\"One\"".into())
        );
        assert_eq!(literal("it's"), "'it''s'");
    }
}

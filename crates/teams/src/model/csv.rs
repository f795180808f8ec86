//! Lists of players as CSV: a player and an amount a line.
//! Refuses lines with more or less in them, by their number.

use super::Listed;
use kernel::{Code, Refusal};

/// What the first line may say.
const HEADER: &str = "player,amount_minor";

/// Reads lines of a player's name and minor units, with or without the header. A name may stand in quotes, in which `""` is one of them.
///
/// # Errors
/// It is no text, or a line holds something else.
pub fn listed(bytes: &[u8]) -> Result<Vec<Listed>, Refusal> {
    let refused = |told: String| Refusal::new(Code::BadBody, told);
    let text = std::str::from_utf8(bytes).map_err(|e| refused(format!("the list is not UTF-8: {e}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.is_empty() || (number == 1 && line == HEADER) {
            continue;
        }
        // The amount is the last column and holds no comma: whatever stands before it is the name.
        let read = line
            .rsplit_once(',')
            .and_then(|(name, amount)| Some(Listed { player: unquoted(name)?, amount_minor: amount.trim().parse().ok()? }));
        all.push(
            read.ok_or_else(|| {
                refused(format!("line {number} is {line:?}: a player's name, a comma and whole minor units would be right"))
            })?,
        );
    }
    Ok(all)
}

/// A name without its quotes; none where they do not go together.
fn unquoted(name: &str) -> Option<String> {
    let Some(rest) = name.strip_prefix('"') else { return (!name.contains(['"', ','])).then(|| name.to_owned()) };
    let inner = rest.strip_suffix('"')?;
    (!inner.replace("\"\"", "").contains('"')).then(|| inner.replace("\"\"", "\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(player: &str, amount_minor: i64) -> Listed {
        Listed { player: player.to_owned(), amount_minor }
    }

    #[test]
    fn lists_of_spreadsheets_are_read() {
        let text = "\u{feff}player,amount_minor\r\np1,500\r\n\"a, \"\"b\"\"\",7\r\n\r\n길동, 1\n";
        assert_eq!(listed(text.as_bytes()).unwrap(), [one("p1", 500), one("a, \"b\"", 7), one("길동", 1)]);
        assert_eq!(listed(b"").unwrap(), []);
    }

    #[test]
    fn a_line_that_is_something_else_is_named() {
        for (text, line) in
            [("p1", 1), ("p1,5\np2,x", 2), ("a,b,5", 1), ("\"a,5", 1), ("a\"b\",5", 1), ("p1,1.5", 1), ("p1,5\nplayer,amount_minor", 2)]
        {
            let told = listed(text.as_bytes()).unwrap_err().detail;
            assert!(told.starts_with(&format!("line {line} ")), "{text}: {told}");
        }
        assert!(listed(&[0xff, 0xfe]).unwrap_err().detail.contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(names in prop::collection::vec("[a-c\",가 ]{1,6}", 0..5)) {
            let text: String = names.iter().map(|name| format!("\"{}\",3\n", name.replace('"', "\"\""))).collect();
            prop_assert_eq!(listed(text.as_bytes()).unwrap(), names.iter().map(|name| one(name, 3)).collect::<Vec<_>>());
        }
    }
}

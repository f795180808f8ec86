//! How the story looks: a line per step, in columns, in colour on a terminal only.
//! Refuses to write anything but standard output: progress and warnings have standard error.

use super::client::{Answer, Ask};
use std::io::IsTerminal as _;
use std::time::Duration;

const METHOD_WIDTH: usize = 5;
const PATH_WIDTH: usize = 36;
/// What stands before a step's own words: indent, method, path, status, time.
const LEAD_WIDTH: usize = 2 + METHOD_WIDTH + 1 + PATH_WIDTH;

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const RED: &str = "31";
const CYAN: &str = "36";

/// Writes the story.
pub(super) struct Teller {
    coloured: bool,
}

impl Teller {
    pub(super) fn new() -> Teller {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        Teller { coloured: wanted && std::io::stdout().is_terminal() }
    }

    #[expect(clippy::print_stdout, reason = "the command's answer")]
    pub(super) fn line(&self, text: &str) {
        println!("{text}");
    }

    pub(super) fn title(&self, text: &str) {
        self.line(&self.paint(BOLD, text));
    }

    pub(super) fn chapter(&self, text: &str) {
        self.line(&format!("\n{}", self.paint(BOLD, text)));
    }

    /// A request with what came back.
    pub(super) fn step(&self, ask: &Ask<'_>, answer: &Answer, words: &str) {
        let method = format!("{:<METHOD_WIDTH$}", ask.method.as_str());
        let path = format!("{:<PATH_WIDTH$}", shown(&ask.path));
        let status = match answer.status {
            ..400 => self.paint(GREEN, &answer.status.to_string()),
            _ => self.paint(YELLOW, &answer.status.to_string()),
        };
        let took = self.paint(DIM, &format!("{:>9}", ms(answer.took)));
        self.line(&format!("  {} {path} {status} {took}  {words}", self.paint(CYAN, &method)));
    }

    /// Something that was done without a request.
    pub(super) fn fact(&self, what: &str, took: Duration, words: &str) {
        let took = self.paint(DIM, &format!("{:>9}", ms(took)));
        self.line(&format!("  {} {took}  {words}", self.paint(CYAN, &format!("{what:<width$}", width = LEAD_WIDTH - 2 + 4))));
    }

    /// More about the step above.
    pub(super) fn more(&self, words: &str) {
        self.line(&format!("{:width$}{words}", "", width = LEAD_WIDTH + 4 + 1 + 9 + 2));
    }

    pub(super) fn bad(&self, what: &str, words: &str) {
        self.line(&format!("  {} {words}", self.paint(RED, what)));
    }

    pub(super) fn pair(&self, name: &str, value: &str) {
        self.line(&format!("  {name:<30}{}", self.paint(CYAN, value)));
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A path with its ids cut to their last letters, which differ, and a long query cut at its end.
fn shown(path: &str) -> String {
    let segment =
        |segment: &str| if segment.len() == 36 && segment.is_ascii() { format!("…{}", &segment[30..]) } else { segment.to_owned() };
    let path = path.split('/').map(segment).collect::<Vec<_>>().join("/");
    if path.chars().count() <= PATH_WIDTH { path } else { path.chars().take(PATH_WIDTH - 1).chain(['…']).collect() }
}

/// An id cut to its last letters.
pub(super) fn short(id: &str) -> String {
    format!("…{}", id.get(id.len().saturating_sub(6)..).unwrap_or(id))
}

/// A time as people read it.
pub(super) fn ms(took: Duration) -> String {
    let ms = took.as_secs_f64() * 1_000.0;
    match ms {
        ..10.0 => format!("{ms:.2} ms"),
        ..1_000.0 => format!("{ms:.0} ms"),
        _ => format!("{:.1} s", ms / 1_000.0),
    }
}

/// A number with its thousands set apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How fast that many were done in a time.
pub(super) fn per_s(number: u64, took: Duration) -> String {
    let us = took.as_micros().max(1);
    let rate = u128::from(number) * 1_000_000 / us;
    format!("{} a second", count(u64::try_from(rate).unwrap_or(u64::MAX)))
}

/// Points, or another whole amount of an answer.
pub(super) fn points(minor: &serde_json::Value) -> String {
    let minor = minor.as_i64().unwrap_or_default();
    format!("{}{} points", if minor < 0 { "-" } else { "" }, count(minor.unsigned_abs()))
}

/// Cents as US dollars.
pub(super) fn usd(cents: &serde_json::Value) -> String {
    let cents = cents.as_u64().unwrap_or_default();
    format!("{}.{:02} USD", count(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn figures_are_set_as_people_read_them() {
        assert_eq!([count(7), count(999), count(1_000), count(1_234_567)], ["7", "999", "1,000", "1,234,567"]);
        assert_eq!([usd(&json!(5)), usd(&json!(123_456))], ["0.05 USD", "1,234.56 USD"]);
        assert_eq!(per_s(10_000, Duration::from_millis(400)), "25,000 a second");
        assert_eq!(points(&json!(-7_787)), "-7,787 points");
        assert_eq!(
            [ms(Duration::from_micros(1_234)), ms(Duration::from_millis(45)), ms(Duration::from_millis(1_250))],
            ["1.23 ms", "45 ms", "1.2 s"]
        );
    }

    #[test]
    fn ids_in_paths_are_cut_and_long_paths_end_with_a_sign_of_it() {
        assert_eq!(shown("/v1/payments/01890a5d-ac96-774b-bcce-b302099a8057/pay"), "/v1/payments/…9a8057/pay");
        let long = shown("/v1/products/search?q=a%20very%20long%20name%20of%20a%20game");
        assert_eq!((long.chars().count(), long.chars().last()), (PATH_WIDTH, Some('…')));
    }
}

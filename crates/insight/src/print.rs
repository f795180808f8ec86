//! A report as a terminal shows it. Refuses lines wider than it was told, and values of parameters.

use crate::findings::size;
use crate::plan::thousands;
use crate::report::{Advice, Applied, Report, StatementReport};
use std::fmt::Write as _;

/// Statements that are listed.
const STATEMENTS_MAX: usize = 20;
/// Statements whose plans are shown.
const PLANS_MAX: usize = 6;
/// A statement whose mean is below, in milliseconds, is shown with its plan only when something in it is costly.
const QUICK_MS: f64 = 1.0;

/// How it is shown.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether headings may be bold.
    pub bold: bool,
}

impl Report {
    /// The whole report.
    pub fn show(&self, look: Look) -> String {
        let mut page = Page { text: String::new(), look };
        let calls: u64 = self.statements.iter().map(|one| one.calls).sum();
        page.line(0, &format!("{} · {} statements · {} calls", self.engine, self.statements.len(), thousands(calls as f64)));
        page.statements(&self.statements);
        page.plans(&self.statements);
        page.heading("ADVICE");
        if self.advice.is_empty() {
            page.line(2, "no index that is missing would help these statements much");
        }
        self.advice.iter().for_each(|advice| page.advice(advice));
        page.heading("FINDINGS");
        if self.findings.is_empty() {
            page.line(2, "nothing else is wrong");
        }
        for finding in &self.findings {
            page.line(2, &format!("{} · {}", finding.kind, finding.about));
            page.line(4, &finding.says);
            page.line(4, &format!("→ {}", finding.right));
        }
        if !self.notes.is_empty() {
            page.heading("NOTES");
        }
        self.notes.iter().for_each(|note| page.line(2, note));
        page.text
    }
}

impl Applied {
    /// What making the index changed.
    pub fn show(&self, look: Look) -> String {
        let mut page = Page { text: String::new(), look };
        page.line(
            0,
            &format!("{} in {:.1} s{}", self.ddl, self.seconds, self.bytes.map(|bytes| format!(", {}", size(bytes))).unwrap_or_default()),
        );
        page.heading(&format!("{:<40}{:>12}{:>12}{:>10}", "MEASURED", "before ms", "after ms", "quicker"));
        for one in &self.statements {
            let by = if one.speed_up >= 1.05 { format!("{:.1} ×", one.speed_up) } else { "no".to_owned() };
            let uses = if one.uses_it { "" } else { "  (its plan does not use it)" };
            page.line(0, &format!("{:<40}{:>12.3}{:>12.3}{by:>10}{uses}", cut(&one.name, 39), one.before.p50_ms, one.after.p50_ms));
        }
        for one in &self.statements {
            page.heading(&format!("{} now", one.name));
            one.plan.lines().iter().for_each(|line| page.line(2, line));
        }
        page.text
    }
}

struct Page {
    text: String,
    look: Look,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let text = text.trim_end();
        let shown = if self.look.bold { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() };
        writeln!(self.text, "\n{shown}").expect("writing to a string cannot fail");
    }

    /// A line; what does not fit goes on below, a little further in.
    fn line(&mut self, indent: usize, text: &str) {
        let leading = text.len() - text.trim_start().len();
        let indent = indent + leading;
        let mut rest = text.trim();
        let mut at = indent;
        loop {
            let room = self.look.width.saturating_sub(at).max(20);
            let Some((end, _)) = rest.char_indices().nth(room) else {
                writeln!(self.text, "{}{rest}", " ".repeat(at)).expect("writing to a string cannot fail");
                return;
            };
            let end = rest[..end].rfind(' ').filter(|space| *space > 0).unwrap_or(end);
            writeln!(self.text, "{}{}", " ".repeat(at), &rest[..end]).expect("writing to a string cannot fail");
            rest = rest[end..].trim_start();
            at = indent + 4;
        }
    }

    fn statements(&mut self, statements: &[StatementReport]) {
        let name = self.look.width.saturating_sub(74).clamp(16, 60);
        let head = ["calls", "rows each", "mean ms", "p50", "p95", "p99", "share"];
        let mut heading = format!("{:<name$}", "STATEMENTS");
        head.iter().for_each(|one| write!(heading, "{one:>10}").expect("writing to a string cannot fail"));
        self.heading(&heading);
        for one in statements.iter().take(STATEMENTS_MAX) {
            let ms = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), short);
            let each = one.rows as f64 / one.calls.max(1) as f64;
            let cells = [
                if one.calls == 0 { "–".to_owned() } else { thousands(one.calls as f64) },
                short(one.measured.map_or(each, |measured| measured.rows)),
                short(one.mean_ms),
                ms(one.p50_ms),
                ms(one.p95_ms),
                ms(one.p99_ms),
                format!("{:.1} %", one.share),
            ];
            let mut line = format!("{:<name$}", cut(&one.name, name - 1));
            cells.iter().for_each(|cell| write!(line, "{cell:>10}").expect("writing to a string cannot fail"));
            writeln!(self.text, "{line}").expect("writing to a string cannot fail");
            if let Some(trouble) = &one.trouble {
                self.line(4, trouble);
            }
        }
        if statements.len() > STATEMENTS_MAX {
            self.line(0, &format!("… and {} more: --json lists them", statements.len() - STATEMENTS_MAX));
        }
    }

    fn plans(&mut self, statements: &[StatementReport]) {
        let shown = |one: &&StatementReport| one.plan.as_ref().is_some_and(|plan| one.mean_ms >= QUICK_MS || !plan.costly().is_empty());
        for one in statements.iter().filter(shown).take(PLANS_MAX) {
            self.heading(&format!("PLAN of {} · {} ms", one.name, short(one.mean_ms)));
            self.line(2, &cut(&one.text.split_whitespace().collect::<Vec<_>>().join(" "), 400));
            if let Some(slow) = one.slow.first() {
                self.line(2, &format!("slow: {} ms at {} with {}", short(slow.took_ms), slow.at, slow.shape));
            }
            for line in one.plan.iter().flat_map(crate::Plan::lines) {
                self.line(2, &line);
            }
        }
    }

    fn advice(&mut self, advice: &Advice) {
        self.line(2, &format!("{} · about {:.0} % of all time", advice.id, advice.saves));
        self.line(4, &advice.ddl);
        for served in &advice.serves {
            let (before, after) = (thousands(served.cost_before.ceil()), thousands(served.cost_after.ceil()));
            let ms = short(served.mean_ms);
            self.line(4, &format!("serves {}: cost {before} → {after}, now {ms} ms each, {:.1} % of all time", served.name, served.share));
        }
        let (bytes, of) = (size(advice.bytes), size(advice.table_bytes));
        let price = &advice.write_price;
        let writes = if price.by.is_empty() {
            "no known statement changes what it would hold".to_owned()
        } else {
            let by = price.by.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
            format!(
                "an entry of about {} bytes more for each of {} rows written ({by})",
                price.entry_bytes,
                thousands(price.entries as f64)
            )
        };
        self.line(4, &format!("takes about {bytes} beside a table of {of}; {writes}"));
        if !advice.replaces.is_empty() {
            self.line(4, &format!("makes needless: {}", advice.replaces.join(", ")));
        }
        self.line(4, &format!("→ guildhall doctor apply {}", advice.id));
    }
}

fn short(number: f64) -> String {
    match number {
        small if small < 0.0995 => format!("{small:.3}"),
        middle if middle < 9.95 => format!("{middle:.2}"),
        large if large < 999.5 => format!("{large:.1}"),
        huge => thousands(huge),
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let long = "a statement with many words ".repeat(20);
        let statement = StatementReport {
            name: "payments.of_somebody_with_a_very_long_name".into(),
            text: long.clone(),
            mean_ms: 12.0,
            ..StatementReport::default()
        };
        let report = Report { statements: vec![statement], notes: vec![long], ..Report::default() };
        let shown = report.show(Look { width: 90, bold: false });
        assert!(shown.lines().all(|line| line.chars().count() <= 90), "{shown}");
        assert!(shown.contains("payments.of_s"), "{shown}");
    }
}

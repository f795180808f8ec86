//! Reads what migrations make of the schema: `create table` and the `alter table` forms SQLite has.
//! Understands no more SQL than migrations are written in; indexes, triggers and data are passed over.

/// A table as it is after the migrations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SqlTable {
    pub(super) name: String,
    /// The comment lines right above `create table`.
    pub(super) description: String,
    pub(super) columns: Vec<Column>,
}

/// A column as it is after the migrations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) is_key: bool,
    pub(super) may_be_null: bool,
    /// The table a foreign key leads to.
    pub(super) references: Option<String>,
    /// The comment on the column's line, or on the lines above it.
    pub(super) comment: String,
}

/// Carries one migration's statements into the tables made so far.
pub(super) fn apply(tables: &mut Vec<SqlTable>, migration: &str) {
    for statement in statements(migration) {
        let words: Vec<String> = statement.plain().split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !["if", "not", "exists"].contains(word)).take(8).collect();
        match words.as_slice() {
            ["create", "table", ..] => tables.extend(table(&statement)),
            ["drop", "table", name, ..] => tables.retain(|table| table.name != bare(name)),
            ["alter", "table", name, change @ ..] => {
                if let Some(table) = tables.iter_mut().find(|table| table.name == bare(name)) {
                    alter(table, change, &statement);
                }
            }
            _ => {}
        }
    }
}

fn alter(table: &mut SqlTable, change: &[&str], statement: &Statement) {
    match change {
        ["add", "column", ..] | ["add", ..] => {
            let plain = statement.plain();
            let lower = plain.to_lowercase();
            let word = if change[1] == "column" { " column " } else { " add " };
            if let Some(at) = lower.find(word) {
                let mut column = column(&Item { text: plain[at + word.len()..].to_owned(), comment: statement.trailing_comment() });
                if column.comment.is_empty() {
                    column.comment = statement.comment.clone();
                }
                table.columns.push(column);
            }
        }
        ["rename", "to", name, ..] => table.name = bare(name),
        ["rename", "column", old, "to", new, ..] => {
            table.columns.iter_mut().filter(|column| column.name == bare(old)).for_each(|column| column.name = bare(new));
        }
        ["drop", "column", name, ..] => table.columns.retain(|column| column.name != bare(name)),
        _ => {}
    }
}

fn table(statement: &Statement) -> Option<SqlTable> {
    let open = statement.text.find('(')?;
    let close = closing(&statement.text, open)?;
    let name = bare(statement.text[..open].split_whitespace().next_back()?);
    let mut table = SqlTable { name, description: statement.comment.clone(), columns: Vec::new() };
    let mut rules = Vec::new();
    for item in items(&statement.text[open + 1..close]) {
        if is_rule(&item.text) { rules.push(item.text) } else { table.columns.push(column(&item)) }
    }
    rules.iter().for_each(|rule| apply_rule(&mut table, rule));
    Some(table)
}

/// A rule of the whole table: `primary key (a, b)`, `foreign key (a) references t (b)`.
fn apply_rule(table: &mut SqlTable, rule: &str) {
    let lower = rule.to_lowercase();
    let Some(open) = rule.find('(') else { return };
    let Some(close) = closing(rule, open) else { return };
    let names: Vec<String> = rule[open + 1..close].split(',').map(|name| bare(name.split_whitespace().next().unwrap_or(""))).collect();
    let named = table.columns.iter_mut().filter(|column| names.contains(&column.name));
    if lower[..open].contains("primary key") {
        named.for_each(|column| (column.is_key, column.may_be_null) = (true, false));
    } else if lower[..open].contains("foreign key") {
        let target = referenced(rule);
        named.for_each(|column| column.references.clone_from(&target));
    }
}

fn is_rule(item: &str) -> bool {
    let first = item.split(|char: char| char.is_whitespace() || char == '(').find(|word| !word.is_empty()).unwrap_or("");
    ["primary", "unique", "foreign", "check", "constraint"].contains(&first.to_lowercase().as_str())
}

fn column(item: &Item) -> Column {
    let lower = item.text.to_lowercase();
    let mut words = item.text.split_whitespace();
    let name = bare(words.next().unwrap_or(""));
    let kind = words.next().map(str::to_lowercase).unwrap_or_default();
    let is_key = lower.contains("primary key");
    let may_be_null = !is_key && !lower.split_whitespace().collect::<Vec<_>>().join(" ").contains("not null");
    Column { name, kind, is_key, may_be_null, references: referenced(&item.text), comment: item.comment.clone() }
}

fn referenced(text: &str) -> Option<String> {
    let at = text.to_lowercase().find("references ")?;
    let rest = text[at + "references ".len()..].trim_start();
    Some(bare(rest.split(|char: char| char.is_whitespace() || char == '(').next()?))
}

/// A name without quotes and in lower case.
fn bare(name: &str) -> String {
    name.trim_matches(['"', '`', '[', ']', ';', '(']).to_lowercase()
}

/// The place of the bracket that closes the one at `open`.
fn closing(text: &str, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, piece) in pieces(&text[open..]) {
        match piece {
            "(" => depth += 1,
            ")" if depth == 1 => return Some(open + at),
            ")" => depth -= 1,
            _ => {}
        }
    }
    None
}

/// One statement: its text with the comments inside, and the comment lines right above it.
struct Statement {
    comment: String,
    text: String,
}

impl Statement {
    /// The text without comments.
    fn plain(&self) -> String {
        pieces(&self.text).filter(|(_, piece)| !piece.starts_with("--")).map(|(_, piece)| piece).collect()
    }

    fn trailing_comment(&self) -> String {
        pieces(&self.text).filter(|(_, piece)| piece.starts_with("--")).map(|(_, piece)| words_of(piece)).last().unwrap_or_default()
    }
}

fn statements(sql: &str) -> Vec<Statement> {
    let (mut found, mut comment, mut text) = (Vec::new(), Vec::new(), String::new());
    let (mut newlines, mut newlines_since_end) = (0, 0);
    for (_, piece) in pieces(sql) {
        let is_between = text.trim().is_empty();
        newlines = if piece == "\n" { newlines + 1 } else { 0 };
        newlines_since_end = newlines_since_end.max(newlines);
        if is_between && piece.starts_with("--") {
            match found.last_mut().filter(|_| newlines_since_end == 0) {
                Some(Statement { text, .. }) => text.push_str(piece),
                None => comment.push(words_of(piece)),
            }
        } else if is_between && newlines > 1 {
            // An empty line: the comment was about the file, not about the next statement.
            comment.clear();
        } else if piece == ";" {
            found.push(Statement { comment: comment.join(" "), text: std::mem::take(&mut text) });
            comment.clear();
            newlines_since_end = 0;
        } else {
            text.push_str(piece);
        }
    }
    found
}

/// One part of a bracket's content, and what is said about it.
struct Item {
    text: String,
    comment: String,
}

/// Splits at commas outside brackets. A comment belongs to what stands before it on its line, else to what follows.
fn items(body: &str) -> Vec<Item> {
    let mut found: Vec<Item> = Vec::new();
    let (mut text, mut comments, mut depth, mut same_line) = (String::new(), Vec::new(), 0usize, false);
    for (_, piece) in pieces(body).chain(std::iter::once((body.len(), ","))) {
        match piece {
            "," if depth == 0 => {
                if !text.trim().is_empty() {
                    found.push(Item { text: text.trim().to_owned(), comment: comments.join(" ") });
                    (text, comments, same_line) = (String::new(), Vec::new(), true);
                }
                continue;
            }
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            "\n" => same_line = false,
            comment if comment.starts_with("--") => {
                match found.last_mut().filter(|_| same_line) {
                    Some(item) => item.comment = words_of(comment),
                    None => comments.push(words_of(comment)),
                }
                continue;
            }
            _ => {}
        }
        text.push_str(piece);
    }
    found
}

fn words_of(comment: &str) -> String {
    comment.trim_start_matches('-').trim().to_owned()
}

/// Cuts SQL into comments, quoted texts, and single characters, each with its place.
fn pieces(sql: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = sql.get(at..).filter(|rest| !rest.is_empty())?;
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(quoted) = rest.strip_prefix('\'') {
            quoted.find('\'').map_or(rest.len(), |end| end + 2)
        } else {
            rest.chars().next().map_or(1, char::len_utf8)
        };
        at += length;
        Some((at - length, &rest[..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(migrations: &[&str]) -> Vec<SqlTable> {
        let mut tables = Vec::new();
        migrations.iter().for_each(|migration| apply(&mut tables, migration));
        tables
    }

    #[test]
    fn a_table_has_its_description_columns_keys_and_comments() {
        let sql = "-- About the file.\n\n-- Who owns\n-- what.\ncreate table if not exists owned (\n    player blob not null references account (id),\n    -- of the catalogue\n    \
                   product text not null, -- never; removed\n    note text default 'a, (b) -- c;',\n    primary key (player, product)\n) strict;\ncreate index i on owned (note);\n";
        let [table] = &tables(&[sql])[..] else { panic!("one table") };
        assert_eq!((table.name.as_str(), table.description.as_str()), ("owned", "Who owns what."));
        let column = |name: &str, kind: &str, is_key, references: Option<&str>, comment: &str| Column {
            name: name.to_owned(),
            kind: kind.to_owned(),
            is_key,
            may_be_null: !is_key,
            references: references.map(str::to_owned),
            comment: comment.to_owned(),
        };
        let expected = [
            column("player", "blob", true, Some("account"), ""),
            column("product", "text", true, None, "never; removed"),
            column("note", "text", false, None, ""),
        ];
        assert_eq!(table.columns, expected);
    }

    #[test]
    fn later_migrations_add_rename_and_drop() {
        let first = "create table a (id integer primary key, old text not null, gone text);\ncreate table b (id integer primary key);\n";
        let second = "alter table a add column due_at integer not null default 0; -- when\nalter table a rename column old to new;\nalter table a drop column gone;\n\
                      drop table b;\nalter table a rename to c;\n";
        let [table] = &tables(&[first, second])[..] else { panic!("one table") };
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!((table.name.as_str(), names), ("c", vec!["id", "new", "due_at"]));
        assert_eq!((table.columns[2].may_be_null, table.columns[2].comment.as_str()), (false, "when"));
    }

    #[test]
    fn a_foreign_key_of_the_table_marks_its_column() {
        let table = &tables(&["create table a (b_id blob not null, constraint to_b foreign key (b_id) references b (id));"])[0];
        assert_eq!(table.columns[0].references.as_deref(), Some("b"));
    }
}

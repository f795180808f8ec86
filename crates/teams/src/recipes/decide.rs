//! What a definition must be before the database is asked, and what a request's parameters mean. Pure.
//! Refuses names that paths or pages need for themselves.

use super::model::{Definition, Parameter, State};
use db::Value;
use db::visitor::{Fault as TextFault, Foreign, Kind, Order, Parameter as Declared, Returned};
use kernel::{Code, Instant, Refusal};
use serde_json::json;

/// Names that requests use for paging and format.
const RESERVED: [&str; 3] = ["cursor", "size", "format"];
/// Parameters that every statement may use.
const OFFERED: [(&str, Kind); 2] = [("game", Kind::Text), ("now", Kind::Instant)];
/// The longest statement, in bytes.
pub const SQL_MAX: usize = 16 << 10;
/// Parameters at most.
pub const PARAMETERS_MAX: usize = 20;
/// The longest text in a request's parameter, in characters.
pub const TEXT_MAX: usize = 1_000;
/// Types by which rows can be paged: their values come back in a cursor exactly as they were.
const PAGED_BY: [&str; 6] = ["INT2", "INT4", "INT8", "TEXT", "VARCHAR", "any"];

/// Something wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where, as `parameters[0].name`.
    pub path: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

impl Fault {
    fn new(path: impl Into<String>, reason: impl Into<String>) -> Fault {
        Fault { path: path.into(), reason: reason.into() }
    }
}

/// A fault of the statement.
pub fn of_sql(fault: &TextFault) -> Fault {
    Fault::new("sql", fault.to_string())
}

/// The refusal that tells faults.
pub fn invalid(faults: &[Fault]) -> Refusal {
    let told = faults.first().map_or_else(String::new, |fault| format!("{}: {}", fault.path, fault.reason));
    let more = if faults.len() > 1 { format!(" (and {} more)", faults.len() - 1) } else { String::new() };
    let list: Vec<_> = faults.iter().map(|fault| json!({ "path": fault.path, "reason": fault.reason })).collect();
    Refusal::new(Code::InvalidDocument, format!("{told}{more}")).with_facts(json!({ "faults": list }))
}

/// A recipe's name: 2 to 40 of a-z, 0-9 and inner hyphens.
pub fn check_name(name: &str) -> Result<(), Refusal> {
    let fits = (2..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-');
    if fits {
        return Ok(());
    }
    Err(Refusal::new(Code::BadText, format!("{name:?} is not a name of a recipe: 2 to 40 of a-z, 0-9 and inner hyphens would be right")))
}

/// What is wrong with a definition by itself.
pub fn faults(definition: &Definition) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut number = |path: &str, value: u32, most: u32, least: u32| {
        if !(least..=most).contains(&value) {
            faults.push(Fault::new(path, format!("{value} is outside {least} to {most}")));
        }
    };
    number("time_limit_ms", definition.time_limit_ms, 10_000, 1);
    number("row_limit", definition.row_limit, 1_000, 1);
    number("cache_s", definition.cache_s, 3_600, 0);
    if !(1..=500).contains(&definition.description.chars().count()) {
        faults.push(Fault::new("description", "it has to be 1 to 500 characters: what the recipe answers, in a sentence"));
    }
    if definition.sql.len() > SQL_MAX {
        faults.push(Fault::new("sql", format!("it is {} bytes long: {SQL_MAX} at most would be right", definition.sql.len())));
    }
    if definition.parameters.len() > PARAMETERS_MAX {
        faults
            .push(Fault::new("parameters", format!("there are {}: {PARAMETERS_MAX} at most would be right", definition.parameters.len())));
    }
    for (at, parameter) in definition.parameters.iter().enumerate() {
        faults.extend(parameter_faults(at, parameter, &definition.parameters[..at]));
    }
    faults.extend(order_faults(&definition.order));
    faults
}

fn parameter_faults(at: usize, parameter: &Parameter, before: &[Parameter]) -> Option<Fault> {
    let name = &parameter.name;
    let path = format!("parameters[{at}].name");
    let fits = (1..=30).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if !fits {
        return Some(Fault::new(path, format!("{name:?} is not a name: 1 to 30 of a-z, 0-9 and _, a letter first, would be right")));
    }
    if RESERVED.contains(&name.as_str()) || OFFERED.iter().any(|(offered, _)| offered == name) {
        let taken = RESERVED.iter().chain(OFFERED.iter().map(|(offered, _)| offered)).copied().collect::<Vec<_>>().join(", ");
        return Some(Fault::new(path, format!("{name:?} is taken: none of {taken} would be right")));
    }
    if before.iter().any(|other| other.name == *name) {
        return Some(Fault::new(path, format!("{name:?} stands twice")));
    }
    let default = parameter.default.as_ref()?;
    let wrong = value(parameter, default).err()?;
    Some(Fault::new(format!("parameters[{at}].default"), wrong.detail))
}

fn order_faults(order: &[String]) -> Vec<Fault> {
    let columns: Vec<&str> = order.iter().map(|column| column.trim_start_matches('-')).collect();
    let twice = |(at, column): (usize, &&str)| {
        columns[..at].contains(column).then(|| Fault::new(format!("order[{at}]"), format!("{column:?} stands twice")))
    };
    let mut faults: Vec<Fault> = columns.iter().enumerate().filter_map(twice).collect();
    if order.len() > 8 {
        faults.push(Fault::new("order", format!("there are {} columns: 8 at most would be right", order.len())));
    }
    faults
}

/// The order as the database takes it.
pub fn order(definition: &Definition) -> Vec<Order> {
    let one = |column: &String| match column.strip_prefix('-') {
        Some(column) => Order { column: column.to_owned(), descending: true },
        None => Order { column: column.clone(), descending: false },
    };
    definition.order.iter().map(one).collect()
}

/// The statement with its parameters' places.
///
/// # Errors
/// What is wrong with its text.
pub fn foreign(definition: &Definition) -> Result<Foreign, Vec<Fault>> {
    let declared = definition.parameters.iter().map(|one| Declared { name: one.name.clone(), kind: one.kind, offered: false });
    let offered = OFFERED.iter().map(|(name, kind)| Declared { name: (*name).to_owned(), kind: *kind, offered: true });
    Foreign::parse(&definition.sql, &declared.chain(offered).collect::<Vec<_>>()).map_err(|faults| faults.iter().map(of_sql).collect())
}

/// What is wrong with the columns that the database found: none may stand twice, and rows must be paged by some of them.
pub fn column_faults(definition: &Definition, columns: &[Returned]) -> Vec<Fault> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut faults = Vec::new();
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() || *name == "?column?" {
            faults.push(Fault::new("sql", format!("column {} has no name: `as name` after it would be right", at + 1)));
        } else if names[..at].contains(name) {
            faults.push(Fault::new("sql", format!("two columns are named {name:?}: `as other_name` would be right")));
        }
    }
    for (at, order) in order(definition).iter().enumerate() {
        let path = format!("order[{at}]");
        match columns.iter().find(|column| column.name == order.column) {
            None => {
                faults.push(Fault::new(path, format!("{:?} is no column of it: one of {} would be right", order.column, names.join(", "))))
            }
            Some(column) if !PAGED_BY.contains(&column.kind.as_str()) => {
                let reason = format!(
                    "{:?} has the type {}, which rows cannot be paged by: `cast(… as bigint)` or text would be right",
                    column.name, column.kind
                );
                faults.push(Fault::new(path, reason));
            }
            Some(_) => {}
        }
    }
    faults
}

/// What a request's text means to a parameter.
///
/// # Errors
/// It is not of the parameter's type.
pub fn value(parameter: &Parameter, text: &str) -> Result<Value<'static>, Refusal> {
    let wrong = |right: &str| {
        Refusal::new(Code::BadQuery, format!("{}={text:?} is no {}: {right} would be right", parameter.name, kind_name(parameter.kind)))
    };
    match parameter.kind {
        Kind::Text if text.chars().count() > TEXT_MAX => {
            Err(Refusal::new(Code::BadQuery, format!("{} is longer than {TEXT_MAX} characters", parameter.name)))
        }
        Kind::Text if text.contains('\0') => Err(Refusal::new(Code::BadText, format!("{} holds a NUL character", parameter.name))),
        Kind::Text => Ok(Value::Text(text.to_owned().into())),
        Kind::Integer => text.parse().map(Value::Int).map_err(|_| wrong("a whole number as 42")),
        Kind::Boolean => match text {
            "true" | "1" => Ok(Value::Int(1)),
            "false" | "0" => Ok(Value::Int(0)),
            _ => Err(wrong("true or false")),
        },
        Kind::Instant => text.parse::<Instant>().map(|at| Value::Int(at.0)).map_err(|_| wrong("a time as 2026-11-21T09:00:00Z")),
    }
}

/// A type's name as it is registered.
pub fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "integer",
        Kind::Boolean => "boolean",
        Kind::Instant => "instant",
    }
}

/// What is asked of a recipe's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The first version of a new name.
    Register,
    /// The next version.
    Replace,
    /// No more runs.
    Retire,
}

/// A recipe's row, as far as a change looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Its newest version.
    pub version: i64,
    /// Whether it may be run.
    pub state: State,
    /// When it was registered.
    pub registered_at: Instant,
}

/// The row after a change.
///
/// # Errors
/// It is there already, is not there, or was retired already.
pub fn change(name: &str, standing: Option<Standing>, change: &Change, now: Instant) -> Result<Standing, Refusal> {
    match (change, standing) {
        (Change::Register, None) => Ok(Standing { version: 1, state: State::Active, registered_at: now }),
        (Change::Register, Some(there)) => Err(Refusal::new(
            Code::AlreadyExists,
            format!("recipe {name} is there already, in version {}: `PUT /v1/recipes/{name}` registers the next one", there.version),
        )),
        (_, None) => Err(Refusal::not_found("recipe", name)),
        (Change::Replace, Some(there)) => Ok(Standing { version: there.version + 1, state: State::Active, ..there }),
        (Change::Retire, Some(there)) if there.state == State::Retired => {
            Err(Refusal::new(Code::WrongState, format!("recipe {name} is retired already")))
        }
        (Change::Retire, Some(there)) => Ok(Standing { state: State::Retired, ..there }),
    }
}

#[cfg(test)]
mod tests;

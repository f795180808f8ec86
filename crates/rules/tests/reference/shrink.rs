//! Makes a failing case small: fewer records, then a plainer document. Refuses to keep anything whose absence still fails.

use super::case::Case;
use serde_json::Value;

/// What fails: the difference, or none.
fn failure(case: &Case) -> Option<String> {
    let ready = case.ready().ok()?;
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case.judge(&ready).err())).unwrap_or_else(|panic| Some(said(panic.as_ref())))
}

/// What a panic said.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}

/// The smallest case found that still fails, and how.
pub(crate) fn shrink(mut case: Case) -> (Case, String) {
    let mut difference = failure(&case).expect("only failing cases are shrunk");
    case.looks = (1..=case.records.len()).collect();
    loop {
        let before = (case.records.len(), case.document.to_string().len());
        fewer_records(&mut case);
        plainer_document(&mut case);
        if (case.records.len(), case.document.to_string().len()) == before {
            break;
        }
    }
    if let Some(smallest) = failure(&case) {
        difference = smallest;
    }
    case.looks = (1..=case.records.len()).collect();
    (case, difference)
}

fn fewer_records(case: &mut Case) {
    let mut width = case.records.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        while from < case.records.len() && case.records.len() > 1 {
            let mut smaller = case.clone();
            smaller.records.drain(from..(from + width).min(case.records.len()));
            if !smaller.records.is_empty() && failure(&smaller).is_some() {
                *case = smaller;
            } else {
                from += width;
            }
        }
        if width == 1 {
            return;
        }
        width = width.div_ceil(2).max(1);
    }
}

fn plainer_document(case: &mut Case) {
    let mut paths = Vec::new();
    collect(&case.document, String::new(), &mut paths);
    paths.sort_by_key(|path| path.matches('/').count());
    for path in paths {
        let mut plainer = case.clone();
        if remove(&mut plainer.document, &path) && failure(&plainer).is_some() {
            *case = plainer;
        }
    }
    let without: [fn(&mut Case); 3] = [|case| case.beside = None, |case| case.stopped_at = None, |case| case.opted_in_at = None];
    for remove in without {
        let mut plainer = case.clone();
        remove(&mut plainer);
        if failure(&plainer).is_some() {
            *case = plainer;
        }
    }
}

/// Pointers to everything in a document, the last of a list first.
fn collect(value: &Value, at: String, paths: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                paths.push(format!("{at}/{name}"));
                collect(inner, format!("{at}/{name}"), paths);
            }
        }
        Value::Array(all) => {
            for (index, inner) in all.iter().enumerate().rev() {
                paths.push(format!("{at}/{index}"));
                collect(inner, format!("{at}/{index}"), paths);
            }
        }
        _ => {}
    }
}

fn remove(document: &mut Value, path: &str) -> bool {
    let Some((parent, name)) = path.rsplit_once('/') else { return false };
    match document.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.remove(name).is_some(),
        Some(Value::Array(all)) => match name.parse::<usize>() {
            Ok(index) if index < all.len() => {
                all.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

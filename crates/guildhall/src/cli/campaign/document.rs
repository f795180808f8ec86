//! Reads campaign documents: JSON, TOML or YAML, by the file's name.
//! Refuses documents that are wrong, with every path and reason.

use rules::{Campaign, Fault};
use serde_json::Value;
use std::path::Path;

/// A document as JSON, and as the rules read it.
pub(super) fn read(file: &Path) -> Result<(Value, Campaign), String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| named(&e))?;
    let kind = file.extension().and_then(|kind| kind.to_str()).unwrap_or_default().to_ascii_lowercase();
    let document = match kind.as_str() {
        "json" => serde_json::from_str(&text).map_err(|e| named(&e))?,
        "toml" => of_toml(text.parse::<toml::Table>().map(toml::Value::Table).map_err(|e| named(&e))?),
        "yaml" | "yml" => serde_norway::from_str(&text).map_err(|e| named(&e))?,
        other => return Err(named(&format!("{other:?} is not a kind of document: .json, .toml, .yaml or .yml would be right"))),
    };
    let draft = Campaign::parse(&document.to_string()).map_err(|faults| format!("{} is wrong:\n{}", file.display(), lines(&faults)))?;
    Ok((document, draft))
}

/// Faults, one a line.
pub(super) fn lines(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n")
}

/// A date and time of TOML is the text that stands there.
fn of_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(at) => Value::String(at.to_string()),
        toml::Value::Array(items) => items.into_iter().map(of_toml).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(name, value)| (name, of_toml(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"id": "ten-plays", "game": "kart", "title": "Ten plays", "late_s": 60,
        "period": {"starts": "2026-12-01T00:00:00Z", "ends": "2026-12-31T00:00:00Z"},
        "goals": [{"id": "ten", "title": "Ten", "condition": {"measure": "count", "on": ["play"], "target": 10}, "rewards": [{"points": 100}]}]}"#;
    const TOML: &str = r#"
        id = "ten-plays"
        game = "kart"
        title = "Ten plays"
        late_s = 60
        period = { starts = 2026-12-01T00:00:00Z, ends = 2026-12-31T00:00:00Z }
        [[goals]]
        id = "ten"
        title = "Ten"
        condition = { measure = "count", on = ["play"], target = 10 }
        rewards = [{ points = 100 }]"#;
    const YAML: &str = "
id: ten-plays
game: kart
title: Ten plays
late_s: 60
period: { starts: 2026-12-01T00:00:00Z, ends: 2026-12-31T00:00:00Z }
goals:
  - id: ten
    title: Ten
    condition: { measure: count, on: [play], target: 10 }
    rewards: [{ points: 100 }]";

    fn read_as(kind: &str, text: &str) -> Result<(Value, Campaign), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(format!("draft.{kind}"));
        std::fs::write(&file, text).unwrap();
        read(&file)
    }

    #[test]
    fn a_document_is_the_same_in_json_toml_and_yaml() {
        let (document, draft) = read_as("json", JSON).unwrap();
        assert_eq!(draft.goals[0].id, "ten");
        for (kind, text) in [("toml", TOML), ("yaml", YAML), ("yml", YAML)] {
            assert_eq!(read_as(kind, text).unwrap(), (document.clone(), draft.clone()), "{kind}");
        }
    }

    #[test]
    fn a_wrong_document_is_told_with_its_paths() {
        let told = read_as("json", &JSON.replace("\"target\": 10", "\"target\": 0")).unwrap_err();
        assert!(told.contains("goals[0].condition.target"), "{told}");
        assert!(read_as("ini", "id = 1").unwrap_err().contains(".yaml"), "the kinds are told");
    }
}

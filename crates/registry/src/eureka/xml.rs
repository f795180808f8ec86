//! XML of Eureka's protocol as the JSON it stands for: an attribute is `@name`, text beside attributes is `$`, what repeats is a list.
//! Refuses entities of its own making, and nesting deeper than any document of Eureka's.

use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer, XmlVersion};
use serde_json::{Map, Value};

/// Elements within elements.
const DEPTH_MAX: usize = 8;

/// An element that is being read.
#[derive(Default)]
struct Open {
    name: String,
    fields: Map<String, Value>,
    text: String,
}

/// Reads a document as an object with its root.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    let mut open = vec![Open::default()];
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    return Err(format!("elements within elements, more than {DEPTH_MAX} deep"));
                }
                open.push(begun(&start)?);
            }
            Event::Empty(start) => close(begun(&start)?, &mut open),
            Event::End(_) => {
                // The reader refuses an end without its start, so the outermost is never closed.
                let ended = open.pop().unwrap_or_default();
                close(ended, &mut open);
            }
            Event::Text(text) => push(&mut open, &text.xml10_content()),
            Event::CData(text) => push(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => push(&mut open, &resolved(&reference)?),
            Event::DocType(_) => return Err("a document type, which Eureka's clients never send".to_owned()),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof if open.len() == 1 => return Ok(Value::Object(open.remove(0).fields)),
            Event::Eof => return Err("it ends within an element".to_owned()),
        }
    }
}

fn begun(start: &BytesStart<'_>) -> Result<Open, String> {
    let mut open = Open { name: start.name().as_ref().replace("_-", "$"), ..Open::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|e| e.to_string())?;
        open.fields.insert(format!("@{}", attribute.key.as_ref()), Value::String(value.into_owned()));
    }
    Ok(open)
}

fn push(open: &mut [Open], text: &str) {
    if let Some(last) = open.last_mut() {
        last.text.push_str(text);
    }
}

fn resolved(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, String> {
    if let Some(letter) = reference.resolve_char_ref().map_err(|e| e.to_string())? {
        return Ok(letter.to_string());
    }
    let known = quick_xml::escape::resolve_xml_entity(reference);
    known.map(str::to_owned).ok_or_else(|| format!("the entity {:?} is not XML's own", &**reference))
}

fn close(ended: Open, open: &mut [Open]) {
    let Some(parent) = open.last_mut() else { return };
    let Open { name, mut fields, text } = ended;
    let value = if fields.is_empty() {
        Value::String(text)
    } else {
        if !text.trim().is_empty() {
            fields.insert("$".to_owned(), Value::String(text));
        }
        Value::Object(fields)
    };
    match parent.fields.get_mut(&name) {
        None => drop(parent.fields.insert(name, value)),
        Some(Value::Array(list)) => list.push(value),
        Some(first) => {
            let list = vec![first.take(), value];
            *first = Value::Array(list);
        }
    }
}

/// Writes a value as an element.
pub(super) fn write(root: &str, value: &Value) -> Result<String, String> {
    let mut writer = Writer::new(Vec::new());
    element(&mut writer, root, value).map_err(|e| format!("XML cannot be written: {e}"))?;
    String::from_utf8(writer.into_inner()).map_err(|e| e.to_string())
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value) -> std::io::Result<()> {
    // Keys of metadata may be anything; what XML cannot name is left out, as nobody could read it.
    let name = name.replace('$', "_-");
    if !is_name(&name) {
        return Ok(());
    }
    match value {
        Value::Null => Ok(()),
        Value::Array(list) => list.iter().try_for_each(|value| element(writer, &name, value)),
        Value::Object(fields) => {
            let mut start = BytesStart::new(&*name);
            for (key, value) in fields {
                if let Some(attribute) = key.strip_prefix('@') {
                    start.push_attribute((attribute, value.as_str().unwrap_or_default()));
                }
            }
            writer.write_event(Event::Start(start))?;
            for (key, value) in fields.iter().filter(|(key, _)| !key.starts_with('@')) {
                match key.as_str() {
                    "$" => writer.write_event(Event::Text(BytesText::new(&plain(value))))?,
                    _ => element(writer, key, value)?,
                }
            }
            writer.write_event(Event::End(BytesEnd::new(&*name)))
        }
        value => {
            writer.write_event(Event::Start(BytesStart::new(&*name)))?;
            writer.write_event(Event::Text(BytesText::new(&plain(value))))?;
            writer.write_event(Event::End(BytesEnd::new(&*name)))
        }
    }
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // Control characters are not XML, not even by their number.
    text.chars().filter(|letter| !letter.is_control() || matches!(letter, '\t' | '\n' | '\r')).collect()
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_reads_back_as_it_was_written() {
        let value = json!({ "instanceId": "a:b&<c>", "port": { "$": "80", "@enabled": "true" }, "list": ["1", "2"],
            "metadata": { "$inner": "x", "two_words": "y" }, "class": { "@class": "Some$Class", "name": "MyOwn" } });
        let written = write("instance", &value).unwrap();
        assert!(written.contains(r#"<port enabled="true">80</port>"#) && written.contains("<_-inner>x</_-inner>"), "{written}");
        assert_eq!(read(&written).unwrap(), json!({ "instance": value }));
    }

    #[test]
    fn an_entity_of_its_own_a_document_type_and_a_deep_nest_are_refused() {
        assert!(read("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>").unwrap_err().contains("document type"));
        assert!(read("<a>&b;</a>").unwrap_err().contains("not XML's own"));
        assert!(read(&"<a>".repeat(20)).unwrap_err().contains("deep"));
        assert!(read("<a><b></a>").is_err() && read("<a>").is_err());
    }

    #[test]
    fn a_key_that_is_no_name_is_left_out() {
        assert_eq!(write("a", &json!({ "b c": "1", "d": "2" })).unwrap(), "<a><d>2</d></a>");
    }
}

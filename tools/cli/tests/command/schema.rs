//! The JSON that commands print against its published schemas.
//!
//! Every object that a test reads is held, so the schemas describe what is printed. The schemas are open to fields that
//! are added; here every field must be described.

use crate::support::{Folder, json};
use serde_json::Value;
use std::path::PathBuf;

/// Holds a document that a command printed.
pub fn hold(document: &Value) {
    let name = document["document"].as_str().unwrap_or_else(|| panic!("the object has a name: {document}"));
    let schema = read(name);
    if let Err(wrong) = held(document, &schema, &schema) {
        panic!("{name}{wrong}: {document}");
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema")
}

fn read(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether a value is of a type of JSON Schema.
fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

/// Holds a value against a part of a schema; an error begins with the place.
fn held(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let rules = schema.as_object().expect("a schema is an object");
    for (rule, given) in rules {
        match rule.as_str() {
            "$schema" | "$defs" | "title" | "description" => {}
            "$ref" => {
                let place =
                    given.as_str().and_then(|place| place.strip_prefix('#')).expect("a place in the file");
                held(value, root.pointer(place).unwrap_or_else(|| panic!("there is no {place}")), root)?;
            }
            "const" if value == given => {}
            "const" => return Err(format!(" is not {given}")),
            "enum" if given.as_array().expect("values").contains(value) => {}
            "enum" => return Err(format!(" is none of {given}")),
            "minimum" if value.as_f64().is_none_or(|number| number >= given.as_f64().expect("a number")) => {}
            "minimum" => return Err(format!(" is below {given}")),
            "type" => {
                let names = given.as_array().cloned().unwrap_or_else(|| vec![given.clone()]);
                if !names.iter().any(|name| is_of(value, name.as_str().expect("a type"))) {
                    return Err(format!(" is no {given}"));
                }
            }
            "anyOf" => {
                let all = given.as_array().expect("schemas").iter().map(|one| held(value, one, root));
                let wrong: Vec<String> = all.filter_map(Result::err).collect();
                if wrong.len() == given.as_array().map_or(0, Vec::len) {
                    return Err(format!(" is none of these: {}", wrong.join("; ")));
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    held(item, given, root).map_err(|wrong| format!("[{index}]{wrong}"))?;
                }
            }
            "required" => {
                let mut names =
                    given.as_array().expect("names").iter().map(|name| name.as_str().expect("a name"));
                if let Some(name) = names.find(|name| value.is_object() && value.get(name).is_none()) {
                    return Err(format!(" has no {name}"));
                }
            }
            "properties" => held_fields(value, rules, root)?,
            "additionalProperties" if rules.contains_key("properties") => {}
            "additionalProperties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    held(field, given, root).map_err(|wrong| format!(".{name}{wrong}"))?;
                }
            }
            other => panic!("the tests do not know {other}"),
        }
    }
    Ok(())
}

fn held_fields(value: &Value, rules: &serde_json::Map<String, Value>, root: &Value) -> Result<(), String> {
    let is_open = rules.get("additionalProperties") == Some(&Value::Bool(true));
    for (name, field) in value.as_object().into_iter().flatten() {
        match rules["properties"].get(name) {
            Some(rule) => held(field, rule, root).map_err(|wrong| format!(".{name}{wrong}"))?,
            None if is_open => {}
            None => return Err(format!(" has a {name} that its schema does not describe")),
        }
    }
    Ok(())
}

#[test]
fn documents_that_differ_from_their_schemas_are_told() {
    let run = serde_json::json!({ "schema": 1, "document": "id", "nodes": [] });
    let wrong = |change: &dyn Fn(&mut Value)| {
        let mut changed = run.clone();
        change(&mut changed);
        let schema = read("id");
        held(&changed, &schema, &schema).expect_err("it differs")
    };
    assert_eq!(held(&run, &read("id"), &read("id")), Ok(()));
    assert_eq!(wrong(&|run| run["schema"] = 2.into()), ".schema is not 1");
    assert_eq!(wrong(&|run| run["more"] = 2.into()), " has a more that its schema does not describe");
    assert_eq!(wrong(&|run| run["nodes"] = 2.into()), ".nodes is no \"array\"");
    assert_eq!(wrong(&|run| run["nodes"] = serde_json::json!([{}])), ".nodes[0] has no folder");
}

/// What no other test reads, and that each file is of the document that it is called after.
#[test]
fn every_schema_is_of_its_own_document() {
    let folder = Folder::new();
    let made = json(&folder.run(&["init", "--parties", "2", "nodes", "--json"]));
    let nodes = made["nodes"].as_array().expect("nodes").iter().filter_map(|node| node["node"].as_str());
    assert_eq!(nodes.collect::<Vec<_>>(), ["party0", "party1"]);
    let ids = json(&folder.run(&["id", "nodes", "--json"]));
    assert_eq!(ids["nodes"][0]["fingerprint"], made["nodes"][0]["fingerprint"]);
    let renewed = json(&folder.run(&["init", "--renew", "nodes/party1", "--json"]));
    assert_ne!(renewed["nodes"][0]["fingerprint"], made["nodes"][1]["fingerprint"]);
    json(&folder.run(&["functions", "relu", "--json"]));
    json(&folder.run(&["doctor", "--json"]));
    for file in std::fs::read_dir(self::folder()).expect("the folder") {
        let name = file.expect("a file").file_name().to_string_lossy().trim_end_matches(".json").to_owned();
        let schema = read(&name);
        let all = schema["anyOf"].as_array().cloned().unwrap_or_else(|| vec![schema]);
        for schema in all {
            assert_eq!(schema["properties"]["document"]["const"], *name);
            assert_eq!(schema["properties"]["schema"]["const"], 1, "{name}");
        }
    }
}

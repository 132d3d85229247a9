//! What registries are asked, and what they answer.
//!
//! Confluent's API (`/schemas/ids/7`), which Karapace, Redpanda and Apicurio (`/apis/ccompat/v7`)
//! speak as well, and Apicurio's own (`/ids/contentIds/7`, versions 2 and 3).

use serde::Deserialize;

use super::http::{Answer, Client};
use super::{FetchError, Reference, Registered, SchemaId};
use crate::config::converter::IdFraming;

/// References within references.
const REFERENCE_DEPTH_MAX: usize = 32;

/// References of one schema, with those of its references.
const REFERENCES_MAX: usize = 1_000;

/// Fetches a schema with everything that it names.
pub(super) fn fetch(client: &mut Client, id: SchemaId) -> Result<Registered, FetchError> {
    let mut references = Vec::new();
    let (kind, text) = match client.options.ids {
        IdFraming::Confluent => {
            let path = match id {
                SchemaId::Number(number) => format!("/schemas/ids/{number}"),
                SchemaId::Guid(_) => format!("/schemas/guids/{id}"),
            };
            let found: ConfluentSchema = json(&found(client, &path, id)?)?;
            confluent_references(client, &found.references, 0, &mut references)?;
            let kind = found.schema_type.unwrap_or_else(|| "AVRO".to_owned());
            (Some(kind), found.schema)
        }
        IdFraming::ApicurioNarrow | IdFraming::ApicurioWide => {
            let ids = match client.options.by_global_id {
                true => "globalIds",
                false => "contentIds",
            };
            let path = format!("/ids/{ids}/{id}");
            let text = found(client, &path, id)?.body;
            apicurio_references(client, &path, 0, &mut references)?;
            (None, text)
        }
    };
    Ok(Registered {
        kind,
        text,
        references,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfluentSchema {
    schema: String,
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<ConfluentReference>,
}

#[derive(Deserialize)]
struct ConfluentReference {
    name: String,
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApicurioReference {
    name: String,
    group_id: Option<String>,
    artifact_id: String,
    version: String,
}

fn confluent_references(
    client: &mut Client,
    named: &[ConfluentReference],
    depth: usize,
    found_so_far: &mut Vec<Reference>,
) -> Result<(), FetchError> {
    for reference in named {
        if !is_new(&reference.name, depth, found_so_far)? {
            continue;
        }
        let subject = encoded(&reference.subject);
        // Of deleted versions, too: as those of ids, records still need them.
        let version = reference.version;
        let path = format!("/subjects/{subject}/versions/{version}?deleted=true");
        let found: ConfluentSchema = json(&found(client, &path, &reference.name)?)?;
        confluent_references(client, &found.references, depth + 1, found_so_far)?;
        found_so_far.push(Reference {
            name: reference.name.clone(),
            text: found.schema,
        });
    }
    Ok(())
}

fn apicurio_references(
    client: &mut Client,
    path: &str,
    depth: usize,
    found_so_far: &mut Vec<Reference>,
) -> Result<(), FetchError> {
    let answer = client.get(&format!("{path}/references"))?;
    // Older versions know no references.
    if answer.status == 404 {
        return Ok(());
    }
    let named: Vec<ApicurioReference> = json(&answer)?;
    for reference in named {
        if !is_new(&reference.name, depth, found_so_far)? {
            continue;
        }
        let group = encoded(reference.group_id.as_deref().unwrap_or("default"));
        let artifact = encoded(&reference.artifact_id);
        let version = encoded(&reference.version);
        let path = format!("/groups/{group}/artifacts/{artifact}/versions/{version}");
        // Version 3 keeps the content apart from what is said about it.
        let is_v2 = client.options.urls.iter().any(|url| url.contains("/v2"));
        let content = match is_v2 {
            true => path.clone(),
            false => format!("{path}/content"),
        };
        let text = found(client, &content, &reference.name)?.body;
        apicurio_references(client, &path, depth + 1, found_so_far)?;
        found_so_far.push(Reference {
            name: reference.name,
            text,
        });
    }
    Ok(())
}

/// A schema may be named along several ways; it counts once.
fn is_new(name: &str, depth: usize, found: &[Reference]) -> Result<bool, FetchError> {
    if depth >= REFERENCE_DEPTH_MAX || found.len() >= REFERENCES_MAX {
        return Err(FetchError::Denied(
            "the schema refers to more schemas than can be read".to_owned(),
        ));
    }
    Ok(!found.iter().any(|known| known.name == name))
}

fn found(
    client: &mut Client,
    path: &str,
    what: impl std::fmt::Display,
) -> Result<Answer, FetchError> {
    let answer = client.get(path)?;
    match answer.status {
        404 | 422 if is_denial(&answer) => Err(FetchError::Denied(format!(
            "the schema registry has no schema {what}"
        ))),
        404 | 422 => Err(FetchError::Trouble(format!(
            "status {} to {path}, not in a registry's words: check the address and its base path",
            answer.status
        ))),
        _ => Ok(answer),
    }
}

/// Whether it is the registry that knows no such schema, or a server that knows no such path. The
/// latter must not make records bad.
fn is_denial(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Denial {
        #[serde(default)]
        error_code: i64,
        #[serde(default)]
        name: String,
    }
    let denial = serde_json::from_str::<Denial>(&answer.body);
    denial.is_ok_and(|denial| {
        matches!(denial.error_code, 40_400..=40_499 | 42_200..=42_299)
            // Apicurio: `ContentNotFoundException` and its kin; a plain one is about the path.
            || (denial.name.ends_with("NotFoundException") && denial.name != "NotFoundException")
    })
}

fn json<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T, FetchError> {
    serde_json::from_str(&answer.body).map_err(|error| {
        FetchError::Trouble(format!(
            "the answer is not what a registry gives (line {}, column {}): check the address and its base path",
            error.line(),
            error.column()
        ))
    })
}

/// A schema out of an answer, without those that it names: for tests, which ask nobody.
#[cfg(test)]
pub(crate) fn read_answer(body: &str) -> Option<Registered> {
    let answer = Answer {
        status: 200,
        body: body.to_owned(),
    };
    let _of_apicurio = json::<Vec<ApicurioReference>>(&answer);
    if is_denial(&answer) {
        return None;
    }
    let found: ConfluentSchema = json(&answer).ok()?;
    Some(Registered {
        kind: None,
        text: found.schema,
        references: Vec::new(),
    })
}

/// For one part of a path.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

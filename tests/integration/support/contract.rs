//! `openapi.yaml` as something that an answer can be held to.
//!
//! The contract is written by hand and leads; the server follows. So every answer that a test sees is checked here: its status, headers, content type,
//! body and error code must be ones that the contract documents for that operation. This module knows `OpenAPI` 3.0.3 as far as `openapi.yaml` uses
//! it, and nothing of Carnet: it must not contain a path, a field or an exception for either.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

const OPENAPI_YAML: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml"));
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| Contract::read(OPENAPI_YAML));

/// The operations of `openapi.yaml`, ready to check answers against. Cheap to clone; the document is read once per process.
#[derive(Clone)]
pub struct Contract {
    paths: Arc<Vec<Path>>,
}

/// A path template with the answers of each of its methods (upper case).
struct Path {
    template: String,
    operations: BTreeMap<String, Answers>,
}

/// What an operation may answer, by status.
type Answers = BTreeMap<u16, Arc<Answer>>;

/// One documented answer.
struct Answer {
    headers: Vec<Header>,
    /// By media type; empty when the answer has no body.
    content: BTreeMap<String, Arc<Validator>>,
    /// The values that `code` or `error` may have (`x-codes`); `None` when the answer is no error.
    codes: Option<Vec<String>>,
}

struct Header {
    name: String,
    required: bool,
    schema: Arc<Validator>,
}

impl Contract {
    /// The contract at the top of the repository. Panics when it is not sound, with what is wrong.
    pub fn load() -> Self {
        CONTRACT.clone()
    }

    /// A contract from the text of an `OpenAPI` 3.0.3 document. Panics when it is not sound.
    pub fn read(yaml: &str) -> Self {
        let mut document: Value = serde_yaml_ng::from_str(yaml).expect("the document is YAML");
        translate_nullable(&mut document);
        let mut reader = Reader { document: &document, validators: HashMap::new(), answers: HashMap::new() };
        let paths =
            object(&document["paths"]).iter().map(|(template, item)| reader.path(template, item)).collect();
        Self { paths: Arc::new(paths) }
    }

    /// Every operation as (method in upper case, path template).
    pub fn operations(&self) -> Vec<(String, String)> {
        let of_path = |path: &Path| {
            path.operations.keys().map(|method| (method.clone(), path.template.clone())).collect::<Vec<_>>()
        };
        self.paths.iter().flat_map(of_path).collect()
    }

    /// Holds one answer to the contract. `path` is the concrete one and may carry a query. `Err` says what the contract does not allow.
    ///
    /// HEAD is answered as GET is, without the body. Another method that the path does not have must be answered as the path documents 405.
    pub fn check(
        &self,
        method: &str,
        path: &str,
        status: u16,
        headers: &[(String, String)],
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<(), String> {
        let answer = self.find(method, path, status)?;
        let checked = answer.check_headers(headers).and_then(|()| match method {
            "HEAD" if body.is_empty() => Ok(()),
            "HEAD" => Err("an answer to HEAD has a body".into()),
            _ => answer.check_body(status, content_type, body),
        });
        checked.map_err(|why| format!("{method} {path} answered {status}: {why}"))
    }

    fn find(&self, method: &str, path: &str, status: u16) -> Result<&Answer, String> {
        let concrete = path.split(['?', '#']).next().unwrap_or_default();
        let matching =
            self.paths.iter().filter_map(|path| Some((path.literals_if_matching(concrete)?, path)));
        let (_, found) =
            matching.max_by(|a, b| a.0.cmp(&b.0)).ok_or(format!("{path} is not in the contract"))?;
        // RFC 9110 §9.1: what has GET has HEAD.
        let documented = if method == "HEAD" { "GET" } else { method };
        let answers = match found.operations.get(documented) {
            Some(answers) => answers,
            None if status == 405 => found.operations.values().next().expect("a path has an operation"),
            None => {
                return Err(format!(
                    "{} has no {method} in the contract, yet answered {status}",
                    found.template
                ));
            }
        };
        let answer = answers
            .get(&status)
            .ok_or_else(|| format!("{method} {} does not document {status}", found.template))?;
        Ok(answer)
    }
}

impl Path {
    /// `None` when `concrete` is no instance of this template; else, segment by segment, whether it matched a literal. Greater is the better match.
    fn literals_if_matching(&self, concrete: &str) -> Option<Vec<bool>> {
        let (template, concrete): (Vec<_>, Vec<_>) =
            (self.template.split('/').collect(), concrete.split('/').collect());
        let same = |(&template, &concrete): (&&str, &&str)| {
            if template.starts_with('{') {
                (!concrete.is_empty()).then_some(false)
            } else {
                (template == concrete).then_some(true)
            }
        };
        if template.len() != concrete.len() {
            return None;
        }
        template.iter().zip(&concrete).map(same).collect()
    }
}

impl Answer {
    fn check_headers(&self, headers: &[(String, String)]) -> Result<(), String> {
        for header in &self.headers {
            let mut values = headers
                .iter()
                .filter(|(name, _)| name.eq_ignore_ascii_case(&header.name))
                .map(|(_, value)| value)
                .peekable();
            if header.required && values.peek().is_none() {
                return Err(format!("the header {} is missing", header.name));
            }
            for value in values {
                header.check(value)?;
            }
        }
        Ok(())
    }

    fn check_body(&self, status: u16, content_type: Option<&str>, body: &[u8]) -> Result<(), String> {
        if self.content.is_empty() {
            return if body.is_empty() {
                Ok(())
            } else {
                Err("there is a body where none is documented".into())
            };
        }
        let media_type = content_type
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        let documented = || self.content.keys().cloned().collect::<Vec<_>>().join(", ");
        let schema = self
            .content
            .get(&media_type)
            .ok_or_else(|| format!("content type {content_type:?}, documented: {}", documented()))?;
        let body: Value = if media_type.ends_with("json") {
            serde_json::from_slice(body).map_err(|error| format!("the body is not JSON: {error}"))?
        } else {
            String::from_utf8(body.to_vec()).map_err(|error| format!("the body is not text: {error}"))?.into()
        };
        hold(schema, &body)?;
        self.check_error(status, &body)
    }

    /// An error names a documented code, and a problem repeats its status (RFC 9457 §3.1.2).
    fn check_error(&self, status: u16, body: &Value) -> Result<(), String> {
        let Some(codes) = &self.codes else {
            return Ok(());
        };
        if let Some(said) = body.get("status").filter(|said| **said != json!(status)) {
            return Err(format!("the problem says that the status is {said}"));
        }
        let code = body.get("code").or(body.get("error")).and_then(Value::as_str).unwrap_or_default();
        if codes.iter().any(|known| known == code) {
            Ok(())
        } else {
            Err(format!("the code {code:?} is not among {codes:?}"))
        }
    }
}

impl Header {
    /// A header is text; where the schema wants an integer, the text must be one.
    fn check(&self, text: &str) -> Result<(), String> {
        let as_text = hold(&self.schema, &json!(text));
        let checked = match text.parse::<i64>() {
            Ok(number) => as_text.or_else(|_| hold(&self.schema, &json!(number))),
            Err(_) => as_text,
        };
        checked.map_err(|why| format!("the header {} is {text:?}: {why}", self.name))
    }
}

/// Turns the document into paths. Keeps what it has compiled, because most operations share their answers and most answers their schemas.
struct Reader<'a> {
    document: &'a Value,
    validators: HashMap<String, Arc<Validator>>,
    answers: HashMap<String, Arc<Answer>>,
}

impl<'a> Reader<'a> {
    fn path(&mut self, template: &str, item: &'a Value) -> Path {
        let mut operations = BTreeMap::new();
        for (method, operation) in object(item).iter().filter(|(key, _)| METHODS.contains(&key.as_str())) {
            let answers = object(&operation["responses"]).iter().map(|(status, response)| {
                let status =
                    status.parse().unwrap_or_else(|_| panic!("{method} {template}: {status} is no status"));
                (status, self.answer(response))
            });
            operations.insert(method.to_ascii_uppercase(), answers.collect());
        }
        Path { template: template.to_owned(), operations }
    }

    fn answer(&mut self, response: &'a Value) -> Arc<Answer> {
        let key = response.to_string();
        if let Some(known) = self.answers.get(&key) {
            return known.clone();
        }
        let response = self.resolve(response);
        let headers = members(&response["headers"]).map(|(name, header)| self.header(name, header)).collect();
        let content = members(&response["content"])
            .map(|(media_type, media)| (media_type.clone(), self.validator(&media["schema"])))
            .collect();
        let codes = response["x-codes"]
            .as_array()
            .map(|codes| codes.iter().filter_map(|code| code.as_str().map(str::to_owned)).collect());
        let answer = Arc::new(Answer { headers, content, codes });
        self.answers.insert(key, answer.clone());
        answer
    }

    fn header(&mut self, name: &str, header: &'a Value) -> Header {
        let header = self.resolve(header);
        Header {
            name: name.to_owned(),
            required: header["required"] == true,
            schema: self.validator(&header["schema"]),
        }
    }

    fn validator(&mut self, schema: &Value) -> Arc<Validator> {
        let compile = || {
            let rooted = json!({ "allOf": [schema], "components": { "schemas": self.document["components"]["schemas"] } });
            let validator = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .should_validate_formats(true)
                .build(&rooted);
            Arc::new(validator.unwrap_or_else(|error| panic!("{schema}: {error}")))
        };
        self.validators.entry(schema.to_string()).or_insert_with(compile).clone()
    }

    /// Follows a reference within the document, if `value` is one.
    fn resolve(&self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else {
            return value;
        };
        let target = reference.strip_prefix('#').and_then(|pointer| self.document.pointer(pointer));
        target.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }
}

/// `OpenAPI` 3.0 says `nullable: true`; JSON Schema says that `null` is one of the types.
fn translate_nullable(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.get("nullable") == Some(&json!(true)) {
                let kind = members.get("type").expect("nullable means something only beside a type").clone();
                members.insert("type".into(), json!([kind, "null"]));
            }
            members.values_mut().for_each(translate_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(translate_nullable),
        _ => {}
    }
}

fn hold(schema: &Validator, value: &Value) -> Result<(), String> {
    let errors: Vec<_> = schema
        .iter_errors(value)
        .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("; ")) }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("the document has an object here")
}

/// The members of an object that may be missing.
fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

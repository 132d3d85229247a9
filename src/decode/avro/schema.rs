//! A writer's schema, compiled once to a flat program: nodes that name each other by number, so
//! that recursive types need no pointers and reading needs no lookups by name.
//!
//! Own code rather than a library's schema type, because attributes beside primitive types
//! (`connect.type`, `connect.name`) say what Connect and Debezium mean, and libraries drop them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::decode::json::DEPTH_MAX;
use crate::record::meaning::{self, Meaning};
use crate::record::schema::{DECIMAL_PRECISION, DECIMAL_SCALE_MAX, LOGICAL_DECIMAL, names};
use crate::record::{Field as ConnectField, Kind, Schema};
use crate::registry::Reference;

mod default;

/// More types than any schema that people wrote.
const NODES_MAX: usize = 100_000;

/// Longest fixed type.
const FIXED_MAX: u64 = 64 * 1024 * 1024;

/// Precision that Connect's converter writes where it was told none.
const PRECISION_NOT_TOLD: u64 = 64;

/// Number of a node in its program.
pub(super) type NodeId = usize;

/// A compiled schema.
#[derive(Debug)]
pub(in crate::decode) struct Program {
    nodes: Vec<Node>,
    /// Connect's schema of each node.
    schemas: Vec<Arc<Schema>>,
    pub(super) root: NodeId,
}

/// How bytes are read, and what they are then.
#[derive(Debug)]
pub(super) enum Node {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(NodeId),
    Map(NodeId),
    Record(Record),
    Union(Vec<NodeId>),
    /// The union of null and one more.
    Optional {
        null_first: bool,
        of: NodeId,
    },
    /// Unscaled big-endian digits; `size` of a fixed type. A negative scale counts zeros before the
    /// point.
    Decimal {
        scale: i64,
        size: Option<usize>,
    },
    /// An int or long that means a date or time.
    Meant(Meaning),
    /// A text that means more.
    MeantText(Meaning),
    UuidFixed,
    /// Months, days and milliseconds, as three little-endian integers.
    Duration,
    /// Debezium's decimal that brings its scale: an int and bytes.
    VariableDecimal,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Arc<str>,
    pub(super) node: NodeId,
}

impl Program {
    /// Compiles a schema's JSON text. `references` are the texts of schemas that it names, each
    /// after those that it names itself.
    ///
    /// # Errors
    /// Says what is wrong, naming the type or field.
    pub(super) fn parse(text: &str, references: &[Reference]) -> Result<Self, String> {
        let mut builder = Builder::default();
        for reference in references {
            builder.text(&reference.text)?;
        }
        let root = builder.text(text)?;
        let unfinished = Arc::new(meaning::json_schema());
        Ok(Self {
            nodes: builder.nodes,
            schemas: builder
                .schemas
                .into_iter()
                .map(|schema| schema.unwrap_or_else(|| Arc::clone(&unfinished)))
                .collect(),
            root,
        })
    }

    #[inline]
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Connect's schema of a node.
    #[inline]
    pub(super) fn schema(&self, id: NodeId) -> &Arc<Schema> {
        &self.schemas[id]
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    /// Connect's schema of each node; none while a named type is being read: what names itself has
    /// no end in Connect's model, and is kept as JSON where it does.
    schemas: Vec<Option<Arc<Schema>>>,
    /// Named types by full name.
    names: HashMap<String, NodeId>,
    depth: usize,
}

type Attributes = Map<String, Json>;

impl Builder {
    fn text(&mut self, text: &str) -> Result<NodeId, String> {
        let json: Json = serde_json::from_str(text).map_err(|error| {
            format!(
                "the Avro schema is malformed (line {}, column {})",
                error.line(),
                error.column()
            )
        })?;
        self.any(&json, "")
    }

    fn push(&mut self, node: Node, schema: Schema) -> Result<NodeId, String> {
        self.place(node, Some(Arc::new(schema)))
    }

    fn place(&mut self, node: Node, schema: Option<Arc<Schema>>) -> Result<NodeId, String> {
        if self.nodes.len() >= NODES_MAX {
            return Err(format!("the Avro schema has more than {NODES_MAX} types"));
        }
        self.nodes.push(node);
        self.schemas.push(schema);
        Ok(self.nodes.len() - 1)
    }

    /// The schema of a part; a part that is still being read is JSON.
    fn schema_of(&self, id: NodeId) -> Arc<Schema> {
        match &self.schemas[id] {
            Some(schema) => Arc::clone(schema),
            None => Arc::new(meaning::json_schema()),
        }
    }

    fn any(&mut self, json: &Json, namespace: &str) -> Result<NodeId, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!(
                "the Avro schema is nested more than {DEPTH_MAX} deep"
            ));
        }
        let built = match json {
            Json::String(name) => self.named(name, namespace, &Map::new()),
            Json::Array(branches) => self.union(branches, namespace),
            Json::Object(object) => self.object(object, namespace),
            _ => Err("the Avro schema has a type that is no name, list or object".to_owned()),
        };
        self.depth -= 1;
        built
    }

    fn object(&mut self, object: &Attributes, namespace: &str) -> Result<NodeId, String> {
        match object.get("type") {
            Some(Json::String(name)) => match name.as_str() {
                "record" | "error" => self.record(object, namespace),
                "enum" => self.enumeration(object, namespace),
                "fixed" => self.fixed(object, namespace),
                "array" => {
                    let items = object.get("items").ok_or("an array without items")?;
                    let items = self.any(items, namespace)?;
                    let kind = Kind::Array(self.schema_of(items));
                    self.push(Node::Array(items), connect(object, kind)?)
                }
                "map" => {
                    let values = object.get("values").ok_or("a map without values")?;
                    let values = self.any(values, namespace)?;
                    let kind = Kind::Map {
                        key: Arc::new(Schema::new(Kind::String)),
                        value: self.schema_of(values),
                    };
                    self.push(Node::Map(values), connect(object, kind)?)
                }
                name => self.named(name, namespace, object),
            },
            Some(nested) => self.any(nested, namespace),
            None => Err("the Avro schema has an object without a type".to_owned()),
        }
    }

    /// A primitive type, or one that was defined before.
    fn named(
        &mut self,
        name: &str,
        namespace: &str,
        attributes: &Attributes,
    ) -> Result<NodeId, String> {
        let (plain, kind) = match name {
            "null" => return self.push(Node::Null, Schema::new(Kind::String).optional()),
            "boolean" => (Node::Boolean, Kind::Boolean),
            "int" => match text_of(attributes, "connect.type") {
                "int8" => (Node::Int, Kind::Int8),
                "int16" => (Node::Int, Kind::Int16),
                _ => (Node::Int, Kind::Int32),
            },
            "long" => (Node::Long, Kind::Int64),
            "float" => (Node::Float, Kind::Float32),
            "double" => (Node::Double, Kind::Float64),
            "bytes" => return self.bytes(None, attributes),
            "string" => (Node::Text, Kind::String),
            name => {
                let full = full_name(name, namespace);
                let found = self.names.get(&full).or_else(|| self.names.get(name));
                return found
                    .copied()
                    .ok_or_else(|| format!("the Avro schema names an unknown type, {name}"));
            }
        };
        let is_text = kind == Kind::String;
        let wrap = |meant| match is_text {
            true => Node::MeantText(meant),
            false => Node::Meant(meant),
        };
        let schema = connect(attributes, kind)?;
        if let Some(meant) = Meaning::of_schema(&schema) {
            return self.push(wrap(meant), schema);
        }
        let logical = text_of(attributes, "logicalType");
        match Meaning::of_avro(logical, &schema.kind).filter(|_| schema.name.is_none()) {
            Some((meant, schema)) => self.push(wrap(meant), schema),
            None => self.push(plain, schema),
        }
    }

    /// Bytes, or a fixed number of them.
    fn bytes(&mut self, size: Option<usize>, attributes: &Attributes) -> Result<NodeId, String> {
        let told = described(attributes, Kind::Bytes);
        let Some(scale) = decimal_scale(attributes) else {
            let node = size.map_or(Node::Bytes, Node::Fixed);
            // A name of Connect's decimal without Avro's is not to be trusted.
            let name = text_of(attributes, "connect.name");
            let is_name = !matches!(name, "" | LOGICAL_DECIMAL);
            return self.push(node, told.named(is_name.then(|| name.into()))?);
        };
        // In plain notation what has a negative scale is a whole number.
        let mut schema = Schema::decimal(u32::try_from(scale).unwrap_or(0));
        let precision = attributes.get("precision").and_then(Json::as_u64);
        if let Some(precision) = precision.filter(|precision| *precision != PRECISION_NOT_TOLD) {
            let zeros = u64::try_from(-scale).unwrap_or(0);
            let digits = precision.saturating_add(zeros).to_string();
            let parameter = DECIMAL_PRECISION.to_owned();
            schema.parameters.insert(parameter, digits);
        }
        for (name, value) in told.parameters {
            schema.parameters.entry(name).or_insert(value);
        }
        schema.doc = told.doc;
        self.push(Node::Decimal { scale, size }, schema)
    }

    fn union(&mut self, branches: &[Json], namespace: &str) -> Result<NodeId, String> {
        let mut ids = Vec::with_capacity(branches.len());
        for branch in branches {
            ids.push(self.any(branch, namespace)?);
        }
        let is_null = |id: &NodeId| matches!(self.nodes[*id], Node::Null);
        let (node, of) = match ids.as_slice() {
            [null, of] if is_null(null) && !is_null(of) => (optional(true, *of), *of),
            [of, null] if is_null(null) && !is_null(of) => (optional(false, *of), *of),
            [only] => {
                let only = *only;
                let schema = self.schema_of(only);
                return self.place(Node::Union(ids), Some(schema));
            }
            _ => {
                let schema = Schema {
                    name: Some(names::AVRO_UNION.into()),
                    ..Schema::new(Kind::String).optional()
                };
                return self.push(Node::Union(ids), schema);
            }
        };
        let schema = Schema::clone(&self.schema_of(of)).optional();
        self.push(node, schema)
    }

    /// Reserves a place for a named type, so that it may name itself.
    fn define(&mut self, object: &Attributes, namespace: &str) -> Result<(NodeId, String), String> {
        let name = text_of(object, "name");
        if name.is_empty() {
            return Err("the Avro schema has a named type without a name".to_owned());
        }
        let namespace = match object.get("namespace") {
            Some(Json::String(own)) => own,
            _ => namespace,
        };
        let full = full_name(name, namespace);
        let id = self.place(Node::Null, None)?;
        self.names.insert(full.clone(), id);
        Ok((id, full))
    }

    fn record(&mut self, object: &Attributes, namespace: &str) -> Result<NodeId, String> {
        let (id, name) = self.define(object, namespace)?;
        let namespace = name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
        let namespace = namespace.to_owned();
        let listed = object.get("fields").and_then(Json::as_array);
        let listed = listed.ok_or_else(|| format!("record {name} has no fields"))?;
        let mut fields = Vec::with_capacity(listed.len());
        let mut of_connect = Vec::with_capacity(listed.len());
        for field in listed {
            let (read, schema) = self
                .field(field, &namespace)
                .map_err(|reason| format!("record {name}: {reason}"))?;
            of_connect.push(ConnectField {
                name: Arc::clone(&read.name),
                schema,
            });
            fields.push(read);
        }
        let mut schema = connect(object, Kind::Struct(of_connect))?;
        if schema.name.is_none() {
            schema.name = Some(name.as_str().into());
        }
        let is_variable_decimal = schema.name.as_deref() == Some(names::VARIABLE_DECIMAL)
            && matches!(fields.as_slice(), [scale, value]
                if matches!(self.nodes[scale.node], Node::Int)
                    && matches!(self.nodes[value.node], Node::Bytes));
        self.nodes[id] = match is_variable_decimal {
            true => Node::VariableDecimal,
            false => Node::Record(Record { fields }),
        };
        self.schemas[id] = Some(Arc::new(schema));
        Ok(id)
    }

    /// A field, and Connect's schema of it, default included.
    fn field(&mut self, field: &Json, namespace: &str) -> Result<(Field, Arc<Schema>), String> {
        let name = field.get("name").and_then(Json::as_str);
        let name = name.ok_or("a field without a name")?;
        let of_type = field
            .get("type")
            .ok_or_else(|| format!("field {name} has no type"))?;
        let node = self.any(of_type, namespace)?;
        let mut schema = self.schema_of(node);
        let default = field.get("default").filter(|default| !default.is_null());
        // Avro says that a union's default is of its first type; some writers think otherwise.
        let inner = match self.nodes[node] {
            Node::Optional { of, .. } => of,
            _ => node,
        };
        let meaning = match self.nodes[inner] {
            Node::Meant(meaning) => Some(meaning),
            _ => None,
        };
        // Connect's schema has no negative scale, by which its default could be read.
        let has_zeros = matches!(self.nodes[inner], Node::Decimal { scale, .. } if scale < 0);
        let default = default.filter(|_| !has_zeros);
        let default = default.and_then(|default| default::read(&schema, meaning, default));
        if default.is_some() {
            let with_default = Schema {
                default,
                ..Schema::clone(&schema)
            };
            schema = Arc::new(with_default);
        }
        let read = Field {
            name: name.into(),
            node,
        };
        Ok((read, schema))
    }

    fn enumeration(&mut self, object: &Attributes, namespace: &str) -> Result<NodeId, String> {
        let (id, name) = self.define(object, namespace)?;
        let symbols = object.get("symbols").and_then(Json::as_array);
        let symbols = symbols.ok_or_else(|| format!("enum {name} has no symbols"))?;
        let texts = symbols.iter().filter_map(Json::as_str).map(str::to_owned);
        self.nodes[id] = Node::Enum(texts.collect());
        self.schemas[id] = Some(Arc::new(connect(object, Kind::String)?));
        Ok(id)
    }

    fn fixed(&mut self, object: &Attributes, namespace: &str) -> Result<NodeId, String> {
        let (id, name) = self.define(object, namespace)?;
        let size = object.get("size").and_then(Json::as_u64);
        let size = size
            .filter(|size| *size <= FIXED_MAX)
            .and_then(|size| usize::try_from(size).ok())
            .ok_or_else(|| format!("fixed {name} has no size of 0 to {FIXED_MAX}"))?;
        let (node, schema) = match (text_of(object, "logicalType"), size) {
            ("uuid", 16) => (Node::UuidFixed, meaning::uuid_schema()),
            ("duration", 12) => (Node::Duration, Schema::new(Kind::String)),
            _ => {
                let made = self.bytes(Some(size), object)?;
                // The reserved place takes what was made behind it.
                self.schemas[id] = self.schemas.pop().flatten();
                debug_assert_eq!(made, self.nodes.len() - 1);
                if let Some(node) = self.nodes.pop() {
                    self.nodes[id] = node;
                }
                return Ok(id);
            }
        };
        self.nodes[id] = node;
        self.schemas[id] = Some(Arc::new(schema));
        Ok(id)
    }
}

fn optional(null_first: bool, of: NodeId) -> Node {
    Node::Optional { null_first, of }
}

/// Connect's schema of this kind with what Connect's converters put beside it.
fn connect(attributes: &Attributes, kind: Kind) -> Result<Schema, String> {
    let name = text_of(attributes, "connect.name");
    described(attributes, kind).named((!name.is_empty()).then(|| name.into()))
}

/// The same without the name.
fn described(attributes: &Attributes, kind: Kind) -> Schema {
    let parameters: BTreeMap<String, String> = attributes
        .get("connect.parameters")
        .and_then(Json::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect();
    let version = attributes.get("connect.version").and_then(Json::as_i64);
    let doc = match text_of(attributes, "connect.doc") {
        "" => text_of(attributes, "doc"),
        doc => doc,
    };
    Schema {
        version: version.and_then(|version| i32::try_from(version).ok()),
        doc: (!doc.is_empty()).then(|| doc.into()),
        parameters,
        ..Schema::new(kind)
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn text_of<'a>(object: &'a Attributes, key: &str) -> &'a str {
    object.get(key).and_then(Json::as_str).unwrap_or_default()
}

/// The scale of a decimal, of whatever precision: Connect's converter asks for no more than Avro's name
/// of the type, and its source connectors write scales beyond the precision and below zero. What has an
/// absurd scale is its plain type.
fn decimal_scale(attributes: &Attributes) -> Option<i64> {
    if !text_of(attributes, "logicalType").eq_ignore_ascii_case("decimal") {
        return None;
    }
    let scale = match attributes.get("scale") {
        None => 0,
        Some(scale) => scale.as_i64()?,
    };
    (scale.unsigned_abs() <= u64::from(DECIMAL_SCALE_MAX)).then_some(scale)
}

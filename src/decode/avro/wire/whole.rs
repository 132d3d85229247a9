//! Reading as a whole, into Connect's data model.

use std::sync::Arc;

use super::{Cursor, Fault, Node, NodeId, Program, deeper};
use crate::decode::tree;
use crate::record::{Datum, Kind, Map, Schema, Struct, Value};

impl Cursor<'_> {
    /// The value as its schema says. What names itself is JSON where it does.
    pub(in crate::decode::avro) fn datum(
        &mut self,
        program: &Program,
        id: NodeId,
        schema: &Arc<Schema>,
        depth: usize,
    ) -> Result<Datum, Fault> {
        Ok(match program.node(id) {
            Node::Optional { null_first, of } => match self.optional(*null_first, *of)? {
                None => Datum::Null,
                Some(of) => self.datum(program, of, schema, deeper(depth)?)?,
            },
            Node::Union(branches) => {
                let branch = self.branch(branches)?;
                let depth = deeper(depth)?;
                match program.node(branch) {
                    // The schema of several types does not say what a number means.
                    Node::Meant(_) => {
                        let mut scratch = String::new();
                        tree::untyped(self.value(program, branch, &mut scratch, depth)?)
                    }
                    _ => self.datum(program, branch, program.schema(branch), depth)?,
                }
            }
            Node::Array(items) => match &schema.kind {
                Kind::Array(item) => {
                    let mut data = Vec::new();
                    let depth = deeper(depth)?;
                    self.blocks(|cursor| {
                        data.push(cursor.datum(program, *items, item, depth)?);
                        Ok(())
                    })?;
                    Datum::Array(data)
                }
                _ => self.json_datum(program, id, depth)?,
            },
            Node::Map(values) => match &schema.kind {
                Kind::Map { value, .. } => {
                    let mut entries = Vec::new();
                    let depth = deeper(depth)?;
                    self.blocks(|cursor| {
                        let name = cursor.text()?.to_owned();
                        entries.push((name, cursor.datum(program, *values, value, depth)?));
                        Ok(())
                    })?;
                    Datum::Map(Map::from_entries(entries))
                }
                _ => self.json_datum(program, id, depth)?,
            },
            Node::Record(record) => match &schema.kind {
                Kind::Struct(fields) if fields.len() == record.fields.len() => {
                    let depth = deeper(depth)?;
                    self.spend(fields.len())?;
                    let data = record.fields.iter().zip(fields).map(|(read, field)| {
                        let datum = self.datum(program, read.node, &field.schema, depth)?;
                        match &field.schema.default {
                            Some(default) if datum.is_null() && self.default_for_null => {
                                Ok(default.clone())
                            }
                            _ => Ok::<_, Fault>(datum),
                        }
                    });
                    let data = data.collect::<Result<Vec<_>, _>>()?;
                    Datum::Struct(Struct::new(Arc::clone(schema), data))
                }
                _ => self.json_datum(program, id, depth)?,
            },
            Node::VariableDecimal => {
                let scale = i32::try_from(self.int()?).map_err(|_| "a scale out of range")?;
                let digits = self.sized()?.to_vec();
                let data = vec![Datum::Int32(scale), Datum::Bytes(digits)];
                Datum::Struct(Struct::new(Arc::clone(schema), data))
            }
            Node::Meant(meaning) if schema.is_debezium_time() => {
                let number = self.long()?;
                meaning.of_integer(number)?;
                single_datum(&schema.kind, Value::Int(number))?
            }
            _ => {
                let mut scratch = String::new();
                let value = self.value(program, id, &mut scratch, depth)?;
                single_datum(&schema.kind, value)?
            }
        })
    }

    fn json_datum(&mut self, program: &Program, id: NodeId, depth: usize) -> Result<Datum, Fault> {
        let mut text = String::new();
        self.document(program, id, &mut text, depth)?;
        Ok(Datum::String(text))
    }

    /// Every item of an array or map.
    pub(super) fn blocks(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            let (count, _) = self.block()?;
            if count == 0 {
                return Ok(());
            }
            self.spend(count)?;
            for _ in 0..count {
                item(self)?;
            }
        }
    }
}

fn single_datum(kind: &Kind, value: Value<'_>) -> Result<Datum, Fault> {
    const FAULT: Fault = "a number out of the range of its type";
    Ok(match (kind, value) {
        (Kind::Int8, Value::Int(number)) => Datum::Int8(number.try_into().map_err(|_| FAULT)?),
        (Kind::Int16, Value::Int(number)) => Datum::Int16(number.try_into().map_err(|_| FAULT)?),
        (Kind::Int32, Value::Int(number)) => Datum::Int32(number.try_into().map_err(|_| FAULT)?),
        (_, value) => tree::untyped(value),
    })
}

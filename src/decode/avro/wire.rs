//! Avro's binary encoding: numbers and lengths out of bytes that may be anything.

mod whole;

use std::borrow::Cow;
use std::fmt::Write as _;

use super::schema::{Node, NodeId, Program};
use crate::decimal;
use crate::decode::document;
use crate::decode::json::DEPTH_MAX;
use crate::record::debezium::{self, Single};
use crate::record::{Datum, Schema, Value, json};

/// What is wrong with the bytes.
pub(super) type Fault = &'static str;

const ENDS_EARLY: Fault = "the bytes end too early";
const TOO_MUCH: Fault = "more items than the bytes can hold";
const TOO_DEEP: Fault = "nested too deeply";

/// Work beyond what the bytes account for: types without bytes (null, empty records) are free to
/// write, so their number must have a bound of its own.
const FREE_STEPS: usize = 100_000;

/// A place in a record's bytes.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    steps_left: usize,
    /// Null stands for its field's default, within what has parts.
    default_for_null: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], default_for_null: bool) -> Self {
        Self {
            bytes,
            at: 0,
            default_for_null,
            steps_left: FREE_STEPS.saturating_add(bytes.len().saturating_mul(16)),
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(TOO_MUCH)?;
        Ok(())
    }

    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(zigzag(u64::from(*byte)))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<i64, Fault> {
        let mut number = 0_u64;
        let mut shift = 0_u32;
        loop {
            let byte = *self.bytes.get(self.at).ok_or(ENDS_EARLY)?;
            self.at += 1;
            // The tenth byte has room for one bit.
            if shift == 63 && byte > 1 {
                return Err("a number of more than 64 bits");
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(zigzag(number));
            }
            shift += 7;
        }
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i64, Fault> {
        let number = self.long()?;
        i32::try_from(number)
            .map(i64::from)
            .map_err(|_| "a number of more than 32 bits")
    }

    #[inline]
    fn take(&mut self, size: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..size).ok_or(ENDS_EARLY)?;
        self.at += size;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| ENDS_EARLY)
    }

    #[inline]
    fn sized(&mut self) -> Result<&'a [u8], Fault> {
        let size = self.long()?;
        let size = usize::try_from(size).map_err(|_| "a negative length")?;
        self.take(size)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.sized()?).map_err(|_| "a text that is not valid UTF-8")
    }

    #[inline]
    pub(super) fn double(&mut self) -> Result<f64, Fault> {
        self.array().map(f64::from_le_bytes)
    }

    #[inline]
    pub(super) fn boolean(&mut self) -> Result<bool, Fault> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err("a boolean that is neither 0 nor 1"),
        }
    }

    /// Items in the next block of an array or map, and the block's bytes when it tells them; 0
    /// ends it.
    fn block(&mut self) -> Result<(usize, Option<usize>), Fault> {
        let count = self.long()?;
        let bytes = match count < 0 {
            true => Some(usize::try_from(self.long()?).map_err(|_| "a negative length")?),
            false => None,
        };
        let count = usize::try_from(count.unsigned_abs()).map_err(|_| TOO_MUCH)?;
        Ok((count, bytes))
    }

    /// The chosen branch of a union of null and one more; `None` is null.
    #[inline]
    fn optional(&mut self, null_first: bool, of: NodeId) -> Result<Option<NodeId>, Fault> {
        match (self.long()?, null_first) {
            (0, true) | (1, false) => Ok(None),
            (1, true) | (0, false) => Ok(Some(of)),
            _ => Err(NO_BRANCH),
        }
    }

    fn branch(&mut self, branches: &[NodeId]) -> Result<NodeId, Fault> {
        let index = usize::try_from(self.long()?).map_err(|_| NO_BRANCH)?;
        branches.get(index).copied().ok_or(NO_BRANCH)
    }

    /// The type that stands there, once the unions around it have chosen; `None` is null.
    #[inline]
    pub(super) fn resolve(
        &mut self,
        program: &Program,
        mut id: NodeId,
    ) -> Result<Option<NodeId>, Fault> {
        for _ in 0..DEPTH_MAX {
            match program.node(id) {
                Node::Optional { null_first, of } => match self.optional(*null_first, *of)? {
                    Some(of) => id = of,
                    None => return Ok(None),
                },
                Node::Union(branches) => id = self.branch(branches)?,
                _ => return Ok(Some(id)),
            }
        }
        Err(TOO_DEEP)
    }

    /// Goes to the part behind these names of fields. `None`: it is null, or not there.
    pub(super) fn descend(
        &mut self,
        program: &Program,
        part: &[&str],
    ) -> Result<Option<NodeId>, Fault> {
        let mut at = self.resolve(program, program.root)?;
        for name in part {
            let Some(Node::Record(record)) = at.map(|id| program.node(id)) else {
                return Ok(None);
            };
            let Some(index) = record.fields.iter().position(|field| *field.name == **name) else {
                return Ok(None);
            };
            for field in &record.fields[..index] {
                self.skip(program, field.node, 0)?;
            }
            at = self.resolve(program, record.fields[index].node)?;
        }
        Ok(at)
    }

    /// Passes over a value.
    pub(super) fn skip(
        &mut self,
        program: &Program,
        id: NodeId,
        depth: usize,
    ) -> Result<(), Fault> {
        match program.node(id) {
            Node::Null => {}
            Node::Boolean => self.take(1).map(drop)?,
            Node::Int | Node::Long | Node::Meant(_) | Node::Enum(_) => {
                self.long().map(drop)?;
            }
            Node::Float => self.take(4).map(drop)?,
            Node::Double => self.take(8).map(drop)?,
            Node::Bytes | Node::Text | Node::MeantText(_) | Node::Decimal { size: None, .. } => {
                self.sized().map(drop)?;
            }
            Node::Fixed(size)
            | Node::Decimal {
                size: Some(size), ..
            } => self.take(*size).map(drop)?,
            Node::UuidFixed => self.take(16).map(drop)?,
            Node::Duration => self.take(12).map(drop)?,
            Node::VariableDecimal => {
                self.int()?;
                self.sized()?;
            }
            Node::Optional { null_first, of } => {
                if let Some(of) = self.optional(*null_first, *of)? {
                    self.skip(program, of, depth)?;
                }
            }
            Node::Union(branches) => {
                let branch = self.branch(branches)?;
                self.skip(program, branch, deeper(depth)?)?;
            }
            Node::Array(items) => self.skip_blocks(program, *items, false, deeper(depth)?)?,
            Node::Map(values) => self.skip_blocks(program, *values, true, deeper(depth)?)?,
            Node::Record(record) => {
                let depth = deeper(depth)?;
                self.spend(record.fields.len())?;
                for field in &record.fields {
                    self.skip(program, field.node, depth)?;
                }
            }
        }
        Ok(())
    }

    fn skip_blocks(
        &mut self,
        program: &Program,
        item: NodeId,
        has_names: bool,
        depth: usize,
    ) -> Result<(), Fault> {
        loop {
            match self.block()? {
                (0, _) => return Ok(()),
                (_, Some(bytes)) => self.take(bytes).map(drop)?,
                (count, None) => {
                    self.spend(count)?;
                    for _ in 0..count {
                        if has_names {
                            self.sized()?;
                        }
                        self.skip(program, item, depth)?;
                    }
                }
            }
        }
    }

    /// Reads a value; what has parts becomes JSON, written to `scratch`, which is empty.
    #[inline]
    pub(super) fn value<'v>(
        &mut self,
        program: &'v Program,
        id: NodeId,
        scratch: &'v mut String,
        depth: usize,
    ) -> Result<Value<'v>, Fault>
    where
        'a: 'v,
    {
        Ok(match program.node(id) {
            Node::Null => Value::Null,
            Node::Boolean => Value::Bool(self.boolean()?),
            Node::Int => Value::Int(self.int()?),
            Node::Long => Value::Int(self.long()?),
            Node::Float => Value::Float32(f32::from_le_bytes(self.array()?)),
            Node::Double => Value::Float64(self.double()?),
            Node::Bytes => Value::Bytes(Cow::Borrowed(self.sized()?)),
            Node::Text => Value::Text(Cow::Borrowed(self.text()?)),
            Node::Fixed(size) => Value::Bytes(Cow::Borrowed(self.take(*size)?)),
            Node::Enum(symbols) => {
                let index = usize::try_from(self.long()?).ok();
                let symbol = index.and_then(|index| symbols.get(index));
                Value::Text(Cow::Borrowed(
                    symbol.ok_or("an enum without such a symbol")?,
                ))
            }
            Node::Optional { null_first, of } => match self.optional(*null_first, *of)? {
                None => Value::Null,
                Some(of) => return self.value(program, of, scratch, deeper(depth)?),
            },
            Node::Union(branches) => {
                let branch = self.branch(branches)?;
                return self.value(program, branch, scratch, deeper(depth)?);
            }
            Node::Decimal { scale, size, .. } => {
                let digits = match size {
                    Some(size) => self.take(*size)?,
                    None => self.sized()?,
                };
                decimal::push_unscaled(scratch, digits, *scale)?;
                Value::Decimal(Cow::Borrowed(scratch))
            }
            Node::VariableDecimal => {
                let scale = self.int()?;
                let digits = self.sized()?;
                decimal::push_unscaled(scratch, digits, scale)?;
                Value::Decimal(Cow::Borrowed(scratch))
            }
            Node::Meant(meaning) => meaning.of_integer(self.long()?)?,
            Node::MeantText(meaning) => meaning.of_text(self.text()?),
            Node::UuidFixed => Value::Uuid(self.array()?),
            Node::Duration => {
                self.duration(scratch)?;
                Value::Text(Cow::Borrowed(scratch))
            }
            Node::Record(_) if Single::of(program.schema(id)).is_some() => {
                return self.single(program, id, depth);
            }
            Node::Array(_) | Node::Map(_) | Node::Record(_) => {
                self.document(program, id, scratch, depth)?;
                Value::Json(Cow::Borrowed(scratch))
            }
        })
    }

    /// A record that is one value to a database.
    fn single(
        &mut self,
        program: &Program,
        id: NodeId,
        depth: usize,
    ) -> Result<Value<'static>, Fault> {
        let found = match self.datum(program, id, program.schema(id), depth)? {
            Datum::Struct(record) => debezium::single(&record),
            _ => None,
        };
        found.unwrap_or(Err("a record of Debezium's that lacks its fields"))
    }

    /// ISO 8601: months, days and milliseconds are apart, since neither has a fixed length.
    fn duration(&mut self, out: &mut String) -> Result<(), Fault> {
        let mut part = || self.array().map(u32::from_le_bytes);
        let (months, days, millis) = (part()?, part()?, part()?);
        let (seconds, rest) = (millis / 1000, millis % 1000);
        write!(out, "P{months}M{days}DT{seconds}.{rest:03}S").map_err(|_| "a duration")
    }

    /// Appends a value as JSON.
    fn document(
        &mut self,
        program: &Program,
        id: NodeId,
        out: &mut String,
        depth: usize,
    ) -> Result<(), Fault> {
        match program.node(id) {
            Node::Array(items) => {
                out.push('[');
                self.document_blocks(program, *items, false, out, deeper(depth)?)?;
                out.push(']');
            }
            Node::Map(values) => {
                out.push('{');
                self.document_blocks(program, *values, true, out, deeper(depth)?)?;
                out.push('}');
            }
            Node::Record(record) => {
                let depth = deeper(depth)?;
                self.spend(record.fields.len())?;
                out.push('{');
                for (index, field) in record.fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    document::push_text(out, &field.name);
                    out.push(':');
                    let start = out.len();
                    self.document(program, field.node, out, depth)?;
                    if self.default_for_null && out.get(start..) == Some("null") {
                        out.truncate(start);
                        out.push_str(&default_document(program.schema(id), index)?);
                    }
                }
                out.push('}');
            }
            Node::Optional { null_first, of } => match self.optional(*null_first, *of)? {
                None => out.push_str("null"),
                Some(of) => self.document(program, of, out, deeper(depth)?)?,
            },
            Node::Union(branches) => {
                let branch = self.branch(branches)?;
                self.document(program, branch, out, deeper(depth)?)?;
            }
            _ => {
                let mut scratch = String::new();
                let value = self.value(program, id, &mut scratch, depth)?;
                document::push(out, &value)?;
            }
        }
        Ok(())
    }

    fn document_blocks(
        &mut self,
        program: &Program,
        item: NodeId,
        has_names: bool,
        out: &mut String,
        depth: usize,
    ) -> Result<(), Fault> {
        let mut first = true;
        self.blocks(|cursor| {
            if !first {
                out.push(',');
            }
            first = false;
            if has_names {
                document::push_text(out, cursor.text()?);
                out.push(':');
            }
            cursor.document(program, item, out, depth)
        })
    }
}

/// What a null stands for, as JSON.
fn default_document(record: &Schema, index: usize) -> Result<String, Fault> {
    let field = record.fields().and_then(|fields| fields.get(index));
    let Some(field) = field else {
        return Ok("null".to_owned());
    };
    let default = field.schema.default.as_ref().unwrap_or(&Datum::Null);
    json::text(default, Some(&field.schema))
}

const NO_BRANCH: Fault = "a union without such a branch";

#[inline]
fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

fn deeper(depth: usize) -> Result<usize, Fault> {
    if depth >= DEPTH_MAX {
        return Err(TOO_DEEP);
    }
    Ok(depth + 1)
}

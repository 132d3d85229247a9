//! Bytes, and geometries made of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rowdock_connectors::Cell;
use serde::Deserialize;

use super::{Fitted, Misfit};
use crate::record::Value;

pub(super) fn bytes<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    match value {
        Value::Bytes(bytes) => Ok(Fitted::Cell(Cell::Bytes(bytes))),
        Value::Uuid(bytes) => Ok(Fitted::Cell(Cell::Bytes(bytes))),
        Value::Text(text) => decoded(text),
        _ => Err("only bytes, as base64 text, fit".into()),
    }
}

fn decoded<'v>(text: &str) -> Result<Fitted<'v>, Misfit> {
    let bytes = BASE64.decode(text);
    bytes
        .map(Fitted::Bytes)
        .map_err(|_| "the text is not base64".into())
}

pub(super) fn sized<'v>(value: &'v Value<'_>, max_bytes: u32) -> Result<Fitted<'v>, Misfit> {
    let fitted = bytes(value)?;
    match fitted.cell() {
        Cell::Bytes(bytes) if bytes.len() > max_bytes as usize => {
            Err(format!("there are more than {max_bytes} bytes").into())
        }
        _ => Ok(fitted),
    }
}

/// Debezium's geometries: structs with well-known binary, and points besides with `x` and `y`.
#[derive(Deserialize)]
struct Geometry {
    wkb: String,
}

/// Well-known binary, by itself or in a struct's field `wkb`; a reference system inside it, as PostGIS has
/// it there, is left out.
pub(super) fn geometry<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    const RULE: &str = "only well-known binary, or an object with a field wkb, fits";
    let fitted = match value {
        Value::Json(text) => match serde_json::from_str::<Geometry>(text) {
            Ok(geometry) => decoded(&geometry.wkb),
            Err(_) => Err(RULE.into()),
        },
        Value::Uuid(_) => Err(RULE.into()),
        other => bytes(other),
    }?;
    Ok(match fitted.cell() {
        Cell::Bytes(wkb) => without_srid(wkb).map_or(fitted, Fitted::Bytes),
        _ => fitted,
    })
}

/// `None`: there is none.
fn without_srid(wkb: &[u8]) -> Option<Vec<u8>> {
    let (order, kind, geometry) = head(wkb)?;
    let kind = (kind & HAS_SRID != 0).then_some(kind & !HAS_SRID)?;
    let (_, geometry) = geometry.split_first_chunk::<4>()?;
    Some([&[order][..], &in_order(kind, order), geometry].concat())
}

/// Byte order, type, and what follows.
fn head(wkb: &[u8]) -> Option<(u8, u32, &[u8])> {
    let (order, rest) = wkb.split_first()?;
    let (kind, geometry) = rest.split_first_chunk::<4>()?;
    match order {
        0 => Some((0, u32::from_be_bytes(*kind), geometry)),
        1 => Some((1, u32::from_le_bytes(*kind), geometry)),
        _ => None,
    }
}

fn in_order(number: u32, order: u8) -> [u8; 4] {
    match order {
        0 => number.to_be_bytes(),
        _ => number.to_le_bytes(),
    }
}

/// `(x,y)`, as PostgreSQL's `point` is written.
pub(super) fn point(value: &Value<'_>) -> Result<String, Misfit> {
    #[derive(Deserialize)]
    struct Point {
        x: f64,
        y: f64,
    }
    match value {
        Value::Text(text) if !text.contains('\0') => Ok(text.to_string()),
        Value::Json(text) => match serde_json::from_str::<Point>(text) {
            Ok(Point { x, y }) => Ok(format!("({x},{y})")),
            Err(_) => Err("only texts such as (1,2), or an object with x and y, fit".into()),
        },
        _ => Err("only texts such as (1,2), or an object with x and y, fit".into()),
    }
}

/// Marks well-known binary whose type is followed by its reference system (PostGIS's EWKB).
const HAS_SRID: u32 = 0x2000_0000;

/// Well-known binary in hexadecimal digits, as PostGIS reads it; texts are left to it.
pub(super) fn postgis(value: &Value<'_>) -> Result<String, Misfit> {
    const RULE: &str = "only texts, well-known binary, or an object with it in a field wkb fit";
    #[derive(Deserialize)]
    struct Placed {
        wkb: String,
        srid: Option<i32>,
    }
    let (wkb, srid) = match value {
        Value::Text(text) if !text.contains('\0') => return Ok(text.to_string()),
        Value::Bytes(bytes) => (bytes.to_vec(), None),
        Value::Json(text) => {
            let placed: Placed = serde_json::from_str(text).map_err(|_| RULE)?;
            let wkb = BASE64.decode(&placed.wkb).map_err(|_| RULE)?;
            (wkb, placed.srid)
        }
        _ => return Err(RULE.into()),
    };
    let placed = match srid {
        Some(srid) => with_srid(&wkb, srid).ok_or(RULE)?,
        None => wkb,
    };
    Ok(placed.iter().map(|byte| format!("{byte:02X}")).collect())
}

/// The reference system stands behind the type; one that is there already stays.
fn with_srid(wkb: &[u8], srid: i32) -> Option<Vec<u8>> {
    let (order, kind, geometry) = head(wkb)?;
    if kind & HAS_SRID != 0 {
        return Some(wkb.to_vec());
    }
    let srid = in_order(srid.cast_unsigned(), order);
    let kind = in_order(kind | HAS_SRID, order);
    Some([&[order][..], &kind, &srid, geometry].concat())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, words};
    use super::*;
    use rowdock_connectors::{ColumnType, Notation};

    #[test]
    fn bytes_are_bounded() {
        check(
            &words("AAE="),
            &ColumnType::Bytes,
            Some(Cell::Bytes(&[0, 1])),
        );
        check(&words("?"), &ColumnType::Bytes, None);
        check(&words(""), &ColumnType::Bytes, Some(Cell::Bytes(&[])));
        let two = ColumnType::SizedBytes { max_bytes: 2 };
        check(&words("AAE="), &two, Some(Cell::Bytes(&[0, 1])));
        check(&Value::Bytes(vec![0; 3].into()), &two, None);
    }

    #[test]
    fn a_uuid_is_sixteen_bytes() {
        let uuid = Value::Uuid([7; 16]);
        let bytes = Some(Cell::Bytes(&[7; 16]));
        check(&uuid, &ColumnType::Bytes, bytes);
        let sized = |max_bytes| ColumnType::SizedBytes { max_bytes };
        check(&uuid, &sized(16), bytes);
        check(&uuid, &sized(15), None);
        check(&uuid, &ColumnType::Geometry, None);
        check(&uuid, &ColumnType::Literal(Notation::Geometry), None);
        let text = words("07070707-0707-0707-0707-070707070707");
        check(&text, &sized(16), None);
    }

    #[test]
    fn geometries_come_alone_or_in_a_struct() {
        let wkb = Some(Cell::Bytes(&[1, 1]));
        let column = ColumnType::Geometry;
        check(&Value::Bytes(vec![1, 1].into()), &column, wkb);
        check(&words("AQE="), &column, wkb);
        let debezium = r#"{"x":1.0,"y":2.0,"wkb":"AQE=","srid":null}"#;
        check(&Value::Json(debezium.into()), &column, wkb);
        // With the reference system 4326, the type is 0x20000001.
        let placed = Value::Bytes(vec![1, 1, 0, 0, 0x20, 0xE6, 0x10, 0, 0, 7].into());
        check(&placed, &column, Some(Cell::Bytes(&[1, 1, 0, 0, 0, 7])));
        let placed = Value::Bytes(vec![0, 0x20, 0, 0, 1, 0, 0, 0x10, 0xE6, 7].into());
        check(&placed, &column, Some(Cell::Bytes(&[0, 0, 0, 0, 1, 7])));
        check(&Value::Json(r#"{"x":1}"#.into()), &column, None);
        check(&Value::Json("[1]".into()), &column, None);
    }

    #[test]
    fn points_are_written_as_postgresql_writes_them() {
        let column = ColumnType::Literal(Notation::Point);
        let debezium = r#"{"x":1.0,"y":-2.5,"wkb":"AQE=","srid":null}"#;
        check(
            &Value::Json(debezium.into()),
            &column,
            Some(Cell::Text("(1,-2.5)")),
        );
        check(&words("(1,2)"), &column, Some(Cell::Text("(1,2)")));
        check(&Value::Json(r#"{"x":1}"#.into()), &column, None);
        check(&Value::Int(1), &column, None);
    }

    /// The digits are PostGIS's own for `SRID=4326;POINT(1 2)`.
    #[test]
    fn geometries_of_postgis_tell_their_reference_system() {
        const PLACED: &str = "0101000020E6100000000000000000F03F0000000000000040";
        let column = ColumnType::Literal(Notation::Geometry);
        let check = |value: &Value<'_>, expected: Option<&str>| {
            super::super::tests::check(value, &column, expected.map(Cell::Text));
        };
        let wkb = [
            &[1, 1, 0, 0, 0][..],
            &1.0_f64.to_le_bytes(),
            &2.0_f64.to_le_bytes(),
        ]
        .concat();
        let object = |wkb: &[u8], srid: &str| {
            let wkb = BASE64.encode(wkb);
            Value::Json(format!(r#"{{"wkb":"{wkb}","srid":{srid}}}"#).into())
        };
        check(&object(&wkb, "4326"), Some(PLACED));
        let plain = "0101000000000000000000F03F0000000000000040";
        check(&object(&wkb, "null"), Some(plain));
        check(&Value::Bytes(wkb.clone().into()), Some(plain));
        let placed = super::with_srid(&wkb, 4326).unwrap();
        check(&object(&placed, "1"), Some(PLACED));
        let big = [&[0, 0, 0, 0, 1][..], &[0; 16]].concat();
        let digits = format!("0020000001000010E6{}", "00".repeat(16));
        check(&object(&big, "4326"), Some(&digits));
        check(&words("POINT(1 2)"), Some("POINT(1 2)"));
        check(&object(&[1, 1], "4326"), None);
        check(&object(&[7, 1, 0, 0, 0], "4326"), None);
        check(&Value::Json("[1]".into()), None);
    }
}

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

/// Well-known binary, by itself or in a struct's field `wkb`.
pub(super) fn geometry<'v>(value: &'v Value<'_>) -> Result<Fitted<'v>, Misfit> {
    match value {
        Value::Json(text) => match serde_json::from_str::<Geometry>(text) {
            Ok(geometry) => decoded(&geometry.wkb),
            Err(_) => Err("only well-known binary, or an object with a field wkb, fits".into()),
        },
        other => bytes(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, words};
    use super::*;
    use rowdock_connectors::ColumnType;

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
    fn geometries_come_alone_or_in_a_struct() {
        let wkb = Some(Cell::Bytes(&[1, 1]));
        let column = ColumnType::Geometry;
        check(&Value::Bytes(vec![1, 1].into()), &column, wkb);
        check(&words("AQE="), &column, wkb);
        let debezium = r#"{"x":1.0,"y":2.0,"wkb":"AQE=","srid":null}"#;
        check(&Value::Json(debezium.into()), &column, wkb);
        check(&Value::Json(r#"{"x":1}"#.into()), &column, None);
        check(&Value::Json("[1]".into()), &column, None);
    }
}

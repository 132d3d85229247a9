use std::borrow::Cow;
use std::sync::Arc;

use scylla::frame::response::result::{CollectionType, UserDefinedType};

use super::*;

fn native(native: NativeType) -> ColumnType<'static> {
    ColumnType::Native(native)
}

fn collection(typ: CollectionType<'static>) -> ColumnType<'static> {
    ColumnType::Collection { frozen: false, typ }
}

fn encoded(cell: Cell<'_>, column_type: &ColumnType<'_>) -> Result<Vec<u8>, Misfit> {
    let mut buffer = Vec::new();
    push_cell(&mut buffer, &cell, column_type, Nulls::Unset).map(|()| buffer)
}

#[test]
fn scalars() {
    let check = |cell: Cell<'_>, typ: NativeType, content: &[u8]| {
        let mut expected = i32::try_from(content.len()).unwrap().to_be_bytes().to_vec();
        expected.extend_from_slice(content);
        let found = encoded(cell, &native(typ.clone()));
        assert_eq!(found.as_deref(), Ok(&*expected), "{cell:?} as {typ:?}");
    };
    let at = |seconds, nanos| Cell::Timestamp(Timestamp { seconds, nanos });
    check(Cell::Bool(true), NativeType::Boolean, &[1]);
    check(Cell::Int(-1), NativeType::TinyInt, &[0xff]);
    check(Cell::Int(258), NativeType::SmallInt, &[1, 2]);
    check(Cell::Int(1), NativeType::Int, &[0, 0, 0, 1]);
    check(Cell::Int(1), NativeType::BigInt, &[0, 0, 0, 0, 0, 0, 0, 1]);
    check(Cell::Float(1.5), NativeType::Float, &[0x3f, 0xc0, 0, 0]);
    check(Cell::Text("é"), NativeType::Text, "é".as_bytes());
    check(Cell::Text("a"), NativeType::Ascii, b"a");
    check(Cell::Text(""), NativeType::Text, &[]);
    check(Cell::Text("127.0.0.1"), NativeType::Inet, &[127, 0, 0, 1]);
    check(Cell::Text("1mo"), NativeType::Duration, &[2, 0, 0]);
    check(Cell::Date(-1), NativeType::Date, &[0x7f, 0xff, 0xff, 0xff]);
    check(Cell::Time(1), NativeType::Time, &[0, 0, 0, 0, 0, 0, 0, 1]);
    check(
        at(1, 999_999),
        NativeType::Timestamp,
        &1_000_i64.to_be_bytes(),
    );
    check(
        at(-1, 999_999_999),
        NativeType::Timestamp,
        &(-1_i64).to_be_bytes(),
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let check = |cell: Cell<'_>, typ: NativeType| {
        assert!(
            encoded(cell, &native(typ.clone())).is_err(),
            "{cell:?} as {typ:?}"
        );
    };
    let at = |seconds| Cell::Timestamp(Timestamp { seconds, nanos: 0 });
    check(Cell::Int(128), NativeType::TinyInt);
    check(Cell::Int(40_000), NativeType::SmallInt);
    check(Cell::Text("é"), NativeType::Ascii);
    check(Cell::Text("localhost"), NativeType::Inet);
    check(Cell::Text("soon"), NativeType::Duration);
    check(Cell::Time(NANOS_PER_DAY), NativeType::Time);
    check(at(i64::MAX), NativeType::Timestamp);
    check(Cell::Date(i32::MAX), NativeType::Date);
    check(Cell::Date(i32::MIN), NativeType::Date);
    check(Cell::Uuid([0; 16]), NativeType::Timeuuid);
    check(Cell::Text("1"), NativeType::Int);
}

#[test]
fn absent_and_null() {
    let check = |cell: Cell<'_>, nulls: Nulls, expected: i32| {
        let mut buffer = Vec::new();
        push_cell(&mut buffer, &cell, &native(NativeType::Int), nulls).unwrap();
        assert_eq!(buffer, expected.to_be_bytes(), "{cell:?} {nulls:?}");
    };
    check(Cell::Absent, Nulls::Unset, UNSET);
    check(Cell::Absent, Nulls::Delete, UNSET);
    check(Cell::Null, Nulls::Unset, UNSET);
    check(Cell::Null, Nulls::Delete, NULL);
}

fn point() -> ColumnType<'static> {
    let field = |name: &'static str| (Cow::Borrowed(name), native(NativeType::SmallInt));
    ColumnType::UserDefinedType {
        frozen: true,
        definition: Arc::new(UserDefinedType {
            name: "point".into(),
            keyspace: "k".into(),
            field_types: vec![field("x"), field("y")],
        }),
    }
}

#[test]
fn documents() {
    let small = || Box::new(native(NativeType::SmallInt));
    let list = collection(CollectionType::List(small()));
    let map = collection(CollectionType::Map(
        small(),
        Box::new(native(NativeType::Text)),
    ));
    let tuple = ColumnType::Tuple(vec![native(NativeType::Boolean), native(NativeType::Text)]);
    let floats = ColumnType::Vector {
        typ: Box::new(native(NativeType::Float)),
        dimensions: 2,
    };
    let texts = ColumnType::Vector {
        typ: Box::new(native(NativeType::Text)),
        dimensions: 1,
    };
    let check = |document: &str, typ: &ColumnType<'_>, content: &[u8]| {
        let found = encoded(Cell::Json(document), typ);
        assert_eq!(
            found.as_deref().map(|bytes| &bytes[4..]),
            Ok(content),
            "{document}"
        );
    };
    check("[]", &list, &[0, 0, 0, 0]);
    check(
        "[1, \"2\"]",
        &list,
        &[0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 0, 0, 0, 2, 0, 2],
    );
    check(
        "{\"7\":\"a\"}",
        &map,
        &[0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 0, 0, 1, b'a'],
    );
    check(
        "[[7,\"a\"]]",
        &map,
        &[0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 0, 0, 1, b'a'],
    );
    check("[true]", &tuple, &[0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff]);
    check("[null,\"\"]", &tuple, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    check("[1, 2]", &floats, &[0x3f, 0x80, 0, 0, 0x40, 0, 0, 0]);
    check("[\"ab\"]", &texts, &[2, b'a', b'b']);
    check(
        "{\"y\":2}",
        &point(),
        &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 2],
    );
    for (document, typ) in [
        ("[null]", &list),
        ("[70000]", &list),
        ("{}", &list),
        ("1", &list),
        ("[1", &list),
        ("[[1]]", &map),
        ("{\"a\":\"a\"}", &map),
        ("[true,\"\",1]", &tuple),
        ("[1]", &floats),
        ("[1,null]", &floats),
        ("{\"z\":1}", &point()),
        ("{\"x\":true}", &point()),
    ] {
        assert!(
            encoded(Cell::Json(document), typ).is_err(),
            "{document} as {typ:?}"
        );
    }
}

#[test]
fn exact_numbers_in_documents() {
    let element = |typ: NativeType| collection(CollectionType::Set(Box::new(native(typ))));
    let check = |document: &str, typ: NativeType, content: &[u8]| {
        let found = encoded(Cell::Json(document), &element(typ));
        assert_eq!(
            found.as_deref().map(|bytes| &bytes[12..]),
            Ok(content),
            "{document}"
        );
    };
    check(
        "[9007199254740993]",
        NativeType::BigInt,
        &9_007_199_254_740_993_i64.to_be_bytes(),
    );
    check("[1.10]", NativeType::Decimal, &[0, 0, 0, 2, 110]);
    check("[1e2]", NativeType::Varint, &[100]);
    check("[\"0x0aff\"]", NativeType::Blob, &[0x0a, 0xff]);
    check("[\"Cv8=\"]", NativeType::Blob, &[0x0a, 0xff]);
    check("[1000]", NativeType::Timestamp, &1_000_i64.to_be_bytes());
    check(
        "[\"1970-01-01T00:00:01Z\"]",
        NativeType::Timestamp,
        &1_000_i64.to_be_bytes(),
    );
    check("[12]", NativeType::Text, b"12");
}

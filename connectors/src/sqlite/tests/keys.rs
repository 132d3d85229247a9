//! Keys that the fold and the table do not agree about: what is left is what the log comes to.

use super::*;

type Draft<'a> = (&'a str, Option<Cell<'a>>);

fn put(key: &str, value: i64) -> Draft<'_> {
    (key, Some(Cell::Int(value)))
}

/// Of a column that the record does not have.
fn bare(key: &str) -> Draft<'_> {
    (key, Some(Cell::Absent))
}

fn gone(key: &str) -> Draft<'_> {
    (key, None)
}

/// Writes records, together and one by one, to tables of a column `k` of this kind, the key, and a number
/// `n`. `before` is there already.
async fn check(
    definition: &str,
    mode: WriteMode,
    before: &str,
    records: &[Draft<'_>],
    expected: &[&str],
) {
    for at_once in [records.len(), 1] {
        let database = Database::new(&format!("CREATE TABLE t ({definition})")).await;
        database.run(before).await;
        let target = database.target("t", &["k"], mode).await;
        let mut session = database.session().await;
        for part in records.chunks(at_once) {
            let mut rows = TableRows::new(Arc::clone(&target));
            for (key, value) in part {
                let key = match target.column(0).column_type {
                    crate::table::ColumnType::Decimal { .. } => Cell::Decimal(key),
                    crate::table::ColumnType::Json => Cell::Json(key),
                    _ => Cell::Text(key),
                };
                let value = value.map_or(vec![key], |value| vec![key, value]);
                let is_delete = value.len() == 1;
                push_row(&mut rows, &value, is_delete);
            }
            write_rows_only(&mut session, rows).await.unwrap();
        }
        let found = database.query(&["k", "n"], "FROM t ORDER BY k, n").await;
        assert_eq!(found, expected, "{definition} {mode:?} {at_once} at once");
    }
}

const NOTHING: &str = "SELECT 1";

#[tokio::test]
async fn texts_without_regard_to_case_or_blanks() {
    use WriteMode::{Insert, InsertIgnore, Update, Upsert};
    let caseless = "k TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER";
    let is_put = [put("b", 0), put("a", 1), put("A", 2), put("c", 3)];
    check(
        caseless,
        Upsert,
        NOTHING,
        &is_put,
        &["'a'|2", "'b'|0", "'c'|3"],
    )
    .await;
    let is_gone = [put("a", 1), gone("A")];
    check(caseless, Upsert, NOTHING, &is_gone, &[]).await;
    check(caseless, Insert, NOTHING, &is_gone, &[]).await;
    let is_back = [put("A", 1), gone("a"), put("a", 2)];
    check(caseless, Insert, NOTHING, &is_back, &["'a'|2"]).await;
    let keeps = [put("a", 1), bare("A")];
    check(caseless, Upsert, NOTHING, &keeps, &["'a'|1"]).await;
    let ignored = [put("b", 1), put("B", 2)];
    check(caseless, InsertIgnore, NOTHING, &ignored, &["'b'|1"]).await;
    let a_row = "INSERT INTO t VALUES ('a', 0)";
    let updated = [put("a", 1), put("A", 2)];
    check(caseless, Update, a_row, &updated, &["'a'|2"]).await;
    let blankless = "k TEXT COLLATE RTRIM PRIMARY KEY, n INTEGER";
    let is_put = [put("a ", 2), put("a", 1)];
    check(blankless, Upsert, NOTHING, &is_put, &["'a '|1"]).await;
    let is_gone = [put("a", 1), gone("a  ")];
    check(blankless, Upsert, NOTHING, &is_gone, &[]).await;
}

/// The column says what deletes and updates meet, the index what inserts do.
#[tokio::test]
async fn columns_and_indexes_that_do_not_agree() {
    use WriteMode::{Update, Upsert};
    let index = "k TEXT, n INTEGER, UNIQUE (k COLLATE NOCASE)";
    let is_put = [put("a", 1), put("A", 2), gone("A")];
    check(index, Upsert, NOTHING, &is_put, &["'a'|2"]).await;
    let column = "k TEXT COLLATE NOCASE, n INTEGER";
    let a_row = "INSERT INTO t VALUES ('a', 0)";
    let updated = [put("b", 3), put("a", 1), put("A", 2)];
    check(column, Update, a_row, &updated, &["'a'|2"]).await;
}

#[tokio::test]
async fn decimals_that_are_texts_and_documents_that_are_numbers() {
    use WriteMode::Upsert;
    let decimal = "k DECIMAL_TEXT PRIMARY KEY, n INTEGER";
    let two = [put("1.0", 1), put("1.00", 2), gone("1.00")];
    check(decimal, Upsert, NOTHING, &two, &["'1.0'|1"]).await;
    let numeric = "k DECIMAL(9,2) PRIMARY KEY, n INTEGER";
    check(numeric, Upsert, NOTHING, &two, &[]).await;
    let document = "k JSON PRIMARY KEY, n INTEGER";
    let one = [put("7", 2), put(" 7", 1)];
    check(document, Upsert, NOTHING, &one, &["7|1"]).await;
}

/// By the table's own rules, whatever those of the table that remembers deletes are.
#[tokio::test]
async fn deletes_are_remembered_for_all_spellings() {
    let ddl = "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, n INTEGER); \
               CREATE TABLE gone (k TEXT PRIMARY KEY, n INTEGER)";
    let database = Database::new(ddl).await;
    let guarded = |target: Arc<Target>| Target {
        guard: Some(1),
        ..Target::clone(&target)
    };
    let tombstones = guarded(database.target("gone", &["k"], WriteMode::Upsert).await);
    let target = Target {
        tombstones: Some(Arc::new(tombstones)),
        ..guarded(database.target("t", &["k"], WriteMode::Upsert).await)
    };
    let text = Cell::Text;
    let int = Cell::Int;
    let records: [Record<'_>; 4] = [
        (&[text("a"), int(5)], false),
        (&[text("A"), int(7)], true),
        (&[text("a"), int(6)], false),
        (&[text("b"), int(1)], false),
    ];
    let rows = rows_of(&Arc::new(target), &records);
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    assert_eq!(database.query(&["k", "n"], "FROM t").await, ["'b'|1"]);
}

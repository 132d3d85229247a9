//! A role that may do what the page lists, and nothing else, does all of the work; one that may do less is
//! told what it lacks.

use std::sync::Arc;

use rowdock_connectors::postgres::PostgresSink;
use rowdock_connectors::{
    Cell, ColumnType, ErrorClass, NewColumn, NewTable, RowKind, Session, Sink, SinkError,
    SinkOptions, TableName, TableRows, Target, WriteMode, WriteOutcome,
};

use super::database::{Database, batch, claim, moved, open, push_kind, rows, rows_only, start};

/// A role that may log in, and see the schema.
struct Clerk<'a> {
    database: &'a Database,
    name: String,
}

impl<'a> Clerk<'a> {
    async fn new(database: &'a Database) -> Self {
        let name = format!("{}_clerk", database.schema);
        let clerk = Self { database, name };
        let schema = &database.schema;
        clerk
            .run(&format!(
                "CREATE ROLE clerk LOGIN PASSWORD 'weak'; GRANT USAGE ON SCHEMA {schema} TO clerk"
            ))
            .await;
        clerk
    }

    /// Runs this as the administrator; `clerk` is the role.
    async fn run(&self, text: &str) {
        self.database.run(&text.replace("clerk", &self.name)).await;
    }

    fn options(&self) -> SinkOptions {
        SinkOptions {
            user: Some(self.name.clone()),
            password: Some("weak".into()),
            ..self.database.options()
        }
    }

    /// A session without positions.
    async fn session(&self) -> Box<dyn Session> {
        open(SinkOptions {
            stores_positions: false,
            ..self.options()
        })
        .await
    }

    async fn drop(self) {
        self.run("DROP OWNED BY clerk; DROP ROLE clerk").await;
    }
}

/// `CREATE TABLE` of the file that people are given.
fn progress_table() -> String {
    let text = include_str!("../../migrations/postgres.sql");
    text.replace(":progress_table", "rowdock_progress")
}

fn filled(target: &Arc<Target>, row_count: i64, kind: RowKind) -> TableRows {
    let mut written = rows(target, &[]);
    for id in 0..row_count {
        push_kind(&mut written, &[Cell::Int(id), Cell::Int(1)], kind);
    }
    written
}

async fn try_writing(
    session: &mut dyn Session,
    target: &Arc<Target>,
    kind: RowKind,
) -> Result<(), SinkError> {
    // As many as are copied, and fewer.
    for row_count in [1, 40] {
        let written = filled(target, row_count, kind);
        session.write(&rows_only(vec![written])).await?;
    }
    Ok(())
}

#[tokio::test]
async fn those_that_are_documented_are_enough_to_write() {
    use WriteMode::{Insert, InsertIgnore, Update, Upsert};
    let database = Database::new().await;
    let clerk = Clerk::new(&database).await;
    let keyless = "CREATE TABLE t (id int8, n int8)";
    let keyed = "CREATE TABLE t (id int8 PRIMARY KEY, n int8)";
    let cases: [(&str, WriteMode, RowKind, &[&str]); 6] = [
        (keyless, Insert, RowKind::Write, &["INSERT"]),
        (
            keyed,
            Upsert,
            RowKind::Write,
            &["INSERT", "SELECT", "UPDATE"],
        ),
        (keyed, InsertIgnore, RowKind::Write, &["INSERT", "SELECT"]),
        (keyed, Update, RowKind::Write, &["SELECT", "UPDATE"]),
        (keyed, Upsert, RowKind::Delete, &["SELECT", "DELETE"]),
        (keyed, Upsert, RowKind::Truncate, &["SELECT", "TRUNCATE"]),
    ];
    for (table, mode, kind, rights) in cases {
        let what = format!("{mode:?} {kind:?}");
        for missing in rights.iter().copied().map(Some).chain([None]) {
            database
                .run(&format!("DROP TABLE IF EXISTS t; {table}"))
                .await;
            let granted: Vec<&str> = rights
                .iter()
                .copied()
                .filter(|right| Some(*right) != missing)
                .collect();
            for right in granted {
                clerk.run(&format!("GRANT {right} ON t TO clerk")).await;
            }
            let mut session = clerk.session().await;
            let target = database
                .target(&mut *session, "t", &["id", "n"], 1, mode)
                .await;
            let written = try_writing(&mut *session, &target, kind).await;
            match (written, missing) {
                (Ok(()), None) => {}
                (Err(error), Some(_)) => {
                    assert_eq!(error.class(), ErrorClass::Stop, "{what}: {error}");
                    assert!(error.lacks_right(), "{what}: {error}");
                    assert!(error.to_string().contains("grant"), "{what}: {error}");
                }
                (written, missing) => panic!("{what} without {missing:?}: {written:?}"),
            }
            session.close().await;
        }
    }
    clerk.drop().await;
}

/// A row that the role may not write is the record's fault; others of the table may be written.
#[tokio::test]
async fn a_row_that_a_policy_forbids_is_refused() {
    let database = Database::new().await;
    let clerk = Clerk::new(&database).await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, n int8); ALTER TABLE t ENABLE ROW LEVEL SECURITY; \
             INSERT INTO t VALUES (100, 5)",
        )
        .await;
    clerk
        .run(
            "CREATE POLICY ones ON t TO clerk USING (n = 1); \
             GRANT SELECT, INSERT, UPDATE, DELETE ON t TO clerk",
        )
        .await;
    let mut session = clerk.session().await;
    for mode in [WriteMode::Insert, WriteMode::Upsert] {
        let target = database
            .target(&mut *session, "t", &["id", "n"], 1, mode)
            .await;
        let mut written = filled(&target, 40, RowKind::Write);
        push_kind(&mut written, &[Cell::Int(40), Cell::Int(2)], RowKind::Write);
        if mode == WriteMode::Upsert {
            // Somebody else's row.
            let taken = [Cell::Int(100), Cell::Int(1)];
            push_kind(&mut written, &taken, RowKind::Write);
        }
        let mut written = rows_only(vec![written]);
        let error = session.write(&written).await.expect_err("not all are ones");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        assert!(!error.lacks_right(), "{error}");
        let found = session.find_rejects(&written).await.expect("found");
        assert_eq!(found[0].row, 40, "{found:?}");
        assert!(found[0].reason.contains("policy"), "{found:?}");
        assert!(found.iter().skip(1).all(|bad| bad.row == 41), "{found:?}");
        written.retain_rows(|_, row, _| row < 40);
        let outcome = session.write(&written).await.expect("written");
        assert_eq!(outcome, WriteOutcome::Committed);
        database.run("DELETE FROM t WHERE id < 100").await;
    }
    session.close().await;
    clerk.drop().await;
}

#[tokio::test]
async fn those_that_are_documented_are_enough_to_move_positions() {
    let database = Database::new().await;
    let clerk = Clerk::new(&database).await;
    database.run("CREATE TABLE t (id int8, n int8)").await;
    clerk.run("GRANT INSERT ON t TO clerk").await;
    let sink = PostgresSink::new(clerk.options()).expect("options");
    let error = sink.open().await.err().expect("no progress table");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(error.to_string().contains("CREATE TABLE"), "{error}");

    database.run(&progress_table()).await;
    clerk
        .run("GRANT SELECT, INSERT, UPDATE ON rowdock_progress TO clerk")
        .await;
    let mut session = open(clerk.options()).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let target = database
        .target(&mut *session, "t", &["id", "n"], 0, WriteMode::Insert)
        .await;
    let written = batch(
        vec![moved(0, id, 0, 3)],
        vec![filled(&target, 3, RowKind::Write)],
    );
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    session.close().await;
    clerk.drop().await;
}

fn column(name: &str, column_type: ColumnType) -> NewColumn {
    NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    }
}

#[tokio::test]
async fn tables_are_created_with_a_right_and_changed_by_their_owner() {
    let database = Database::new().await;
    let clerk = Clerk::new(&database).await;
    let wanted = NewTable {
        name: TableName::parse("made"),
        columns: vec![column("id", ColumnType::Int32)],
        primary_key: vec!["id".to_owned()],
    };
    let wider = [
        vec![column("id", ColumnType::Int64)],
        vec![column("more", ColumnType::Text { max_chars: None })],
    ];
    let mut session = clerk.session().await;
    let error = session.create_table(&wanted).await.expect_err("no right");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(error.to_string().contains("CREATE TABLE"), "{error}");

    // Somebody else's, with all rights that can be granted.
    database.run("CREATE TABLE made (id int4)").await;
    clerk.run("GRANT ALL ON made TO clerk").await;
    for columns in &wider {
        let refused = session.evolve_table(&wanted.name, columns).await;
        let error = refused.expect_err("not the owner");
        assert_eq!(error.class(), ErrorClass::Stop, "{error}");
        assert!(
            error.to_string().contains("ALTER TABLE \"made\""),
            "{error}"
        );
    }
    database.run("DROP TABLE made").await;

    let schema = &database.schema;
    clerk
        .run(&format!("GRANT CREATE ON SCHEMA {schema} TO clerk"))
        .await;
    session.create_table(&wanted).await.expect("created");
    for columns in &wider {
        let evolved = session.evolve_table(&wanted.name, columns).await;
        evolved.expect("its own");
    }
    session.close().await;
    clerk.drop().await;
}

//! Tables that are changed under a session: what it knew of them must not be believed any longer.

use rowdock_connectors::{Batch, Cell, ErrorClass, Session, TableRows, WriteMode, WriteOutcome};

use super::database::{Database, open, push, rows, rows_only};

/// Enough for a copy.
const MANY: i64 = 40;

async fn numbers(database: &Database, session: &mut dyn Session) -> Batch {
    let target = database
        .target(session, "t", &["n"], 0, WriteMode::Insert)
        .await;
    let mut written = rows(&target, &[]);
    for n in 0..MANY {
        push(&mut written, &[Cell::Int(n)], false);
    }
    rows_only(vec![written])
}

/// A rule would be passed by silently; the others take no copies.
#[tokio::test]
async fn what_may_not_be_copied_into_any_more_is_inserted_into() {
    let database = Database::new().await;
    let (schema, role) = (&database.schema, format!("{}_role", database.schema));
    database
        .run(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'weak'; GRANT USAGE ON SCHEMA {schema} TO {role}"
        ))
        .await;
    let mut options = database.options();
    options.user = Some(role.clone());
    options.password = Some("weak".into());
    options.stores_positions = false;
    let changes = [
        "CREATE RULE also AS ON INSERT TO t DO ALSO INSERT INTO noted VALUES (NEW.n)",
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY noted ON t USING (EXISTS (SELECT FROM noted))",
        "ALTER TABLE t RENAME TO base; CREATE VIEW t AS SELECT n FROM base",
    ];
    for change in changes {
        let grant = format!("GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}");
        database
            .run(&format!(
                "CREATE TABLE noted (n int8); CREATE TABLE t (n int8); {grant}; \
                 INSERT INTO noted VALUES (-1)"
            ))
            .await;
        let mut session = open(options.clone()).await;
        let written = numbers(&database, &mut *session).await;
        session.write(&written).await.expect("written");
        database.run(&format!("{change}; {grant}")).await;
        let error = session.write(&written).await.expect_err(change);
        assert_eq!(error.class(), ErrorClass::Retry, "{change}: {error}");
        assert!(error.connection_lost(), "{change}: {error}");
        session = open(options.clone()).await;
        let outcome = session.write(&written).await.expect(change);
        assert_eq!(outcome, WriteOutcome::Committed, "{change}");
        let count: i64 = database.value("SELECT count(*) FROM t").await;
        assert_eq!(count, 2 * MANY, "{change}");
        let noted: i64 = database.value("SELECT count(*) FROM noted").await;
        let by_rule = if change.contains("RULE") { MANY } else { 0 };
        assert_eq!(noted, 1 + by_rule, "{change}");
        session.close().await;
        let drop = "DROP TABLE noted, t, base CASCADE";
        let drop = match change.contains("VIEW") {
            true => drop.replace(" t,", ""),
            false => drop.replace(", base", ""),
        };
        database.run(&drop).await;
    }
    database
        .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

/// What the values were fitted to had more digits. Names that need care, too.
#[tokio::test]
async fn values_are_not_rounded_for_a_column_that_was_narrowed() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE \"it's\" (relkind numeric(10,2))")
        .await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "it's", &["relkind"], 0, WriteMode::Insert)
        .await;
    let mut written = rows(&target, &[]);
    for _ in 0..MANY {
        push(&mut written, &[Cell::Decimal("1.25")], false);
    }
    let written = rows_only(vec![written]);
    session.write(&written).await.expect("written");
    database
        .run("TRUNCATE \"it's\"; ALTER TABLE \"it's\" ALTER relkind TYPE numeric(12,0)")
        .await;
    let error = session.write(&written).await.expect_err("narrower");
    assert!(error.connection_lost(), "{error}");
    session = database.session().await;
    let error = session.write(&written).await.expect_err("narrower");
    assert!(error.table_changed(), "{error}");
    assert!(error.to_string().contains("numeric(10,2)"), "{error}");
    let count: i64 = database.value("SELECT count(*) FROM \"it's\"").await;
    assert_eq!(count, 0);
}

/// So that its definition is read again, instead of the task being stopped.
#[tokio::test]
async fn a_key_or_type_that_is_another_one_now_is_noticed() {
    let database = Database::new().await;
    let recreated = "DROP TABLE t; CREATE TABLE t (id uuid PRIMARY KEY, m text)";
    let renamed = "DROP TABLE t; ALTER TYPE mood RENAME TO feeling; \
                   CREATE TABLE t (id int8 PRIMARY KEY, m feeling)";
    let cases = [
        (WriteMode::Upsert, true, "ALTER TABLE t ALTER id TYPE text"),
        (WriteMode::Update, false, "ALTER TABLE t ALTER id TYPE text"),
        (WriteMode::Upsert, true, recreated),
        (WriteMode::Update, false, recreated),
        (WriteMode::Upsert, false, renamed),
        (WriteMode::Update, false, renamed),
    ];
    for (mode, deletes, change) in cases {
        database
            .run(
                "DROP TABLE IF EXISTS t; DROP TYPE IF EXISTS mood, feeling; \
                 CREATE TYPE mood AS ENUM ('sad', 'happy'); \
                 CREATE TABLE t (id int8 PRIMARY KEY, m mood)",
            )
            .await;
        let mut session = database.session().await;
        let target = database
            .target(&mut *session, "t", &["id", "m"], 1, mode)
            .await;
        let mut written = TableRows::new(target);
        let cells = [Cell::Int(1), Cell::Text("sad")];
        push(&mut written, &cells, deletes);
        let written = rows_only(vec![written]);
        session.write(&written).await.expect("written");
        database.run(change).await;
        let error = session.write(&written).await.expect_err(change);
        let what = format!("{mode:?}, {change}: {error}");
        assert!(error.table_changed(), "{what}");
        assert!(!error.connection_lost(), "{what}");
    }
}

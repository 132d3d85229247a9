//! A user with the rights that the sink's page lists, and no others.

use rowdock_connectors::mysql::MySqlSink;
use rowdock_connectors::{
    Cell, ColumnType, NewColumn, Session, Sink, TableName, TableRows, WriteMode, WriteOutcome,
};

use super::servers;
use crate::conformance::databases::mysql::Schema;
use crate::conformance::support::{
    Database, Server, batch, claim, emptied, gone, int, moved, options, put, rows, start, table,
    target,
};

const COLUMNS: [&str; 3] = ["id", "n", "note"];

/// A user without rights, and the sink that logs in as it.
struct User {
    name: String,
    sink: MySqlSink,
}

impl User {
    async fn new(server: &Schema) -> Self {
        let name = format!("user_{}", &uuid::Uuid::new_v4().simple().to_string()[..12]);
        server
            .run(&format!("CREATE USER {name} IDENTIFIED BY 'weak'"))
            .await;
        let mut options = options(&server.url(), "orders", true);
        options.user = Some(name.clone());
        options.password = Some("weak".into());
        Self {
            name,
            sink: MySqlSink::new(options).expect("options"),
        }
    }

    /// `on`: a table of the database's, or `*`.
    async fn may(&self, server: &Schema, rights: &str, on: &str) {
        let (database, name) = (&server.name, &self.name);
        let grant = format!("GRANT {rights} ON {database}.{on} TO {name}");
        server.run(&grant).await;
    }
}

/// Writes batches that move partition 0, each from where the last one ended.
struct Writer {
    session: Box<dyn Session>,
    claim: uuid::Uuid,
    next: i64,
}

impl Writer {
    async fn write(&mut self, rows: TableRows) {
        let to = self.next + 1;
        let batch = batch(vec![moved(0, self.claim, self.next, to)], vec![rows]);
        let outcome = self.session.write(&batch).await.expect("may do so");
        assert_eq!(outcome, WriteOutcome::Committed);
        self.next = to;
    }
}

#[tokio::test]
async fn those_that_are_documented_are_enough() {
    for server in servers().await {
        let user = User::new(&server).await;
        user.may(&server, "CREATE", "*").await;
        // The server gives rights on tables that are not there to those alone who may create them.
        let of_positions = "CREATE, SELECT, INSERT, UPDATE";
        user.may(&server, of_positions, "rowdock_progress").await;
        let mut session = user.sink.open().await.expect("creates the progress table");
        start(&mut *session, 1).await;
        let claim = claim(&mut *session, &[0]).await;
        let mut writer = Writer {
            session,
            claim,
            next: 0,
        };

        user.may(&server, "CREATE, INSERT", "appended").await;
        table(&mut *writer.session, "appended", false).await;
        let appended = target(
            &mut *writer.session,
            "appended",
            &COLUMNS,
            0,
            WriteMode::Insert,
        )
        .await;
        let records = [put(1, int(1), Cell::Text("a"))];
        writer.write(rows(&appended, &records)).await;
        assert_eq!(server.rows("appended", &COLUMNS).await, ["1,1,a"]);

        let of_changes = "CREATE, INSERT, SELECT, UPDATE, DELETE";
        user.may(&server, of_changes, "changed").await;
        table(&mut *writer.session, "changed", true).await;
        for (mode, n) in [
            (WriteMode::Upsert, 1),
            (WriteMode::InsertIgnore, 2),
            (WriteMode::Update, 3),
        ] {
            let changed = target(&mut *writer.session, "changed", &COLUMNS, 1, mode).await;
            let records = [
                put(1, int(n), Cell::Null),
                put(2, int(n), Cell::Absent),
                gone(3),
            ];
            writer.write(rows(&changed, &records)).await;
        }
        assert_eq!(server.rows("changed", &["id", "n"]).await, ["1,3", "2,3"]);
        evolves_with_the_right_to_alter(&server, &user, &mut *writer.session).await;
        let changed = target(
            &mut *writer.session,
            "changed",
            &COLUMNS,
            1,
            WriteMode::Upsert,
        )
        .await;
        writer.write(rows(&changed, &[gone(1)])).await;
        assert_eq!(server.rows("changed", &["id"]).await, ["2"]);
        writer.write(rows(&changed, &[emptied()])).await;
        assert!(server.rows("changed", &["id"]).await.is_empty());
        writer.session.close().await;
        server.run(&format!("DROP USER {}", user.name)).await;
    }
}

async fn evolves_with_the_right_to_alter(server: &Schema, user: &User, session: &mut dyn Session) {
    let column = |name: &str, column_type| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    };
    let wanted = [
        column("n", ColumnType::Int64),
        column("added", ColumnType::Json),
    ];
    let name = TableName::parse("changed");
    let refused = session.evolve_table(&name, &wanted).await;
    let message = refused.expect_err("no right").to_string();
    assert!(message.contains("ALTER TABLE `changed`"), "{message}");
    user.may(server, "ALTER", "changed").await;
    let evolved = session.evolve_table(&name, &wanted).await.expect("evolved");
    assert_eq!(evolved.columns.len(), 4);
}

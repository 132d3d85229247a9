//! Replays over the API: what is refused before Kafka and the database are asked.

use super::*;

#[tokio::test]
async fn what_cannot_be_understood_is_refused() {
    let worker = Worker::start();
    worker.create("pg", 1).await;
    let path = "/rowdock/connectors/pg/replay";
    let check = async |body: Value, expected: &str| {
        let reply = worker.send_json(Method::POST, path, &body).await;
        let (code, message) = reply.error();
        assert_eq!(code, 400, "{body}: {message}");
        assert!(message.contains(expected), "{body}: {message}");
    };
    check(json!({}), "or say all").await;
    check(json!({"all": true, "stage": "TASK_PUT"}), "other choices").await;
    check(json!({"records": ["orders:x"]}), "TOPIC:PARTITION").await;
    check(json!({"everything": true}), "everything").await;
    check(
        json!({"all": true}),
        "the connector names no dead letter topic or table",
    )
    .await;
    check(
        json!({"all": true, "place": "table"}),
        "errors.deadletterqueue.table",
    )
    .await;
    let reply = worker.send(Method::POST, path).await;
    assert_eq!(reply.error().0, 400);
    let unknown = "/rowdock/connectors/nope/replay";
    let reply = worker
        .send_json(Method::POST, unknown, &json!({"all": true}))
        .await;
    assert_eq!(reply.error(), (404, "Connector nope not found".to_owned()));
}

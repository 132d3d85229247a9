//! What happens to the topics of a cluster: each made anew behind a running worker, and the config topic
//! too small for a change.

use super::*;

/// Records of the topic that is made anew: less than a long config takes, enough for others.
const RECORD_BYTES_MAX: usize = 20_000;

/// Before the writer's thread gives up what nobody refuses, on a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(8);

async fn health(worker: &Worker) -> Answer {
    worker.rest.get("/health").await
}

/// The worker says so, goes on with what it has, and changes nothing until it is restarted.
#[tokio::test(flavor = "multi_thread")]
async fn config_topic_made_anew() {
    let stage = Stage::begin("config_topic", 1).await;
    let configs = stage.named_topic("configs", 1).name;
    stage.named_topic("statuses", 5);
    let mut worker = start(&stage, "earlier").await;
    let made = create(&worker, idle(&stage, "before", 1)).await;
    assert_eq!(made.code, 201, "{}", made.body);
    until_placed(&worker, "before", 1, &[&worker]).await;

    kafka::delete_topics(&[&configs]).await;
    let limit = RECORD_BYTES_MAX.to_string();
    let settings = [("cleanup.policy", "compact"), ("max.message.bytes", &limit)];
    kafka::create_topic(&configs, 1, &settings).await;
    let words = format!("topic {configs} was made anew or has lost its end");
    eventually("a worker that is not well", PATIENCE, || async {
        let answer = health(&worker).await;
        let told = answer.body["message"].as_str().unwrap_or_default();
        let is_told = answer.code == 500 && told.contains(&words);
        check(is_told, || format!("{} {}", answer.code, answer.body))
    })
    .await;
    let refused = create(&worker, idle(&stage, "after", 1)).await;
    assert_eq!(refused.code, 503, "{}", refused.body);
    assert!(refused.body.to_string().contains(&words));
    assert_eq!(
        kafka::watermarks(&configs, 0).await.1,
        0,
        "nothing is written"
    );
    let (infos, states) = shown(&worker).await;
    assert_eq!(infos["before"]["info"]["name"], "before");
    assert_eq!(states["before"], "RUNNING");

    worker.terminate();
    assert!(worker.exit(PATIENCE).await.success());
    let worker = start(&stage, "later").await;
    assert_eq!(worker.rest.get("/connectors").await.body, json!([]));
    let made = create(&worker, idle(&stage, "after", 1)).await;
    assert_eq!(made.code, 201, "{}", made.body);

    // What the topic cannot take is refused at once, and holds nothing up.
    let mut large = idle(&stage, "large", 1);
    large["config"]["my.note"] = json!("x".repeat(2 * RECORD_BYTES_MAX));
    let begun = Instant::now();
    let refused = create(&worker, large).await;
    assert_eq!(refused.code, 400, "{}", refused.body);
    let told = refused.body["message"].as_str().unwrap_or_default();
    assert!(told.contains("make the config shorter"), "{told}");
    let took = begun.elapsed();
    stage.tell(format_args!("refused after {took:?}"));
    assert!(took < AT_ONCE, "{took:?}");
    // Many tasks are more than the topic takes at once, and each is less.
    let mut many = idle(&stage, "many", 50);
    many["config"]["my.note"] = json!("x".repeat(RECORD_BYTES_MAX / 10));
    let made = create(&worker, many).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(health(&worker).await.code, 200);
}

/// What stood in it is said again, so that a worker that comes later knows the others and their tasks.
#[tokio::test(flavor = "multi_thread")]
async fn status_topic_made_anew() {
    let stage = Stage::begin("status_topic", 1).await;
    stage.named_topic("configs", 1);
    let statuses = stage.named_topic("statuses", 5).name;
    let earlier = start(&stage, "earlier").await;
    let made = create(&earlier, idle(&stage, "before", 2)).await;
    assert_eq!(made.code, 201, "{}", made.body);
    until_placed(&earlier, "before", 2, &[&earlier]).await;
    let words = async || -> BTreeSet<String> {
        let said = kafka::read_topic(&statuses, 5).await;
        let keys = said.into_iter().filter_map(|record| record.key);
        keys.map(|key| String::from_utf8_lossy(&key).into_owned())
            .collect()
    };
    eventually("words of all tasks", PATIENCE, || async {
        let said = words().await;
        check(said.len() == 4, || format!("{said:?}"))
    })
    .await;
    let before = words().await;

    kafka::delete_topics(&[&statuses]).await;
    kafka::create_topic(&statuses, 5, &[("cleanup.policy", "compact")]).await;
    for partition in 0..5 {
        kafka::watermarks(&statuses, partition).await;
    }
    eventually("the same words again", PATIENCE, || async {
        let said = words().await;
        check(said == before, || format!("{said:?} of {before:?}"))
    })
    .await;
    let later = start(&stage, "later").await;
    until_placed(&later, "before", 2, &[&earlier, &later]).await;
    until_placed(&earlier, "before", 2, &[&earlier, &later]).await;
}

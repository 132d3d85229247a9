//! What the loop speaks to Kafka through: nothing here waits, and answers come as [`Event`]s.
//!
//! A seam, so that the loop's decisions can be looked at without Kafka: tests put a Kafka in its place
//! that delivers in every order there is.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tracing::warn;

use super::Event;
use crate::cluster::format::Encoded;
use crate::cluster::log::statements::Speech;
use crate::cluster::log::tail::LogEnd;
use crate::cluster::log::writer::ToWriterThread;
use crate::cluster::members::{Member, Membership};

/// How long the last words and the good-bye to the group may take.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(2);

/// What the loop asks of Kafka.
pub(super) trait Links: Send {
    /// Tells the writer's thread; it answers with [`Event::Writer`]. `false`: the thread has ended.
    fn order(&self, order: ToWriterThread) -> bool;

    /// Asks for the end of the config topic; the answer is [`Event::End`].
    fn ask_for_end(&self);

    /// Says something in the status topic, at some time soon; with the request that asked for it, if
    /// one did.
    fn say(&self, encoded: &Encoded, request_id: Option<&str>);

    /// Joins the group of workers anew: the membership that there is stands still.
    fn join_anew(&mut self);

    /// Waits until what was said has arrived, and leaves the group, for a bounded time.
    fn say_goodbye(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// To a real Kafka.
pub(super) struct KafkaLinks {
    pub(super) events: UnboundedSender<Event>,
    /// Of the config topic.
    pub(super) end: LogEnd,
    pub(super) writer: mpsc::Sender<ToWriterThread>,
    pub(super) speech: Arc<Speech>,
    pub(super) membership: Membership,
    pub(super) member: Member,
}

impl Links for KafkaLinks {
    fn order(&self, order: ToWriterThread) -> bool {
        self.writer.send(order).is_ok()
    }

    fn ask_for_end(&self) {
        let (end, events) = (self.end.clone(), self.events.clone());
        tokio::task::spawn_blocking(move || {
            let end = end.ask().map_err(|error| error.to_string());
            // The loop has ended otherwise.
            events.send(Event::End(end)).ok();
        });
    }

    fn say(&self, encoded: &Encoded, request_id: Option<&str>) {
        self.speech.say(encoded, request_id);
    }

    fn join_anew(&mut self) {
        match Member::join(&self.membership, self.events.clone(), Event::Group) {
            Ok(member) => std::mem::replace(&mut self.member, member).give_up(),
            Err(error) => warn!(%error, "cannot join the group of workers anew"),
        }
    }

    fn say_goodbye(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let Self { speech, member, .. } = *self;
            let flush = tokio::task::spawn_blocking(move || speech.flush(GOODBYE_TIME_MAX));
            member.leave(GOODBYE_TIME_MAX).await;
            // It does not panic.
            flush.await.ok();
        })
    }
}

//! Who is a worker of this cluster: who is in its group, as Kafka's coordinator says, and has said so in
//! the status topic. A group takes in whoever names it, such as a consumer of people's tools, or a
//! worker of another config topic; such strangers would be given tasks that nobody runs.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::{Control, SILENCE_MAX, TICK};
use crate::cluster::handle::Stranger;
use crate::cluster::members::{Heard, Members};
use crate::cluster::tasks::StartTask;

/// How long a member may be in the group before it is called a stranger: a worker that joins has not
/// said anything yet.
const STRANGER_AFTER: Duration = Duration::from_secs(10);

/// The group of workers, and what is known of its members.
pub(super) struct Company {
    /// Everybody who is in it.
    pub(super) group: Members,
    /// Those who are no workers of this cluster, since when, and whether that was logged.
    strangers: BTreeMap<String, (Instant, bool)>,
    pub(super) heard_at: Instant,
    pub(super) silence: Option<String>,
    /// For how long the group's thread has said nothing at all. Counted by ticks: a worker that was
    /// frozen has heard nothing either.
    pub(super) unheard: Duration,
}

impl Company {
    /// Nothing has been heard of it.
    pub(super) fn unknown() -> Self {
        Self {
            group: Members::new(),
            strangers: BTreeMap::new(),
            heard_at: Instant::now(),
            silence: None,
            unheard: Duration::ZERO,
        }
    }

    /// Why the worker is not well, when the group has been silent for long.
    pub(super) fn trouble(&self) -> Option<String> {
        if self.heard_at.elapsed() <= SILENCE_MAX {
            return None;
        }
        let reason = self.silence.as_deref().unwrap_or("nothing is heard of it");
        Some(format!("the group of workers does not answer: {reason}"))
    }
}

impl<S: StartTask> Control<S> {
    pub(super) fn take_group(&mut self, heard: Heard) {
        self.company.unheard = Duration::ZERO;
        match heard {
            Heard::Members(group) => {
                self.company.heard_at = Instant::now();
                self.company.silence = None;
                // An empty group is one that is being joined: nothing is known yet.
                if group.is_empty() || group == self.company.group {
                    return;
                }
                self.company.group = group;
                self.judge_members();
            }
            Heard::Silence(reason) => self.company.silence = Some(reason),
            Heard::Foreign(workers) => self.fail(format!(
                "the group {} has workers of Kafka Connect in it: {}. Stop all of them first; a \
                 cluster is run by one or the other",
                self.settings.group_id.as_deref().unwrap_or_default(),
                workers.join(", ")
            )),
        }
    }

    /// The group, or what is said in the status topic, has changed: who is a worker, and who stays.
    pub(super) fn judge_members(&mut self) {
        let config_topic = self.settings.cluster.config_topic.as_deref();
        let members = self.statuses.workers_of(&self.company.group, config_topic);
        let staying = self.statuses.staying(&members);
        let are_new = members != self.members;
        let stay_otherwise = staying != self.staying;
        if are_new {
            info!(?members, "workers of the cluster");
            let has_newcomers = members.difference(&self.members).next().is_some();
            self.members = members;
            self.word_is_due = true;
            if has_newcomers && self.stage.is_none() {
                self.repetition.has_newcomers = true;
                self.introduce_itself();
            }
        } else if stay_otherwise && self.stage.is_none() {
            info!(?staying, "a worker is about to leave, or has come back");
        }
        self.staying = staying;
        if self.stage.is_some() {
            self.finish_start();
            return;
        }
        if are_new || stay_otherwise {
            self.doubt_placement();
            self.look_at_keeping();
        }
    }

    /// Kafka's client may wait by the wall clock; one that is set back by an hour makes it wait for an
    /// hour, and the group misses the worker meanwhile.
    pub(super) fn look_at_membership(&mut self) {
        self.look_for_strangers();
        self.company.unheard += TICK;
        if self.company.unheard <= SILENCE_MAX {
            return;
        }
        self.company.unheard = Duration::ZERO;
        if let Some(links) = &mut self.links {
            warn!("the worker's membership in its group stands still; joining anew");
            links.join_anew();
        }
    }

    /// Logs each of them once.
    fn look_for_strangers(&mut self) {
        let strangers = self.strangers();
        let company = &mut self.company;
        let are_there =
            |client_id: &String| strangers.iter().any(|one| one.client_id == *client_id);
        company
            .strangers
            .retain(|client_id, _| are_there(client_id));
        for Stranger { client_id, host } in strangers {
            let seen = company.strangers.entry(client_id.clone());
            let (since, is_told) = seen.or_insert_with(|| (Instant::now(), false));
            if *is_told || since.elapsed() < STRANGER_AFTER {
                continue;
            }
            *is_told = true;
            warn!(
                client_id,
                host,
                "a member of the workers' group is no worker of this cluster and is given no tasks; \
                 give whatever it is a group.id of its own"
            );
        }
    }

    /// Members of the group that are no workers of this cluster, as far as they have told.
    pub(super) fn strangers(&self) -> Vec<Stranger> {
        let others = self.company.group.iter();
        let others = others.filter(|(client_id, _)| !self.members.contains(*client_id));
        let named = others.map(|(client_id, host)| Stranger {
            client_id: client_id.clone(),
            host: host.clone(),
        });
        named.collect()
    }
}

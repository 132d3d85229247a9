//! Who takes which turn when.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::bare;
use crate::contest::{self, Assignment, Contestant};
use crate::database::Database;
use crate::goals::{self, DELIVERIES, TASKS};
use crate::latency;
use crate::options::{Options, PeerAddress};
use crate::order::Format;
use crate::peer;
use crate::process;
use crate::program;
use crate::raw::{self, Columns, Method};
use crate::report::{EndToEnd, Idle, Produced, Report, Run};
use crate::sinks::Sinks;
use crate::topic::Topic;
use crate::worker::{self, Worker};

/// An idle worker has settled by then.
const IDLE_TIME: Duration = Duration::from_secs(5);

/// What every turn needs.
struct Stage<'a> {
    options: &'a Options,
    database: Database,
    program: PathBuf,
    /// Makes names of topics, tables and groups this run's own.
    run: String,
    topics: Vec<(Format, Topic)>,
}

/// Takes all turns.
pub(crate) fn run(options: &Options) -> anyhow::Result<Report> {
    say("building the worker");
    let program = program::build()?;
    let run = format!("bench_{}", std::process::id());
    let mut report = Report {
        cores: thread::available_parallelism().map_or(0, usize::from),
        records: options.records,
        rounds: options.rounds,
        ..Report::default()
    };
    if options.orders {
        orders(options, program.clone(), run.clone(), &mut report)?;
    }
    if !options.engines.is_empty() {
        let sinks = Sinks::prepare(options, &program, &run)?;
        for round in 0..options.rounds {
            say(&format!("sinks, round {} of {}", round + 1, options.rounds));
            sinks.round(round, &mut report.ceilings, &mut report.sinks)?;
        }
    }
    report.goals = goals::judge(&report);
    Ok(report)
}

/// Orders into PostgreSQL, in every way that is compared.
fn orders(
    options: &Options,
    program: PathBuf,
    run: String,
    report: &mut Report,
) -> anyhow::Result<()> {
    let services = &options.services;
    let database = Database::create(&services.postgres, services.postgres_pid, &run)?;
    let mut stage = Stage {
        options,
        database,
        program,
        run,
        topics: Vec::new(),
    };
    stage.fill_topics(report)?;
    let columns = Columns::new(options.records)?;
    stage.warm_up(&columns)?;
    for round in 0..options.rounds {
        say(&format!("round {} of {}", round + 1, options.rounds));
        stage.one_side(&columns, report)?;
        stage.worker(round, report)?;
        if let Some(address) = &options.peer {
            // The first turn is cold, so a warm one needs another.
            let turns = if options.rounds == 1 { 2 } else { 1 };
            for _ in 0..turns {
                stage.peer(address, report)?;
            }
        }
    }
    stage.quiet_figures(report)
}

impl Stage<'_> {
    fn fill_topics(&mut self, report: &mut Report) -> anyhow::Result<()> {
        for format in Format::ALL {
            say(&format!("filling the {} topic", format.name()));
            let name = format!("{}_{}", self.run, format.name());
            let topic = Topic::create(&self.options.services, &name)?;
            let (elapsed, value_bytes_mean) = topic.fill(format, self.options.records)?;
            report.topics.push(Produced {
                format: format.name(),
                value_bytes_mean,
                rows_per_s: self.options.records as f64 / elapsed.as_secs_f64(),
            });
            self.topics.push((format, topic));
        }
        Ok(())
    }

    /// Broker and database reach their working state before anything counts.
    fn warm_up(&self, columns: &Columns) -> anyhow::Result<()> {
        say("warming up");
        for (format, topic) in &self.topics {
            topic.consume(*format, self.options.records)?;
        }
        raw::write(&self.database, columns, Method::Unnest, 2)?;
        Ok(())
    }

    fn one_side(&self, columns: &Columns, report: &mut Report) -> anyhow::Result<()> {
        for (format, topic) in &self.topics {
            let consumed = topic.consume(*format, self.options.records)?;
            say(&format!(
                "  consume {:<36} {:>9.0} rows/s",
                format.name(),
                consumed.rows_per_s
            ));
            report.consume.push(consumed);
        }
        for method in Method::ALL {
            for connections in [1, 2] {
                let way = raw::write(&self.database, columns, method, connections)?;
                let name = format!("{}, connections {connections}", method.name());
                say(&format!("  raw {name:<40} {:>9.0} rows/s", way.rows_per_s));
                report.raw.push(way);
            }
        }
        for (format, topic) in &self.topics {
            let bare = bare::run(&self.database, topic, *format, self.options.records)?;
            say(&format!(
                "  bare program, {:<30} {:>9.0} rows/s  cpu {:.2}",
                format.name(),
                bare.rows_per_s,
                bare.cpu_s_per_million
            ));
            report.bare.push(bare);
        }
        Ok(())
    }

    fn worker(&self, round: usize, report: &mut Report) -> anyhow::Result<()> {
        for (format, topic) in &self.topics {
            for tasks in TASKS {
                let mut deliveries = DELIVERIES;
                // Neither side of the comparison always goes first.
                if round % 2 == 1 {
                    deliveries.reverse();
                }
                for delivery in deliveries {
                    let (ready, result) =
                        self.worker_turn(round, *format, topic, tasks, delivery)?;
                    report.starts_ms.push(ready.as_secs_f64() * 1e3);
                    report.worker.push(Run {
                        format: format.name(),
                        tasks,
                        delivery,
                        result,
                    });
                }
            }
        }
        Ok(())
    }

    fn worker_turn(
        &self,
        round: usize,
        format: Format,
        topic: &Topic,
        tasks: usize,
        delivery: &str,
    ) -> anyhow::Result<(Duration, EndToEnd)> {
        let worker = Worker::start(&self.program, &self.options.services)?;
        let table = format!("{}_{tasks}_{delivery}_{round}", format.name());
        let connector = worker::connector(
            &format!("{}_{table}", self.run),
            &topic.name,
            format,
            &self.database.url,
            &table,
            &[
                ("tasks.max", &tasks.to_string()),
                ("delivery.guarantee", delivery),
            ],
        );
        let contestant = Contestant {
            rest: &worker.rest,
            pid: worker.pid(),
        };
        let assignment = Assignment {
            connector: &connector,
            table: &table,
            records: self.options.records,
        };
        let result = contest::run(
            &contestant,
            &assignment,
            &self.database,
            &self.options.services,
        )?;
        let name = format!("{}, tasks {tasks}, {delivery}", format.name());
        say_result(&name, &result);
        Ok((worker.ready, result))
    }

    fn peer(&self, address: &PeerAddress, report: &mut Report) -> anyhow::Result<()> {
        let Some((format, topic)) = self
            .topics
            .iter()
            .find(|(format, _)| *format == Format::Envelope)
        else {
            return Ok(());
        };
        let table = format!("peer_{}", report.peer.len());
        let name = format!("{}_{table}", self.run);
        let connector = peer::connector(&name, &topic.name, &self.database.url, &table)?;
        let rest = peer::rest(address);
        let contestant = Contestant {
            rest: &rest,
            pid: address.pid,
        };
        let assignment = Assignment {
            connector: &connector,
            table: &table,
            records: self.options.records,
        };
        let result = contest::run(
            &contestant,
            &assignment,
            &self.database,
            &self.options.services,
        )?;
        say_result("peer", &result);
        report.peer.push(Run {
            format: format.name(),
            tasks: peer::TASKS,
            delivery: DELIVERIES[1],
            result,
        });
        Ok(())
    }

    /// Idle memory and latency: with hardly any load, so once is enough.
    fn quiet_figures(&self, report: &mut Report) -> anyhow::Result<()> {
        say("idle worker");
        report.idle = Some(self.idle()?);
        for format in Format::ALL {
            say(&format!("steady load, {}", format.name()));
            let worker = Worker::start(&self.program, &self.options.services)?;
            let name = format!("steady_{}", format.name());
            let topic = self.empty_topic(&name)?;
            let connector = worker::connector(
                &format!("{}_{name}", self.run),
                &topic.name,
                format,
                &self.database.url,
                &name,
                &[],
            );
            let contestant = Contestant {
                rest: &worker.rest,
                pid: worker.pid(),
            };
            let assignment = Assignment {
                connector: &connector,
                table: &name,
                records: 0,
            };
            let latency = latency::run(&contestant, &assignment, &topic, format, &self.database)?;
            report.latency.push(latency);
            say(&format!("steady load, {}, bare program", format.name()));
            let topic = self.empty_topic(&format!("bare_{name}"))?;
            let latency = bare::steady(&self.database, &topic, format)?;
            report.bare_latency.push(latency);
        }
        if let Some(address) = &self.options.peer {
            self.peer_latency(address, report)?;
        }
        Ok(())
    }

    fn peer_latency(&self, address: &PeerAddress, report: &mut Report) -> anyhow::Result<()> {
        say("steady load, peer");
        let topic = self.empty_topic("steady_peer")?;
        let name = format!("{}_steady_peer", self.run);
        let connector = peer::connector(&name, &topic.name, &self.database.url, "steady_peer")?;
        let rest = peer::rest(address);
        let contestant = Contestant {
            rest: &rest,
            pid: address.pid,
        };
        let assignment = Assignment {
            connector: &connector,
            table: "steady_peer",
            records: 0,
        };
        let format = Format::Envelope;
        let latency = latency::run(&contestant, &assignment, &topic, format, &self.database)?;
        report.peer_latency = Some(latency);
        report.peer_ready_ms = address.ready_ms;
        Ok(())
    }

    fn idle(&self) -> anyhow::Result<Idle> {
        let worker = Worker::start(&self.program, &self.options.services)?;
        let topic = self.empty_topic("idle")?;
        self.database.create_table("idle")?;
        let connector = worker::connector(
            &format!("{}_idle", self.run),
            &topic.name,
            Format::Schemaless,
            &self.database.url,
            "idle",
            &[],
        );
        worker.rest.create(&connector)?;
        worker.rest.await_running(&connector)?;
        // A figure over a span of time, not a wait for something to happen.
        let before = process::cpu_time(worker.pid())?;
        thread::sleep(IDLE_TIME);
        let used = process::cpu_time(worker.pid())?.saturating_sub(before);
        Ok(Idle {
            memory_mib: process::memory_in_use(worker.pid())? as f64 / 1024.0 / 1024.0,
            cpu_percent: used.as_secs_f64() / IDLE_TIME.as_secs_f64() * 100.0,
        })
    }

    fn empty_topic(&self, name: &str) -> anyhow::Result<Topic> {
        Topic::create(&self.options.services, &format!("{}_{name}", self.run))
    }
}

fn say_result(name: &str, result: &EndToEnd) {
    say(&format!(
        "  {name:<44} {:>9.0} rows/s, {:.2} CPU s per million, {:.0} MiB",
        result.rows_per_s, result.worker_cpu_s_per_million, result.peak_memory_mib
    ));
}

/// A line for whoever waits.
pub(crate) fn say(line: &str) {
    // A closed standard error must not end a run.
    writeln!(io::stderr(), "{line}").ok();
}

//! [`RequestQueue`] on Redis: a stream with one consumer group.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, WorkerId};
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{Backlog, BusError, Claim, Finish, Refusal, RequestQueue, WorkersSeen};
use redis::{Cmd, Value, cmd, from_redis_value, pipe};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bus::RedisBus;
use crate::connection::budget::DEADLINE;
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::queue::claims::malformed;
use crate::queue::entry::QueueEntry;
use crate::scripts::{self, DeadEntry, WriteCode, millis};
use crate::wire::batches::Batches;
use crate::wire::keys::{GROUP, NOBODY};
use crate::wire::lines;
use crate::wire::signature::SIGNATURE;

/// The command that enqueues.
const ADD: &str = "XADD";

/// Entries that one run of a script renews or hands back.
const LEASES_AT_ONCE: usize = 256;

/// Time between looks for what dead processes left behind, in seconds.
const SWEEP_EVERY: u64 = 600;

#[async_trait]
impl RequestQueue for RedisBus {
    async fn enqueue(&self, request: &RequestEnvelope) -> Result<EntryId, BusError> {
        self.check_queue_room().await?;
        let (limit, queue) = (self.limits.queue, self.keys.queue());
        let fields = self.entry_fields(request)?;
        let lengths = fields
            .iter()
            .map(|(field, value)| field.len() + value.len());
        let room = queue.len() + lengths.sum::<usize>() + ADD.len();
        let mut add = Cmd::with_capacity(3 + 2 * fields.len(), room);
        add.arg(ADD).arg(&queue).arg("*");
        for (field, value) in &fields {
            add.arg(field).arg(&**value);
        }
        // Without a connection nothing was sent: then there is no doubt.
        let sent = Instant::now();
        self.hot.link(sent + DEADLINE).await?;
        let added: Result<String, Fault> = if self.gauge.must_look(limit) {
            let mut both = pipe();
            both.add_command(add).cmd("XLEN").arg(&queue);
            let added = self.run(&Command::pipeline(both)).await;
            added.map(|(entry, length)| {
                self.gauge.saw(length, limit);
                entry
            })
        } else {
            self.run(&Command::single(add)).await
        };
        match added {
            Ok(entry) => Ok(entry.as_str().into()),
            Err(fault) => self.not_added(request, sent, fault).await,
        }
    }

    async fn knock(&self, request: &RequestEnvelope) -> Result<Duration, BusError> {
        let fields = self.entry_fields(request)?;
        let age_ms = self.run(&scripts::knock(&self.keys, &fields)).await?;
        Ok(Duration::from_millis(age_ms))
    }

    async fn queue_room(&self, wanted: usize) -> Result<usize, BusError> {
        let limit = self.limits.queue;
        if self.gauge.room(limit) < wanted && self.gauge.must_look_again() {
            self.read_queue_length().await?;
        }
        Ok(self.gauge.room(limit))
    }

    async fn backlog(&self) -> Result<Backlog, BusError> {
        let (waiting, running, oldest_ms, dead_letters) =
            self.run(&scripts::backlog(&self.keys)).await?;
        Ok(Backlog {
            waiting,
            running,
            oldest: Duration::from_millis(oldest_ms),
            dead_letters,
        })
    }

    async fn workers_seen(&self) -> Result<Option<WorkersSeen>, BusError> {
        type Consumers = Vec<HashMap<String, Value>>;
        let mut both = pipe();
        both.cmd("XINFO")
            .arg("CONSUMERS")
            .arg(self.keys.queue())
            .arg(GROUP);
        both.cmd("HGETALL").arg(self.keys.leases());
        let both = Command::<(Consumers, HashMap<String, u64>)>::pipeline(both);
        let (consumers, leases) = self.run(&both).await?;
        let seen = consumers.iter().filter_map(|consumer| {
            let name: String = from_redis_value(consumer.get("name")?.clone()).ok()?;
            let idle_ms: u64 = from_redis_value(consumer.get("idle")?.clone()).ok()?;
            let lease_ms = leases.get(&name).copied().unwrap_or(0);
            (name != NOBODY).then_some((idle_ms, idle_ms.saturating_sub(lease_ms)))
        });
        let least = seen.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)));
        Ok(least.map(|(heard, absent)| WorkersSeen {
            heard: Duration::from_millis(heard),
            absent: Duration::from_millis(absent),
        }))
    }

    async fn is_pending(&self, entry: &EntryId) -> Result<bool, BusError> {
        Ok(self.run(&scripts::is_queued(&self.keys, entry)).await?)
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Claim>, BusError> {
        let given = self.given_to(worker);
        let mut reader = given.reader.lock().await;
        if max > 0 && given.is_owed() {
            let claims = self
                .claim_unreceived(&given, &mut reader, worker, max)
                .await?;
            if !claims.is_empty() {
                return Ok(claims);
            }
        }
        if max == 0 || stop.is_cancelled() {
            return Ok(Vec::new());
        }
        given.set_owed(true);
        let (entries, marks) = match self.read_new(&mut reader, worker, max, wait, stop).await {
            Err(fault) if fault.is_group_gone() => {
                self.hot.repair(&self.group).await?;
                self.read_new(&mut reader, worker, max, wait, stop).await?
            }
            answer => answer?,
        };
        given.set_owed(false);
        let entries = QueueEntry::first_deliveries(entries).ok_or_else(malformed)?;
        given.received(&entries);
        let mut claims = self.claims(worker, entries).await;
        if marks > 0 {
            self.mark_cancelled(&mut claims).await;
        }
        Ok(claims)
    }

    async fn renew(
        &self,
        worker: &WorkerId,
        lease: Duration,
        entries: &[EntryId],
    ) -> Result<(), BusError> {
        let (first, others) = entries.split_at(entries.len().min(LEASES_AT_ONCE));
        for entries in std::iter::once(first).chain(others.chunks(LEASES_AT_ONCE)) {
            let renew = scripts::renew(&self.keys, worker, lease, Some(entries));
            self.run(&renew).await?;
        }
        Ok(())
    }

    async fn tell_draining(&self, worker: &WorkerId, life: Duration) -> Result<(), BusError> {
        let mut tell = cmd("SET");
        tell.arg(self.keys.draining(worker)).arg(1);
        tell.arg("PX").arg(millis(life).max(1));
        self.run(&Command::<()>::single(tell)).await?;
        Ok(())
    }

    async fn renew_all(&self, worker: &WorkerId, lease: Duration) -> Result<(), BusError> {
        let renew = scripts::renew(&self.keys, worker, lease, None);
        self.run(&renew).await?;
        Ok(())
    }

    async fn reclaim(
        &self,
        worker: &WorkerId,
        lease: Duration,
        max: usize,
    ) -> Result<Vec<Claim>, BusError> {
        self.sweep_now_and_then().await?;
        if max == 0 {
            return Ok(Vec::new());
        }
        let given = self.given_to(worker);
        let mut number = given.reclaims.lock().await;
        let reclaim = |bytes| scripts::reclaim(&self.keys, worker, lease, max, *number, bytes);
        let asked = std::time::Instant::now();
        let (now_ms, too_large, entries) = self.run(&reclaim(self.limits.page_bytes)).await?;
        self.clock.saw(now_ms, asked);
        let mut entries = QueueEntry::redeliveries(entries).ok_or_else(malformed)?;
        if entries.is_empty() && too_large > 0 {
            let (_, _, large) = self.run(&reclaim(too_large)).await?;
            entries = QueueEntry::redeliveries(large).ok_or_else(malformed)?;
        }
        *number += 1;
        given.received(&entries);
        drop(number);
        let mut claims = self.claims(worker, entries).await;
        self.mark_cancelled(&mut claims).await;
        Ok(claims)
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    async fn hand_back(
        &self,
        worker: &WorkerId,
        entries: &[EntryId],
        begun: bool,
    ) -> Result<(), BusError> {
        for entries in entries.chunks(LEASES_AT_ONCE) {
            self.run(&scripts::hand_back(&self.keys, worker, entries, begun))
                .await?;
        }
        Ok(())
    }

    async fn finish(&self, requests: &[Finish]) -> Result<Vec<Result<(), Refusal>>, BusError> {
        let mut answers = Vec::with_capacity(requests.len());
        let mut batches = Batches::of(requests);
        while let Some(batch) = batches.next()? {
            let news = batch.news()?;
            let finish = scripts::finish(&self.keys, &self.limits, &batch, news.as_deref());
            answers.extend(WriteCode::read(
                &self.run(&finish).await?,
                batch.writes.len(),
            )?);
        }
        Ok(answers)
    }

    async fn dead_letter(&self, claim: &Claim, reason: &str) -> Result<(), BusError> {
        let dead = DeadEntry {
            entry: &claim.entry,
            delivery: claim.delivery,
            reason,
            stream: Some(claim.request.stream),
            era: claim.request.era,
            call: call_of(claim),
        };
        // Signed, as far as this worker can: an operator may queue it once more, and checks that first.
        let fields = self.entry_fields(&claim.request)?;
        self.run(&scripts::dead_letter(
            &self.keys,
            &self.limits,
            &dead,
            &bytes(&fields),
        ))
        .await?;
        Ok(())
    }
}

/// A claim among the calls of all sessions, if it is one of them.
fn call_of(claim: &Claim) -> Option<String> {
    let RequestEnvelope {
        session,
        request_id,
        stream,
        ..
    } = &claim.request;
    let (session, request_id) = (session.as_ref()?, request_id.as_ref()?);
    Some(lines::call(&session.id, &claim.entry, stream, request_id))
}

/// The fields of an entry as they are signed.
fn bytes<'a>(fields: &'a [(&'a str, Cow<'a, str>)]) -> Vec<(&'a [u8], &'a [u8])> {
    let fields = fields.iter();
    fields
        .map(|(field, value)| (field.as_bytes(), value.as_bytes()))
        .collect()
}

impl RedisBus {
    pub(crate) async fn read_queue_length(&self) -> Result<usize, Fault> {
        let mut length = cmd("XLEN");
        length.arg(self.keys.queue());
        let length = self.run(&Command::single(length)).await?;
        self.gauge.saw(length, self.limits.queue);
        Ok(length)
    }

    pub(crate) async fn check_queue_room(&self) -> Result<(), BusError> {
        let limit = self.limits.queue;
        match self.gauge.is_full(limit) && self.read_queue_length().await? >= limit {
            true => Err(BusError::QueueFull { limit }),
            false => Ok(()),
        }
    }

    /// The fields of the entry of a request, signed and sealed if there are keys.
    pub(crate) fn entry_fields<'a>(
        &self,
        request: &'a RequestEnvelope,
    ) -> Result<Vec<(&'static str, Cow<'a, str>)>, BusError> {
        let mut fields = self.task_keys.entry_fields(&self.keys, request)?;
        let queue = self.keys.queue();
        let signature = self.envelope_keys.sign_request(&queue, &bytes(&fields));
        fields.extend(signature.map(|signature| (SIGNATURE, signature.into())));
        Ok(fields)
    }

    /// The entry of a request whose queueing, `sent` then, failed so: if there was only no answer, it may be there.
    pub(crate) async fn not_added(
        &self,
        request: &RequestEnvelope,
        sent: Instant,
        fault: Fault,
    ) -> Result<EntryId, BusError> {
        match fault.is_unanswered() {
            true => self.find_or_withdraw(request, sent).await,
            false => Err(fault.into()),
        }
    }

    /// What became of a request whose queueing had no answer: its entry, or an error that says whether it
    /// may still run.
    async fn find_or_withdraw(
        &self,
        request: &RequestEnvelope,
        sent: Instant,
    ) -> Result<EntryId, BusError> {
        let RequestEnvelope { stream, era, .. } = request;
        let ago = sent.elapsed() + DEADLINE;
        let find = scripts::find_or_withdraw(&self.keys, &self.limits, stream, *era, ago);
        match self.run(&find).await {
            Ok(Some(entry)) if !entry.is_empty() => Ok(entry.as_str().into()),
            Ok(Some(_)) => Err(BusError::Unavailable("no answer in time".to_owned())),
            Ok(None) => Err(BusError::Unanswered(
                "there is too much to look at".to_owned(),
            )),
            Err(fault) => Err(BusError::Unanswered(fault.to_string())),
        }
    }

    async fn sweep_now_and_then(&self) -> Result<(), BusError> {
        let now = self.started.elapsed().as_secs();
        if now < self.next_sweep.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.next_sweep
            .store(now.saturating_add(SWEEP_EVERY), Ordering::Relaxed);
        self.run(&scripts::sweep(&self.keys, &self.limits)).await?;
        if !self.end_overdue_tasks().await? {
            self.next_sweep.store(now, Ordering::Relaxed);
        }
        Ok(())
    }
}

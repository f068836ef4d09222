//! Entries that Redis hands out to a worker, and what becomes of them when an answer is lost.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use prynai_bus::ids::WorkerId;
use prynai_bus::{BusError, Claim};
use redis::{Value, cmd, pipe};
use tokio_util::sync::CancellationToken;

use super::deliveries::Deliveries;
use super::entry::{EntryReader, QueueEntry};
use crate::bus::RedisBus;
use crate::connection::blocking_read::BlockingReader;
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::scripts;
use crate::wire::keys::GROUP;

/// Looks for the marks of cancelled requests among those that were just claimed, at most.
const MARK_LOOKS: usize = 3;

impl RedisBus {
    pub(crate) fn given_to(&self, worker: &WorkerId) -> Arc<Deliveries> {
        let deliveries = self.deliveries.lock();
        let mut deliveries = deliveries.unwrap_or_else(PoisonError::into_inner);
        deliveries.entry(worker.clone()).or_default().clone()
    }

    /// Reads the new entries that the worker was handed out in answers that were lost.
    pub(crate) async fn claim_unreceived(
        &self,
        given: &Deliveries,
        reader: &mut BlockingReader,
        worker: &WorkerId,
        max: usize,
    ) -> Result<Vec<Claim>, BusError> {
        reader.abandon(&self.hot).await;
        // No reclaim under way: what it gives must not be taken for an answer that was lost.
        let reclaims = given.reclaims.lock().await;
        let newest = given.newest();
        let unreceived = |bytes| scripts::unreceived(&self.keys, worker, newest, max, bytes);
        let (too_large, entries) = self.run(&unreceived(self.limits.page_bytes)).await?;
        let mut entries = QueueEntry::redeliveries(entries).ok_or_else(malformed)?;
        if entries.is_empty() && too_large > 0 {
            let (_, large) = self.run(&unreceived(too_large)).await?;
            entries = QueueEntry::redeliveries(large).ok_or_else(malformed)?;
        }
        given.received(&entries);
        drop(reclaims);
        given.set_owed(entries.len() == max || too_large > 0);
        if !entries.is_empty() {
            let requests = entries.len();
            tracing::info!(
                requests,
                "an answer of Redis was lost; the requests in it run now"
            );
        }
        let mut claims = self.claims(worker, entries).await;
        self.mark_cancelled(&mut claims).await;
        Ok(claims)
    }

    /// Reads new entries; also counts the marks of cancelled requests, so that nobody has to look
    /// for them while there are none.
    pub(crate) async fn read_new(
        &self,
        reader: &mut BlockingReader,
        worker: &WorkerId,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<(Value, u64), Fault> {
        let mut read = pipe();
        read.cmd("XREADGROUP")
            .arg("GROUP")
            .arg(GROUP)
            .arg(worker.as_str());
        read.arg("COUNT").arg(max);
        if !wait.is_zero() {
            read.arg("BLOCK").arg(scripts::millis(wait));
        }
        read.arg("STREAMS").arg(self.keys.queue()).arg(">");
        read.cmd("ZCARD").arg(self.keys.cancelled());
        let read = Command::pipeline(read);
        reader
            .run(&self.connector, &self.hot, &read, wait, stop)
            .await
    }

    /// Reads the requests of entries that `worker` has just been given.
    pub(crate) async fn claims(&self, worker: &WorkerId, entries: Vec<QueueEntry>) -> Vec<Claim> {
        let reader = EntryReader {
            envelope_keys: &self.envelope_keys,
            task_keys: &self.task_keys,
            keys: &self.keys,
            queue: self.keys.queue(),
        };
        let mut claims = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry.into_claim(&reader) {
                Ok(claim) => claims.push(claim),
                Err((entry, error)) => self.turn_away(worker, &entry, &error).await,
            }
        }
        claims
    }

    pub(crate) async fn mark_cancelled(&self, claims: &mut [Claim]) {
        if claims.is_empty() {
            return;
        }
        let mut scores = cmd("ZMSCORE");
        scores.arg(self.keys.cancelled());
        for claim in &*claims {
            scores.arg(claim.request.stream.to_string());
        }
        let scores = Command::<Vec<Option<f64>>>::single(scores);
        for _ in 0..MARK_LOOKS {
            if let Ok(scores) = self.run(&scores).await {
                for (claim, score) in claims.iter_mut().zip(scores) {
                    claim.cancelled = score.is_some();
                }
                return;
            }
        }
        // An error must not lose the claims; their first write is refused when they are cancelled.
    }
}

/// An answer that does not have the form of its command.
pub(crate) fn malformed() -> BusError {
    BusError::Unexpected("the answer does not have the form of this command".to_owned())
}

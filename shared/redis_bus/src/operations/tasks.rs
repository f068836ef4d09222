//! Tasks, found by the set of those that can be asked for.

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{MOST_QUESTIONS, TaskFacts, TaskPage, TaskPlace, TaskStatus};

use super::{RedisOperations, text};
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::scripts;
use crate::wire::sealing;

/// Tasks of one page.
const PAGE: usize = 100;

/// Fields that are told of each task, before the keys of its questions.
const FIELDS: usize = 12;

impl RedisOperations {
    pub(super) async fn read_tasks(&self, after: Option<&TaskPlace>) -> Result<TaskPage, Fault> {
        let now_ms = self.now_ms().await?;
        let (places, has_more) = self.places_of_tasks(after, now_ms).await?;
        let streams: Vec<StreamId> = places.iter().map(|place| place.stream).collect();
        let looked_at = match streams.is_empty() {
            true => Vec::new(),
            false => {
                let look = scripts::look_at_tasks(&self.keys, &streams, 0);
                self.run(&look).await?
            }
        };
        let last = looked_at.len().checked_sub(1);
        let last = last.and_then(|last| places.get(last)).copied();
        let seen = places.iter().zip(&looked_at);
        let told = seen.filter_map(|(place, said)| {
            let facts = facts(&place.stream, said, now_ms)?;
            Some((*place, facts))
        });
        Ok(TaskPage {
            tasks: told.collect(),
            next: last.filter(|_| has_more || looked_at.len() < places.len()),
        })
    }

    /// The places of the next page of tasks, and whether there are more.
    async fn places_of_tasks(
        &self,
        after: Option<&TaskPlace>,
        now_ms: u64,
    ) -> Result<(Vec<TaskPlace>, bool), Fault> {
        let from = after.map_or(now_ms, |after| after.at_ms.max(now_ms));
        let mut passed = 0;
        loop {
            let mut range = redis::cmd("ZRANGE");
            range.arg(self.keys.tasks()).arg(from).arg("+inf");
            range.arg("BYSCORE").arg("LIMIT").arg(passed).arg(PAGE + 1);
            range.arg("WITHSCORES");
            let mut read: Vec<(String, f64)> = self.run(&Command::single(range)).await?;
            let has_more = read.len() > PAGE;
            read.truncate(PAGE);
            let places = read.into_iter().filter_map(|(name, at)| {
                Some(TaskPlace {
                    at_ms: at as u64,
                    stream: name.parse().ok()?,
                })
            });
            let places: Vec<_> = places
                .filter(|place| after.is_none_or(|after| place > after))
                .collect();
            // Many may stand at the place of the last page's last one.
            if !places.is_empty() || !has_more {
                return Ok((places, has_more));
            }
            passed += PAGE;
        }
    }

    /// One task, with the keys of the questions that it waits for.
    pub(super) async fn look_at_task(&self, stream: &StreamId) -> Result<Option<TaskFacts>, Fault> {
        let look = scripts::look_at_tasks(&self.keys, &[*stream], MOST_QUESTIONS);
        let said = self.run(&look).await?;
        let now_ms = self.now_ms().await?;
        Ok(said.first().and_then(|said| facts(stream, said, now_ms)))
    }

    pub(super) async fn read_task_message(
        &self,
        stream: &StreamId,
    ) -> Result<Option<String>, Fault> {
        let mut get = redis::cmd("HGET");
        get.arg(self.keys.log(stream)).arg("said");
        let said: Option<Vec<u8>> = self.run(&Command::single(get)).await?;
        Ok(said.map(|said| sealing::shown(text(&said))))
    }
}

fn facts(stream: &StreamId, said: &[Vec<u8>], now_ms: u64) -> Option<TaskFacts> {
    let (said, questions) = said.split_at_checked(FIELDS)?;
    let field = |at: usize| text(&said[at]);
    let some = |at: usize| Some(field(at)).filter(|text| !text.is_empty());
    let number = |at: usize| field(at).parse::<u64>().ok();
    let waits = !said[7].is_empty();
    let status = match (field(1).as_str(), field(11).as_str()) {
        ("open", _) if waits => TaskStatus::InputRequired,
        ("open", _) => TaskStatus::Working,
        ("cancelled", _) => TaskStatus::Cancelled,
        (_, "error") => TaskStatus::Failed,
        _ => TaskStatus::Completed,
    };
    // The owner is a fencing token: worker, colon, delivery.
    let owner = field(5);
    let owner = owner.rsplit_once(':');
    let facts = TaskFacts {
        task: stream.to_string(),
        status,
        principal: some(2),
        changed_at_ms: number(3),
        changed_ms_ago: number(3).map_or(0, |changed| now_ms.saturating_sub(changed)),
        asked_for_ms: number(4).map_or(0, |until| until.saturating_sub(now_ms)),
        entry: some(6).filter(|_| status == TaskStatus::Working),
        worker: owner.map(|(worker, _)| worker.to_owned()),
        delivery: owner.and_then(|(_, delivery)| delivery.parse().ok()),
        awaited: number(8).unwrap_or(0),
        rounds: number(9).unwrap_or(0),
        message_bytes: number(10).unwrap_or(0),
        questions: questions.iter().map(|key| text(key)).collect(),
        ..TaskFacts::default()
    };
    Some(facts.born(&field(0), now_ms))
}

//! [`TaskStore`] on Redis: more fields of the log of a call.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::TaskCounts;
use prynai_bus::wire::WireError;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::{Answer, Inputs, Parking, Promotion, TaskBirth, TaskSight, TaskState};
use prynai_bus::{Answered, Appended, BusError, Ownership, Refusal, TaskStore};

use crate::bus::RedisBus;
use crate::scripts::{self, WriteCode, unknown_code};
use crate::wire::lines;

#[async_trait]
impl TaskStore for RedisBus {
    async fn promote(
        &self,
        owner: &Ownership,
        promotion: &Promotion,
    ) -> Result<Appended, BusError> {
        let task = promotion.birth.to_json()?;
        let event = lines::event(&promotion.event)?;
        let promote = scripts::promote(&self.keys, &self.limits, owner, promotion, &task, &event);
        Ok(WriteCode::try_from(self.run(&promote).await?)?.into())
    }

    async fn note_status(&self, owner: &Ownership, message: &str) -> Result<Appended, BusError> {
        let note = scripts::note_status(&self.keys, owner, message, self.clock.now_ms());
        Ok(WriteCode::try_from(self.run(&note).await?)?.into())
    }

    async fn park(&self, owner: &Ownership, parking: &Parking) -> Result<Appended, BusError> {
        let park = scripts::park(&self.keys, &self.limits, owner, parking);
        Ok(WriteCode::try_from(self.run(&park).await?)?.into())
    }

    async fn inputs(&self, owner: &Ownership) -> Result<Result<Inputs, Refusal>, BusError> {
        let read = scripts::inputs(&self.keys, &self.limits, owner);
        let mut told = self.run(&read).await?.into_iter();
        let code = told.next().and_then(|code| code.parse().ok());
        let code: i64 = code.ok_or_else(unexpected)?;
        if let Err(refusal) = WriteCode::try_from(code)?.into() {
            return Ok(Err(refusal));
        }
        let round = told.next().and_then(|round| round.parse().ok());
        let left = told.next().filter(|left| !left.is_empty());
        let mut answers = Vec::new();
        while let (Some(key), Some(name), Some(sealed)) = (told.next(), told.next(), told.next()) {
            let place = self.place_of_answer(&owner.stream, &key);
            let opened = self.envelope_keys.open_mail(&place, &sealed)?;
            let answer = RawJson::parse(opened.to_owned()).map_err(WireError::from)?;
            answers.push(Answer { key, name, answer });
        }
        Ok(Ok(Inputs {
            round: round.ok_or_else(unexpected)?,
            left,
            answers,
        }))
    }

    async fn answer(
        &self,
        name: &StreamId,
        principal: &str,
        answers: &BTreeMap<String, RawJson>,
    ) -> Result<Option<Answered>, BusError> {
        let sealed = answers.iter().map(|(key, answer)| {
            let place = self.place_of_answer(name, key);
            let sealed = self.envelope_keys.seal_mail(&place, answer.as_str());
            (key.as_str(), sealed)
        });
        let answer = scripts::answer(&self.keys, &self.limits, name, principal, sealed);
        let limit = self.limits.queue;
        Ok(match self.run(&answer).await? {
            None => None,
            Some(0 | 1) => Some(Answered::Taken),
            Some(2) => Some(Answered::TooLarge),
            Some(3) => return Err(BusError::QueueFull { limit }),
            Some(other) => return Err(unknown_code(other)),
        })
    }

    async fn task(&self, name: &StreamId, principal: &str) -> Result<Option<TaskSight>, BusError> {
        let read = |bytes| scripts::task(&self.keys, name, principal, bytes);
        let mut answer = self.run(&read(self.limits.page_bytes)).await?;
        // A large response is read now that it is known how long that may take.
        let size = answer
            .as_ref()
            .and_then(|answer| answer.get(6)?.parse().ok());
        if let Some(bytes) = size {
            answer = self.run(&read(bytes)).await?;
        }
        answer.map(sight).transpose()
    }

    async fn count_tasks(&self) -> Result<TaskCounts, BusError> {
        let (working, input_required, kept) = self.run(&scripts::count_tasks(&self.keys)).await?;
        Ok(TaskCounts {
            working,
            input_required,
            kept,
        })
    }
}

impl RedisBus {
    /// Where an answer lies, so that none is good for another question.
    fn place_of_answer(&self, task: &StreamId, key: &str) -> String {
        format!("{} {key}", self.keys.log(task))
    }
}

fn unexpected() -> BusError {
    BusError::Unexpected("a task that cannot be read".to_owned())
}

/// Reads an answer of `task.lua`.
fn sight(mut answer: Vec<String>) -> Result<TaskSight, BusError> {
    let mut asked = answer.split_off(answer.len().min(8)).into_iter();
    let [birth, state, entry, changed, until, said, _, line] =
        <[String; 8]>::try_from(answer).map_err(|_| unexpected())?;
    let mut requests = BTreeMap::new();
    while let (Some(key), Some(request)) = (asked.next(), asked.next()) {
        let request = RawJson::parse(request).map_err(WireError::from)?;
        requests.insert(key, request);
    }
    let birth = TaskBirth::from_json(&birth)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| unexpected());
    let state = match state.as_str() {
        "open" if requests.is_empty() => TaskState::Working,
        "open" => TaskState::Asking(requests),
        "cancelled" => TaskState::Cancelled,
        "finished" => {
            let response = StreamEvent::from_line(&line)?.message;
            TaskState::Ended(response.ok_or_else(unexpected)?)
        }
        _ => return Err(unexpected()),
    };
    Ok(TaskSight {
        entry: EntryId::from(entry.as_str()),
        changed_ms: number(&changed)?,
        ttl: Duration::from_millis(number(&until)?.saturating_sub(birth.created_ms)),
        birth,
        message: (!said.is_empty()).then_some(said),
        state,
    })
}

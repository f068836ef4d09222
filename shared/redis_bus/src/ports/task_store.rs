//! [`TaskStore`] on Redis: more fields of the log of a call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::StreamId;
use prynai_bus::operations::TaskCounts;
use prynai_bus::wire::WireError;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::task::{
    Answer, Inputs, Parking, Promotion, Question, TaskFailure, TaskSight,
};
use prynai_bus::{
    Answered, Appended, BusError, Ownership, Refusal, ShareFull, TaskPart, TaskStore, TaskWatch,
};

use crate::bus::RedisBus;
use crate::connection::command::Command;
use crate::ended_tasks::{record_of_failed, write_elsewhere};
use crate::metrics::metrics;
use crate::ports::shares::Kept;
use crate::scripts::{self, WriteCode, unknown_code};
use crate::wire::sealing::Kind;
use crate::wire::{lines, told_task};

/// Overdue tasks that are looked at together.
const PAGE: usize = 100;

/// How many such looks follow each other at most, so that nothing else waits for long.
const PAGES: usize = 10;

/// What `end_task.lua` says of a task that goes on.
const GOES_ON: i64 = 0;

/// What it says of one that it has ended.
const ENDED: i64 = 1;

#[async_trait]
impl TaskStore for RedisBus {
    async fn check_task_room(&self, share: &Share) -> Result<(), BusError> {
        let limits = &self.limits;
        let look = scripts::task_room(&self.keys, limits, share, self.clock.now_ms());
        let (own, all) = (limits.caller_tasks, limits.tasks);
        match self.run(&look).await? {
            0 => Ok(()),
            1 => Err(ShareFull::Tasks { limit: own }.into()),
            2 => Err(BusError::TasksFull { limit: all }),
            other => Err(unknown_code(other)),
        }
    }

    async fn keep(
        &self,
        share: &Share,
        name: &StreamId,
        part: TaskPart<'_>,
        bytes: usize,
        life: Duration,
    ) -> Result<(), BusError> {
        let kept = Kept::Task(name, part);
        let sealed = match self.task_keys.is_empty() {
            true => bytes,
            false => bytes.saturating_add(bytes / 3),
        };
        self.count_kept(share, &kept, kept.cost(sealed), Some(life))
            .await
    }

    async fn forget(
        &self,
        share: &Share,
        name: &StreamId,
        part: TaskPart<'_>,
    ) -> Result<(), BusError> {
        self.forget_kept(share, &Kept::Task(name, part)).await
    }

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

    async fn settle(&self, name: &StreamId) -> Result<bool, BusError> {
        match self.disk.get() {
            Some(disk) => disk.has_task(self.keys.log(name)).await,
            // It was read, or published after it was written.
            None => Ok(true),
        }
    }

    fn at_rest(&self, end: StreamEvent) -> StreamEvent {
        self.task_keys.seal_end(&self.keys.log(&end.stream), end)
    }

    async fn note_status(&self, owner: &Ownership, message: &str) -> Result<Appended, BusError> {
        let log = self.keys.log(&owner.stream);
        let message = self.task_keys.seal(&log, Kind::Status, message);
        let note = scripts::note_status(&self.keys, owner, &message);
        Ok(WriteCode::try_from(self.run(&note).await?)?.into())
    }

    async fn park(&self, owner: &Ownership, parking: &Parking) -> Result<Appended, BusError> {
        let parking = self.parking_at_rest(&owner.stream, parking);
        let park = scripts::park(&self.keys, &self.limits, owner, &parking);
        Ok(WriteCode::try_from(self.run(&park).await?)?.into())
    }

    async fn inputs(&self, owner: &Ownership) -> Result<Result<Inputs, Refusal>, BusError> {
        let read = scripts::inputs(&self.keys, &self.limits, owner);
        let mut told = self.run(&read).await?.into_iter();
        let code = told.next().and_then(|code| code.parse().ok());
        let code: i64 = code.ok_or_else(told_task::unreadable)?;
        if let Err(refusal) = WriteCode::try_from(code)?.into() {
            return Ok(Err(refusal));
        }
        let round = told.next().and_then(|round| round.parse().ok());
        let left = told.next().filter(|left| !left.is_empty());
        let open = |left: String| self.unguarded(&owner.stream, Kind::Left, &left);
        let left = left.map(open).transpose()?;
        let mut answers = Vec::new();
        while let (Some(key), Some(name), Some(sealed)) = (told.next(), told.next(), told.next()) {
            let opened = self.unguarded(&owner.stream, Kind::Answer(&key), &sealed)?;
            let answer = RawJson::parse(opened).map_err(WireError::from)?;
            let name = self.unguarded(&owner.stream, Kind::Name(&key), &name)?;
            answers.push(Answer { key, name, answer });
        }
        Ok(Ok(Inputs {
            round: round.ok_or_else(told_task::unreadable)?,
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
            let sealed = self.guarded(name, Kind::Answer(key), answer.as_str());
            (key.as_str(), sealed)
        });
        let answer = scripts::answer(&self.keys, &self.limits, name, principal, sealed);
        let limit = self.limits.queue;
        Ok(match self.run(&answer).await? {
            None => None,
            Some(0 | 1) => Some(Answered::Taken),
            Some(2) => Some(Answered::TooLarge),
            Some(4) => Some(Answered::Busy),
            Some(3) => return Err(BusError::QueueFull { limit }),
            Some(other) => return Err(unknown_code(other)),
        })
    }

    async fn task(&self, name: &StreamId, principal: &str) -> Result<Option<TaskSight>, BusError> {
        let Some((failure, mut seen)) = self.read_task(name, principal).await? else {
            return Ok(None);
        };
        if let Some(failure) = failure
            && self.end_task(name, failure).await? == ENDED
        {
            match self.read_task(name, principal).await? {
                Some((_, ended)) => seen = ended,
                None => return Ok(None),
            }
        }
        let log = self.keys.log(name);
        told_task::read(&self.task_keys, &log, seen).map(Some)
    }

    async fn watch(&self, names: &[StreamId], principal: &str) -> Result<TaskWatch, BusError> {
        let own = scripts::own_tasks(&self.keys, names, principal);
        // A script needs a key.
        let own = match names {
            [] => Vec::new(),
            _ => self.run(&own).await?,
        };
        let own = names.iter().zip(own).filter(|(_, own)| *own == 1);
        let names: Vec<_> = own.map(|(name, _)| *name).collect();
        let news = self.task_channels.watch(&names).await?;
        Ok(TaskWatch { names, news })
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
    /// What `task.lua` says of a task, and why it should end although nobody will end it.
    async fn read_task(
        &self,
        name: &StreamId,
        principal: &str,
    ) -> Result<Option<(Option<TaskFailure>, Vec<String>)>, BusError> {
        let read = |bytes| scripts::task(&self.keys, name, principal, bytes);
        let mut answer = self.run(&read(self.limits.page_bytes)).await?;
        // A large response is read now that it is known how long that may take.
        let size = answer
            .as_ref()
            .and_then(|answer| answer.get(7)?.parse().ok());
        if let Some(bytes) = size {
            answer = self.run(&read(bytes)).await?;
        }
        let Some(mut seen) = answer.filter(|seen| !seen.is_empty()) else {
            return Ok(None);
        };
        let stuck = seen.remove(0);
        Ok(Some((TaskFailure::named(&stuck), seen)))
    }

    /// Ends a task that nobody else will end, and says what became of it, as `end_task.lua` does.
    async fn end_task(&self, name: &StreamId, failure: TaskFailure) -> Result<i64, BusError> {
        let mut read = redis::cmd("HMGET");
        read.arg(self.keys.log(name))
            .arg(&["record", "principal", "task"]);
        let known: [Option<String>; 3] = self.run(&Command::single(read)).await?;
        // One that cannot be read is left out.
        let record = record_of_failed(name, &known, failure).ok();
        let end = StreamEvent::new(*name, 0, EventKind::Final, failure.response()?);
        let end = lines::without_offset(&self.at_rest(end))?;
        let (keys, limits) = (&self.keys, &self.limits);
        let end = scripts::end_task(keys, limits, name, failure, &end, record.as_ref());
        let became = self.run(&end).await?;
        if became == ENDED {
            let counter = match failure {
                TaskFailure::Overdue => &metrics().tasks_overdue,
                TaskFailure::Lost => &metrics().tasks_lost,
            };
            counter.inc();
            if let Some(record) = &record {
                write_elsewhere(record.as_str(), self.clock.now_ms());
            }
        }
        Ok(became)
    }

    /// Ends tasks that have waited for their clients for longer than they may take, also when nobody asks for them.
    /// `false` when there are more of them.
    pub(crate) async fn end_overdue_tasks(&self) -> Result<bool, BusError> {
        for _ in 0..PAGES {
            let mut page = redis::cmd("ZRANGE");
            page.arg(self.keys.asking())
                .arg("-inf")
                .arg(self.clock.now_ms())
                .arg(&["BYSCORE", "LIMIT", "0"])
                .arg(PAGE);
            let page: Vec<String> = self.run(&Command::single(page)).await?;
            let mut left = 0;
            for name in page.iter().filter_map(|name| name.parse().ok()) {
                let became = self.end_task(&name, TaskFailure::Overdue).await?;
                left += usize::from(became == GOES_ON);
            }
            // By the clock of Redis some are in time yet.
            if left > 0 || page.len() < PAGE {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a worker does with comes sealed, and signed where there is only a key for that: in either form it is good
    /// for its own place only.
    fn guarded<'a>(&self, task: &StreamId, kind: Kind<'_>, plain: &'a str) -> Cow<'a, str> {
        let log = self.keys.log(task);
        match self.task_keys.is_empty() {
            true => self.envelope_keys.seal_mail(&place(&log, kind), plain),
            false => self.task_keys.seal(&log, kind, plain),
        }
    }

    /// What [`RedisBus::guarded`] made this of.
    fn unguarded(&self, task: &StreamId, kind: Kind<'_>, text: &str) -> Result<String, WireError> {
        let log = self.keys.log(task);
        let opened = self.task_keys.open(&log, kind, text)?;
        if !self.task_keys.is_empty() {
            return Ok(opened.into_owned());
        }
        let opened = self.envelope_keys.open_mail(&place(&log, kind), text)?;
        Ok(opened.to_owned())
    }

    /// What a task that waits keeps, as it may lie in Redis.
    fn parking_at_rest(&self, task: &StreamId, parking: &Parking) -> Parking {
        let log = self.keys.log(task);
        let questions = parking
            .questions
            .iter()
            .map(|Question { key, name, request }| {
                let sealed = self
                    .task_keys
                    .seal(&log, Kind::Question(key), request.as_str());
                Question {
                    key: key.clone(),
                    name: self.guarded(task, Kind::Name(key), name).into_owned(),
                    request: RawJson::parse(sealed.into_owned())
                        .unwrap_or_else(|_| request.clone()),
                }
            });
        let left = parking.left.as_deref();
        Parking {
            questions: questions.collect(),
            left: left.map(|left| self.guarded(task, Kind::Left, left).into_owned()),
            record: parking.record.clone(),
        }
    }
}

/// Where a text lies, so that none is good for another place.
fn place(log: &str, kind: Kind<'_>) -> String {
    let (kind, name) = kind.parts();
    format!("{log} {kind} {name}")
}

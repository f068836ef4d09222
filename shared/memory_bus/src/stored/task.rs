//! What a log knows of its call as a task.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use prynai_bus::ids::{EntryId, StreamId, WorkerId};
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::task::{Answer, Inputs, Parking, Promotion, Question, TaskBirth};
use prynai_bus::{BusLimits, Ownership};
use tokio::time::Instant;

/// An entry, with the worker and the delivery of who had it.
type ParkedBy = (EntryId, WorkerId, u32);

/// How many tasks each share has.
#[derive(Default)]
pub(crate) struct TaskCounts {
    /// Until when each can be asked for.
    ends: HashMap<Share, HashMap<StreamId, Instant>>,
}

/// What a log knows of its call as a task.
pub(crate) struct Task {
    pub(crate) birth: TaskBirth,
    born: Instant,
    pub(crate) principal: String,
    pub(crate) changed_ms: u64,
    /// Until when it can be asked for, Unix milliseconds.
    pub(crate) until_ms: u64,
    /// How long it can be asked for once it has ended.
    kept: Duration,
    pub(crate) message: Option<String>,
    /// Who let it wait last.
    parked_by: Option<ParkedBy>,
    /// Its request while it waits for its client.
    pub(crate) waiting: Option<ParkedRequest>,
    /// What it asked so far.
    asked: Vec<Asked>,
    pub(crate) round: u32,
    left: Option<String>,
}

/// The request of a task that waits for its client.
pub(crate) struct ParkedRequest {
    pub(crate) request: RequestEnvelope,
    pub(crate) record: Option<AuditLine>,
}

/// What a task asked, and what it was told.
struct Asked {
    question: Question,
    answer: Option<RawJson>,
}

impl Task {
    pub(crate) fn new(promotion: &Promotion) -> Self {
        let birth = promotion.birth.clone();
        Self {
            born: Instant::now(),
            principal: promotion.principal.clone(),
            changed_ms: birth.created_ms,
            until_ms: birth.created_ms.saturating_add(millis(promotion.ttl)),
            kept: promotion.kept,
            message: None,
            parked_by: None,
            waiting: None,
            asked: Vec::new(),
            round: 0,
            left: None,
            birth,
        }
    }

    /// It waits for its client from now on; `false`, and nothing is changed, when it asks for more than it may.
    pub(crate) fn park(
        &mut self,
        owner: &Ownership,
        parking: &Parking,
        request: RequestEnvelope,
        most: usize,
    ) -> bool {
        let size = |question: &Question| {
            question.key.len() + question.name.len() + question.request.as_str().len()
        };
        let asked: usize = parking.questions.iter().map(size).sum();
        let left = parking.left.as_ref().map_or(0, String::len);
        if self.input() + asked + left > most {
            return false;
        }
        let questions = parking.questions.iter().cloned();
        self.asked.extend(questions.map(|question| Asked {
            question,
            answer: None,
        }));
        self.left.clone_from(&parking.left);
        self.round += 1;
        self.parked_by = Some(parked_by(owner));
        self.waiting = Some(ParkedRequest {
            request,
            record: parking.record.clone(),
        });
        self.changed_ms = self.now_ms();
        true
    }

    /// Bytes of questions and answers so far.
    fn input(&self) -> usize {
        let size = |asked: &Asked| {
            let Question { key, name, request } = &asked.question;
            let answer = asked
                .answer
                .as_ref()
                .map_or(0, |answer| answer.as_str().len());
            key.len() + name.len() + request.as_str().len() + answer
        };
        self.asked.iter().map(size).sum()
    }

    /// Bytes of questions and answers once these are taken, and how many questions are then left.
    pub(crate) fn with(&self, answers: &BTreeMap<String, RawJson>) -> (usize, usize) {
        let open = self.asked.iter().filter(|asked| asked.answer.is_none());
        let mut left = 0;
        let mut bytes = self.input();
        for asked in open {
            match answers.get(&asked.question.key) {
                Some(answer) => bytes += answer.as_str().len(),
                None => left += 1,
            }
        }
        (bytes, left)
    }

    /// Takes those that answer a question.
    pub(crate) fn take_answers(&mut self, answers: &BTreeMap<String, RawJson>) {
        for asked in self.asked.iter_mut().filter(|asked| asked.answer.is_none()) {
            asked.answer = answers.get(&asked.question.key).cloned();
        }
        self.changed_ms = self.now_ms();
    }

    /// What it waits for, if it waits.
    pub(crate) fn open_questions(&self) -> BTreeMap<String, RawJson> {
        let open = self.asked.iter().filter(|asked| asked.answer.is_none());
        open.map(|asked| (asked.question.key.clone(), asked.question.request.clone()))
            .collect()
    }

    /// What it was told so far.
    pub(crate) fn inputs(&self) -> Inputs {
        let answers = self.asked.iter().filter_map(|asked| {
            Some(Answer {
                key: asked.question.key.clone(),
                name: asked.question.name.clone(),
                answer: asked.answer.clone()?,
            })
        });
        Inputs {
            round: self.round,
            left: self.left.clone(),
            answers: answers.collect(),
        }
    }

    /// It says something of itself.
    pub(crate) fn say(&mut self, message: &str) {
        self.message = Some(message.to_owned());
        self.changed_ms = self.now_ms();
    }

    /// It ends: it can be asked for as long as its client was told, and long enough to fetch its result. Says for how
    /// long that is from now on.
    pub(crate) fn end(&mut self) -> Duration {
        self.changed_ms = self.now_ms();
        let kept = self.changed_ms.saturating_add(millis(self.kept));
        self.until_ms = self.until_ms.max(kept);
        Duration::from_millis(self.until_ms - self.changed_ms)
    }

    fn now_ms(&self) -> u64 {
        self.birth
            .created_ms
            .saturating_add(millis(self.born.elapsed()))
    }

    /// Whether this owner has let it wait.
    pub(crate) fn is_parked_by(&self, owner: &Ownership) -> bool {
        self.parked_by.as_ref() == Some(&parked_by(owner))
    }
}

impl TaskCounts {
    /// Whether there is room for one more task of a share.
    pub(crate) fn has_room(&mut self, share: &Share, limits: &BusLimits) -> bool {
        let now = Instant::now();
        self.ends.retain(|_, tasks| {
            tasks.retain(|_, ends| *ends > now);
            !tasks.is_empty()
        });
        let all: usize = self.ends.values().map(HashMap::len).sum();
        let own = self.ends.get(share).map_or(0, HashMap::len);
        all < limits.tasks && own < limits.caller_tasks
    }

    /// Counts a task that lives so long.
    pub(crate) fn add(&mut self, stream: StreamId, share: Share, life: Duration) {
        if let Some(ends) = Instant::now().checked_add(life) {
            self.ends.entry(share).or_default().insert(stream, ends);
        }
    }
}

fn parked_by(owner: &Ownership) -> ParkedBy {
    (owner.entry.clone(), owner.worker.clone(), owner.delivery)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

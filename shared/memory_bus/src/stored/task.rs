//! What a log knows of its call as a task.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use prynai_bus::ids::{EntryId, StreamId, WorkerId};
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::task::{Answer, Inputs, Parking, Promotion, Question, TaskBirth};
use prynai_bus::{BusError, BusLimits, Ownership, ShareFull};
use tokio::time::Instant;

/// An entry, with the worker and the delivery of who had it.
type ParkedBy = (EntryId, WorkerId, u32);

/// How many tasks there are, in all and of each share.
#[derive(Default)]
pub(crate) struct TaskCounts {
    /// Until when each counts, in that order.
    ends: BTreeSet<(Instant, StreamId)>,
    of: HashMap<StreamId, (Share, Instant)>,
    each: HashMap<Share, usize>,
}

/// What a log knows of its call as a task.
pub(crate) struct Task {
    pub(crate) birth: TaskBirth,
    born: Instant,
    pub(crate) principal: String,
    pub(crate) changed_ms: u64,
    /// How often it has changed.
    pub(crate) version: u64,
    /// Until when it can be asked for, Unix milliseconds.
    pub(crate) until_ms: u64,
    /// When it has lived for as long as it may take.
    pub(crate) due: Option<Instant>,
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
        let born = Instant::now();
        Self {
            born,
            due: born.checked_add(promotion.ttl),
            principal: promotion.principal.clone(),
            changed_ms: birth.created_ms,
            version: 0,
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
        self.change();
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

    /// Once these are taken: bytes of questions and answers, how many questions are then answered and how many left.
    pub(crate) fn with(&self, answers: &BTreeMap<String, RawJson>) -> (usize, usize, usize) {
        let open = self.asked.iter().filter(|asked| asked.answer.is_none());
        let (mut taken, mut left) = (0, 0);
        let mut bytes = self.input();
        for asked in open {
            match answers.get(&asked.question.key) {
                Some(answer) => {
                    bytes += answer.as_str().len();
                    taken += 1;
                }
                None => left += 1,
            }
        }
        (bytes, taken, left)
    }

    /// Takes those that answer a question.
    pub(crate) fn take_answers(&mut self, answers: &BTreeMap<String, RawJson>) {
        for asked in self.asked.iter_mut().filter(|asked| asked.answer.is_none()) {
            asked.answer = answers.get(&asked.question.key).cloned();
        }
        self.change();
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

    /// Whether it has lived for as long as it may take.
    pub(crate) fn is_overdue(&self) -> bool {
        self.due.is_some_and(|due| due <= Instant::now())
    }

    /// It says something of itself: `false` when it said that last.
    pub(crate) fn say(&mut self, message: &str) -> bool {
        if self.message.as_deref() == Some(message) {
            return false;
        }
        self.message = Some(message.to_owned());
        self.change();
        true
    }

    /// It ends: it can be asked for as long as its client was told, and long enough to fetch its result. Says for how
    /// long that is from now on.
    pub(crate) fn end(&mut self) -> Duration {
        self.change();
        let kept = self.changed_ms.saturating_add(millis(self.kept));
        self.until_ms = self.until_ms.max(kept);
        self.time_left()
    }

    /// How long it can be asked for.
    pub(crate) fn time_left(&self) -> Duration {
        Duration::from_millis(self.until_ms.saturating_sub(self.now_ms()))
    }

    fn change(&mut self) {
        self.changed_ms = self.now_ms();
        self.version += 1;
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
    /// Refuses when there is no room for one more task of a share.
    pub(crate) fn check_room(&mut self, share: &Share, limits: &BusLimits) -> Result<(), BusError> {
        let now = Instant::now();
        while let Some((_, stream)) = self.ends.first().filter(|(ends, _)| *ends <= now).copied() {
            self.forget(stream);
        }
        let own = self.each.get(share).copied().unwrap_or_default();
        let (limit, most) = (limits.caller_tasks, limits.tasks);
        if own >= limit {
            return Err(ShareFull::Tasks { limit }.into());
        }
        match self.ends.len() >= most {
            true => Err(BusError::TasksFull { limit: most }),
            false => Ok(()),
        }
    }

    fn forget(&mut self, stream: StreamId) -> Option<Share> {
        let (share, ends) = self.of.remove(&stream)?;
        self.ends.remove(&(ends, stream));
        if let Some(own) = self.each.get_mut(&share) {
            *own -= 1;
            if *own == 0 {
                self.each.remove(&share);
            }
        }
        Some(share)
    }

    /// The tasks of the share of this one.
    pub(crate) fn with(&self, stream: &StreamId) -> impl Iterator<Item = &StreamId> {
        let own = self.of.get(stream).map(|(share, _)| share);
        let all = self.of.iter();
        all.filter(move |(_, (share, _))| Some(share) == own)
            .map(|(stream, _)| stream)
    }

    /// A task that has ended counts for so long yet.
    pub(crate) fn end(&mut self, stream: StreamId, life: Duration) {
        if let Some(share) = self.forget(stream) {
            self.add(stream, share, life);
        }
    }

    /// Counts a task that lives so long; it is counted once.
    pub(crate) fn add(&mut self, stream: StreamId, share: Share, life: Duration) {
        if let Some(ends) = Instant::now().checked_add(life) {
            self.ends.insert((ends, stream));
            *self.each.entry(share.clone()).or_default() += 1;
            self.of.insert(stream, (share, ends));
        }
    }
}

fn parked_by(owner: &Ownership) -> ParkedBy {
    (owner.entry.clone(), owner.worker.clone(), owner.delivery)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

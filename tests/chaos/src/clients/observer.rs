//! Reads what the client of one call is sent, and notes whatever is missing, double, out of order or not its own.

use std::str::FromStr;

use serde_json::Value;

use crate::clients::record::{Answer, Call};
use crate::tools::ledger::Run;
use prynai_test_harness::client::Frame;

/// What was seen of one call so far.
#[derive(Debug)]
pub struct Observer {
    call: Call,
    /// Runs whose events were seen; the last one is the current one.
    runs: Vec<Run>,
    /// Events of the current run.
    steps: u32,
    progress: f64,
    last_event: Option<String>,
    answer: Option<Answer>,
    wrong: Vec<String>,
}

impl Observer {
    /// Nothing seen yet.
    pub fn new(call: Call) -> Self {
        Self {
            call,
            runs: Vec::new(),
            steps: 0,
            progress: 0.0,
            last_event: None,
            answer: None,
            wrong: Vec::new(),
        }
    }

    /// The id of the last event, to resume from.
    pub fn last_event(&self) -> Option<&str> {
        self.last_event.as_deref()
    }

    /// Whether the call has its answer.
    pub fn is_answered(&self) -> bool {
        self.answer.is_some()
    }

    /// The answer of the call, if it has one.
    pub fn answer(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    /// The answer, and what was wrong.
    pub fn close(self, or: Answer) -> (Answer, Vec<String>) {
        (self.answer.unwrap_or(or), self.wrong)
    }

    /// An event of a stream.
    pub fn frame(&mut self, frame: Frame) {
        // A resumed stream begins with where its client was.
        let repeated = frame.id == self.last_event && frame.data.as_deref() == Some("");
        if let Some(id) = frame.id.filter(|_| !repeated) {
            self.event_id(id);
        }
        if let Some(data) = frame.data.filter(|data| !data.is_empty()) {
            self.text(&data);
        }
    }

    /// A message, from a stream or a JSON body.
    pub fn text(&mut self, text: &str) {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return self.note(format!("not JSON: {text}"));
        };
        if self.answer.is_some() {
            return self.note(format!("after the answer: {text}"));
        }
        match message["method"].as_str() {
            None => self.response(&message),
            Some("notifications/message") => self.log(&message["params"]["data"]),
            Some("notifications/progress") => self.progress(&message["params"]),
            Some(_) => self.note(format!("not asked for: {text}")),
        }
    }

    /// Ids are opaque to clients; the tests know that they name a stream and a number that grows by one.
    fn event_id(&mut self, id: String) {
        let number = |id: &str| {
            let (stream, number) = id.rsplit_once('-')?;
            Some((stream.to_owned(), number.parse::<u64>().ok()?))
        };
        let (before, now) = (self.last_event.as_deref().and_then(number), number(&id));
        let follows = match (&before, &now) {
            (Some((stream, last)), Some((same, next))) => stream == same && *next == last + 1,
            (None, Some((_, first))) => *first <= 1,
            (_, None) => false,
        };
        if !follows {
            let last = self.last_event.take();
            self.note(format!("event {id} after {last:?}"));
        }
        self.last_event = Some(id);
    }

    fn log(&mut self, data: &Value) {
        let run = data["run"].as_str().and_then(|run| Run::from_str(run).ok());
        let (Some(run), Some(step)) = (run, data["step"].as_u64()) else {
            return self.note(format!("a log message of nobody: {data}"));
        };
        if data["call"] != self.call.number {
            return self.note(format!("an event of another call: {data}"));
        }
        if self.runs.last() != Some(&run) {
            if self.runs.contains(&run) {
                self.note(format!("run {run} goes on after a later one has begun"));
            }
            self.runs.push(run);
            self.steps = 0;
        }
        if step != u64::from(self.steps) + 1 {
            let last = self.steps;
            self.note(format!("event {step} of run {run} after {last}"));
        }
        self.steps = u32::try_from(step).expect("few");
    }

    fn progress(&mut self, params: &Value) {
        if params["progressToken"] != self.call.number {
            self.note(format!("progress of another call: {params}"));
        }
        let progress = params["progress"].as_f64().unwrap_or_default();
        if progress <= self.progress {
            let last = self.progress;
            self.note(format!("progress {progress} after {last}"));
        }
        self.progress = progress;
    }

    fn response(&mut self, message: &Value) {
        if message["id"] != self.call.number {
            self.note(format!("the answer of another call: {message}"));
        }
        let answer = match message.get("error") {
            Some(error) => failure(error),
            None => self.result(&message["result"]),
        };
        self.answer = Some(answer);
    }

    fn result(&mut self, result: &Value) -> Answer {
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        let (call, run) = text.split_once(' ').unwrap_or_default();
        if call.parse() != Ok(self.call.number) {
            self.note(format!("the result of another call: {result}"));
        }
        let same = self.runs.last().is_none_or(|last| last.to_string() == run);
        if !same {
            self.note(format!("the result of run {run} after {:?}", self.runs));
        } else if self.steps != self.call.events {
            let (seen, sent) = (self.steps, self.call.events);
            self.note(format!("{seen} of {sent} events before the result"));
        }
        Answer::Result(run.to_owned())
    }

    /// What somebody else was told of the task that the call has become.
    pub fn stranger(&mut self, told: &Value) {
        if told.get("result").is_some() {
            self.note(format!("another caller was told of it: {told}"));
        }
    }

    fn note(&mut self, wrong: String) {
        self.wrong.push(wrong);
    }
}

fn failure(error: &Value) -> Answer {
    match error["data"]["reason"].as_str() {
        Some("worker_lost") => Answer::OutcomeUnknown,
        Some("too_many_attempts") => Answer::GivenUp,
        Some("log_lost" | "queue_unknown") => Answer::AnswerLost,
        // In a session a refusal is the answer to its request, with 200.
        _ if error["data"]["retryAfterSeconds"].is_u64() => Answer::Refused(200),
        _ => Answer::Unexpected(error.to_string()),
    }
}

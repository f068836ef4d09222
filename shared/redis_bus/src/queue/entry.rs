//! Entries of the request queue as Redis hands them out.

use prynai_bus::Claim;
use prynai_bus::ids::EntryId;
use prynai_bus::wire::WireError;
use prynai_bus::wire::request::RequestEnvelope;
use redis::Value;

use crate::wire::keys::Keys;
use crate::wire::sealing::TaskKeys;
use crate::wire::signature::EnvelopeKeys;

/// With what entries of a queue are checked and opened.
pub(crate) struct EntryReader<'a> {
    pub(crate) envelope_keys: &'a EnvelopeKeys,
    pub(crate) task_keys: &'a TaskKeys,
    pub(crate) keys: &'a Keys,
    /// The queue, as Redis knows it.
    pub(crate) queue: String,
}

/// An entry whose fields were not looked at: a malformed one must not spoil the others.
#[derive(Debug)]
pub(crate) struct QueueEntry {
    pub(crate) entry: EntryId,
    pub(crate) delivery: u32,
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl QueueEntry {
    /// Entries of an answer to XREADGROUP on one stream: their first delivery.
    pub(crate) fn first_deliveries(answer: Value) -> Option<Vec<Self>> {
        let entries = match answer {
            Value::Nil => return Some(Vec::new()),
            Value::Map(mut streams) => streams.pop()?.1,
            _ => return None,
        };
        list(entries)?
            .into_iter()
            .map(Self::first_delivery)
            .collect()
    }

    /// Its place in the queue.
    pub(crate) fn position(&self) -> Option<(u64, u64)> {
        let (millis, number) = self.entry.as_str().split_once('-')?;
        Some((millis.parse().ok()?, number.parse().ok()?))
    }

    fn first_delivery(value: Value) -> Option<Self> {
        let [entry, fields] = <[Value; 2]>::try_from(list(value)?).ok()?;
        Self::new(entry, 1, fields)
    }

    /// Entries of an answer of `reclaim.lua` or `unreceived.lua`.
    pub(crate) fn redeliveries(answer: Value) -> Option<Vec<Self>> {
        list(answer)?.into_iter().map(Self::redelivery).collect()
    }

    fn redelivery(value: Value) -> Option<Self> {
        let [entry, delivery, fields] = <[Value; 3]>::try_from(list(value)?).ok()?;
        let Value::Int(delivery) = delivery else {
            return None;
        };
        Self::new(entry, u32::try_from(delivery).ok()?, fields)
    }

    fn new(entry: Value, delivery: u32, fields: Value) -> Option<Self> {
        let entry = String::from_utf8(bytes(entry)?).ok()?;
        let mut fields = list(fields)?.into_iter();
        let mut pairs = Vec::with_capacity(fields.len() / 2);
        while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
            pairs.push((bytes(field)?, bytes(value)?));
        }
        Some(Self {
            entry: entry.as_str().into(),
            delivery,
            fields: pairs,
        })
    }

    /// Reads the request; gives the entry back with the reason when that is impossible, or nobody with one
    /// of the keys wrote it to the queue or sealed it.
    pub(crate) fn into_claim(self, reader: &EntryReader<'_>) -> Result<Claim, (Self, WireError)> {
        match self.request(reader) {
            Ok(request) => Ok(Claim {
                entry: self.entry,
                delivery: self.delivery,
                cancelled: false,
                request,
            }),
            Err(error) => Err((self, error)),
        }
    }

    /// The value of one field, if it is text.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let (_, value) = fields.find(|(field, _)| field == name.as_bytes())?;
        std::str::from_utf8(value).ok()
    }

    fn request(&self, reader: &EntryReader<'_>) -> Result<RequestEnvelope, WireError> {
        // First of all: until then nothing that it says is true.
        let EntryReader {
            envelope_keys,
            queue,
            ..
        } = reader;
        envelope_keys.check_request(queue, &self.fields)?;
        let mut fields = Vec::with_capacity(self.fields.len());
        for (field, value) in &self.fields {
            fields.push((text(field)?, text(value)?));
        }
        reader.task_keys.read_entry(reader.keys, &fields)
    }
}

fn text(bytes: &[u8]) -> Result<&str, WireError> {
    std::str::from_utf8(bytes).map_err(|error| WireError::Invalid {
        field: "entry",
        reason: error.to_string(),
    })
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(values) => Some(values),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

//! Signatures of what gateways put on a shared bus for workers.
//!
//! Somebody who can only write to the bus cannot pass for a gateway: they cannot call in the name of another principal,
//! have an answer sent elsewhere, or answer a handler's question. Signatures hide nothing, and there is no replay
//! protection: who can write to the queue can enqueue a signed request again until its deadline.
//!
//! A signature is HMAC-SHA-256 (RFC 2104) in lower-case hex over a list of texts, each with its length in eight
//! bytes, big-endian, before it: what is signed, where it lies, and every field that is there, also one that a later
//! release adds. So no two different things give the same list, and what is moved elsewhere is not as it was signed.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use prynai_bus::wire::WireError;
use prynai_bus::wire::request::AGAIN;
use prynai_process::secret::{Secret, check_keys};
use sha2::Sha256;

/// The field of a queue entry that holds the signature of all others.
pub const SIGNATURE: &str = "sig";

/// What signed mail begins with; signature, a space and the message follow. No message begins so: it is an
/// object.
const SIGNED_MAIL: &str = "sig ";

/// Bytes of a signature.
const BYTES: usize = 32;

/// Keys that sign what gateways say to workers. The first one signs, all are accepted, so that a key can be
/// replaced while the fleet works. Without keys nothing is signed and everything is accepted.
#[derive(Clone, Default)]
pub struct EnvelopeKeys(Arc<[Hmac<Sha256>]>);

impl EnvelopeKeys {
    /// Keys from settings, the signing one first.
    ///
    /// # Errors
    ///
    /// What is wrong with them, without repeating them.
    pub fn new(keys: &[Secret]) -> Result<Self, String> {
        check_keys("--envelope-key", keys)?;
        let keyed = |key: &Secret| Hmac::new_from_slice(key.expose().as_bytes());
        let keys: Result<Arc<_>, _> = keys.iter().map(keyed).collect();
        keys.map(Self).map_err(|error| error.to_string())
    }

    /// Whether nothing is signed or checked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The signature of an entry of `queue` with these fields, which goes into its field [`SIGNATURE`];
    /// `None` without a key.
    pub fn sign_request<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        queue: &str,
        fields: &[(F, V)],
    ) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.sign(&request(queue, fields))
    }

    /// Whether an entry of `queue` is as a gateway of this fleet wrote it: with these fields, no other, each once.
    ///
    /// # Errors
    ///
    /// [`WireError::Unsigned`] and [`WireError::WronglySigned`].
    pub fn check_request<F: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        queue: &str,
        fields: &[(F, V)],
    ) -> Result<(), WireError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let is_signature = |(field, _): &&(F, V)| field.as_ref() == SIGNATURE.as_bytes();
        let mut signatures = fields.iter().filter(is_signature);
        match (signatures.next(), signatures.next()) {
            (None, _) => Err(WireError::Unsigned),
            (Some((_, signature)), None) => self.check(signature.as_ref(), &request(queue, fields)),
            (Some(_), Some(_)) => Err(WireError::WronglySigned),
        }
    }

    /// A message for `mailbox` as it is put there.
    pub fn seal_mail<'a>(&self, mailbox: &str, message: &'a str) -> Cow<'a, str> {
        match self.sign(&mail(mailbox, message)) {
            Some(signature) => format!("{SIGNED_MAIL}{signature} {message}").into(),
            None => message.into(),
        }
    }

    /// The message in what lay in `mailbox`.
    ///
    /// # Errors
    ///
    /// [`WireError::Unsigned`] and [`WireError::WronglySigned`].
    pub fn open_mail<'a>(&self, mailbox: &str, sealed: &'a str) -> Result<&'a str, WireError> {
        let signed = sealed.strip_prefix(SIGNED_MAIL);
        match signed.and_then(|signed| signed.split_once(' ')) {
            None if self.0.is_empty() => Ok(sealed),
            None => Err(WireError::Unsigned),
            Some((_, message)) if self.0.is_empty() => Ok(message),
            Some((signature, message)) => {
                self.check(signature.as_bytes(), &mail(mailbox, message))?;
                Ok(message)
            }
        }
    }

    fn sign(&self, parts: &[&[u8]]) -> Option<String> {
        let signature = digest(self.0.first()?, parts).finalize().into_bytes();
        let digits = signature.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        Some(digits.collect())
    }

    /// In constant time for each key.
    fn check(&self, signature: &[u8], parts: &[&[u8]]) -> Result<(), WireError> {
        let signature = bytes(signature).ok_or(WireError::WronglySigned)?;
        let signed_with = |key| digest(key, parts).verify_slice(&signature).is_ok();
        if self.0.iter().any(signed_with) {
            Ok(())
        } else {
            Err(WireError::WronglySigned)
        }
    }
}

impl fmt::Debug for EnvelopeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvelopeKeys({})", self.0.len())
    }
}

/// All fields but the signature and what the bus adds, in the order of their bytes: also those that a later release
/// adds.
fn request<'a, F: AsRef<[u8]>, V: AsRef<[u8]>>(
    queue: &'a str,
    fields: &'a [(F, V)],
) -> Vec<&'a [u8]> {
    let pairs = fields.iter();
    let mut pairs: Vec<_> = pairs
        .map(|(field, value)| (field.as_ref(), value.as_ref()))
        .collect();
    let is_signed = |field: &[u8]| ![SIGNATURE.as_bytes(), AGAIN.as_bytes()].contains(&field);
    pairs.retain(|(field, _)| is_signed(field));
    pairs.sort_unstable();
    let mut parts = vec!["request".as_bytes(), queue.as_bytes()];
    parts.extend(pairs.into_iter().flat_map(|(field, value)| [field, value]));
    parts
}

fn mail<'a>(mailbox: &'a str, message: &'a str) -> [&'a [u8]; 3] {
    ["mail", mailbox, message].map(str::as_bytes)
}

fn digest(key: &Hmac<Sha256>, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

fn bytes(hex: &[u8]) -> Option<[u8; BYTES]> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; BYTES];
    if hex.len() != 2 * BYTES {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = u8::try_from(16 * digit(pair[0])? + digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;

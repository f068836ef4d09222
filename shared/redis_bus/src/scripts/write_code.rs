//! What the scripts that write to a stream answer.

use prynai_bus::{BusError, Refusal};

/// What `append_events.lua`, `finish.lua` and `take_over.lua` answer: a write was done, or why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteCode {
    Done = 0,
    /// Another delivery owns the stream, or the log is gone.
    LostOwnership = 1,
    Cancelled = 2,
    /// The stream has its response, or is another entry's.
    Finished = 3,
    LogFull = 4,
}

impl WriteCode {
    /// What a script answers about each of so many writes.
    ///
    /// # Errors
    ///
    /// When it answers something else.
    pub(crate) fn read(codes: &[i64], writes: usize) -> Result<Vec<Result<(), Refusal>>, BusError> {
        if codes.len() != writes {
            let wrong = format!("{} answers about {writes} writes", codes.len());
            return Err(BusError::Unexpected(wrong));
        }
        let codes = codes.iter();
        codes
            .map(|code| Ok(Self::try_from(*code)?.into()))
            .collect()
    }
}

impl TryFrom<i64> for WriteCode {
    type Error = BusError;

    fn try_from(code: i64) -> Result<Self, BusError> {
        Ok(match code {
            0 => Self::Done,
            1 => Self::LostOwnership,
            2 => Self::Cancelled,
            3 => Self::Finished,
            4 => Self::LogFull,
            other => return Err(unknown_code(other)),
        })
    }
}

impl From<WriteCode> for Result<(), Refusal> {
    fn from(code: WriteCode) -> Self {
        match code {
            WriteCode::Done => Ok(()),
            WriteCode::LostOwnership => Err(Refusal::LostOwnership),
            WriteCode::Cancelled => Err(Refusal::Cancelled),
            WriteCode::Finished => Err(Refusal::Finished),
            WriteCode::LogFull => Err(Refusal::LogFull),
        }
    }
}

/// A script answered with a code that its header does not name.
pub(crate) fn unknown_code(code: i64) -> BusError {
    BusError::Unexpected(format!("a script returned the unknown code {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_meaning() {
        for code in 0..=4 {
            assert_eq!(WriteCode::try_from(code).unwrap() as i64, code);
        }
        for code in [-1, 5] {
            assert!(WriteCode::try_from(code).is_err(), "{code}");
        }
    }
}

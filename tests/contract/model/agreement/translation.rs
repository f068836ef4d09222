//! What a real bus says, in the words of the model.

use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::{LogState, Refusal, TakeOver};

use crate::bus::{Answer, Event, Kind};
use crate::stream::State;

pub(super) fn answer(answer: Result<(), Refusal>) -> Answer {
    match answer {
        Ok(()) => Answer::Done,
        Err(Refusal::LostOwnership) => Answer::Lost,
        Err(Refusal::Cancelled) => Answer::Cancelled,
        Err(Refusal::Finished) => Answer::Finished,
        Err(Refusal::LogFull) => panic!("no log gets full here"),
    }
}

pub(super) fn state(state: LogState) -> State {
    match state {
        LogState::Open => State::Open,
        LogState::Finished => State::Finished,
        LogState::Cancelled => State::Cancelled,
    }
}

pub(super) fn taken_over(taken: TakeOver) -> Answer {
    match taken {
        TakeOver::Taken { newest, .. } => Answer::taken(few(newest)),
        TakeOver::Refused(refusal) => answer(Err(refusal)),
    }
}

pub(super) fn news(event: &StreamEvent) -> Event {
    let kind = match event.kind {
        EventKind::Message => Kind::Message,
        EventKind::Final => Kind::Final,
        EventKind::Cancelled => Kind::Cancelled,
        EventKind::Pause => panic!("nobody pauses here"),
        EventKind::Task => Kind::Task,
    };
    let offset = few(event.offset);
    Event { kind, offset }
}

pub(super) fn few(number: u64) -> u8 {
    u8::try_from(number).expect("a small number")
}

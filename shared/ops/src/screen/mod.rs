//! The live screen of `prynai-ops top`, with the keys of k9s.
//!
//! 1. [`sight`]: what is read for one screen, a bounded number of pages
//! 2. [`listing`]: the rows of a list
//! 3. [`state`]: what is shown, and what a key changes
//! 4. [`draw`]: how it looks
//! 5. [`terminal`]: the terminal, which is given back whatever happens

mod draw;
mod listing;
mod sight;
mod state;
mod terminal;
#[cfg(test)]
mod tests;

use crossterm::event::{Event, EventStream};
use futures::StreamExt;
use futures::future::OptionFuture;
use prynai_bus::operations::Operations;
use tokio::time::{MissedTickBehavior, interval};

use crate::look::Failed;
use crate::settings::{EXIT_AWAY, TopAsked};
use crate::signals::Stop;
use state::{Next, Screen};
use terminal::Terminal;

/// Shows the fleet until somebody wants no more, or the terminal is gone. While Redis is away it says so, and shows
/// what it saw last.
///
/// # Errors
///
/// When there is no fleet, the bus refuses, or the terminal cannot be used.
pub async fn watch(operations: &dyn Operations, asked: &TopAsked) -> Result<(), Failed> {
    let mut screen = Screen::new();
    let first = sight::read(operations, &asked.filter, screen.wanted()).await?;
    screen.saw(first);
    let mut terminal = Terminal::enter().map_err(Failed::Terminal)?;
    let mut keys = EventStream::new();
    let mut ticks = interval(asked.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = Stop::hear();
    // One read at a time, however slow Redis is.
    let mut reading = OptionFuture::from(None);
    let mut is_reading = false;
    loop {
        if terminal
            .draw(|frame| draw::draw(frame, &mut screen))
            .is_err()
        {
            return Ok(());
        }
        let is_due = tokio::select! {
            key = keys.next() => match key {
                Some(Ok(Event::Key(key))) => match screen.press(key) {
                    Next::Quit => return Ok(()),
                    Next::Look => true,
                    Next::Nothing => false,
                },
                Some(Ok(_)) => false,
                Some(Err(_)) | None => return Ok(()),
            },
            _ = ticks.tick() => true,
            Some(seen) = &mut reading, if is_reading => {
                is_reading = false;
                match seen {
                    Ok(sight) => screen.saw(sight),
                    Err(failed) => told(&mut screen, failed)?,
                }
                // Another view may be wanted since.
                !screen.is_seen()
            }
            () = stop.told() => return Ok(()),
        };
        if is_due && !is_reading {
            let read = sight::read(operations, &asked.filter, screen.wanted());
            reading = OptionFuture::from(Some(Box::pin(read)));
            is_reading = true;
        }
    }
}

/// What passes is told on the screen.
fn told(screen: &mut Screen, failed: Failed) -> Result<(), Failed> {
    match failed.code() {
        EXIT_AWAY => screen.failed(&failed.to_string()),
        _ => return Err(failed),
    }
    Ok(())
}

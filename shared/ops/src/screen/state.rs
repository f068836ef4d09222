//! What is shown, and what a key changes.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use prynai_bus::operations::CallName;
use tokio::time::Instant;

use super::listing::{Listing, Row, VIEWS, View};
use super::sight::{List, Sight, Wanted};
use crate::look::Shown;

/// Characters that may be typed.
const LONGEST_INPUT: usize = 64;

/// Lines that a page of the screen moves on.
const PAGE: usize = 10;

/// What is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// Keys do something at once.
    Keys,
    /// The filter, while it is written.
    Filter,
    /// The name of a list, after `:`.
    Command(String),
}

/// What happens after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    /// Something else is wanted, so look now.
    Look,
    Quit,
}

/// The screen.
pub(super) struct Screen {
    pub(super) view: View,
    /// The call whose details are shown.
    pub(super) call: Option<CallName>,
    pub(super) filter: String,
    pub(super) input: Input,
    pub(super) has_help: bool,
    pub(super) seen: Option<Sight>,
    pub(super) seen_at: Instant,
    /// Why there is nothing newer.
    pub(super) failure: Option<String>,
    /// What was wrong with a command.
    pub(super) said: Option<String>,
    selected: usize,
    selected_name: Option<String>,
    /// The first line of the details.
    pub(super) scrolled: usize,
}

// === impl Screen ===

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            view: View::Queue,
            call: None,
            filter: String::new(),
            input: Input::Keys,
            has_help: false,
            seen: None,
            seen_at: Instant::now(),
            failure: None,
            said: None,
            selected: 0,
            selected_name: None,
            scrolled: 0,
        }
    }

    /// What to look at next.
    pub(super) fn wanted(&self) -> Wanted {
        match (&self.call, self.view) {
            (Some(call), _) => Wanted::Call(call.clone()),
            (None, View::Queue) => Wanted::Queue,
            (None, View::Workers | View::Gateways) => Wanted::Processes,
            (None, View::Dead) => Wanted::Dead,
        }
    }

    pub(super) fn saw(&mut self, sight: Sight) {
        self.seen = Some(sight);
        self.seen_at = Instant::now();
        self.failure = None;
    }

    /// Whether what is wanted was seen.
    pub(super) fn is_seen(&self) -> bool {
        let wanted = self.wanted();
        self.seen.as_ref().is_some_and(|seen| seen.wanted == wanted)
    }

    pub(super) fn failed(&mut self, why: &str) {
        self.failure = Some(why.to_owned());
    }

    /// The details of a call in lines, if they are wanted and were seen.
    pub(super) fn details(&self, width: usize) -> Option<String> {
        self.call.as_ref()?;
        match &self.seen.as_ref().filter(|_| self.is_seen())?.list {
            List::Call(call) => Some(call.words(Some(width))),
            List::NoCall(why) => Some(crate::show::point(why, Some(width))),
            _ => None,
        }
    }

    /// The rows of the list that the filter lets through; `None` while another one is awaited.
    pub(super) fn listing(&self) -> Option<Listing> {
        let seen = self.seen.as_ref()?;
        let mut listing = Listing::of(seen, self.view)?;
        listing.keep(&self.filter);
        Some(listing)
    }

    /// The number of the selected row: that of its name, or where it was.
    pub(super) fn selection(&mut self, rows: &[Row]) -> usize {
        let name = self.selected_name.as_ref();
        let at = name.and_then(|name| rows.iter().position(|row| row.name == *name));
        self.selected = at
            .unwrap_or(self.selected)
            .min(rows.len().saturating_sub(1));
        self.selected
    }

    /// Does what a key says.
    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Nothing;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Next::Quit,
                KeyCode::Char('f') => self.moved(PAGE as isize),
                KeyCode::Char('b') => self.moved(-(PAGE as isize)),
                _ => Next::Nothing,
            };
        }
        self.said = None;
        match self.input {
            Input::Keys => self.key(key.code),
            Input::Filter | Input::Command(_) => self.typed(key.code),
        }
    }

    fn key(&mut self, code: KeyCode) -> Next {
        if self.has_help {
            self.has_help = false;
            return match code {
                KeyCode::Char('q') => Next::Quit,
                _ => Next::Nothing,
            };
        }
        match code {
            KeyCode::Char('q') => Next::Quit,
            KeyCode::Char('?') => {
                self.has_help = true;
                Next::Nothing
            }
            KeyCode::Char('/') if self.call.is_none() => {
                self.input = Input::Filter;
                Next::Nothing
            }
            KeyCode::Char(':') => {
                self.input = Input::Command(String::new());
                Next::Nothing
            }
            KeyCode::Char(digit @ '1'..='4') => {
                let (view, _) = VIEWS[digit as usize - '1' as usize];
                self.show(view)
            }
            KeyCode::Char('j') | KeyCode::Down => self.moved(1),
            KeyCode::Char('k') | KeyCode::Up => self.moved(-1),
            KeyCode::PageDown => self.moved(PAGE as isize),
            KeyCode::PageUp => self.moved(-(PAGE as isize)),
            KeyCode::Char('g') | KeyCode::Home => self.moved(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => self.moved(isize::MAX),
            KeyCode::Enter => self.open(),
            KeyCode::Esc => self.back(),
            _ => Next::Nothing,
        }
    }

    fn typed(&mut self, code: KeyCode) -> Next {
        let text = match &mut self.input {
            Input::Command(command) => command,
            _ => &mut self.filter,
        };
        match code {
            KeyCode::Char(c) if text.chars().count() < LONGEST_INPUT => text.push(c),
            KeyCode::Backspace => {
                text.pop();
            }
            KeyCode::Esc => {
                text.clear();
                self.input = Input::Keys;
            }
            KeyCode::Enter => {
                let input = std::mem::replace(&mut self.input, Input::Keys);
                if let Input::Command(command) = input {
                    return self.command(command.trim());
                }
            }
            _ => {}
        }
        Next::Nothing
    }

    /// The beginning of a list's name is enough.
    fn command(&mut self, command: &str) -> Next {
        if command.is_empty() {
            return Next::Nothing;
        }
        if ["q", "quit"].contains(&command) {
            return Next::Quit;
        }
        let named = VIEWS.iter().find(|(_, name)| name.starts_with(command));
        match named {
            Some((view, _)) => self.show(*view),
            None => {
                self.said = Some(format!("there is no list {command:?}"));
                Next::Nothing
            }
        }
    }

    fn show(&mut self, view: View) -> Next {
        self.view = view;
        self.call = None;
        self.filter.clear();
        (self.selected, self.selected_name) = (0, None);
        Next::Look
    }

    fn moved(&mut self, by: isize) -> Next {
        if self.call.is_some() {
            self.scrolled = self.scrolled.saturating_add_signed(by);
            return Next::Nothing;
        }
        if let Some(listing) = self.listing() {
            let at = self.selection(&listing.rows).saturating_add_signed(by);
            self.selected = at.min(listing.rows.len().saturating_sub(1));
            let row = listing.rows.get(self.selected);
            self.selected_name = row.map(|row| row.name.clone());
        }
        Next::Nothing
    }

    /// The details of a call, or the requests of a worker.
    fn open(&mut self) -> Next {
        let Some(listing) = self.listing().filter(|_| self.call.is_none()) else {
            return Next::Nothing;
        };
        let selected = self.selection(&listing.rows);
        let Some(row) = listing.rows.get(selected) else {
            return Next::Nothing;
        };
        match (&row.call, self.view) {
            (Some(call), _) => {
                self.call = Some(call.clone());
                self.selected_name = Some(row.name.clone());
                self.scrolled = 0;
                Next::Look
            }
            (None, View::Workers) => {
                let worker = row.name.clone();
                let next = self.show(View::Queue);
                self.filter = worker;
                next
            }
            (None, _) => Next::Nothing,
        }
    }

    fn back(&mut self) -> Next {
        if self.call.take().is_some() {
            return Next::Look;
        }
        self.filter.clear();
        Next::Nothing
    }
}

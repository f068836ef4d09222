//! What is asked for of dead letters.

use std::str::FromStr;

use clap::{Args, Subcommand};
use prynai_bus::ids::EntryId;
use prynai_bus::operations::CallName;
use prynai_operations::look::letters;

/// What to do with dead letters.
#[derive(Debug, Subcommand)]
pub enum DeadAsk {
    /// The dead letters, newest first
    List(LetterFilter),
    /// One of them
    Show(LetterAsked),
    /// Runs a request once more, for its own caller, and waits for its end. It has as much time as its gateway gave it.
    /// It is signed anew: where the fleet has an envelope key, give it
    Replay(ReplayAsked),
    /// Removes dead letters
    Drop(DropAsked),
}

/// Which dead letters.
#[derive(Debug, Default, Args)]
pub struct LetterFilter {
    /// Only of this tool, prompt or resource.
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// Only of this caller.
    #[arg(long, value_name = "SUBJECT")]
    pub principal: Option<String>,
    /// Most dead letters that are shown, 1 to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

/// A dead letter, as `prynai-ops dead list` names it.
#[derive(Debug, Clone)]
pub struct LetterName(EntryId);

/// Which dead letter is shown.
#[derive(Debug, Args)]
pub struct LetterAsked {
    /// Its name, as `prynai-ops dead list` shows it.
    pub letter: LetterName,
    /// Shows what the client sent, too.
    #[arg(long)]
    pub message: bool,
}

/// Which dead letter runs once more.
#[derive(Debug, Args)]
pub struct ReplayAsked {
    /// Its name, as `prynai-ops dead list` shows it.
    pub letter: LetterName,
    /// Shows the response, if it is not large.
    #[arg(long)]
    pub response: bool,
    /// Does not ask.
    #[arg(long)]
    pub yes: bool,
}

/// Which dead letters are removed.
#[derive(Debug, Args)]
pub struct DropAsked {
    /// Their names, as `prynai-ops dead list` shows them.
    #[arg(required_unless_present = "all", num_args = 1..=100)]
    pub letters: Vec<LetterName>,
    /// All that are there now.
    #[arg(long, conflicts_with = "letters")]
    pub all: bool,
    /// Does not ask.
    #[arg(long)]
    pub yes: bool,
}

impl LetterFilter {
    /// Which dead letters are asked for.
    pub fn wanted(&self) -> letters::LetterFilter {
        letters::LetterFilter {
            tool: self.tool.clone(),
            principal: self.principal.clone(),
        }
    }
}

impl LetterName {
    /// Its place among the dead letters.
    pub fn id(&self) -> &EntryId {
        &self.0
    }
}

impl FromStr for LetterName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(CallName::Entry(entry)) => Ok(Self(entry)),
            _ => Err("write it as prynai-ops dead list does, such as 1785000000000-0".to_owned()),
        }
    }
}

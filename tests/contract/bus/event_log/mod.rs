//! [`EventLog`](prynai_bus::EventLog): the log is the truth, publication carries the news.

mod copies;
mod groups;
mod holder;
mod ownership;
mod reading;
mod retention;
mod writing;

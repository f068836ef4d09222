//! Clients of every kind: an SDK, web pages, people with a browser, and those that do not write quite what they should.

mod bad_input;
mod cors;
mod front_page;
mod lenient;
mod rmcp_client;

//! Clients of every kind: an SDK, web pages, and those that do not write quite what they should.

mod bad_input;
mod cors;
mod lenient;
mod rmcp_client;

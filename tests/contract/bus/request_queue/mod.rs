//! [`RequestQueue`](prynai_bus::RequestQueue): at least once, oldest first.

mod claims;
mod dead_letters;
mod entries;
mod finishes;
mod leases;

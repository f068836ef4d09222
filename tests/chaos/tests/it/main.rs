//! Short runs of what `scripts/chaos` and `prynai-chaos` do for long.

mod crowd;
mod short_runs;

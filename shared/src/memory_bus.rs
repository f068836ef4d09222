//! The ports inside one process.

//! The clients, and what stands before them.

pub mod balancer;
pub mod http;
pub mod legacy;
pub mod load;
pub mod modern;
pub mod observer;
pub mod record;
pub mod tasks;

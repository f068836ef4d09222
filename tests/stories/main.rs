//! What clients, operators and attackers meet at a whole fleet of real processes: one module per story, one folder per
//! concern.

mod calls;
mod clients;
mod faults;
mod hostile;
mod identity;
mod load;
mod operations;
mod streams;

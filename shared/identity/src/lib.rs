//! Who a process is for Microsoft Entra ID, as its platform says it: tokens without a secret.
//!
//! 1. [`Identity`]: who the process is; environment variables of the platform say it
//! 2. [`Asker`]: asks for its tokens, and for what proves that the process is an application that trusts it

mod ask;
mod identity;

pub use ask::Asker;
pub use identity::Identity;
